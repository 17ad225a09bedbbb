"""What clients of OpenAI's vector stores keep of collections: descriptions, and attached files.

The state of an attached file is not stored: it follows from the job that adds it and from the files
of the collection, so that it is right after every crash. Every function works within the caller's
transaction.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, exists, func, insert, select, update

from bindery.store.database.tables import (
    collection_files,
    files,
    job_files,
    jobs,
    vector_store_files,
    vector_stores,
)
from bindery.store.derived import key_groups
from bindery.store.values import LOCAL, OPEN_STATES, FileState, JobState, file_id_of


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a client says of a collection; ``name`` is None for the collection's own name.

    ``last_active_at`` is in seconds since 1970. ``expires_days`` counts from it.
    """

    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    expires_days: int | None = None
    last_active_at: float = 0.0

    @property
    def expires_at(self) -> float | None:
        """When the store expires, in seconds since 1970; None for never."""
        days = self.expires_days
        return None if days is None else self.last_active_at + days * 24 * 3600

    @property
    def is_expired(self) -> bool:
        """Whether its time is over. Its files are removed then."""
        return self.expires_at is not None and self.expires_at <= time.time()


class StoreFileState(StrEnum):
    """The state of a file of a vector store, in OpenAI's words."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file of a vector store. ``filename`` is the one that it was uploaded with.

    ``name`` is its name in the collection, and ``usage_bytes`` its size once it is there.
    ``error_code`` is a code from :mod:`bindery.errors`, None unless the file has failed.
    """

    id: str
    name: str
    filename: str
    created_at: float
    place: int
    state: StoreFileState
    attributes: Mapping[str, Any]
    usage_bytes: int = 0
    job_id: str | None = None
    error_code: str | None = None
    error_message: str = ""

    @property
    def order(self) -> tuple[float, int, str]:
        """What lists are sorted by."""
        return self.created_at, self.place, self.id


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to attach, under a name that no other file of the collection has.

    ``attributes`` None leaves those of a former version.
    """

    file_id: str
    name: str
    attributes: Mapping[str, Any] | None


def find_facts(connection: Connection, collection_id: str) -> StoreFacts | None:
    """What clients say of a collection, if anything."""
    this = select(vector_stores).where(vector_stores.c.collection == collection_id)
    row = connection.execute(this).one_or_none()
    if row is None:
        return None
    return StoreFacts(row.name, row.description, row.metadata, row.expires_days, row.last_active_at)


def put_facts(connection: Connection, collection_id: str, facts: StoreFacts) -> None:
    """Write what a client says of a collection."""
    values = {
        "name": facts.name,
        "description": facts.description,
        "metadata": dict(facts.metadata or {}),
        "expires_days": facts.expires_days,
        "last_active_at": facts.last_active_at,
    }
    this = vector_stores.c.collection == collection_id
    if not connection.execute(update(vector_stores).where(this).values(values)).rowcount:
        connection.execute(insert(vector_stores).values(collection=collection_id, **values))


def attach(
    connection: Connection, collection_id: str, job_id: str, attached: Sequence[Attachment]
) -> None:
    """Note the files that a job adds, in its order."""
    now, columns = time.time(), vector_store_files.c
    for some in key_groups([one.file_id for one in attached]):
        mine = (columns.collection == collection_id, columns.file_id.in_(some))
        connection.execute(delete(vector_store_files).where(*mine))
    rows = [
        {
            "collection": collection_id,
            "file_id": one.file_id,
            "name": one.name,
            "job_id": job_id,
            "place": place,
            "attributes": one.attributes,
            "created_at": now,
            "removed_at": None,
        }
        for place, one in enumerate(attached)
    ]
    connection.execute(insert(vector_store_files), rows)


def free_name(connection: Connection, collection_id: str, file_id: str, name: str) -> str:
    """The name for a file in a collection: the one that it has there, or one that is free."""
    files_of, attached = collection_files.c, vector_store_files.c
    here = (files_of.collection == collection_id, attached.collection == collection_id)
    known = select(files_of.name).where(here[0], files_of.source == file_id)
    waiting = select(attached.name).where(here[1], attached.file_id == file_id, _LIVES)
    for own in (known, waiting):
        if (found := connection.scalar(own.limit(1))) is not None:
            return found
    is_added = exists().where(here[0], files_of.name == name)
    waits = exists().where(here[1], attached.name == name, _LIVES)
    if not connection.scalar(select(is_added | waits)):
        return name
    return marked_name(file_id, name)


def marked_name(file_id: str, name: str) -> str:
    """A name that has the id of the file in it, before its extension."""
    stem, dot, end = name.rpartition(".")
    mark = file_id.removeprefix("file-")[:24]
    return f"{stem} ({mark}){dot}{end}" if stem else f"{name} ({mark})"


def find_attachment(connection: Connection, collection_id: str, file_id: str) -> Attachment | None:
    """The name and the attributes of a file that was attached and not removed since."""
    columns = vector_store_files.c
    mine = (columns.collection == collection_id, columns.file_id == file_id, _LIVES)
    found = select(columns.file_id, columns.name, columns.attributes).where(*mine)
    row = connection.execute(found).one_or_none()
    return None if row is None else Attachment(*row)


def change_attachment(
    connection: Connection, collection_id: str, file_id: str, attributes: Mapping[str, Any] | None
) -> None:
    """Write the attributes that a file will have; None once the collection has them."""
    columns = vector_store_files.c
    mine = (columns.collection == collection_id, columns.file_id == file_id)
    connection.execute(update(vector_store_files).where(*mine).values(attributes=attributes))


def mark_removed(connection: Connection, collection_id: str, file: StoreFile) -> None:
    """Keep the place of a removed file in lists."""
    columns = vector_store_files.c
    mine = (columns.collection == collection_id, columns.file_id == file.id)
    values = {"removed_at": time.time(), "attributes": None}
    if not connection.execute(update(vector_store_files).where(*mine).values(values)).rowcount:
        row = {"name": file.name, "job_id": "", "place": file.place, "created_at": file.created_at}
        added = insert(vector_store_files).values(
            collection=collection_id, file_id=file.id, **row, **values
        )
        connection.execute(added)


def removed_order(
    connection: Connection, collection_id: str, file_id: str
) -> tuple[float, int, str] | None:
    """The place that a removed file had in lists."""
    columns = vector_store_files.c
    mine = (columns.collection == collection_id, columns.file_id == file_id)
    row = connection.execute(select(columns.created_at, columns.place).where(*mine)).one_or_none()
    return None if row is None else (row.created_at, row.place, file_id)


def list_store_files(
    connection: Connection, collection_id: str, *, only: str | None = None
) -> list[StoreFile]:
    """The files of a vector store, oldest first: those attached, and those added otherwise.

    ``only`` is the id of the one that is wanted.
    """
    found: dict[str, StoreFile] = {}
    here = collection_files.c.collection == collection_id
    added = select(collection_files).where(here)
    attached = _ATTACHED.where(vector_store_files.c.collection == collection_id, _LIVES)
    if only is not None:
        number = only.removeprefix(LOCAL)
        is_it = collection_files.c.source == only
        if number != only and number.isascii() and number.isdecimal() and len(number) < 19:
            is_it = collection_files.c.number == int(number)
        added, attached = added.where(is_it), attached.where(vector_store_files.c.file_id == only)
    for row in connection.execute(added):
        file_id = file_id_of(row.source, row.number)
        if only in (None, file_id):
            found[file_id] = StoreFile(
                id=file_id,
                name=row.name,
                filename=row.name,
                created_at=row.added_at,
                place=row.number,
                state=StoreFileState.COMPLETED,
                attributes=row.attributes,
                usage_bytes=row.size_bytes,
            )
    for row in connection.execute(attached):
        found[row.file_id] = _attached(row)
    for file_id, filename in filenames(connection, found).items():
        found[file_id] = replace(found[file_id], filename=filename)
    return sorted(found.values(), key=lambda one: one.order)


def filenames(connection: Connection, file_ids: Iterable[str]) -> dict[str, str]:
    """The names that files were uploaded with, by their ids, as far as they are stored.

    Without files that are named by their content: others may have uploaded it by another name.
    """
    named: dict[str, str] = {}
    for some in key_groups(file_ids):
        found = select(files.c.id, files.c.name).where(
            files.c.id.in_(some), files.c.id != files.c.sha256
        )
        named.update({row.id: row.name for row in connection.execute(found)})
    return named


def _attached(row: Row[Any]) -> StoreFile:
    state = StoreFileState(row.store_state)
    code, message = row.error_code, row.error_message
    if row.file_state != FileState.FAILED and row.job_error:
        code, message = row.job_error["code"], row.job_error["message"]
    attributes = row.added_attributes if row.attributes is None else row.attributes
    return StoreFile(
        id=row.file_id,
        name=row.name,
        filename=row.name,
        created_at=row.created_at,
        place=row.place,
        state=state,
        attributes=attributes or {},
        usage_bytes=row.size_bytes or 0 if state is StoreFileState.COMPLETED else 0,
        job_id=row.job_id,
        error_code=code if state is StoreFileState.FAILED else None,
        error_message=message or "" if state is StoreFileState.FAILED else "",
    )


def count_store_files(
    connection: Connection, collection_id: str
) -> tuple[dict[StoreFileState, int], int]:
    """How many files of a vector store are in each state, and the bytes of those that are added."""
    size_bytes = func.coalesce(func.sum(collection_files.c.size_bytes), 0)
    attached = (
        select(_STATE, func.count(), size_bytes)
        .select_from(_ATTACHED_FROM)
        .where(vector_store_files.c.collection == collection_id, _LIVES)
        .group_by(_STATE.name)
    )
    is_attached = exists().where(
        vector_store_files.c.collection == collection_id,
        vector_store_files.c.file_id == collection_files.c.source,
        _LIVES,
    )
    here = (collection_files.c.collection == collection_id, ~is_attached)
    others = select(func.count(), size_bytes).where(*here)
    counts: dict[StoreFileState, int] = {}
    usage_bytes = 0
    for state, count, size in connection.execute(attached):
        counts[StoreFileState(state)] = count
        usage_bytes += size if state == StoreFileState.COMPLETED else 0
    count, size = connection.execute(others).one()
    counts[StoreFileState.COMPLETED] = counts.get(StoreFileState.COMPLETED, 0) + count
    return counts, int(usage_bytes + size)


def expired_stores(connection: Connection) -> list[str]:
    """The collections whose vector stores have expired and still have files."""
    columns = vector_stores.c
    ends_at = columns.last_active_at + columns.expires_days * 86400.0
    of_it = collection_files.c.collection == columns.collection
    waits = and_(vector_store_files.c.collection == columns.collection, _LIVES)
    has_files = exists().where(of_it) | exists().where(waits)
    return [
        *connection.scalars(select(columns.collection).where(ends_at <= time.time(), has_files))
    ]


def mark_sources_removed(connection: Connection, numbers: Iterable[int]) -> None:
    """Keep the places in lists of files that are about to be removed from their collections."""
    attached = vector_store_files.c
    for some in key_groups(numbers):
        gone = exists().where(
            collection_files.c.number.in_(some),
            collection_files.c.collection == attached.collection,
            collection_files.c.source == attached.file_id,
        )
        values = {"removed_at": time.time(), "attributes": None}
        connection.execute(update(vector_store_files).where(gone).values(values))


def mark_stored_file_removed(connection: Connection, file_id: str) -> None:
    """Detach a stored file that is deleted from all vector stores."""
    mine = vector_store_files.c.file_id == file_id
    values = {"removed_at": func.coalesce(vector_store_files.c.removed_at, time.time())}
    connection.execute(update(vector_store_files).where(mine).values(values))


def forget_store(connection: Connection, collection_id: str) -> None:
    """Delete what clients keep of a collection that is deleted."""
    for table in (vector_store_files, vector_stores):
        connection.execute(delete(table).where(table.c.collection == collection_id))


def open_store_jobs(connection: Connection, collection_id: str) -> Iterator[str]:
    """The jobs that still add attached files to a collection."""
    columns = vector_store_files.c
    found = select(columns.job_id).join(jobs, jobs.c.id == columns.job_id).distinct()
    mine = (columns.collection == collection_id, jobs.c.state.in_(OPEN_STATES))
    return iter(connection.scalars(found.where(*mine)).all())


_LIVES = vector_store_files.c.removed_at.is_(None)

_this, _job_file, _added = vector_store_files.c, job_files.c, collection_files.c
_ATTACHED_FROM = (
    vector_store_files.outerjoin(jobs, jobs.c.id == _this.job_id)
    .outerjoin(job_files, and_(_job_file.job_id == _this.job_id, _job_file.place == _this.place))
    .outerjoin(
        collection_files,
        and_(_added.collection == _this.collection, _added.source == _this.file_id),
    )
)
"""Attached files, with their jobs and with the files of the collection that they have become."""

_STATE = case(
    (job_files.c.state == FileState.FAILED, StoreFileState.FAILED.value),
    (
        and_(job_files.c.state == FileState.WAITING, jobs.c.state.in_(OPEN_STATES)),
        StoreFileState.IN_PROGRESS.value,
    ),
    (collection_files.c.number.is_not(None), StoreFileState.COMPLETED.value),
    (
        and_(jobs.c.state == JobState.FAILED, jobs.c.error.is_not(None)),
        StoreFileState.FAILED.value,
    ),
    else_=StoreFileState.CANCELLED.value,
).label("store_state")

_ATTACHED = select(
    vector_store_files,
    _STATE,
    job_files.c.state.label("file_state"),
    job_files.c.error_code,
    job_files.c.error_message,
    jobs.c.error.label("job_error"),
    collection_files.c.attributes.label("added_attributes"),
    collection_files.c.size_bytes,
).select_from(_ATTACHED_FROM)
