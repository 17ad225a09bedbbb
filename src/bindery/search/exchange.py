"""Collections as files: written as a table, and made again from one, with the vectors as they are.

::

    export    a row for each chunk: its vector, text and place, and the attributes of its file
    import    the same back, bit for bit

Chunks and vectors that are imported have keys of their own, so that no other collection uses them
in place of computed ones.
"""

import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import orjson

from bindery.disk import whole_file
from bindery.errors import InvalidValue
from bindery.jobs.recipe import Recipe, text_digest
from bindery.jobs.results import COLUMNS, Results, stored_rows, table_of
from bindery.jobs.writers import writer_of
from bindery.search.collection import Collection, Collections
from bindery.search.columns import AttributeType
from bindery.store import collections as catalog
from bindery.store import derived, placements
from bindery.store.collections import IMPORTED, CollectionFile, NewCollectionFile
from bindery.store.database import Database
from bindery.store.values import ChunkSet, CollectionSettings, JobFileRow, KeptVectors
from bindery.types import Chunk, Span
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.forms import Form
from bindery.vectors.reading import read_about, read_rows
from bindery.vectors.tables import NUMBER, TEXT, Column, TableRows

_OF_FILES = ("title", "kind", "language", "content", "attributes", "id_name")
_ADDED = (*(Column(name, TEXT) for name in _OF_FILES), Column("size_bytes", NUMBER))
# Chunks of a part: what the store reads at once.
_PART = 256
_CHUNKS_AT_ONCE = 2048
# An import that takes longer than this is taken for one of a process that has ended.
_ABANDONED_S = 24 * 3600.0
_DRAFT, _OWNER = "import ", "import:"
# Vectors hardly compress: a small file that holds many was made to fill a disk.
_MOST_TIMES = 100
_SMALL_BYTES = 64 << 10

Check: TypeAlias = Callable[[], object]
"""Called now and then; what it raises ends the work."""


def go_on() -> None:
    """The check of work that nobody stops."""


def export_collection(
    collection: Collection,
    path: Path,
    form: Form = Form.FLOAT32,
    *,
    check: Check = go_on,
) -> int:
    """Write all chunks of a collection; how many.

    The suffix of ``path`` is the format: .parquet, .arrow, .jsonl or .npz. The file appears only
    when it is complete. ``check`` is called between files. Raises InvalidValue for another suffix,
    StorageError, and UnknownFile if a file is removed meanwhile.
    """
    write = writer_of(path.suffix.removeprefix(".").lower())
    with whole_file(path) as sink:
        return exported(collection, form, check=check).write(write, sink)


def exported(collection: Collection, form: Form, *, check: Check = go_on) -> Results:
    """The table of a collection, and its rows."""
    database, recipe, stored = collection.index.database, collection.recipe, collection.stored
    with database.reading() as connection:
        files = catalog.list_files(connection, stored.id)
        placed = placements.list_placements(connection, stored.generation)
        schema = catalog.schema_of(connection, stored.id)
    table = table_of(
        recipe, form, collection=stored.name, schema=schema, settings=asdict(stored.settings)
    )
    table = replace(table, columns=(*COLUMNS, *_ADDED), of_few=(*table.of_few, *_OF_FILES))
    sets = {one.file: one.chunk_set for one in placed}
    chosen = [(file, sets[file.number]) for file in files if file.number in sets]
    return Results(table, _rows_of(database, chosen, recipe, form, check))


def _rows_of(
    database: Database,
    files: Sequence[tuple[CollectionFile, bytes]],
    recipe: Recipe,
    form: Form,
    check: Check,
) -> Iterator[TableRows]:
    for file, key in files:
        check()
        row = JobFileRow(0, file.id, file.id_name, file.size_bytes, chunk_set=key)
        facts = {
            "file": file.name,
            **{name: getattr(file, name) for name in (*_OF_FILES, "size_bytes")},
            "attributes": orjson.dumps(dict(file.attributes)).decode(),
        }
        for rows in stored_rows(database, [row], recipe, form):
            same = {name: [value] * len(rows.vectors) for name, value in facts.items()}
            yield TableRows({**rows.columns, **same}, rows.vectors)


