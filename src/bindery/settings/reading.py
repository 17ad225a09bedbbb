"""Reads settings: from flags, the environment, a .env file, the settings file, or the defaults."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs

from bindery.errors import InvalidValue
from bindery.secret import Secret
from bindery.settings.fields import (
    CONFIG_VARIABLE,
    ENV_FILE_VARIABLE,
    FIELDS,
    PREFIX,
    VARIABLES,
    Field,
    Settings,
)

CONFIG_NAME = "bindery.toml"
ENV_FILE_NAME = ".env"

_BY_KEY = {field.key: field for field in FIELDS.values()}


@dataclass(frozen=True, slots=True)
class Found:
    """Settings, and where each comes from. ``file`` is the settings file, if one was read."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None = None

    def origin(self, name: str) -> str:
        """Where a field's value comes from: ``"flag --port"``, ``"default"`` and so on."""
        return self.origins.get(name, "default")

    def shown(self, name: str) -> str:
        """A field's value as a user would write it. For a secret, only whether it is set."""
        return FIELDS[name].shown(getattr(self.settings, name))

    def facts(self) -> list[dict[str, str | None]]:
        """Every setting for JSON; a secret has no flag."""
        return [
            {
                "key": field.key,
                "value": self.shown(name),
                "origin": self.origin(name),
                "variable": field.variable,
                "flag": None if field.is_secret else field.flag,
            }
            for name, field in FIELDS.items()
        ]


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings from the environment and the file. Raises like :func:`find_settings`."""
    return find_settings(environment).settings


def find_settings(
    environment: Mapping[str, str],
    *,
    flags: Mapping[str, str | None] | None = None,
    config: Path | None = None,
    env_file: Path | None = None,
) -> Found:
    """Every setting from the first place that has it: flags, environment, files, default.

    ``flags`` holds texts by field; None means not given. ``env_file`` has lines as in a shell, else
    the one that ``BINDERY_ENV_FILE`` names, else ``.env`` in the working folder if it exists. The
    settings file is ``config``, else the one that ``BINDERY_CONFIG`` names, else ``bindery.toml``
    in the home folder if it exists. A token is also taken from where the Hub's own tool keeps it.

    Raises InvalidValue, naming the flag, the variable or the line of the file.
    """
    found: dict[str, tuple[object, str]] = {}

    def take(given: Iterable[tuple[Field, str, str]]) -> None:
        for field, text, origin in given:
            value = _parsed(field, text, origin)
            found.setdefault(field.name, (value, origin))

    take(_from_flags(flags or {}))
    take(_from_environment(environment))
    take(_from_env_file(environment, env_file))
    home = platformdirs.user_data_path("bindery").absolute()
    found_home = found.get("home", (home, ""))[0]
    assert isinstance(found_home, Path)
    file = _config_file(environment, config, found_home)
    if file is not None:
        take(_from_file(file))
    if "token" not in found and "hub" not in found:
        take(_from_tool(environment))
    values: dict[str, Any] = {"home": home, **{name: value for name, (value, _) in found.items()}}
    origins = MappingProxyType({name: origin for name, (_, origin) in found.items()})
    return Found(Settings(**values), origins, file)


def take_settings(
    environment: MutableMapping[str, str],
    *,
    flags: Mapping[str, str | None] | None = None,
    config: Path | None = None,
    env_file: Path | None = None,
) -> Found:
    """Like :func:`find_settings`; also remove the token, so that no child process inherits it."""
    found = find_settings(environment, flags=flags, config=config, env_file=env_file)
    environment.pop("HF_TOKEN", None)
    return found


def read_keys(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, Secret]:
    """The keys of remote models that are set, by the variable that holds each."""
    values = {name: environment.get(name, "").strip() for name in names}
    return {name: Secret(value, name=name) for name, value in values.items() if value}


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """``BINDERY_*`` variables that are not settings, each with a hint for the user."""
    unknown = [name for name in environment if name.startswith(PREFIX) and name not in VARIABLES]
    near = {name: _nearest(name.removeprefix(PREFIX).lower(), _BY_KEY) for name in sorted(unknown)}
    return {name: _hint(_BY_KEY[key].variable if key else "") for name, key in near.items()}


def _from_flags(flags: Mapping[str, str | None]) -> Iterator[tuple[Field, str, str]]:
    for name, text in flags.items():
        if text is not None:
            field = FIELDS[name]
            yield field, text, f"flag {field.flag}"


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[Field, str, str]]:
    for field in FIELDS.values():
        if text := environment.get(field.variable, "").strip():
            yield field, text, f"environment {field.variable}"


def _from_env_file(
    environment: Mapping[str, str], env_file: Path | None
) -> Iterator[tuple[Field, str, str]]:
    """The token and the ``BINDERY_*`` variables of a file; others are for other programs."""
    named = environment.get(ENV_FILE_VARIABLE, "").strip()
    file = (env_file or Path(named or ENV_FILE_NAME)).expanduser().absolute()
    if not (env_file or named or file.is_file()):
        return
    # It takes 20 ms to import, and most commands have no such file.
    from dotenv import dotenv_values

    content = StringIO(_read(file, f"--env-file or {ENV_FILE_VARIABLE}"))
    values = dotenv_values(stream=content, interpolate=False)
    for field in FIELDS.values():
        text = (values.get(field.variable) or "").strip()
        if text and (field.variable.startswith(PREFIX) or field.is_secret):
            yield field, text, f"file {file}"


def _from_tool(environment: Mapping[str, str]) -> Iterator[tuple[Field, str, str]]:
    """The token that ``hf auth login`` keeps: huggingface_hub's HF_TOKEN_PATH and HF_HOME."""
    cache = Path(environment.get("XDG_CACHE_HOME", "").strip() or "~/.cache") / "huggingface"
    home = Path(environment.get("HF_HOME", "").strip() or cache)
    file = Path(environment.get("HF_TOKEN_PATH", "").strip() or home / "token").expanduser()
    with suppress(OSError, UnicodeDecodeError):
        if text := file.read_text(encoding="utf-8").strip():
            yield FIELDS["token"], text, f"file {file}"


