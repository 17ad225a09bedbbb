"""One table of settings, from which flags, variables, keys of the file and the manual are made."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindery.secret import Secret

CONFIG_VARIABLE = "BINDERY_CONFIG"
ENV_FILE_VARIABLE = "BINDERY_ENV_FILE"
PREFIX = "BINDERY_"

_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """The value of every setting; ``FIELDS`` describes each."""

    home: Path
    hub: str = "https://huggingface.co"
    token: Secret | None = None
    models_folder: Path | None = None
    catalog: Path | None = None
    precision: str = "auto"
    engine: str = "auto"
    device: str = "auto"
    threads: int | None = None
    database_url: str = ""
    blobs_url: str = ""
    memory_budget_bytes: int | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    mcp_writes: bool = False
    insecure: bool = False
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    token_input: str = "cl100k"  # noqa: S105 - no password
    request_timeout_s: float = 120.0
    header_timeout_s: float = 10.0
    body_timeout_s: float = 10.0
    body_limit_bytes: int = 16 * _MEGABYTE
    upload_limit_bytes: int = 200 * _MEGABYTE
    parse_timeout_s: float = 30.0
    max_requests: int = 1024
    queue_tokens: int = 49_152
    cache_bytes: int = 64 * _MEGABYTE
    shares_cache: bool = False
    drain_delay_s: float = 1.0
    drain_timeout_s: float = 30.0
    log_format: str = "auto"
    log_level: str = "info"
    otel_endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is written. ``parse`` raises ValueError for invalid text."""

    word: str
    expects: str
    parse: Callable[[str], object]
    show: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class Field:
    """A setting. The names of its flag and variable are derived from ``key``, its key in the file.

    ``name`` is the field of Settings if it differs from the key: sizes are set in megabytes and
    kept in bytes.
    """

    key: str
    kind: Kind
    help: str
    name: str = ""
    variable: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.key)
        object.__setattr__(self, "variable", self.variable or PREFIX + self.key.upper())

    @property
    def flag(self) -> str:
        """The option of ``bindery serve`` for it."""
        return f"--{self.key.replace('_', '-')}"

    @property
    def is_secret(self) -> bool:
        """Whether it is only read from the environment, and never shown."""
        return self.kind is _TOKEN

    @property
    def default(self) -> object:
        """The value if nothing sets it. None for the home folder, whose default is the user's."""
        (found,) = (one for one in dataclasses.fields(Settings) if one.name == self.name)
        return None if found.default is dataclasses.MISSING else found.default

    def shown(self, value: object) -> str:
        """A value as a user would write it. For a secret, only whether it is set."""
        if self.is_secret:
            return "absent" if value is None else "present"
        return "none" if value in (None, (), "") else self.kind.show(value)