# Import


@dataclass(frozen=True, slots=True, eq=False)
class ImportedFile:
    """A file to be imported: its chunks in order, and the vectors of each as float32 rows."""

    file: NewCollectionFile
    chunks: Sequence[Chunk]
    vectors: Sequence[np.ndarray[Any, np.dtype[np.float32]]]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How much was imported."""

    collection: str
    files: int
    chunks: int

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


def import_table(
    collections: Collections, name: str, path: Path, *, check: Check = go_on
) -> ImportReport:
    """Make a collection of a table that was exported, or that ``bindery embed`` wrote.

    It appears only when it is complete. ``check`` is called between files. Raises InvalidValue if
    the file holds no such table, for a vector of zeros or with values that are not finite, and for
    a name that it cannot have; UnknownFile if there is no such file.
    """
    about = read_about(path)
    try:
        recipe = Recipe.from_facts({**about, "owner": ""})
        schema = {key: str(AttributeType(value)) for key, value in about.get("schema", {}).items()}
        settings = CollectionSettings(**about.get("settings", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValue(
            f"{str(path)!r} does not say how it was made.",
            remedy="Write it with `bindery collections export` or `bindery embed`.",
        ) from error
    with importing(collections, name, recipe, check) as into:
        with collections.library.database.writing() as connection:
            values = {"schema": schema, "settings": asdict(settings)}
            catalog.change_collection(connection, into.collection.id, **values)
        for file in _files_in(path):
            into.add(file)
    return into.report()


class Import:
    """A collection that is being imported."""

    def __init__(self, collection: Collection, check: Check) -> None:
        self.collection = collection
        self._check = check
        self.recipe = collection.recipe
        self._waiting: list[ImportedFile] = []
        self._files = self._chunks = 0

    def report(self) -> ImportReport:
        """What has been imported."""
        return ImportReport(self.collection.name, self._files, self._chunks)

    def add(self, file: ImportedFile) -> None:
        """Add a file."""
        self._check()
        self._waiting.append(file)
        if sum(len(one.chunks) for one in self._waiting) >= _CHUNKS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Store the files that wait, in one transaction."""
        with self.collection.index.database.writing() as connection:
            catalog.count_change(connection, self.collection.id)
            for one in self._waiting:
                self._put(connection, one)
        self._waiting = []

    def _put(self, connection: Any, one: ImportedFile) -> None:  # noqa: ANN401 - a transaction
        file, chunks, recipe = one.file, one.chunks, self.recipe
        if catalog.find_file(connection, self.collection.id, file.name) is not None:
            raise InvalidValue(
                f"There are two files with the name {file.name[:200]!r}.",
                remedy="Rename one of them.",
            )
        derived.keep_content(connection, file.content, file.size_bytes)
        chunk_set = ChunkSet(
            key=recipe.chunks_key(file.content, file.name),
            content=file.content,
            document=file.content,
            chunks=len(chunks),
            warnings=(),
            kind=file.kind,
            title=file.title,
            language=file.language,
        )
        for first in range(0, max(1, len(chunks)), _PART):
            part, is_last = chunks[first : first + _PART], first + _PART >= len(chunks)
            derived.keep_chunks(connection, chunk_set, first // _PART, part, last=is_last)
        keys = recipe.vector_keys(chunks, chunk_set.document)
        kept = {
            key: KeptVectors(rows.astype("<f4").tobytes(), recipe.dimensions, chunk.tokens, 0)
            for key, chunk, rows in zip(keys, chunks, one.vectors, strict=True)
        }
        derived.keep_vectors(connection, kept)
        derived.keep_uses(connection, chunk_set.key, keys)
        stored = self.collection.stored
        catalog.put_file(connection, stored.id, stored.generation, file, chunk_set.key)
        self._files += 1
        self._chunks += len(chunks)


@contextmanager
def importing(
    collections: Collections, name: str, recipe: Recipe, check: Check
) -> Generator[Import]:
    """A new collection, which gets its name at the end, and is deleted after an error."""
    collections.check_name(name)
    if collections.find(name) is not None:
        raise InvalidValue(
            f"The collection {name!r} already exists.", remedy="Choose another name.", param="name"
        )
    token = secrets.token_hex(8)
    draft = f"{_DRAFT}{token}"
    drafts = Collections(collections.library)  # a limited caller cannot see its own draft
    collection = drafts.create(draft, replace(recipe, owner=f"{_OWNER}{token}"))
    into = Import(collection, check)
    try:
        yield into
        into.flush()
        collection.change(name=name)
    except BaseException:  # also Ctrl-C: half of a collection must not stay
        drafts.delete(draft)
        raise


def sweep_drafts(collections: Collections, *, age_s: float = _ABANDONED_S) -> None:
    """Delete what imports of killed processes have left, if it is older than ``age_s``."""
    oldest = time.time() - age_s
    for one in collections:
        token = one.recipe.owner.removeprefix(_OWNER)
        if one.name == f"{_DRAFT}{token}" and one.stored.created_at <= oldest:
            collections.delete(one.name)


def _files_in(path: Path) -> Iterator[ImportedFile]:
    """The files of a table, whose rows lie side by side."""
    first, rows = 1, list[dict[str, Any]]()
    most_bytes = _MOST_TIMES * max(path.stat().st_size, _SMALL_BYTES)
    vectors = list[np.ndarray[Any, np.dtype[np.float32]]]()
    for columns, coded in read_rows(path):
        embeddings = coded.decoded()
        _check_rows(embeddings, first, path)
        for place in range(len(embeddings)):
            row = {name: values[place] for name, values in columns.items()}
            if rows and row["file"] != rows[0]["file"]:
                yield _file_of(rows, vectors)
                rows, vectors = [], []
            rows.append(row)
            vectors.append(embeddings[place])
        first += len(embeddings)
        most_bytes -= embeddings.rows.nbytes
        if most_bytes < 0:
            raise InvalidValue(
                f"The vectors of {str(path)!r} are more than {_MOST_TIMES} times its size."
            )
    if rows:
        yield _file_of(rows, vectors)


def _check_rows(embeddings: Embeddings, first: int, path: Path) -> None:
    lengths = np.linalg.norm(embeddings.rows, axis=1)
    if not lengths.all():
        row = int(np.searchsorted(embeddings.offsets, int(np.argmin(lengths)), side="right"))
        raise InvalidValue(f"Row {first + row - 1} of {str(path)!r} has a vector of zeros.")


def _file_of(
    rows: Sequence[Mapping[str, Any]], vectors: Sequence[np.ndarray[Any, np.dtype[np.float32]]]
) -> ImportedFile:
    one = rows[0]
    chunks = [_chunk_of(row) for row in rows]
    text = "\n".join(chunk.text for chunk in chunks)
    file = NewCollectionFile(
        name=one["file"],
        source=IMPORTED,
        content=one.get("content") or text_digest(text),
        size_bytes=one.get("size_bytes") or len(text.encode()),
        kind=one.get("kind") or "",
        title=one.get("title") or "",
        language=one.get("language") or "",
        attributes=orjson.loads(one.get("attributes") or "{}"),
        id_name=None if one.get("id_name") == one["file"] else one.get("id_name"),
    )
    return ImportedFile(file, chunks, vectors)


def _chunk_of(row: Mapping[str, Any]) -> Chunk:
    has_parent = row["parent_start"] is not None
    return Chunk(
        span=Span(row["start"], row["end"]),
        text=row["text"],
        tokens=-1 if row["tokens"] is None else row["tokens"],
        page=row["page"],
        last_page=row.get("last_page"),
        headings=tuple(row["headings"]),
        context=row["context"],
        parent=Span(row["parent_start"], row["parent_end"]) if has_parent else None,
    )
