"""Collections made of what others keep: JSON lines, Chroma, Qdrant and LanceDB.

Each gives records: a text, its attributes, and perhaps a vector that was made already. A record
becomes a file with one chunk, named by the record's id.
"""

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import orjson

from bindery.documents.language import language_of
from bindery.errors import ExtraMissing, InvalidValue, UnknownCollection, UnknownFile
from bindery.jobs.recipe import make_recipe, text_digest
from bindery.jobs.values import JobRequest
from bindery.library import DEFAULT_MODEL
from bindery.search.collection import Collections
from bindery.search.columns import AttributeType, check_attribute, check_key, type_of
from bindery.search.exchange import (
    Check,
    Import,
    ImportedFile,
    ImportReport,
    go_on,
    import_table,
    importing,
)
from bindery.search.view import OF_CHUNKS, OF_FILES
from bindery.store import collections as catalog
from bindery.store.collections import IMPORTED, NewCollectionFile
from bindery.types import Chunk, Span

_BATCH = 256
_IDS = ("id", "_id")
_TEXTS = ("text", "document", "page_content", "content")
_VECTORS = ("embedding", "vector")
_NESTED = ("payload", "attributes", "metadata")


@dataclass(frozen=True, slots=True)
class Record:
    """A text with its attributes. ``place`` says where it is from, for errors."""

    id: str
    text: str
    attributes: Mapping[str, Any]
    vector: Any | None
    place: str


def import_collection(
    collections: Collections,
    name: str,
    source: str | Path,
    *,
    model: str = DEFAULT_MODEL,
    store: str = "",
    table: str = "",
    called: str = "",
    check: Check = go_on,
) -> ImportReport:
    """Make a collection of an exported table, of JSON lines, or of a table of another store.

    ``source`` ends in .parquet or .arrow, or is a file or folder of JSON lines, or with ``store``
    (one of :data:`STORES`) the folder or address of that store. ``model`` is not used for exported
    tables, which name theirs. ``called`` is the name of a file of JSON lines in ids and errors.
    Raises what :func:`bindery.search.exchange.import_table`, :func:`import_records` and
    :func:`records_of` do, and ``check``.
    """
    if store:
        found = records_of(store, str(source), table)
        return import_records(collections, name, found, model, check=check)
    path = Path(source).expanduser()
    if path.suffix.lower() in (".parquet", ".arrow"):
        return import_table(collections, name, path, check=check)
    return import_records(collections, name, records_in(path, called), model, check=check)


def import_records(
    collections: Collections,
    name: str,
    records: Iterable[Record],
    model: str,
    *,
    check: Check = go_on,
) -> ImportReport:
    """Make a collection of records, which appears only when it is complete.

    ``check`` is called between records.

    ``model`` made their vectors, and embeds the texts that have none and the queries. Vectors are
    scaled to length 1. Attributes that are named like those which Bindery sets get ``original_``
    before their names, except ``title``, ``language``, ``kind`` and ``page``.

    Raises InvalidValue, which names the place, for a record without a text, for a vector of zeros,
    of another length or with values that are not finite, and for an attribute of another type
    than before; what loading the model raises.
    """
    recipe = make_recipe(collections.library, JobRequest(("-",), model))
    rest = iter(records)
    with importing(collections, name, recipe, check) as into:
        reader = _RecordReader(collections, into)
        while some := list(islice(rest, _BATCH)):
            reader.add(some)
        reader.end()
    return into.report()