def _whole(least: int, most: int | None = None, *, scale: int = 1) -> Kind:
    def parse(text: str) -> int:
        value = int(text) if text.isdecimal() and len(text) < 20 else -1
        if value < least or (most is not None and value > most):
            raise ValueError
        return value * scale

    end = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Kind("number", f"a whole number {end}", parse, lambda value: str(value // scale))


def _seconds(*, may_be_zero: bool = False) -> Kind:
    def parse(text: str) -> float:
        value = float(text)
        if not 0 <= value < float("inf") or (value == 0 and not may_be_zero):
            raise ValueError
        return value

    expects = "a number of seconds of at least 0" if may_be_zero else "a number of seconds above 0"
    return Kind("seconds", expects, parse, lambda value: f"{value:g}")


def _choice(*names: str) -> Kind:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError
        return text

    return Kind("name", f"one of {', '.join(names)}", parse)


def _switch(text: str) -> bool:
    word = text.lower()
    if word not in (yes := ("true", "yes", "on", "1")) and word not in ("false", "no", "off", "0"):
        raise ValueError
    return word in yes


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _without_secrets(address: str) -> str:
    """An address without its user, password and query, which may hold secrets."""
    return re.sub(r"//[^/]*@", "//hidden@", re.sub(r"[?#].*", "?hidden", address))


_TEXT = Kind("name", "a name", str)
_TOKEN = Kind("token", "a token", lambda text: Secret(text, name="HF_TOKEN"))
_PATH = Kind("path", "a path", lambda text: Path(text).expanduser().absolute())
_ADDRESS = Kind("address", "an address", lambda text: text.rstrip("/"), _without_secrets)
_SWITCH = Kind("", "true or false", _switch, lambda value: str(value).lower())
_NAMES = Kind("names", "names separated by commas", _names, ", ".join)
_MEGABYTES = _whole(1, scale=_MEGABYTE)
_SOME_MEGABYTES = _whole(0, scale=_MEGABYTE)
_TOKEN_INPUTS = _choice("cl100k", "model", "reject")
_LOG_FORMATS = _choice("auto", "console", "json")
_LOG_LEVELS = _choice("debug", "info", "warning", "error")

GROUPS: Mapping[str, tuple[Field, ...]] = {
    "Models": (
        Field("home", _PATH, "folder for models, files and the database"),
        Field(
            "models", _PATH, "folder with your own models, searched before the hub", "models_folder"
        ),
        Field("catalog", _PATH, "TOML file that adds models"),
        Field("hub", _ADDRESS, "hub that models are fetched from", variable="HF_ENDPOINT"),
        Field("token", _TOKEN, "token for gated models; never shown", variable="HF_TOKEN"),
        Field("precision", _TEXT, "auto, f32, bf16 or int8"),
        Field("engine", _TEXT, "auto, openvino or torch"),
        Field("device", _TEXT, "auto, cpu, mps, cuda or cuda:N"),
        Field("threads", _whole(1), "CPU cores to use; default: all"),
        Field(
            "memory_budget_mb",
            _MEGABYTES,
            "most memory for loaded models; default: no limit",
            "memory_budget_bytes",
        ),
    ),
    "Storage": (
        Field("database_url", _ADDRESS, "postgresql://...; default: SQLite in the home folder"),
        Field(
            "blobs_url", _ADDRESS, "s3://bucket/prefix for uploaded files; default: the home folder"
        ),
    ),
    "Server": (
        Field("host", _TEXT, "address to listen on"),
        Field("port", _whole(0, 65535), "port to listen on; 0 picks a free one"),
        Field(
            "public_url",
            _ADDRESS,
            "address of this server in links; default: the one that a client uses",
        ),
        Field("mcp_writes", _SWITCH, "let assistants add and remove documents (MCP)"),
        Field("insecure", _SWITCH, "serve other machines without API keys"),
        Field("allowed_hosts", _NAMES, "more host names that clients may use for the server"),
        Field("cors_origins", _NAMES, "origins whose web pages may call the server"),
        Field(
            "token_input",
            _TOKEN_INPUTS,
            "how to read token ids in requests: cl100k, model or reject",
        ),
    ),
    "Limits": (
        Field("request_timeout_s", _seconds(), "longest time to answer a request"),
        Field("header_timeout_s", _seconds(), "longest time for a request's headers to arrive"),
        Field("body_timeout_s", _seconds(), "longest pause while a request's body arrives"),
        Field(
            "body_limit_mb", _MEGABYTES, "largest request body, except uploads", "body_limit_bytes"
        ),
        Field("upload_limit_mb", _MEGABYTES, "largest uploaded file", "upload_limit_bytes"),
        Field("parse_timeout_s", _seconds(), "longest time to parse a document"),
        Field("max_requests", _whole(1), "requests at a time; more get 503"),
        Field("queue_tokens", _whole(1), "tokens that may wait for a model; more get 503"),
        Field(
            "cache_mb",
            _SOME_MEGABYTES,
            "memory for cached vectors; 0 turns the cache off",
            "cache_bytes",
        ),
        Field("shares_cache", _SWITCH, "share cached vectors between API keys"),
    ),
    "Shutdown": (
        Field(
            "drain_delay_s",
            _seconds(may_be_zero=True),
            "how long to report not ready but still serve",
        ),
        Field("drain_timeout_s", _seconds(), "longest time from SIGTERM to the end"),
    ),
    "Logs": (
        Field("log_format", _LOG_FORMATS, "auto, console or json"),
        Field("log_level", _LOG_LEVELS, "debug, info, warning or error"),
        Field(
            "otel_endpoint",
            _ADDRESS,
            "where to send traces (OTLP over HTTP)",
            variable="OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
    ),
}
"""Every setting, grouped as in the help and the manual."""

FIELDS: Mapping[str, Field] = {field.name: field for group in GROUPS.values() for field in group}
"""Every setting by its field of Settings."""

VARIABLES: Mapping[str, str] = {
    CONFIG_VARIABLE: "settings file",
    ENV_FILE_VARIABLE: "file with variables, in the working folder by default",
    **{field.variable: field.help for field in FIELDS.values()},
}
"""Every environment variable that Bindery reads, and what it sets."""
