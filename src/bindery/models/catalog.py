"""The catalog: the built-in models, and those that a user adds, both in TOML.

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

    [models.mine]                           # a row with a folder needs nothing else
    folder = "./my-model"                   # relative to the catalog file

    [models.small]                          # a row with a vendor is a remote model
    vendor = "openai"                       # or any compatible server; or cohere, voyage
    base_url = "https://api.openai.com/v1"
    model = "text-embedding-3-small"        # the vendor's name for it
    key = "OPENAI_API_KEY"                  # the environment variable with the key, not the key
    dimensions = 1536
    nested_dimensions = [1024, 512, 256]
    max_tokens = 8191

Without ``files``, the usual files of sentence-transformers are assumed, without digests. With a
``layout`` (a key of :data:`LAYOUTS`), its usual files are, and ``files`` adds digests and others.

The digest of the files in a ``folder`` is its revision. Its row may have ``prompts``,
``title_prompt``, ``nested_dimensions``, ``languages``, ``licence``, ``purpose``, ``query_length``
and ``document_length``, which replace what the files say.

The other two kinds of row may have ``prompts``, ``title_prompt``, ``nested_dimensions``,
``normalised`` (true), ``languages`` (ISO 639-1 codes, or "multilingual"), ``licence``, ``size_mb``
and ``purpose`` (in a few words). A local model may have ``before_cut``, ``query_max_tokens``,
``gated``, ``mirrors``, ``optional``, ``query_length`` and ``document_length`` (for late
interaction, instead of the model's own), and ``wheel`` with ``name``, ``version``, ``sha256`` and
``folder``. A remote model may have the fields of :class:`bindery.models.endpoint.Endpoint`.
"""

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from bindery.errors import InvalidValue
from bindery.models.card import (
    CatalogEntry,
    Family,
    FolderRow,
    Lengths,
    ModelCard,
    Pooling,
    Release,
    RemoteEntry,
    Row,
    Wheel,
)
from bindery.models.endpoint import Endpoint, Scalar

_Value = TypeVar("_Value")
_Default = TypeVar("_Default")

DEFAULT_MODELS = ("vanilla", "gemma", "colbert")
"""The models to fetch by default: one of each family."""

VERIFIED = frozenset({"vanilla"})
"""The built-in models whose rows were compared with their files."""

_BUILT_IN = Path(__file__).with_suffix(".toml")
_OF_LOCAL_MODELS = ("repository", "revision", "before_cut", "query_max_tokens")
_OF_FOLDERS = ("prompts", "title_prompt", "nested_dimensions", "languages", "licence", "purpose")

_WEIGHTS = "model.safetensors"
_TRANSFORMER = ("config.json", "modules.json", "sentence_bert_config.json",
                "config_sentence_transformers.json")  # fmt: skip
_TOKENISER = ("tokenizer_config.json", "special_tokens_map.json", "tokenizer.json")

LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "sentence-transformers": (
        *_TRANSFORMER,
        "1_Pooling/config.json",
        *_TOKENISER,
        _WEIGHTS,
    ),
    "pylate": (
        *_TRANSFORMER,
        "1_Dense/config.json",
        *_TOKENISER,
        "1_Dense/model.safetensors",
        _WEIGHTS,
    ),
    "stanford": ("config.json", "artifact.metadata", *_TOKENISER, _WEIGHTS),
}
"""The usual files of a model, by the program that saved it; the weights last."""

_OFTEN_ABSENT = frozenset({"config_sentence_transformers.json", "sentence_bert_config.json",
                           "special_tokens_map.json"})  # fmt: skip