class _RecordReader:
    """Makes files of records, and learns the types of their attributes."""

    def __init__(self, collections: Collections, into: Import) -> None:
        self._library = collections.library
        self._into = into
        self._schema: dict[str, AttributeType] = {}

    def add(self, records: Sequence[Record]) -> None:
        given = [self._vector(one) for one in records]
        without = [place for place, vector in enumerate(given) if vector is None]
        if without:
            recipe = self._into.recipe
            texts = [records[place].text for place in without]
            _, encoded = self._library.embed(recipe.loaded_as, texts, recipe.vectors)
            for n, place in enumerate(without):
                given[place] = encoded.embeddings[n]
        for record, vector in zip(records, given, strict=True):
            assert vector is not None
            self._into.add(self._file(record, vector))

    def end(self) -> None:
        """Store the types of the attributes."""
        types = {key: str(value) for key, value in self._schema.items()}
        with self._library.database.writing() as connection:
            catalog.change_collection(connection, self._into.collection.id, schema=types)

    def _vector(self, record: Record) -> npt.NDArray[np.float32] | None:
        """The vector of a record as rows of length 1 (one, or several of a late model)."""
        if record.vector is None:
            return None
        recipe = self._into.recipe
        width, depth = recipe.dimensions, 2 if recipe.has_many_vectors else 1
        try:
            vector = np.asarray(record.vector, dtype=np.float64)
        except (TypeError, ValueError):
            raise InvalidValue(f"{record.place}: the vector is not a list of numbers.") from None
        if vector.ndim != depth or vector.shape[-1] != width or not vector.size:
            numbers = f"{vector.shape[-1]} numbers" if vector.ndim else "no list"
            raise InvalidValue(
                f"{record.place}: the vector has {numbers}, but vectors of {recipe.model} have "
                f"{width}.",
                remedy="Name the model that made the vectors.",
            )
        if not np.isfinite(vector).all():
            raise InvalidValue(f"{record.place}: the vector has a value that is not finite.")
        lengths = np.linalg.norm(vector.reshape(-1, width), axis=1, keepdims=True)
        if not lengths.all():
            raise InvalidValue(f"{record.place}: the vector is all zeros.")
        return (vector.reshape(-1, width) / lengths).astype(np.float32)

    def _file(self, record: Record, vector: npt.NDArray[np.float32]) -> ImportedFile:
        own = {key: value for key, value in record.attributes.items() if value is not None}
        page = own.pop("page") if _is_page(own.get("page")) else None
        named = {key: own.pop(key) for key in _OWN if isinstance(own.get(key), str)}
        chunk = Chunk(Span(0, len(record.text)), record.text, tokens=-1, page=page)
        file = NewCollectionFile(
            name=record.id,
            source=IMPORTED,
            content=text_digest(record.text),
            size_bytes=len(record.text.encode()),
            kind=named.get("kind", "text"),
            title=named.get("title", ""),
            language=named.get("language", language_of(record.text)),
            attributes=self._attributes(record, own),
        )
        return ImportedFile(file, [chunk], [vector])

    def _attributes(self, record: Record, own: Mapping[str, Any]) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        for given, value in own.items():
            taken = given in OF_FILES or given in OF_CHUNKS
            try:
                key = check_key(f"original_{given}" if taken else given)
                checked = check_attribute(key, _plain(value), self._schema)
            except InvalidValue as error:
                raise InvalidValue(
                    f"{record.place}: {error.message}", remedy=error.remedy
                ) from error
            self._schema.setdefault(key, type_of(checked))
            clean[key] = list(checked) if isinstance(checked, tuple) else checked
        return clean


_OWN = ("title", "language", "kind")


