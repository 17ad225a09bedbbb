"""Collections: named sets of files with attributes.

::

    collections        a name, the types of its attributes, settings, and the active generation
    generations        one recipe each, fixed when it is made
    collection_files   the files, under the names that their user gave them

:mod:`bindery.store.placements` has what generations made of the files. Every function works within
the caller's transaction; each that changes a collection counts its ``state`` up first, which takes
the lock before anything is read.
"""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson
from sqlalchemy import (
    Connection,
    Row,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)

from bindery.store.database.tables import (
    collection_files,
    collections,
    generations,
    jobs,
    placements,
    vector_store_files,
)
from bindery.store.deletion import forget_contents
from bindery.store.derived import forget_sets, key_groups, release_results
from bindery.store.placements import forget_changes, note_changes
from bindery.store.values import IMPORTED as IMPORTED
from bindery.store.values import LOCAL, OPEN_STATES, CollectionSettings, file_id_of
from bindery.types import utc_text


@dataclass(frozen=True, slots=True)
class StoredCollection:
    """A collection; ``schema`` and ``recipe`` are as their JSON has them.

    ``state`` counts the changes. ``recipe`` is that of the active ``generation``.
    """

    id: str
    name: str
    schema: Mapping[str, str]
    settings: CollectionSettings
    generation: int
    recipe: Mapping[str, Any]
    state: int
    created_at: float


_LONGEST_NUMBER = 19


@dataclass(frozen=True, slots=True)
class CollectionFile:
    """A file of a collection.

    ``source`` says where its content is from: the id of a stored file, or a path of this machine.
    ``added_at`` is in seconds since 1970. ``id_name`` is what the ids of its chunks are made of:
    the name under which it was added first.
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
    id_name: str

    @property
    def id(self) -> str:
        """What names it in addresses and to other services' clients, whatever it is called.

        That is the id of the stored file, or ``local-`` and its number for a file of this machine
        and for one that was imported.
        """
        return file_id_of(self.source, self.number)

    def facts(self) -> dict[str, Any]:
        """What describes it to its users, for JSON."""
        return {
            "file": self.name,
            "file_id": self.id,
            "source": self.source,
            "size_bytes": self.size_bytes,
            "kind": self.kind,
            "title": self.title,
            "language": self.language,
            "attributes": dict(self.attributes),
            "added_at": utc_text(self.added_at),
        }


_FILE_COLUMNS: list[Any] = [
    func.coalesce(collection_files.c.id_name, collection_files.c.name)
    if one.name == "id_name"
    else collection_files.c[one.name]
    for one in fields(CollectionFile)
]


@dataclass(frozen=True, slots=True)
class NewCollectionFile:
    """A file that a collection is given; without ``attributes`` those of the former file stay.

    ``id_name`` is that of :class:`CollectionFile`, if it is not the name.
    """

    name: str
    source: str
    content: str
    size_bytes: int
    kind: str
    title: str
    language: str
    attributes: Mapping[str, Any] | None = None
    id_name: str | None = None


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
    row = connection.execute(_OF_NAME, {"wanted": name}).one_or_none()
    return None if row is None else _collection(row)


def get_collection(connection: Connection, collection_id: str) -> StoredCollection | None:
    """The collection of an id."""
    row = connection.execute(_OF_ID, {"wanted": collection_id}).one_or_none()
    return None if row is None else _collection(row)


def list_collections(connection: Connection) -> list[StoredCollection]:
    """Every collection, by name."""
    return sorted(map(_collection, connection.execute(_COLLECTIONS)), key=lambda one: one.name)


def state_of(connection: Connection, collection_id: str) -> int | None:
    """How many changes a collection has had; None if there is no such collection any more."""
    return connection.scalar(_STATE_OF_ID, {"wanted": collection_id})


def recipe_of(connection: Connection, generation: int) -> Mapping[str, Any] | None:
    """The recipe of a generation, if there is one."""
    return connection.scalar(select(generations.c.recipe).where(generations.c.id == generation))


def schema_of(connection: Connection, collection_id: str) -> Mapping[str, str]:
    """The types of a collection's attributes, by name."""
    found = select(collections.c.schema).where(collections.c.id == collection_id)
    return connection.scalar(found) or {}


def states(connection: Connection) -> dict[str, int]:
    """How many changes each collection has had, by its id."""
    found = connection.execute(select(collections.c.id, collections.c.state))
    return {row.id: row.state for row in found}


def count_change(connection: Connection, collection_id: str) -> bool:
    """Count a change, and hold the collection until the end of the transaction; False if gone.

    What changes of single files is noted by :func:`bindery.store.placements.note_changes`.
    """
    changed = _of(collection_id).values(state=collections.c.state + 1)
    if connection.execute(changed).rowcount != 1:
        return False
    forget_changes(connection, collection_id)
    return True


def change_collection(connection: Connection, collection_id: str, **changed: Any) -> None:  # noqa: ANN401
    """Write ``name``, ``schema`` or ``settings``."""
    connection.execute(_of(collection_id).values(changed))


def list_files(
    connection: Connection, collection_id: str, numbers: Sequence[int] | None = None
) -> list[CollectionFile]:
    """The files of a collection by number, all or these."""
    columns = collection_files.c
    found = select(*_FILE_COLUMNS).where(columns.collection == collection_id)
    found = found.order_by(columns.number)
    if numbers is None:
        # In one go: a collection may have very many files, and is read after each change.
        return [CollectionFile(*row) for row in connection.execute(found).all()]
    return [
        CollectionFile(*row)
        for some in key_groups(sorted(numbers))
        for row in connection.execute(found.where(columns.number.in_(some)))
    ]


