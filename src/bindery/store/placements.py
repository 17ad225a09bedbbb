"""Where the rows of each file lie: in a segment, or in the tail.

::

    placements         what a generation made of a file: its chunks, and the segment with their rows
    segments           the segments of a generation, named by the digest of their content
    collection_changes the files that the last changes of a collection concern

A row of a segment is alive while the placement of its file names the segment. The rows of a
placement without a segment are in the tail, which readers make from the chunks and vectors. Every
function works within the caller's transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from bindery.store.database.tables import (
    chunk_parts,
    chunk_sets,
    collection_changes,
    collection_files,
    collections,
    generations,
    placements,
    segments,
)
from bindery.store.derived import ChunkPart, key_groups
from bindery.types import Chunk

_KEPT_STATES = 256
_MOST_NOTED = 1000
_EVERY_FILE = 0  # in place of the number of a file

ALL = "*"
"""In place of the name of a segment: every one, and the tail."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the rows of a file lie: in a segment, or in the tail if ``segment`` is None.

    They were made of its chunks and its ``name``.
    """

    file: int
    name: str
    chunk_set: bytes
    chunks: int
    segment: str | None


def list_placements(
    connection: Connection,
    generation: int,
    segment: str | None = ALL,
    *,
    files: Sequence[int] | None = None,
) -> list[Placement]:
    """Where the rows of the files of a generation lie, by the numbers of the files.

    Those in one ``segment``, those in the tail if it is None, or those of every file; of all
    ``files``, or of these.
    """
    columns = placements.c
    found = (
        select(
            columns.file,
            collection_files.c.name,
            columns.chunk_set,
            chunk_sets.c.chunks,
            columns.segment,
        )
        .join(chunk_sets, chunk_sets.c.key == columns.chunk_set)
        .join(collection_files, collection_files.c.number == columns.file)
        .where(columns.generation == generation)
        .order_by(columns.file)
    )
    if segment != ALL:
        found = found.where(columns.segment == segment)
    if files is not None:
        return [
            Placement(*row)
            for some in key_groups(files)
            for row in connection.execute(found.where(columns.file.in_(some)))
        ]
    return [Placement(*row) for row in connection.execute(found).all()]


def living_rows(connection: Connection, generation: int) -> dict[str | None, int]:
    """How many rows of a generation live in each segment, and in the tail under None."""
    columns = placements.c
    found = (
        select(columns.segment, func.sum(chunk_sets.c.chunks).label("living"))
        .join(chunk_sets, chunk_sets.c.key == columns.chunk_set)
        .where(columns.generation == generation)
        .group_by(columns.segment)
    )
    return {row.segment: int(row.living) for row in connection.execute(found)}


@dataclass(frozen=True, slots=True)
class FileCount:
    """How many files of one language lie in one segment, or in the tail, and their chunks.

    ``placed`` of the files have been cut and embedded; the others have no ``segment``.
    """

    segment: str | None
    language: str
    files: int
    placed: int
    chunks: int


def count_files(connection: Connection, collection_id: str, generation: int) -> list[FileCount]:
    """What is in a collection, by segment and language."""
    file, placed = collection_files.c, placements.c
    this = (placed.file == file.number) & (placed.generation == generation)
    found = (
        select(
            placed.segment,
            file.language,
            func.count(),
            func.count(placed.file),
            func.coalesce(func.sum(chunk_sets.c.chunks), 0),
        )
        .select_from(collection_files)
        .outerjoin(placements, this)
        .outerjoin(chunk_sets, chunk_sets.c.key == placed.chunk_set)
        .where(file.collection == collection_id)
        .group_by(placed.segment, file.language)
    )
    return [FileCount(*row) for row in connection.execute(found)]


def chunk_sets_of(
    connection: Connection, generation: int, numbers: Sequence[int]
) -> dict[int, bytes]:
    """The sets of chunks of files, by their numbers."""
    columns = placements.c
    found: dict[int, bytes] = {}
    for some in key_groups(numbers):
        rows = select(columns.file, columns.chunk_set).where(
            columns.generation == generation, columns.file.in_(some)
        )
        found.update({row.file: row.chunk_set for row in connection.execute(rows)})
    return found


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Where a chunk is stored: the set of a file, a part of that, and a place in the part."""

    file: int
    chunk_set: bytes
    part: int
    place: int


def placed_chunks(
    connection: Connection, generation: int, places: Sequence[ChunkPlace]
) -> list[Chunk] | None:
    """The chunks at places, in one query; None if a file is gone or has another set by now."""
    parts = sorted({one.part for one in places})
    found: dict[tuple[int, int], Any] = {}
    for files in key_groups(sorted({one.file for one in places})):
        asked = {"generation": generation, "files": files, "parts": parts}
        for row in connection.execute(_PLACED_PARTS, asked):
            found[row.file, row.part] = row
    unpacked: dict[tuple[int, int], ChunkPart] = {}
    chunks: list[Chunk] = []
    for one in places:
        key = (one.file, one.part)
        if key not in found or found[key].chunk_set != one.chunk_set:
            return None
        if key not in unpacked:
            unpacked[key] = ChunkPart(found[key].data)
        chunks.append(unpacked[key][one.place])
    return chunks


