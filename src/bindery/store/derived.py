"""Chunks and vectors of files, stored by key so that they are not computed again.

A key is a digest of everything that chunks or a vector depend on (:mod:`bindery.jobs.recipe`). The
tables also record which sets of chunks use a vector, so that it is deleted with its last file.

Every function runs in the caller's transaction.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    Connection,
    Table,
    Text,
    delete,
    exists,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bindery.errors import UnknownFile
from bindery.store.database.tables import (
    chunk_parts,
    chunk_sets,
    contents,
    job_files,
    jobs,
    placements,
    vector_uses,
    vectors,
)
from bindery.store.values import ChunkSet, KeptVectors
from bindery.types import Chunk, Span

_T = TypeVar("_T")

# SQLite takes 32,766 variables in a statement; more than this at once is no faster.
_KEYS_AT_ONCE = 500
_INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def keep_content(connection: Connection, sha256: str, size_bytes: int) -> None:
    """Insert the row of a file's content, to which its chunks refer, if it is missing."""
    _insert_new(connection, contents, [{"sha256": sha256, "size_bytes": size_bytes}])


def find_chunks(connection: Connection, key: bytes) -> ChunkSet | None:
    """The set of chunks with a key, if it is complete."""
    row = connection.execute(
        select(chunk_sets).where(chunk_sets.c.key == key, chunk_sets.c.is_whole)
    ).one_or_none()
    if row is None:
        return None
    return ChunkSet(
        key=key,
        content=row.content,
        document=row.document,
        chunks=row.chunks,
        warnings=tuple(row.warnings),
        kind=row.kind,
        title=row.title,
        language=row.language,
    )


def known_sets(connection: Connection, keys: Iterable[bytes]) -> set[bytes]:
    """Which of these sets of chunks are complete."""
    columns, known = chunk_sets.c, set[bytes]()
    for some in key_groups(keys):
        these = select(columns.key).where(columns.key.in_(some), columns.is_whole)
        known.update(connection.scalars(these))
    return known


def keep_chunks(
    connection: Connection, chunk_set: ChunkSet, part: int, chunks: Sequence[Chunk], *, last: bool
) -> None:
    """Store a part of a set. The last part completes the set, so that it can be found.

    A part without chunks is only stored if it is the first.
    """
    row = {
        "key": chunk_set.key,
        "content": chunk_set.content,
        "document": chunk_set.document,
        "chunks": chunk_set.chunks,
        "warnings": chunk_set.warnings,
        "is_whole": False,
        "kind": chunk_set.kind,
        "title": chunk_set.title,
        "language": chunk_set.language,
    }
    _insert_new(connection, chunk_sets, [row])
    if chunks or part == 0:
        packed = zlib.compress(orjson.dumps([_facts(chunk) for chunk in chunks]), 1)
        _insert_new(connection, chunk_parts, [{"key": chunk_set.key, "part": part, "data": packed}])
    if last:
        whole = update(chunk_sets).where(chunk_sets.c.key == chunk_set.key)
        connection.execute(whole.values(is_whole=True, chunks=chunk_set.chunks))


def count_parts(connection: Connection, key: bytes) -> int:
    """The number of parts of a set."""
    parts = select(func.count()).where(chunk_parts.c.key == key)
    return connection.execute(parts).scalar_one()


def has_part(connection: Connection, key: bytes, part: int) -> bool:
    """Whether a part of a set is stored."""
    this = exists().where(chunk_parts.c.key == key, chunk_parts.c.part == part)
    return bool(connection.scalar(select(this)))


def mark_incomplete(connection: Connection, key: bytes) -> None:
    """Have a set that lacks parts not be found, so that it is made again."""
    this = update(chunk_sets).where(chunk_sets.c.key == key)
    connection.execute(this.values(is_whole=False))


def read_part(connection: Connection, key: bytes, part: int) -> list[Chunk]:
    """The chunks of a part of a set, in order. Raises UnknownFile if it was deleted."""
    this = (chunk_parts.c.key == key, chunk_parts.c.part == part)
    data = connection.scalar(select(chunk_parts.c.data).where(*this))
    if data is None:
        raise UnknownFile(
            "A file was deleted while its chunks were read.",
            remedy="Try again to read those of the remaining files.",
        )
    return list(ChunkPart(data))


def read_chunks(connection: Connection, key: bytes) -> Iterator[list[Chunk]]:
    """The chunks of a set in order, part by part."""
    for part in range(count_parts(connection, key)):
        yield read_part(connection, key, part)


def find_vectors(connection: Connection, keys: Iterable[bytes]) -> dict[bytes, KeptVectors]:
    """The vectors that exist of these keys."""
    columns = vectors.c
    found: dict[bytes, KeptVectors] = {}
    for some in key_groups(keys):
        for row in connection.execute(select(vectors).where(columns.key.in_(some))):
            found[row.key] = KeptVectors(row.data, row.dimensions, row.tokens_used, row.tokens_cut)
    return found


def known_vectors(connection: Connection, keys: Iterable[bytes]) -> set[bytes]:
    """Which of these keys have vectors."""
    known: set[bytes] = set()
    for some in key_groups(keys):
        known.update(connection.scalars(select(vectors.c.key).where(vectors.c.key.in_(some))))
    return known


