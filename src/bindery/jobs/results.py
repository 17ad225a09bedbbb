"""The results of a job: a row for each chunk with its vector, in one schema for all formats."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from bindery.errors import UnknownFile
from bindery.jobs.recipe import Recipe, chunk_ids, line_ids
from bindery.library.cache import embeddings_of
from bindery.store.values import JobFileRow, KeptVectors
from bindery.types import Chunk
from bindery.vectors import Form, code
from bindery.vectors.tables import NUMBER, TEXT, TEXTS, Column, Table, TableRows

if TYPE_CHECKING:
    # SQLAlchemy takes a quarter of a second to import, and a stream of results does not need it.
    from bindery.store.database import Database

COLUMNS = (
    *(Column(name, TEXT) for name in ("id", "file_id", "file")),
    *(Column(name, NUMBER) for name in ("index", "start", "end")),
    *(
        Column(name, NUMBER, nullable=True)
        for name in ("page", "last_page", "parent_start", "parent_end")
    ),
    Column("headings", TEXTS),
    Column("context", TEXT),
    Column("text", TEXT),
    *(Column(name, NUMBER, nullable=True) for name in ("tokens", "tokens_cut")),
    *(Column(name, TEXT) for name in ("model", "revision", "precision", "form")),
    Column("rotation", TEXT, nullable=True),
)
"""The columns beside the vector. ``id`` stays the same while the file has that text."""

_OF_FEW = ("file_id", "file", "model", "revision", "precision", "form", "rotation")

Write: TypeAlias = Callable[[Iterable[TableRows], IO[bytes], Table], None]


@dataclass(slots=True, eq=False)
class Results:
    """A table and its rows, which can be read once.

    ``chunks`` counts the rows read so far, ``chunks_cut`` those longer than the model's window.
    """

    table: Table
    rows: Iterator[TableRows]
    chunks: int = 0
    chunks_cut: int = 0

    def __iter__(self) -> Iterator[TableRows]:
        for some in self.rows:
            self.chunks += len(some.vectors)
            self.chunks_cut += sum((cut or 0) > 0 for cut in some.columns["tokens_cut"])
            yield some

    def write(self, write: Write, sink: IO[bytes]) -> int:
        """Write all rows, and return their number."""
        write(self, sink, self.table)
        return self.chunks


def table_of(recipe: Recipe, form: Form, **about: object) -> Table:
    """The table of a job's results; ``about`` is added to its metadata."""
    facts = {name: fact for name, fact in recipe.facts().items() if name != "owner"}
    return Table(
        COLUMNS,
        form,
        recipe.dimensions,
        recipe.has_many_vectors,
        {**facts, "form": form, **about},
        of_few=_OF_FEW,
    )


def chunk_rows(
    file: JobFileRow,
    first: int,
    chunks: Sequence[Chunk],
    vectors: Sequence[KeptVectors],
    recipe: Recipe,
    form: Form,
    seen: dict[bytes, int],
) -> TableRows:
    """The rows of some chunks of a file; ``first`` is the index of the first chunk.

    ``seen`` is that of :func:`bindery.jobs.recipe.chunk_ids`.
    """
    name = file.name
    ids = line_ids(name, first, chunks) if recipe.lines else chunk_ids(name, chunks, seen)
    same = {
        "file_id": file.file_id,
        "file": file.name,
        "model": recipe.model,
        "revision": recipe.revision,
        "precision": recipe.precision,
        "form": str(form),
        "rotation": recipe.vectors.rotation,
    }
    columns: dict[str, Sequence[Any]] = {
        **{name: [value] * len(chunks) for name, value in same.items()},
        "id": ids,
        "index": range(first, first + len(chunks)),
        "start": [chunk.span.start for chunk in chunks],
        # The span of an empty line is its line end.
        "end": [chunk.span.start + len(chunk.text) for chunk in chunks],
        "page": [chunk.page for chunk in chunks],
        "last_page": [chunk.last_page for chunk in chunks],
        "parent_start": [chunk.parent and chunk.parent.start for chunk in chunks],
        "parent_end": [chunk.parent and chunk.parent.end for chunk in chunks],
        "headings": [list(chunk.headings) for chunk in chunks],
        "context": [chunk.context for chunk in chunks],
        "text": [chunk.text for chunk in chunks],
        "tokens": [_known(chunk.tokens) for chunk in chunks],
        "tokens_cut": [_known(one.tokens_cut) for one in vectors],
    }
    return TableRows(columns, code(embeddings_of(vectors, recipe.dimensions), form))


def stored_rows(
    database: "Database", files: Sequence[JobFileRow], recipe: Recipe, form: Form
) -> Iterator[TableRows]:
    """The rows of all files in order, read from the store part by part."""
    from bindery.store import derived  # SQLAlchemy, as above

    names = Counter(file.name for file in files)
    shared: dict[bytes, int] = {}
    for file in files:
        # Files with the same name may share texts, whose ids must differ.
        seen = shared if names[file.name] > 1 else {}
        index = 0
        # One transaction for each part: some databases cannot write while a transaction reads.
        with database.reading() as transaction:
            found = file.chunk_set and derived.find_chunks(transaction, file.chunk_set)
            if not found:
                raise _deleted(file.name)
            parts = derived.count_parts(transaction, found.key)
        for part in range(parts):
            with database.reading() as transaction:
                chunks = derived.read_part(transaction, found.key, part)
                keys = recipe.vector_keys(chunks, found.document)
                vectors = derived.find_vectors(transaction, keys)
            if not all(key in vectors for key in keys):
                raise _deleted(file.name)
            if chunks:
                kept = [vectors[key] for key in keys]
                yield chunk_rows(file, index, chunks, kept, recipe, form, seen)
            index += len(chunks)


def _known(count: int) -> int | None:
    """A number of tokens, None if the vendor of a remote model does not report it."""
    return count if count >= 0 else None


def _deleted(name: str) -> UnknownFile:
    return UnknownFile(
        f"The file {name[:200]!r} was deleted while its results were read.",
        remedy="Request the results again to get those of the remaining files.",
    )
