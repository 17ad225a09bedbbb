"""What a user may set, read once by a face and passed down; nobody else reads the environment."""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from bindery.errors import InvalidValue
from bindery.models.secret import Secret

_DEFAULT_HUB = "https://huggingface.co"
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is set from outside.

    ``home`` holds models and files. ``hub`` is where models are fetched from and ``token`` opens
    gated ones. ``models_folder`` is a folder of the user's own that is asked before the hub, and
    ``catalog`` a TOML file with further models. ``threads`` None means every core.
    """

    home: Path
    hub: str = _DEFAULT_HUB
    token: Secret | None = None
    models_folder: Path | None = None
    catalog: Path | None = None
    precision: str = "auto"
    engine: str = "auto"
    device: str = "auto"
    threads: int | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    upload_limit_bytes: int = 200 * _MEGABYTE
    parse_timeout_s: float = 30.0


VARIABLES: Mapping[str, str] = {
    "BINDERY_HOME": "the folder that holds models and files",
    "BINDERY_MODELS": "a folder of your own with models in it, asked before the hub",
    "BINDERY_CATALOG": "a TOML file with further models",
    "BINDERY_PRECISION": "what models compute in: auto, f32, bf16 or int8",
    "BINDERY_ENGINE": "what runs models: auto, openvino or torch",
    "BINDERY_DEVICE": "what models run on: auto, cpu, cuda, cuda:0 and so on, or mps",
    "BINDERY_THREADS": "how many cores to use; all by default",
    "BINDERY_HOST": "the address to serve on; 127.0.0.1 by default",
    "BINDERY_PORT": "the port to serve on; 8000 by default",
    "BINDERY_UPLOAD_LIMIT_MB": "the largest file taken, in MB; 200 by default",
    "BINDERY_PARSE_TIMEOUT_S": "how long parsing one document may take; 30 by default",
    "HF_ENDPOINT": "where models are fetched from",
    "HF_TOKEN": "opens gated models; never shown",
}
"""Every variable of the environment that Bindery reads, and what it sets."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that the environment gives. Raises InvalidValue naming the variable at fault."""
    stripped = {name: environment.get(name, "").strip() for name in VARIABLES}
    values = {name: value for name, value in stripped.items() if value}
    home = values.get("BINDERY_HOME")
    token = values.get("HF_TOKEN")
    defaults = Settings(home=Path(home) if home else platformdirs.user_data_path("bindery"))
    port = _integer(values, "BINDERY_PORT", least=0, most=65535)
    megabytes = _integer(values, "BINDERY_UPLOAD_LIMIT_MB", least=1)
    return Settings(
        home=defaults.home.expanduser().absolute(),
        hub=values.get("HF_ENDPOINT", defaults.hub).rstrip("/"),
        token=Secret(token, name="HF_TOKEN") if token else None,
        models_folder=_path(values, "BINDERY_MODELS"),
        catalog=_path(values, "BINDERY_CATALOG"),
        precision=values.get("BINDERY_PRECISION", defaults.precision),
        engine=values.get("BINDERY_ENGINE", defaults.engine),
        device=values.get("BINDERY_DEVICE", defaults.device),
        threads=_integer(values, "BINDERY_THREADS", least=1),
        host=values.get("BINDERY_HOST", defaults.host),
        port=defaults.port if port is None else port,
        upload_limit_bytes=megabytes * _MEGABYTE if megabytes else defaults.upload_limit_bytes,
        parse_timeout_s=_seconds(values, "BINDERY_PARSE_TIMEOUT_S") or defaults.parse_timeout_s,
    )


def take_settings(environment: MutableMapping[str, str]) -> Settings:
    """The same, and the token is taken out, so that no process started from here inherits it."""
    settings = read_settings(environment)
    environment.pop("HF_TOKEN", None)
    return settings


def read_keys(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, Secret]:
    """The keys of remote models, by the variables that their rows name; those that are set."""
    values = {name: environment.get(name, "").strip() for name in names}
    return {name: Secret(value, name=name) for name, value in values.items() if value}


def _path(values: Mapping[str, str], name: str) -> Path | None:
    return Path(values[name]).expanduser().absolute() if name in values else None


def _integer(
    values: Mapping[str, str], name: str, *, least: int, most: int | None = None
) -> int | None:
    if name not in values:
        return None
    value = int(values[name]) if values[name].isdecimal() else None
    if value is None or value < least or (most is not None and value > most):
        raise InvalidValue(
            f"{name} is {values[name]!r}.",
            remedy=f"Set it to a number from {least} {'up' if most is None else f'to {most}'}.",
            param=name,
        )
    return value


def _seconds(values: Mapping[str, str], name: str) -> float | None:
    if name not in values:
        return None
    try:
        seconds = float(values[name])
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InvalidValue(
            f"{name} is {values[name]!r}.", remedy="Set it to a number of seconds.", param=name
        )
    return seconds