def _is_page(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31


def _plain(value: object) -> object:
    """A value that an attribute can have; anything nested as its JSON."""
    items = cast("list[object]", value) if isinstance(value, list) else None
    is_texts = items is not None and all(isinstance(one, str) for one in items)
    is_scalar = isinstance(value, str | int | float | bool)
    return value if is_texts or is_scalar else orjson.dumps(value, default=str).decode()  # pyright: ignore[reportUnknownVariableType]


# Where records are from


def records_in(path: Path, called: str = "") -> Iterator[Record]:
    """The records of a file of JSON lines, or of all .jsonl files of a folder, by name.

    ``called`` is what ids and errors call a file instead of its name.

    A line is an object with ``text``, and perhaps ``id``, ``embedding`` and ``attributes``; other
    fields are attributes, too. Raises InvalidValue that names the line, and UnknownFile.
    """
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise UnknownFile(f"There are no JSON lines at {str(path)!r}.", remedy="Check the path.")
    for file in files:
        title = Path(called or file)
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _of_line(line, title.stem, number, f"{title.name}, line {number}")


def _of_line(line: bytes, stem: str, number: int, place: str) -> Record:
    try:
        fields: object = json.loads(line)  # also NaN, which others write and orjson does not read
    except ValueError as error:
        raise InvalidValue(f"{place}: not JSON ({error}).") from None
    if not isinstance(fields, dict):
        raise InvalidValue(f"{place}: not a JSON object.")
    return _record(cast("dict[str, Any]", fields), f"{stem}:{number}", place)


def _record(fields: Mapping[str, Any], default_id: str, place: str) -> Record:
    """A record of fields, by the names that libraries give them."""
    rest = dict(fields)
    taken = [_take(rest, names) for names in (_IDS, _TEXTS, _VECTORS)]
    for name in _NESTED:
        if isinstance(rest.get(name), dict):
            nested = rest.pop(name)
            taken[1] = _take(nested, _TEXTS) if taken[1] is None else taken[1]
            rest |= nested
    given, text, vector = taken
    if not isinstance(text, str) or not text.strip():
        raise InvalidValue(
            f"{place}: no text.", remedy=f"It is read from one of: {', '.join(_TEXTS)}."
        )
    return Record(default_id if given is None else str(given), text, rest, vector, place)


def _take(fields: dict[str, Any], names: Sequence[str]) -> Any:  # noqa: ANN401 - of any type
    found = next((name for name in names if fields.get(name) is not None), None)
    return None if found is None else fields.pop(found)


def _of_chroma(place: str, table: str) -> Iterator[Record]:
    chroma = _library("chromadb", "Chroma")
    settings = chroma.config.Settings(anonymized_telemetry=False)
    found = chroma.PersistentClient(place, settings=settings).get_collection(table)
    include = ["documents", "metadatas", "embeddings"]
    for first in range(0, found.count(), _BATCH):
        some = found.get(limit=_BATCH, offset=first, include=include)
        for n, one in enumerate(some["ids"]):
            fields = {
                "id": one,
                "text": some["documents"][n],
                "embedding": some["embeddings"][n],
                "metadata": dict(some["metadatas"][n] or {}),
            }
            yield _record(fields, one, f"{table}, {one}")


def _of_qdrant(place: str, table: str) -> Iterator[Record]:
    qdrant = _library("qdrant_client", "Qdrant")
    where = {"url": place} if "://" in place else {"path": place}
    client, after = qdrant.QdrantClient(**where), None
    while True:
        points, after = client.scroll(
            table, limit=_BATCH, offset=after, with_payload=True, with_vectors=True
        )
        for one in points:
            vector = one.vector
            if isinstance(vector, dict):  # named vectors, of which there may be one
                (vector,) = cast("dict[str, Any]", vector).values()
            fields = {"id": str(one.id), "embedding": vector, "payload": dict(one.payload or {})}
            yield _record(fields, str(one.id), f"{table}, {one.id}")
        if after is None:
            return


def _of_lancedb(place: str, table: str) -> Iterator[Record]:
    found = _library("lancedb", "LanceDB").connect(place).open_table(table).to_arrow()
    first = 0
    for batch in found.to_batches(max_chunksize=_BATCH):
        for n, fields in enumerate(batch.to_pylist(), first):
            yield _record(fields, str(n), f"{table}, row {n + 1}")
        first += batch.num_rows


STORES: Mapping[str, Callable[[str, str], Iterator[Record]]] = {
    "chroma": _of_chroma,
    "qdrant": _of_qdrant,
    "lancedb": _of_lancedb,
}
"""Other stores, whose records are read by their own libraries: a place, and a table in it."""


def records_of(store: str, place: str, table: str) -> Iterator[Record]:
    """The records of a table (a collection) of another store.

    Raises InvalidValue for an unknown store, ExtraMissing without its library, UnknownCollection
    for a table that it does not have.
    """
    if store not in STORES:
        raise InvalidValue(
            f"Unknown store {store[:80]!r}.", remedy=f"Choose one of: {', '.join(STORES)}."
        )
    try:
        yield from STORES[store](place, table)
    except (InvalidValue, ExtraMissing):
        raise
    except Exception as error:  # each library has its own errors
        raise UnknownCollection(
            f"{store} cannot read {table[:80]!r} at {place[:200]!r}: {error}",
            remedy="Check the place and the name.",
        ) from error


def _library(module: str, title: str) -> Any:  # noqa: ANN401 - a module without types
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.replace("_", "-")
        raise ExtraMissing(
            f"{title} is read by its own library, which is not installed.",
            remedy=f"Run `pip install {package}`.",
        ) from error