# Built once, since to build it takes longer than to run it.
_PLACED_PARTS = (
    select(placements.c.file, placements.c.chunk_set, chunk_parts.c.part, chunk_parts.c.data)
    .join(chunk_parts, chunk_parts.c.key == placements.c.chunk_set)
    .where(
        placements.c.generation == bindparam("generation"),
        placements.c.file.in_(bindparam("files", expanding=True)),
        chunk_parts.c.part.in_(bindparam("parts", expanding=True)),
    )
)


def publish_segment(
    connection: Connection,
    generation: int,
    name: str,
    rows: int,
    moved: Sequence[Placement],
) -> int:
    """Have a segment hold the rows of files that still lie where they were read from; how many.

    Files that have changed meanwhile are left as they are: their rows in the segment are dead.
    Segments that hold the rows of no file any more go.
    """
    known = (segments.c.generation == generation, segments.c.name == name)
    if not connection.scalar(select(exists().where(*known))):
        connection.execute(insert(segments).values(generation=generation, name=name, rows=rows))
    columns = placements.c
    moves = 0
    for one in moved:
        same = or_(columns.segment == one.segment, columns.segment.is_(None))
        if one.segment is None:
            same = columns.segment.is_(None)
        this = (columns.generation == generation, columns.file == one.file)
        file = (collection_files.c.number == one.file, collection_files.c.name == one.name)
        unchanged = (*this, columns.chunk_set == one.chunk_set, same, exists().where(*file))
        moves += connection.execute(
            update(placements).where(*unchanged).values(segment=name)
        ).rowcount
    note_changes(connection, [one.file for one in moved])
    drop_dead_segments(connection, generation)
    return moves


def unplace_file(connection: Connection, number: int) -> None:
    """Bring the rows of a file to the tail, because they depend on what has changed of it."""
    this_file = update(placements).where(placements.c.file == number)
    connection.execute(this_file.values(segment=None))
    note_changes(connection, [number])


def unplace_segment(connection: Connection, collection_id: str, name: str) -> None:
    """Bring the rows of a segment that is lost back to the tail."""
    of_it = generations_of(collection_id)
    placed = (placements.c.generation.in_(of_it), placements.c.segment == name)
    note_changes(connection, connection.scalars(select(placements.c.file).where(*placed)).all())
    connection.execute(update(placements).where(*placed).values(segment=None))
    gone = (segments.c.generation.in_(of_it), segments.c.name == name)
    connection.execute(delete(segments).where(*gone))


def segment_names(connection: Connection, collection_id: str) -> set[str]:
    """The segments of all generations of a collection."""
    of_it = segments.c.generation.in_(generations_of(collection_id))
    return set(connection.scalars(select(segments.c.name).where(of_it)))


def note_changes(connection: Connection, numbers: Iterable[int]) -> None:
    """Note that files, or the places of their rows, change with the current state.

    Call it after :func:`bindery.store.collections.count_change`, and before files are deleted.
    """
    chosen = sorted(set(numbers))
    file = collection_files.c.number
    noted = literal(_EVERY_FILE) if len(chosen) > _MOST_NOTED else file
    for some in key_groups(chosen):
        known = collection_changes.alias()
        is_known = exists().where(
            known.c.collection == collections.c.id,
            known.c.state == collections.c.state,
            known.c.file == noted,
        )
        new = (
            select(collections.c.id, collections.c.state, noted)
            .join_from(collection_files, collections)
            .where(file.in_(some), ~is_known)
            .distinct()
        )
        columns = collection_changes.c
        connection.execute(
            insert(collection_changes).from_select(
                [columns.collection, columns.state, columns.file], new
            )
        )


def changed_since(
    connection: Connection, collection_id: str, since: int, state: int
) -> set[int] | None:
    """The numbers of the files that have changed since a state; None if it is not known."""
    if not 0 <= state - since < _KEPT_STATES:
        return None
    columns = collection_changes.c
    later = (columns.collection == collection_id, columns.state > since)
    numbers = set(connection.scalars(select(columns.file).where(*later)))
    return None if _EVERY_FILE in numbers else numbers


def forget_changes(connection: Connection, collection_id: str) -> None:
    """Forget which files the changes before the last 256 concern."""
    state = select(collections.c.state).where(collections.c.id == collection_id).scalar_subquery()
    columns = collection_changes.c
    old = (columns.collection == collection_id, columns.state <= state - _KEPT_STATES)
    connection.execute(delete(collection_changes).where(*old))


def drop_dead_segments(connection: Connection, generation: int) -> None:
    """Remove the segments that hold the rows of no file any more."""
    used = exists().where(
        placements.c.generation == generation, placements.c.segment == segments.c.name
    )
    connection.execute(delete(segments).where(segments.c.generation == generation, ~used))


def segment_rows(connection: Connection, generation: int) -> dict[str, int]:
    """How many rows each segment of a generation holds, living and dead, by name."""
    this = select(segments.c.name, segments.c.rows).where(segments.c.generation == generation)
    return {row.name: row.rows for row in connection.execute(this)}


def generations_of(collection_id: str) -> Any:  # noqa: ANN401 - a select
    """The numbers of a collection's generations."""
    return select(generations.c.id).where(generations.c.collection == collection_id)