def read_catalog(path: Path) -> Mapping[str, Row]:
    """The rows of a catalog file by id, in the order of the file; empty if it has none.

    Raises:
        InvalidValue: The file cannot be read, is not TOML, or a row is wrong. The message names the
            file, the row and the key, ``param`` the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidValue(f"The catalog {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"The catalog {path} is not valid TOML: {error}.") from error

    top = _Row(content, str(path))
    rows = top.take("models", _table, dict[str, object]())
    top.finish()
    return {name: _row(name, row, path) for name, row in rows.items()}


def _row(name: str, value: object, path: Path) -> Row:
    where = f"{path}, models.{name}"
    row = _Row(_checked(value, _table, where, name), where)
    try:
        if row.has("folder"):
            read: Row = _in_folder(name, row, path.parent)
        else:
            read = _remote(name, row) if row.has("vendor") else _local(name, row)
    except InvalidValue as error:
        if error.message.startswith(str(path)):
            raise
        raise InvalidValue(
            f"{where}: {error.message}", remedy=error.remedy, param=error.param
        ) from error
    row.finish()
    return read


def _in_folder(name: str, row: "_Row", beside: Path) -> FolderRow:
    folder = beside / Path(row.need("folder", _text)).expanduser()
    changes = row.fields(ModelCard, only=_OF_FOLDERS)
    if changes.get("nested_dimensions"):
        changes["family"] = Family.MATRYOSHKA
    return FolderRow(name, folder, changes, _lengths(row))


def _lengths(row: "_Row") -> Lengths:
    return Lengths(
        query=row.take("query_length", _integer, None),
        document=row.take("document_length", _integer, None),
    )


def _local(name: str, row: "_Row") -> CatalogEntry:
    card = ModelCard(id=name, **row.fields(ModelCard, without=("id",)))
    return CatalogEntry(card, _release(row), lengths=_lengths(row))


def _release(row: "_Row") -> Release:
    layout = row.take("layout", _text, "" if row.has("files") else "sentence-transformers")
    if layout and layout not in LAYOUTS:
        raise InvalidValue(
            f"Unknown layout {layout!r}.", remedy=f"Known: {', '.join(LAYOUTS)}.", param="layout"
        )
    files = dict.fromkeys(LAYOUTS.get(layout, ()), "")
    files |= row.take("files", _texts_by_name, dict[str, str]())
    order = list(files)
    if layout:
        # Small files first, so that a wrong model is noticed before its weights are downloaded.
        order.sort(key=lambda path: (path.endswith(".safetensors"), path == _WEIGHTS))
    usual = _OFTEN_ABSENT & set(files) if layout else ()
    wheel = row.take("wheel", _table, None)
    return Release(
        files={path: files[path] or None for path in order},
        optional=frozenset(row.take("optional", _texts, usual)),
        wheel=None if wheel is None else _wheel(_Row(wheel, f"{row.where}.wheel")),
        **row.fields(Release, without=("files", "optional", "wheel")),
    )


def _wheel(row: "_Row") -> Wheel:
    wheel = Wheel(**row.fields(Wheel))
    row.finish()
    return wheel


def _remote(name: str, row: "_Row") -> RemoteEntry:
    endpoint = Endpoint(**row.fields(Endpoint))
    about = row.fields(ModelCard, without=("id", "family", "pooling", *_OF_LOCAL_MODELS))
    family = Family.MATRYOSHKA if about.get("nested_dimensions") else Family.DENSE
    return RemoteEntry(ModelCard(id=name, family=family, pooling=(), **about), endpoint)


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

    def fields(
        self, kind: type, *, only: Collection[str] = (), without: Collection[str] = ()
    ) -> dict[str, Any]:
        """The values for the fields of a dataclass, read by their types; optional ones if given."""
        types, found = get_type_hints(kind), dict[str, Any]()
        for field in fields(kind):
            if field.name in without or (only and field.name not in only):
                continue
            self._taken.add(field.name)
            if self.has(field.name) or field.default is field.default_factory is MISSING:
                read = _READERS.get(types[field.name], types[field.name])
                found[field.name] = self.need(field.name, read)
        return found

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


# How a field of a row is read, by its type; those of other types, all enumerations, by the type.
_READERS: Mapping[object, Callable[[object], object]] = {
    str: _text,
    bool: _boolean,
    int: _integer,
    int | None: _integer,
    float: _number,
    tuple[int, ...]: _integers,
    tuple[str, ...]: _texts,
    tuple[Pooling, ...]: _poolings,
    Mapping[str, str]: _texts_by_name,
    Mapping[str, Scalar]: _scalars_by_name,
}

CATALOG: Mapping[str, CatalogEntry] = {
    name: replace(entry, verified=name in VERIFIED)
    for name, entry in read_catalog(_BUILT_IN).items()
    if isinstance(entry, CatalogEntry)
}
"""The built-in models by id: the default models first, then the others by family."""
