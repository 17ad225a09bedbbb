"""Deleting files of collections with all that was made for them alone, and what is left of it.

Every function works within the caller's transaction.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, exists, func, literal, or_, select

from bindery.store.database.tables import (
    chunk_sets,
    collection_files,
    collections,
    contents,
    files,
    generations,
    job_files,
    marks,
    placements,
    segments,
    vector_uses,
)
from bindery.store.derived import forget_content, forget_sets, key_groups, release_results
from bindery.store.placements import generations_of, note_changes
from bindery.store.vector_stores import forget_store, mark_sources_removed

MOST_KEPT = 100


class KeptIn(StrEnum):
    """Where a text that was deleted lives on."""

    STORED_FILE = "stored file"
    COLLECTION = "collection"
    JOB = "job"
    PASSAGE = "passage"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class KeptText:
    """A place that has the same text: a stored file, a file of a collection, or a job, by its id.

    A ``PASSAGE`` is a file of a collection that has some of the chunks. An ``EVALUATION`` names the
    deleted file, and its own id.
    """

    kind: KeptIn
    name: str
    id: str = ""
    collection: str = ""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion removed from the catalog.

    ``chunks`` and ``vectors`` were stored for these files alone. ``entries`` are rows of indexes,
    in all generations; ``segments`` held some of them. ``marks`` were on passages of these files.
    """

    chunks: int
    vectors: int
    job_results: int
    entries: int
    segments: frozenset[str]
    marks: int
    kept: tuple[KeptText, ...]


def remove_files(connection: Connection, numbers: Iterable[int]) -> Deletion:
    """Remove files from their collections, with all that was made for them alone."""
    numbers = list(numbers)
    mark_sources_removed(connection, numbers)
    gone: list[str] = []
    former: list[bytes] = []
    owners: set[str] = set()
    entries = marked = 0
    names: set[str] = set()
    chosen = sorted(set(numbers))
    note_changes(connection, chosen)
    for some in key_groups(chosen):
        these, placed = collection_files.c.number.in_(some), placements.c.file.in_(some)
        of_them = select(collection_files.c.content, collection_files.c.collection).where(these)
        for row in connection.execute(of_them.distinct()):
            gone.append(row.content)
            owners.add(row.collection)
        sets = (
            select(placements.c.chunk_set, placements.c.segment, func.sum(chunk_sets.c.chunks))
            .join(chunk_sets, chunk_sets.c.key == placements.c.chunk_set)
            .where(placed)
            .group_by(placements.c.chunk_set, placements.c.segment)
        )
        for chunk_set, segment, rows in connection.execute(sets):
            former.append(chunk_set)
            entries += int(rows)
            names.update([segment] if segment else [])
        connection.execute(delete(placements).where(placed))
        marked += connection.execute(delete(marks).where(marks.c.file.in_(some))).rowcount
        connection.execute(delete(collection_files).where(these))
    counts = Counter(results=sum(release_results(connection, former, one) for one in owners))
    kept = _kept(connection, gone, former)
    counts += forget_sets(connection, former) + forget_contents(connection, gone)
    return Deletion(
        chunks=counts["chunks"],
        vectors=counts["vectors"],
        job_results=counts["results"],
        entries=entries,
        segments=frozenset(names),
        marks=marked,
        kept=kept,
    )


def delete_collection(connection: Connection, collection_id: str) -> Deletion:
    """Remove a collection with all that was made for it alone."""
    mine = select(collection_files.c.number).where(collection_files.c.collection == collection_id)
    deletion = remove_files(connection, connection.scalars(mine).all())
    forget_store(connection, collection_id)
    of_it = generations_of(collection_id)
    connection.execute(delete(segments).where(segments.c.generation.in_(of_it)))
    connection.execute(delete(generations).where(generations.c.collection == collection_id))
    connection.execute(delete(collections).where(collections.c.id == collection_id))
    return deletion


def forget_contents(connection: Connection, digests: Sequence[str]) -> Counter[str]:
    """Delete what was made of contents that neither a stored file nor a collection has any more.

    Counts the ``chunks`` and ``vectors`` that went, and the ``results`` of jobs.
    """
    counts: Counter[str] = Counter()
    for sha256 in digests:
        kept = or_(
            exists().where(files.c.sha256 == sha256),
            exists().where(collection_files.c.content == sha256),
        )
        if not connection.scalar(select(kept)):
            counts += forget_content(connection, sha256)
            connection.execute(delete(contents).where(contents.c.sha256 == sha256))
    return counts


def _kept(
    connection: Connection, gone: Sequence[str], former: Sequence[bytes]
) -> tuple[KeptText, ...]:
    """The first places that still have these contents, or the chunks of these sets."""
    found: dict[KeptText, None] = {}
    for some in key_groups(gone):
        for kind, rows in _SAME_CONTENT.items():
            for row in connection.execute(rows(some).limit(MOST_KEPT)):
                found[KeptText(kind, row.name, row.id, row.collection)] = None
    whole = {(one.collection, one.name) for one in found if one.kind is KeptIn.COLLECTION}
    for some in key_groups(former):
        for row in connection.execute(_same_passages(some).limit(MOST_KEPT)):
            if (row.collection, row.name) not in whole:
                found[KeptText(KeptIn.PASSAGE, row.name, "", row.collection)] = None
    return tuple(list(found)[:MOST_KEPT])


def _stored_files(gone: Sequence[str]) -> Any:  # noqa: ANN401 - a select
    found = select(files.c.name, files.c.id, _NOTHING)
    return found.where(files.c.sha256.in_(gone)).order_by(files.c.id)


def _collection_files(gone: Sequence[str]) -> Any:  # noqa: ANN401 - a select
    columns = collection_files.c
    found = select(columns.name, literal("").label("id"), _COLLECTION)
    found = found.join_from(collection_files, collections)
    return found.where(columns.content.in_(gone)).order_by(columns.number)


def _job_files(gone: Sequence[str]) -> Any:  # noqa: ANN401 - a select
    columns = job_files.c
    found = select(columns.name, columns.job_id.label("id"), _NOTHING)
    has_results = (columns.content.in_(gone), columns.chunk_set.is_not(None))
    return found.where(*has_results).order_by(columns.job_id, columns.place)


def _same_passages(former: Sequence[bytes]) -> Any:  # noqa: ANN401 - a select
    mine, other = vector_uses.alias(), vector_uses.alias()
    return (
        select(collection_files.c.name, _COLLECTION)
        .join_from(mine, other, other.c.vector == mine.c.vector)
        .join(placements, placements.c.chunk_set == other.c.chunk_set)
        .join(collection_files, collection_files.c.number == placements.c.file)
        .join(collections, collections.c.id == collection_files.c.collection)
        .where(mine.c.chunk_set.in_(former))
        .distinct()
    )


_NOTHING = literal("").label("collection")
_COLLECTION = collections.c.name.label("collection")
_SAME_CONTENT = {
    KeptIn.STORED_FILE: _stored_files,
    KeptIn.COLLECTION: _collection_files,
    KeptIn.JOB: _job_files,
}
