"""Models that a user adds to the catalog, in a TOML file.

::

    [models.bge-small]
    family = "dense"                        # dense, matryoshka or late-interaction
    repository = "BAAI/bge-small-en-v1.5"
    revision = "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"
    dimensions = 384
    max_tokens = 512
    pooling = "cls"                         # or mean, lasttoken, ...; a list concatenates them
    licence = "mit"                         # this and everything below is optional

    [models.bge-small.prompts]
    query = "Represent this sentence for searching relevant passages: "

    [models.bge-small.files]                # path = its SHA-256, or "" if not known
    "config.json" = ""
    "model.safetensors" = "..."

    [models.small]                          # a row with a vendor is a remote model
    vendor = "openai"                       # or any compatible server; or cohere, voyage
    base_url = "https://api.openai.com/v1"
    model = "text-embedding-3-small"        # the vendor's name for it
    key = "OPENAI_API_KEY"                  # the environment variable with the key, not the key
    dimensions = 1536
    nested_dimensions = [1024, 512, 256]
    max_tokens = 8191

Without ``files``, the usual layout of sentence-transformers is assumed, without digests. Both kinds
of row may have ``prompts``, ``title_prompt``, ``nested_dimensions``, ``normalised`` (true),
``languages`` (ISO 639-1 codes, or "multilingual") and ``licence``. A local model may have
``before_cut``, ``query_max_tokens``, ``gated``, ``mirrors``, ``optional``, ``query_length`` and
``document_length`` (for late interaction, instead of the model's own), and ``wheel`` with ``name``,
``version``, ``sha256`` and ``folder``. A remote model may have the fields of
:class:`bindery.models.endpoint.Endpoint`.
"""

import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar, cast

from bindery.errors import InvalidValue
from bindery.models.card import (
    BeforeCut,
    CatalogEntry,
    Entry,
    Family,
    Lengths,
    ModelCard,
    Pooling,
    Release,
    RemoteEntry,
    Wheel,
)
from bindery.models.catalog import OFTEN_ABSENT, SENTENCE_TRANSFORMERS_FILES
from bindery.models.endpoint import (
    REQUESTS_AT_ONCE,
    TIMEOUT_S,
    TRIES,
    EncodingFormat,
    Endpoint,
    Scalar,
    Vendor,
)

_Value = TypeVar("_Value")
_Default = TypeVar("_Default")