def keep_vectors(connection: Connection, made: Mapping[bytes, KeptVectors]) -> None:
    """Store vectors. Vectors that exist already are not changed."""
    rows = [
        {
            "key": key,
            "dimensions": one.dimensions,
            "tokens_used": one.tokens_used,
            "tokens_cut": one.tokens_cut,
            "data": one.rows,
        }
        for key, one in made.items()
    ]
    _insert_new(connection, vectors, rows)


def keep_uses(connection: Connection, chunk_set: bytes, keys: Iterable[bytes]) -> None:
    """Record that a set of chunks uses these vectors."""
    rows = [{"vector": key, "chunk_set": chunk_set} for key in dict.fromkeys(keys)]
    _insert_new(connection, vector_uses, rows)


def forget_content(connection: Connection, content: str) -> Counter[str]:
    """Delete the chunks of the content with this SHA-256, and vectors that nothing else uses.

    In jobs, its files get an error. Counts the deleted ``chunks`` and ``vectors``, and the files
    of jobs as ``results``.
    """
    with_results = (job_files.c.content == content, job_files.c.chunk_set.is_not(None))
    results = connection.scalar(select(func.count()).where(*with_results))
    connection.execute(
        update(job_files)
        .where(job_files.c.content == content)
        .values(
            state="failed",
            content=None,
            chunk_set=None,
            chunks=0,
            warnings=[],
            error_code=UnknownFile.code,
            error_message="The file was deleted, with its chunks and vectors.",
            remedy="Upload it again, and submit a new job.",
        )
    )
    of_it = select(chunk_sets.c.key).where(chunk_sets.c.content == content)
    counts = _drop_sets(connection, connection.scalars(of_it).all())
    counts["results"] = int(results or 0)
    return counts


def forget_unused(connection: Connection) -> None:
    """Delete chunks and vectors that no file of a job or collection uses."""
    _drop_sets(connection, connection.scalars(select(chunk_sets.c.key).where(_UNUSED)).all())


def release_results(connection: Connection, keys: Iterable[bytes], collection_id: str) -> int:
    """Take these sets of chunks from the results of jobs that added to a collection; how many."""
    # An id is hexadecimal, so it stands in the JSON as it is.
    request = type_coerce(jobs.c.request, Text)
    into_it = select(jobs.c.id).where(request.like(f'%"{collection_id}"%'))
    changed = 0
    for some in key_groups(keys):
        these = (job_files.c.chunk_set.in_(some), job_files.c.job_id.in_(into_it))
        released = update(job_files).where(*these).values(chunk_set=None)
        changed += connection.execute(released).rowcount
    return changed


def forget_sets(connection: Connection, keys: Iterable[bytes]) -> Counter[str]:
    """Delete those of these sets of chunks that no file of a job or collection uses.

    Counts the ``chunks`` and ``vectors`` that went.
    """
    counts: Counter[str] = Counter()
    for some in key_groups(keys):
        unused = select(chunk_sets.c.key).where(chunk_sets.c.key.in_(some), _UNUSED)
        counts += _drop_sets(connection, connection.scalars(unused).all())
    return counts


_UNUSED = ~or_(
    exists().where(job_files.c.chunk_set == chunk_sets.c.key),
    exists().where(placements.c.chunk_set == chunk_sets.c.key),
)


def _drop_sets(connection: Connection, keys: Sequence[bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for some in key_groups(keys):
        chunks = select(func.sum(chunk_sets.c.chunks)).where(chunk_sets.c.key.in_(some))
        counts["chunks"] += int(connection.scalar(chunks) or 0)
        of_sets = select(vector_uses.c.vector).where(vector_uses.c.chunk_set.in_(some))
        touched = connection.scalars(of_sets.distinct()).all()
        connection.execute(delete(vector_uses).where(vector_uses.c.chunk_set.in_(some)))
        connection.execute(delete(chunk_parts).where(chunk_parts.c.key.in_(some)))
        connection.execute(delete(chunk_sets).where(chunk_sets.c.key.in_(some)))
        for group in key_groups(touched):
            still = exists().where(vector_uses.c.vector == vectors.c.key)
            unused = delete(vectors).where(vectors.c.key.in_(group), ~still)
            counts["vectors"] += connection.execute(unused).rowcount
    return counts


def _insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys do not exist yet."""
    if rows:
        insert = _INSERTS[connection.dialect.name](table).on_conflict_do_nothing()
        connection.execute(insert, rows)


def key_groups(items: Iterable[_T]) -> Iterator[list[_T]]:
    """The keys in order, as many at a time as one statement takes."""
    rest = iter(items)
    while group := list(islice(rest, _KEYS_AT_ONCE)):
        yield group


class ChunkPart(Sequence[Chunk]):
    """The chunks of a part of a set, as it is stored. Each is made when it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._rows: list[dict[str, Any]] = orjson.loads(zlib.decompress(data))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Chunk:  # pyright: ignore[reportIncompatibleMethodOverride]
        fields = dict(self._rows[place])
        fields["span"] = Span(**fields["span"])
        fields["headings"] = tuple(fields["headings"])
        fields["parent"] = Span(**fields["parent"]) if fields["parent"] else None
        return Chunk(**fields)


def _facts(chunk: Chunk) -> dict[str, Any]:
    """A chunk as it is stored: with the number of its tokens, but without the tokens."""
    return {name: getattr(chunk, name) for name in _FIELDS}


_FIELDS = ("span", "text", "tokens", "page", "last_page", "headings", "context", "parent")
