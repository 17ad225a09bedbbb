"""Collections: named sets of files with attributes, and where the rows of each file lie.

::

    collections        a name, the types of its attributes, settings, and the active generation
    generations        one recipe each, fixed when it is made
    collection_files   the files, under the names that their user gave them
    placements         what a generation made of a file: its chunks, and the segment with their rows
    segments           the segments of a generation, named by the digest of their content

The catalog is the truth: a row of a segment is alive while the placement of its file names the
segment. The rows of a placement without a segment are in the tail, which readers make from the
chunks and vectors. Every function works within the caller's transaction; each that changes a
collection counts its ``state`` up first, which takes the lock before anything is read.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, or_, select, update

from bindery.store.database.tables import (
    chunk_sets,
    collection_files,
    collections,
    contents,
    files,
    generations,
    placements,
    segments,
)
from bindery.store.derived import forget_content, forget_sets, key_groups


@dataclass(frozen=True, slots=True)
class StoredCollection:
    """A collection; ``schema``, ``settings`` and ``recipe`` are as their JSON has them.

    ``state`` counts the changes. ``recipe`` is that of the active ``generation``.
    """

    id: str
    name: str
    schema: Mapping[str, str]
    settings: Mapping[str, Any]
    generation: int
    recipe: Mapping[str, Any]
    state: int
    created_at: float


@dataclass(frozen=True, slots=True)
class CollectionFile:
    """A file of a collection.

    ``source`` says where its content is from: the id of a stored file, or a path of this machine.
    ``added_at`` is in seconds since 1970.
    """

    number: int
    name: str
    source: str
    content: str
    size_bytes: int
    kind: str
    title: str
    language: str
    attributes: Mapping[str, Any]
    added_at: float


@dataclass(frozen=True, slots=True)
class NewCollectionFile:
    """A file that a collection is given; without ``attributes`` those of the former file stay."""

    name: str
    source: str
    content: str
    size_bytes: int
    kind: str
    title: str
    language: str
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the rows of a file lie: in a segment, or in the tail if ``segment`` is None."""

    file: int
    chunk_set: bytes
    chunks: int
    segment: str | None


def create_collection(
    connection: Connection, collection_id: str, name: str, recipe: Mapping[str, Any]
) -> None:
    """Add a collection with its first generation. Raises IntegrityError if the name is taken."""
    now = time.time()
    connection.execute(
        insert(collections).values(
            id=collection_id, name=name, schema={}, settings={}, generation=0, state=0,
            created_at=now,
        )
    )  # fmt: skip
    added = insert(generations).values(
        collection=collection_id, recipe=dict(recipe), created_at=now, switched_at=now
    )
    key = connection.execute(added).inserted_primary_key
    assert key is not None, "the database numbers generations"
    connection.execute(_of(collection_id).values(generation=key[0]))


def find_collection(connection: Connection, name: str) -> StoredCollection | None:
    """The collection of a name."""
    row = connection.execute(_COLLECTIONS.where(collections.c.name == name)).one_or_none()
    return None if row is None else _collection(row)


def list_collections(connection: Connection) -> list[StoredCollection]:
    """Every collection, by name."""
    rows = connection.execute(_COLLECTIONS).all()
    return sorted(map(_collection, rows), key=lambda one: one.name)


def state_of(connection: Connection, collection_id: str) -> int | None:
    """How many changes a collection has had; None if there is no such collection any more."""
    this = select(collections.c.state).where(collections.c.id == collection_id)
    return connection.scalar(this)


def recipe_of(connection: Connection, generation: int) -> Mapping[str, Any] | None:
    """The recipe of a generation, if there is one."""
    return connection.scalar(select(generations.c.recipe).where(generations.c.id == generation))


def schema_of(connection: Connection, collection_id: str) -> Mapping[str, str]:
    """The types of a collection's attributes, by name."""
    this = select(collections.c.schema).where(collections.c.id == collection_id)
    return connection.scalar(this) or {}


def count_change(connection: Connection, collection_id: str) -> bool:
    """Count a change, and hold the collection until the end of the transaction; False if gone."""
    changed = _of(collection_id).values(state=collections.c.state + 1)
    return connection.execute(changed).rowcount == 1