def read_catalog(path: Path) -> Mapping[str, Entry]:
    """The rows of a catalog file by id, in the order of the file; empty if it has none.

    Raises:
        InvalidValue: The file cannot be read, is not TOML, or a row is wrong. The message names the
            file, the row and the key, ``param`` the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValue(f"The catalog {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"The catalog {path} is not valid TOML: {error}.") from error

    top = _Row(content, str(path))
    rows = top.take("models", _table, dict[str, object]())
    top.finish()
    return {name: _entry(name, row, path) for name, row in rows.items()}


def _entry(name: str, value: object, path: Path) -> Entry:
    where = f"{path}, models.{name}"
    row = _Row(_checked(value, _table, where, name), where)
    try:
        entry = _remote(name, row) if row.has("vendor") else _local(name, row)
    except InvalidValue as error:
        if error.message.startswith(str(path)):
            raise
        raise InvalidValue(
            f"{where}: {error.message}", remedy=error.remedy, param=error.param
        ) from error
    row.finish()
    return entry


def _local(name: str, row: "_Row") -> CatalogEntry:
    card = ModelCard(
        id=name,
        family=row.need("family", Family),
        dimensions=row.need("dimensions", _integer),
        max_tokens=row.need("max_tokens", _integer),
        pooling=row.need("pooling", _poolings),
        normalised=row.take("normalised", _boolean, default=True),
        nested_dimensions=row.take("nested_dimensions", _integers, ()),
        before_cut=row.take("before_cut", BeforeCut, BeforeCut.NOTHING),
        query_max_tokens=row.take("query_max_tokens", _integer, None),
        prompts=row.take("prompts", _texts_by_name, dict[str, str]()),
        title_prompt=row.take("title_prompt", _text, ""),
        languages=row.take("languages", _texts, ()),
        repository=row.need("repository", _text),
        revision=row.need("revision", _text),
        licence=row.take("licence", _text, ""),
    )
    lengths = Lengths(
        query=row.take("query_length", _integer, None),
        document=row.take("document_length", _integer, None),
    )
    return CatalogEntry(card, _release(row), lengths=lengths)


def _release(row: "_Row") -> Release:
    files = row.take("files", _texts_by_name, dict.fromkeys(SENTENCE_TRANSFORMERS_FILES, ""))
    usual = not row.has("files")
    wheel = row.take("wheel", _table, None)
    return Release(
        repository=row.need("repository", _text),
        revision=row.need("revision", _text),
        files={path: digest or None for path, digest in files.items()},
        gated=row.take("gated", _boolean, default=False),
        mirrors=row.take("mirrors", _texts, ()),
        wheel=None if wheel is None else _wheel(_Row(wheel, f"{row.where}.wheel")),
        optional=frozenset(row.take("optional", _texts, tuple(OFTEN_ABSENT) if usual else ())),
    )


def _wheel(row: "_Row") -> Wheel:
    wheel = Wheel(
        name=row.need("name", _text),
        version=row.need("version", _text),
        sha256=row.need("sha256", _text),
        folder=row.need("folder", _text),
    )
    row.finish()
    return wheel


def _remote(name: str, row: "_Row") -> RemoteEntry:
    endpoint = Endpoint(
        vendor=row.need("vendor", Vendor),
        base_url=row.need("base_url", _text),
        model=row.need("model", _text),
        key=row.take("key", _text, ""),
        sends_role=row.take("sends_role", _boolean, default=False),
        encoding_format=row.take("encoding_format", EncodingFormat, EncodingFormat.BASE64),
        extra=row.take("extra", _scalars_by_name, dict[str, Scalar]()),
        texts_per_request=row.take("texts_per_request", _integer, None),
        tokens_per_request=row.take("tokens_per_request", _integer, None),
        requests_at_once=row.take("requests_at_once", _integer, REQUESTS_AT_ONCE),
        tries=row.take("tries", _integer, TRIES),
        timeout_s=row.take("timeout_s", _number, TIMEOUT_S),
    )
    nested = row.take("nested_dimensions", _integers, ())
    card = ModelCard(
        id=name,
        family=Family.MATRYOSHKA if nested else Family.DENSE,
        dimensions=row.need("dimensions", _integer),
        max_tokens=row.need("max_tokens", _integer),
        pooling=(),
        normalised=row.take("normalised", _boolean, default=True),
        nested_dimensions=nested,
        prompts=row.take("prompts", _texts_by_name, dict[str, str]()),
        title_prompt=row.take("title_prompt", _text, ""),
        languages=row.take("languages", _texts, ()),
        licence=row.take("licence", _text, ""),
    )
    return RemoteEntry(card, endpoint)


class _Row:
    """A table that tracks which keys were read; ``where`` is its name in errors."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self._taken: set[str] = set()
        self.where = where

    def has(self, key: str) -> bool:
        """Whether the table has ``key``."""
        return key in self._values

    def need(self, key: str, read: Callable[[object], _Value]) -> _Value:
        """The value of ``key``. Raises InvalidValue if it is missing or ``read`` rejects it."""
        if not self.has(key):
            raise InvalidValue(f"{self.where}: {key} is missing.", param=key)
        self._taken.add(key)
        return _checked(self._values[key], read, self.where, key)

    def take(
        self, key: str, read: Callable[[object], _Value], default: _Default
    ) -> _Value | _Default:
        """The value of ``key``, or ``default`` if it is missing."""
        self._taken.add(key)
        return self.need(key, read) if self.has(key) else default

    def finish(self) -> None:
        """Raise InvalidValue if a key of the table was never read."""
        unknown = sorted(set(self._values) - self._taken)
        if unknown:
            raise InvalidValue(
                f"{self.where}: unknown key {unknown[0]}. Known: {', '.join(sorted(self._taken))}.",
                param=unknown[0],
            )


def _checked(value: object, read: Callable[[object], _Value], where: str, key: str) -> _Value:
    """``read(value)``. Turns its TypeError or ValueError into InvalidValue."""
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        remedy = ""
        if isinstance(read, type) and issubclass(read, StrEnum):
            remedy = f"Known: {', '.join(read)}."
        raise InvalidValue(f"{where}: {key}: {error}.", remedy=remedy, param=key) from error


# Readers of values; each raises TypeError for a value of another type.


def _reader(name: str, *types: type[_Value]) -> Callable[[object], _Value]:
    def read(value: object) -> _Value:
        # To Python, a boolean is a whole number.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(f"must be {name}, got {value!r}")
        return value

    return read


_text = _reader("a string", str)
_integer = _reader("a whole number", int)
_number = _reader("a number", int, float)
_boolean = _reader("true or false", bool)
_scalar = _reader("a string, a number, true or false", str, int, float, bool)
_table = _reader("a table", cast("type[dict[str, object]]", dict))
_items = _reader("a list", cast("type[list[object]]", list))


def _integers(value: object) -> tuple[int, ...]:
    return tuple(map(_integer, _items(value)))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(_text, _items(value)))


def _texts_by_name(value: object) -> dict[str, str]:
    return {key: _text(item) for key, item in _table(value).items()}


def _scalars_by_name(value: object) -> dict[str, Scalar]:
    return {key: _scalar(item) for key, item in _table(value).items()}


def _poolings(value: object) -> tuple[Pooling, ...]:
    names = [value] if isinstance(value, str) else _items(value)
    return tuple(Pooling(name) for name in names)
