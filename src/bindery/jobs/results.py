"""A job's chunks with their vectors, read back from the store and written as a file."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import orjson

from bindery.disk import whole_file
from bindery.errors import InvalidValue, UnknownFile
from bindery.jobs.recipe import Recipe, chunk_ids
from bindery.store import derived
from bindery.store.database import Database
from bindery.store.values import JobFileRow, KeptVectors
from bindery.types import Chunk
from bindery.vectors import Form, code
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.tables import (
    NUMBER,
    TEXT,
    TEXTS,
    Column,
    Table,
    TableRows,
    write_arrow_file,
    write_parquet,
)

COLUMNS = (
    *(Column(name, TEXT) for name in ("id", "file_id", "file")),
    *(Column(name, NUMBER) for name in ("index", "start", "end")),
    *(Column(name, NUMBER, nullable=True) for name in ("page", "parent_start", "parent_end")),
    Column("headings", TEXTS),
    Column("context", TEXT),
    Column("tokens", NUMBER),
    Column("tokens_cut", NUMBER),
    Column("text", TEXT),
)
"""What is told of each chunk: ``id`` stays the same while its file has that text."""

_Write: TypeAlias = Callable[[Iterable[TableRows], IO[bytes], Table], None]


def write_results(
    database: Database,
    files: Sequence[JobFileRow],
    recipe: Recipe,
    form: Form,
    sink: Path | IO[bytes],
    format: str,
) -> int:
    """Write the chunks of all files, in order, a part at a time; how many there are."""
    if format not in FORMATS:
        raise InvalidValue(
            f"{format[:80]!r} is no format of results.",
            remedy=f"Choose one of: {', '.join(FORMATS)}.",
            param="format",
        )
    about = {**recipe.facts(), "form": form}
    table = Table(
        COLUMNS, form, recipe.dimensions, recipe.has_many_vectors, about, of_few=("file_id", "file")
    )
    written = 0

    def counted() -> Iterator[TableRows]:
        nonlocal written
        for rows in _rows(database, files, recipe, form):
            written += len(rows.vectors)
            yield rows

    if isinstance(sink, Path):
        with whole_file(sink) as file:
            FORMATS[format](counted(), file, table)
    else:
        FORMATS[format](counted(), sink, table)
    return written


def write_json_lines(batches: Iterable[TableRows], sink: IO[bytes], table: Table) -> None:
    """One JSON object on each line."""
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    for batch in batches:
        coded = batch.vectors
        names = [column.name for column in table.columns]
        for place, values in enumerate(zip(*(batch.columns[n] for n in names), strict=True)):
            start, end = coded.offsets[place], coded.offsets[place + 1]
            own = slice(start, end) if table.has_many_vectors else start
            record: dict[str, Any] = dict(zip(names, values, strict=True))
            record["embedding"] = coded.values[own]
            if coded.scales is not None:
                record["scales"] = coded.scales[own]
            sink.write(orjson.dumps(record, option=options))


FORMATS: Mapping[str, _Write] = {
    "parquet": write_parquet,
    "arrow": write_arrow_file,
    "jsonl": write_json_lines,
}
"""By the suffix of the file, too."""


def _rows(
    database: Database, files: Sequence[JobFileRow], recipe: Recipe, form: Form
) -> Iterator[TableRows]:
    names = Counter(file.name for file in files)
    shared: dict[bytes, int] = {}
    for file in files:
        # Two files of one name may have a text in common; else one is forgotten for the next.
        seen = shared if names[file.name] > 1 else {}
        index = 0
        # Each part is read by itself: on some databases nothing is written while one reads.
        with database.reading() as connection:
            found = file.chunk_set and derived.find_chunks(connection, file.chunk_set)
            if not found:
                raise _gone(file.name)
            parts = derived.count_parts(connection, found.key)
        for part in range(parts):
            with database.reading() as connection:
                chunks = derived.read_part(connection, found.key, part)
                keys = recipe.vector_keys(chunks, found.document)
                vectors = derived.find_vectors(connection, keys)
            if not all(key in vectors for key in keys):
                raise _gone(file.name)
            if chunks:
                kept = [vectors[key] for key in keys]
                yield _table_rows(file, index, chunks, kept, recipe, form, seen)
            index += len(chunks)


def _table_rows(
    file: JobFileRow,
    first: int,
    chunks: Sequence[Chunk],
    kept: Sequence[KeptVectors],
    recipe: Recipe,
    form: Form,
    seen: dict[bytes, int],
) -> TableRows:
    columns: dict[str, Sequence[Any]] = {
        "id": chunk_ids(file.name, chunks, seen),
        "file_id": [file.file_id] * len(chunks),
        "file": [file.name] * len(chunks),
        "index": range(first, first + len(chunks)),
        "start": [chunk.span.start for chunk in chunks],
        "end": [chunk.span.end for chunk in chunks],
        "page": [chunk.page for chunk in chunks],
        "parent_start": [chunk.parent and chunk.parent.start for chunk in chunks],
        "parent_end": [chunk.parent and chunk.parent.end for chunk in chunks],
        "headings": [list(chunk.headings) for chunk in chunks],
        "context": [chunk.context for chunk in chunks],
        "tokens": [chunk.tokens for chunk in chunks],
        "tokens_cut": [one.tokens_cut for one in kept],
        "text": [chunk.text for chunk in chunks],
    }
    return TableRows(columns, code(_embeddings(kept, recipe.dimensions), form))


def _embeddings(kept: Sequence[KeptVectors], width: int) -> Embeddings:
    rows = np.frombuffer(b"".join(one.rows for one in kept), dtype="<f4")
    offsets = np.zeros(len(kept) + 1, dtype=np.int64)
    np.cumsum([len(one.rows) // (4 * width) for one in kept], out=offsets[1:])
    return Embeddings(rows.astype(np.float32, copy=False).reshape(-1, width), offsets)


def _gone(name: str) -> UnknownFile:
    return UnknownFile(
        f"The file {name[:200]!r} was deleted while its results were read.",
        remedy="Ask again: what is left is written.",
    )