def _from_file(file: Path) -> Iterator[tuple[Field, str, str]]:
    content = _read(file, f"--config or {CONFIG_VARIABLE}")
    for key, value in _parsed_toml(file, content).items():
        origin = f"file {file}{_line(content, key)}"
        field = _BY_KEY.get(key)
        if field is None:
            near = _nearest(key, _BY_KEY)
            raise InvalidValue(
                f"Unknown setting {key!r} ({origin}).",
                remedy=_hint(near),
                param=key,
            )
        if field.is_secret:
            raise InvalidValue(
                f"{key} must not be set in a file ({origin}): files are copied and committed.",
                remedy=f"Remove it from the file, revoke it if others could read it, and set "
                f"{field.variable} in the environment.",
                param=key,
            )
        yield field, _as_text(value), origin


def _parsed(field: Field, text: str, origin: str) -> object:
    source, _, name = origin.partition(" ")
    param = field.key if source == "file" else name
    try:
        return field.kind.parse(text)
    except ValueError:
        where = f" ({origin})" if source == "file" else ""
        raise InvalidValue(
            f"{param} must be {field.kind.expects}, got {text!r}{where}.", param=param
        ) from None


def _config_file(environment: Mapping[str, str], config: Path | None, home: Path) -> Path | None:
    named = environment.get(CONFIG_VARIABLE, "").strip()
    if config is None and not named:
        # Not in the working directory: a folder's author must not decide where the server listens.
        usual = home / CONFIG_NAME
        return usual if usual.is_file() else None
    return (config or Path(named)).expanduser().absolute()


def _read(file: Path, named_by: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidValue(
            f"The settings file {file} cannot be read: {error.strerror}.",
            remedy=f"Check the path in {named_by}, and the file's permissions.",
            param="config",
        ) from None
    except UnicodeDecodeError:
        raise InvalidValue(
            f"The settings file {file} is not UTF-8.", remedy="Save it as UTF-8.", param="config"
        ) from None


def _parsed_toml(file: Path, content: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(content)
    except (ValueError, RecursionError) as error:  # of int, too, for numbers with too many digits
        raise InvalidValue(
            f"The settings file {file} is not TOML: {error}.",
            remedy="Write one `key = value` per line.",
            param="config",
        ) from None


def _as_text(value: object) -> str:
    """A value of the file, written as in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(value).strip()


def _line(content: str, key: str) -> str:
    written = re.search(rf"""^[ \t]*\[?["']?{re.escape(key)}["']?[ \t]*[=.\]]""", content, re.M)
    return f", line {content.count(chr(10), 0, written.start()) + 1}" if written else ""


def _hint(near: str) -> str:
    return f"Did you mean {near}?" if near else "`bindery settings` lists all settings."


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1)), "")