def change_collection(connection: Connection, collection_id: str, **changed: Any) -> None:  # noqa: ANN401
    """Write ``name``, ``schema`` or ``settings``."""
    connection.execute(_of(collection_id).values(changed))


def delete_collection(connection: Connection, collection_id: str) -> None:
    """Remove a collection with all that was made for it alone."""
    mine = select(collection_files.c.number).where(collection_files.c.collection == collection_id)
    remove_files(connection, connection.scalars(mine).all())
    of_it = select(generations.c.id).where(generations.c.collection == collection_id)
    connection.execute(delete(segments).where(segments.c.generation.in_(of_it)))
    connection.execute(delete(generations).where(generations.c.collection == collection_id))
    connection.execute(delete(collections).where(collections.c.id == collection_id))


def list_files(
    connection: Connection, collection_id: str, numbers: Sequence[int] | None = None
) -> list[CollectionFile]:
    """The files of a collection by number, all or these."""
    columns = collection_files.c
    found = select(collection_files).where(columns.collection == collection_id)
    if numbers is None:
        return [_file(row) for row in connection.execute(found.order_by(columns.number))]
    return [
        _file(row)
        for some in key_groups(sorted(numbers))
        for row in connection.execute(
            found.where(columns.number.in_(some)).order_by(columns.number)
        )
    ]


def find_file(connection: Connection, collection_id: str, name: str) -> CollectionFile | None:
    """The file of a name."""
    columns = collection_files.c
    this = (columns.collection == collection_id, columns.name == name)
    row = connection.execute(select(collection_files).where(*this)).one_or_none()
    return None if row is None else _file(row)


def put_file(
    connection: Connection,
    collection_id: str,
    generation: int,
    file: NewCollectionFile,
    chunk_set: bytes,
) -> int:
    """Give a collection a file, in place of the one of its name; its number.

    Its rows are in the tail from then on; those of the former one are dead.
    """
    columns = collection_files.c
    values = {key: value for key, value in asdict(file).items() if value is not None}
    former = find_file(connection, collection_id, file.name)
    if former is None:
        values.setdefault("attributes", dict[str, Any]())
        values["added_at"] = time.time()
        added = insert(collection_files).values(collection=collection_id, **values)
        key = connection.execute(added).inserted_primary_key
        assert key is not None, "the database numbers files"
        number = int(key[0])
    else:
        number = former.number
        this_file = update(collection_files).where(columns.number == number)
        connection.execute(this_file.values(values))
    this = (placements.c.generation == generation, placements.c.file == number)
    old = connection.scalar(select(placements.c.chunk_set).where(*this))
    has_changed = former is not None and former.content != file.content
    outdated: list[bytes] = []
    if has_changed:  # also in other generations
        everywhere = placements.c.file == number
        outdated += connection.scalars(select(placements.c.chunk_set).where(everywhere))
        connection.execute(delete(placements).where(everywhere))
    if has_changed or old != chunk_set:
        connection.execute(delete(placements).where(*this))
        row = {"generation": generation, "file": number, "chunk_set": chunk_set, "segment": None}
        connection.execute(insert(placements).values(row))
    if former is not None and has_changed:
        forget_sets(connection, outdated)
        forget_contents(connection, [former.content])
    return number


def change_file(connection: Connection, number: int, **changed: Any) -> None:  # noqa: ANN401
    """Write ``name``, ``source`` or ``attributes`` of a file."""
    connection.execute(
        update(collection_files).where(collection_files.c.number == number).values(changed)
    )


def remove_files(connection: Connection, numbers: Iterable[int]) -> None:
    """Remove files from their collections, with all that was made for them alone."""
    for some in key_groups(numbers):
        these = collection_files.c.number.in_(some)
        of_them = select(collection_files.c.content).where(these).distinct()
        gone = connection.scalars(of_them).all()
        sets = select(placements.c.chunk_set).where(placements.c.file.in_(some)).distinct()
        former = connection.scalars(sets).all()
        connection.execute(delete(placements).where(placements.c.file.in_(some)))
        connection.execute(delete(collection_files).where(these))
        forget_sets(connection, former)
        forget_contents(connection, gone)


