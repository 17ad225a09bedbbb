"""Rows that a user adds to the catalog, in a TOML file.

::

    [models.bge-small]
    family = "dense"                        # dense, matryoshka or late-interaction
    repository = "BAAI/bge-small-en-v1.5"
    revision = "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"
    dimensions = 384
    max_tokens = 512
    pooling = "cls"                         # or mean, lasttoken, ...; a list: side by side
    licence = "mit"                         # this and what follows may be left out

    [models.bge-small.prompts]
    query = "Represent this sentence for searching relevant passages: "

    [models.bge-small.files]                # path = its SHA-256, or "" where it is not known
    "config.json" = ""
    "model.safetensors" = "..."

Without ``files`` the usual layout of sentence-transformers is taken, no digest known.
Further keys: ``normalised`` (true), ``nested_dimensions``, ``gated``, ``mirrors``, ``optional`` and
``wheel`` with ``name``, ``version``, ``sha256`` and ``folder``.
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from bindery.errors import InvalidValue
from bindery.models.card import CatalogEntry, Family, ModelCard, Pooling, Release, Wheel
from bindery.models.catalog import SENTENCE_TRANSFORMERS_FILES

_Value = TypeVar("_Value")
_Default = TypeVar("_Default")

# Not every model of the usual layout has these.
_OFTEN_ABSENT = frozenset({"config_sentence_transformers.json", "special_tokens_map.json"})


def read_catalog(path: Path) -> Mapping[str, CatalogEntry]:
    """The rows of a catalog file by id, in the file's order; a file without rows gives none.

    Raises:
        InvalidValue: The file cannot be read or is no TOML, or a row is wrong. The message names
            the file, the row and the key, ``param`` the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValue(f"The catalog {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"The catalog {path} is no TOML: {error}.") from error

    top = _Row(content, str(path))
    rows = top.take("models", _table, dict[str, object]())
    top.finish()
    return {name: _entry(name, row, path) for name, row in rows.items()}


def _entry(name: str, value: object, path: Path) -> CatalogEntry:
    where = f"{path}, models.{name}"
    row = _Row(_checked(value, _table, where, name), where)
    try:
        entry = CatalogEntry(_card(name, row), _release(row))
    except InvalidValue as error:
        if error.message.startswith(str(path)):
            raise
        raise InvalidValue(f"{where}: {error.message}", param=error.param) from error
    row.finish()
    return entry


def _card(name: str, row: "_Row") -> ModelCard:
    return ModelCard(
        id=name,
        family=row.need("family", Family),
        dimensions=row.need("dimensions", _integer),
        max_tokens=row.need("max_tokens", _integer),
        pooling=row.need("pooling", _poolings),
        normalised=row.take("normalised", _boolean, default=True),
        nested_dimensions=row.take("nested_dimensions", _integers, ()),
        prompts=row.take("prompts", _texts_by_name, dict[str, str]()),
        repository=row.need("repository", _text),
        revision=row.need("revision", _text),
        licence=row.take("licence", _text, ""),
    )


def _release(row: "_Row") -> Release:
    files = row.take("files", _texts_by_name, dict.fromkeys(SENTENCE_TRANSFORMERS_FILES, ""))
    usual = row.absent("files")
    wheel = row.take("wheel", _table, None)
    return Release(
        repository=row.need("repository", _text),
        revision=row.need("revision", _text),
        files={path: digest or None for path, digest in files.items()},
        gated=row.take("gated", _boolean, default=False),
        mirrors=row.take("mirrors", _texts, ()),
        wheel=None if wheel is None else _wheel(_Row(wheel, f"{row.where}.wheel")),
        optional=frozenset(row.take("optional", _texts, tuple(_OFTEN_ABSENT) if usual else ())),
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


class _Row:
    """A TOML table that is read key by key and knows which keys nobody asked for."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self._taken: set[str] = set()
        self.where = where

    def absent(self, key: str) -> bool:
        return key not in self._values

    def need(self, key: str, read: Callable[[object], _Value]) -> _Value:
        if self.absent(key):
            raise InvalidValue(f"{self.where}: {key} is missing.", param=key)
        self._taken.add(key)
        return _checked(self._values[key], read, self.where, key)

    def take(
        self, key: str, read: Callable[[object], _Value], default: _Default
    ) -> _Value | _Default:
        self._taken.add(key)
        return default if self.absent(key) else self.need(key, read)

    def finish(self) -> None:
        unknown = sorted(set(self._values) - self._taken)
        if unknown:
            raise InvalidValue(
                f"{self.where}: {unknown[0]} is no key of a row; known: "
                f"{', '.join(sorted(self._taken))}.",
                param=unknown[0],
            )


def _checked(value: object, read: Callable[[object], _Value], where: str, key: str) -> _Value:
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"{where}: {key}: {error}.", param=key) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected, not {value!r}")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a whole number is expected, not {value!r}")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false is expected, not {value!r}")
    return value


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"a table is expected, not {value!r}")
    return cast("dict[str, object]", value)


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"a list is expected, not {value!r}")
    return cast("list[object]", value)


def _poolings(value: object) -> tuple[Pooling, ...]:
    names = [value] if isinstance(value, str) else _items(value)
    return tuple(Pooling(name) for name in names)


def _integers(value: object) -> tuple[int, ...]:
    return tuple(_integer(item) for item in _items(value))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in _items(value))


def _texts_by_name(value: object) -> dict[str, str]:
    return {key: _text(item) for key, item in _table(value).items()}