def find_file(connection: Connection, collection_id: str, name: str) -> CollectionFile | None:
    """The file of a name."""
    columns = collection_files.c
    this = (columns.collection == collection_id, columns.name == name)
    row = connection.execute(select(*_FILE_COLUMNS).where(*this)).one_or_none()
    return None if row is None else CollectionFile(*row)


def find_file_by_id(
    connection: Connection, collection_id: str, file_id: str
) -> CollectionFile | None:
    """The file with a :attr:`CollectionFile.id`."""
    number = file_id.removeprefix(LOCAL)
    columns = collection_files.c
    if number != file_id:
        if not (number.isascii() and number.isdigit() and len(number) < _LONGEST_NUMBER):
            return None
        this = columns.number == int(number)
    else:
        this = columns.source == file_id
    mine = select(*_FILE_COLUMNS).where(columns.collection == collection_id, this)
    row = connection.execute(mine.order_by(columns.number)).first()
    return None if row is None else CollectionFile(*row)


def has_attribute(
    connection: Connection, collection_id: str, key: str, without: int | None = None
) -> bool:
    """Whether a file has an attribute, or a job that is not over will give it to one.

    The file numbered ``without`` does not count.
    """
    columns = collection_files.c
    named = f"{orjson.dumps(key).decode()}:"  # as it stands in JSON, and nowhere else
    has_it = type_coerce(columns.attributes, Text).contains(named, autoescape=True)
    mine = [columns.collection == collection_id, has_it]
    if without is not None:
        mine.append(columns.number != without)
    request = type_coerce(jobs.c.request, Text)
    open_job = (
        jobs.c.state.in_(OPEN_STATES),
        request.contains(f'"{collection_id}"', autoescape=True),
        request.contains(named, autoescape=True),
    )
    attached = (
        vector_store_files.c.collection == collection_id,
        type_coerce(vector_store_files.c.attributes, Text).contains(named, autoescape=True),
    )
    found = or_(exists().where(*mine), exists().where(*open_job), exists().where(*attached))
    return bool(connection.scalar(select(found)))


@dataclass(frozen=True, slots=True)
class Outdated:
    """The former content of a replaced file, and the sets of chunks made of it."""

    content: str
    chunk_sets: tuple[bytes, ...]


def put_file(
    connection: Connection,
    collection_id: str,
    generation: int,
    file: NewCollectionFile,
    chunk_set: bytes,
) -> Outdated | None:
    """Give a collection a file, in place of the one of its name.

    Its rows are in the tail from then on; those of the former one are dead. Returns what the former
    one was made into, if its content was another: see :func:`forget_outdated`.
    """
    columns = collection_files.c
    values = {key: value for key, value in asdict(file).items() if value is not None}
    former = find_file(connection, collection_id, file.name)
    if former is None:
        values.setdefault("attributes", dict[str, Any]())
        values["added_at"] = time.time()
        if file.id_name is None and _is_id_name(connection, collection_id, file.name):
            values["id_name"] = f"{file.name}#{secrets.token_hex(8)}"
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
    note_changes(connection, [number])
    if former is None or not has_changed:
        return None
    return Outdated(former.content, tuple(outdated))


def forget_outdated(
    connection: Connection, collection_id: str, outdated: Iterable[Outdated]
) -> None:
    """Delete the chunks and vectors of replaced files that nothing uses any more.

    Call it once all files of a transaction are in: two files may have swapped their contents.
    """
    rows = list(outdated)
    former = {key for one in rows for key in one.chunk_sets}
    placed = {
        key
        for some in key_groups(former)
        for key in connection.scalars(
            select(placements.c.chunk_set).where(placements.c.chunk_set.in_(some))
        )
    }
    release_results(connection, former - placed, collection_id)
    forget_sets(connection, former)
    forget_contents(connection, [one.content for one in rows])


def change_file(connection: Connection, number: int, **changed: Any) -> None:  # noqa: ANN401
    """Write ``name``, ``id_name``, ``source`` or ``attributes`` of a file."""
    connection.execute(
        update(collection_files).where(collection_files.c.number == number).values(changed)
    )
    note_changes(connection, [number])


def _is_id_name(connection: Connection, collection_id: str, name: str) -> bool:
    """Whether a file had this name first, and has another one now."""
    columns = collection_files.c
    renamed = exists().where(columns.collection == collection_id, columns.id_name == name)
    return bool(connection.scalar(select(renamed)))


def _of(collection_id: str) -> Any:  # noqa: ANN401 - an update
    return update(collections).where(collections.c.id == collection_id)


_COLLECTIONS = select(collections, generations.c.recipe).join(
    generations, generations.c.id == collections.c.generation
)
# Every search runs these. They are built once, since to build one takes longer than to run it.
_OF_NAME = _COLLECTIONS.where(collections.c.name == bindparam("wanted"))
_OF_ID = _COLLECTIONS.where(collections.c.id == bindparam("wanted"))
_STATE_OF_ID = select(collections.c.state).where(collections.c.id == bindparam("wanted"))


def _collection(row: Row[Any]) -> StoredCollection:
    return StoredCollection(
        id=row.id,
        name=row.name,
        schema=row.schema,
        settings=CollectionSettings(**row.settings),
        generation=row.generation,
        recipe=row.recipe,
        state=row.state,
        created_at=row.created_at,
    )