def remove_source(connection: Connection, source: str) -> None:
    """Remove the files that are from a source from all collections."""
    columns = collection_files.c
    found = select(columns.collection, columns.number).where(columns.source == source)
    rows = connection.execute(found).all()
    for collection_id in sorted({row.collection for row in rows}):
        count_change(connection, collection_id)
    remove_files(connection, [row.number for row in rows])


def list_placements(connection: Connection, generation: int) -> list[Placement]:
    """Where the rows of every file of a generation lie, by the numbers of the files."""
    columns = placements.c
    found = (
        select(columns.file, columns.chunk_set, columns.segment, chunk_sets.c.chunks)
        .join(chunk_sets, chunk_sets.c.key == columns.chunk_set)
        .where(columns.generation == generation)
        .order_by(columns.file)
    )
    return [
        Placement(row.file, row.chunk_set, row.chunks, row.segment)
        for row in connection.execute(found)
    ]


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


def publish_segment(
    connection: Connection,
    generation: int,
    name: str,
    rows: int,
    moved: Sequence[Placement],
) -> None:
    """Have a segment hold the rows of files that still lie where they were read from.

    Files that have changed meanwhile are left as they are: their rows in the segment are dead.
    Segments that hold the rows of no file any more go.
    """
    known = (segments.c.generation == generation, segments.c.name == name)
    if not connection.scalar(select(exists().where(*known))):
        connection.execute(insert(segments).values(generation=generation, name=name, rows=rows))
    columns = placements.c
    for one in moved:
        same = or_(columns.segment == one.segment, columns.segment.is_(None))
        if one.segment is None:
            same = columns.segment.is_(None)
        this = (columns.generation == generation, columns.file == one.file)
        unchanged = (*this, columns.chunk_set == one.chunk_set, same)
        connection.execute(update(placements).where(*unchanged).values(segment=name))
    used = exists().where(
        placements.c.generation == generation, placements.c.segment == segments.c.name
    )
    connection.execute(delete(segments).where(segments.c.generation == generation, ~used))


def unplace_segment(connection: Connection, generation: int, name: str) -> None:
    """Bring the rows of a segment that is lost back to the tail."""
    of_it = (placements.c.generation == generation, placements.c.segment == name)
    connection.execute(update(placements).where(*of_it).values(segment=None))
    gone = (segments.c.generation == generation, segments.c.name == name)
    connection.execute(delete(segments).where(*gone))


def segment_names(connection: Connection, generation: int) -> list[str]:
    """The segments of a generation, in the order of their names."""
    names = select(segments.c.name).where(segments.c.generation == generation)
    return sorted(connection.scalars(names))


def forget_contents(connection: Connection, digests: Sequence[str]) -> None:
    """Delete what was made of contents that neither a stored file nor a collection has any more."""
    for sha256 in digests:
        kept = or_(
            exists().where(files.c.sha256 == sha256),
            exists().where(collection_files.c.content == sha256),
        )
        if not connection.scalar(select(kept)):
            forget_content(connection, sha256)
            connection.execute(delete(contents).where(contents.c.sha256 == sha256))


def _of(collection_id: str) -> Any:  # noqa: ANN401 - an update
    return update(collections).where(collections.c.id == collection_id)


_COLLECTIONS = select(collections, generations.c.recipe).join(
    generations, generations.c.id == collections.c.generation
)


def _collection(row: Row[Any]) -> StoredCollection:
    return StoredCollection(
        id=row.id,
        name=row.name,
        schema=row.schema,
        settings=row.settings,
        generation=row.generation,
        recipe=row.recipe,
        state=row.state,
        created_at=row.created_at,
    )


def _file(row: Row[Any]) -> CollectionFile:
    return CollectionFile(
        number=row.number,
        name=row.name,
        source=row.source,
        content=row.content,
        size_bytes=row.size_bytes,
        kind=row.kind,
        title=row.title,
        language=row.language,
        attributes=row.attributes,
        added_at=row.added_at,
    )
