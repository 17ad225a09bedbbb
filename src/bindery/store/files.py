"""Uploaded files: rows of the database, and their contents by SHA-256.

::

    bindery.db               the files' names; a file exists if its row does
    files/<sha256>           the contents, unless they are in S3
    files/incoming/          uploads in progress, and copies from S3

A file's name is data and never part of a path.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import (
    Connection,
    LargeBinary,
    Select,
    cast,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from bindery.disk import NewFile, storage_errors
from bindery.errors import FileTooLarge, InvalidValue, UnknownFile
from bindery.store.blobs import Blobs, open_blobs
from bindery.store.collections import count_change
from bindery.store.database import Database
from bindery.store.database.tables import collection_files, collections, contents, files, leftovers
from bindery.store.deletion import forget_contents, remove_files
from bindery.store.vector_stores import mark_stored_file_removed

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_LONGEST_NAME = 1024
_ID = re.compile(r"[0-9a-f]{64}|file-[0-9a-f]{24}")
# Uploads that were not written to for this long, and contents without a file for this long, belong
# to processes that have ended.
_ABANDONED_S = 24 * 3600
# Uploads are locked while they are received, except at their very beginning.
_UPLOAD = "upload-"
_UNLOCKED_S = 10.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file. ``sha256`` is that of its content, ``uploaded_at`` in seconds since 1970.

    ``owner`` is the key that has uploaded it, if that is limited to collections. ``id`` is the same
    digest, except for an upload with a ``purpose`` or an ``owner``, which has its own id.
    """

    id: str
    name: str
    size_bytes: int
    uploaded_at: float
    sha256: str
    purpose: str = ""
    owner: str = ""

    def __post_init__(self) -> None:
        try:
            long = len(self.name.encode("utf-8")) > _LONGEST_NAME
        except UnicodeEncodeError:
            raise InvalidValue("The file's name is not Unicode.", param="filename") from None
        if long:
            raise InvalidValue(
                f"The file's name is over {_LONGEST_NAME} bytes long.", param="filename"
            )


class Incoming:
    """An upload: write to it piece by piece, then ``keep`` it under a name."""

    def __init__(self, path: Path, file: NewFile, limit_bytes: int, store: "FileStore") -> None:
        self._path = path
        self._file = file
        self._limit_bytes = limit_bytes
        self._store = store
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Add the next piece. Raises FileTooLarge past the limit, StorageFull on a full disk."""
        self._size_bytes += len(piece)
        if self._size_bytes > self._limit_bytes:
            raise FileTooLarge(
                f"The file is larger than {self._limit_bytes / 1024 / 1024:g} MB.",
                remedy="Split it, or raise BINDERY_UPLOAD_LIMIT_MB.",
                param="file",
            )
        self._digest.update(piece)
        self._file.write(piece)

    @property
    def sha256(self) -> str:
        """The digest of what was written, in hex."""
        return self._digest.hexdigest()

    @contextmanager
    def as_path(self, suffix: str) -> Generator[Path]:
        """What was written, as a file with a suffix, for the length of the block."""
        path = self._path.with_suffix(suffix)
        with storage_errors(path):
            path.hardlink_to(self._path)  # with its lock
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, name: str, *, purpose: str = "") -> StoredFile:
        """Make it a file of the store, durably.

        Without a purpose or an owner, the same content is the same file, under its latest name.
        Raises InvalidValue for an invalid name, StorageError.
        """
        sha256, owner = self._digest.hexdigest(), self._store.owner
        file = StoredFile(
            id=f"file-{secrets.token_hex(12)}" if purpose or owner else sha256,
            name=name,
            size_bytes=self._size_bytes,
            uploaded_at=time.time(),
            sha256=sha256,
            purpose=purpose,
            owner=owner,
        )
        self._file.sync()
        self._store.add(self._path, file)
        return file


class FileStore:
    """The files of a database and their contents. Safe to use from several threads and processes.

    ``folder`` holds uploads until they are complete.
    """

    def __init__(self, database: Database, blobs: Blobs, folder: Path) -> None:
        self._database = database
        self._blobs = blobs
        self._incoming = folder / "incoming"
        with storage_errors(folder):
            self._incoming.mkdir(parents=True, exist_ok=True)
        self.owner = ""
        self._only: frozenset[str] | None = None
        self.sweep()

    def limited(self, owner: str, collections: frozenset[str]) -> "FileStore":
        """The files for a key that is limited to the collections of these names.

        They are those that it has uploaded, and those that files of these collections are from.
        """
        limited = copy(self)
        limited.owner, limited._only = owner, collections
        return limited

    @contextmanager
    def receive(self, *, limit_bytes: int) -> Generator[Incoming]:
        """Receive a file of at most ``limit_bytes``. It is discarded unless it was kept."""
        path = self._incoming / f"{_UPLOAD}{secrets.token_hex(16)}"
        try:
            with NewFile(path) as file:
                if fcntl:
                    fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed, or the process ends
                yield Incoming(path, file, limit_bytes, self)
        finally:
            path.unlink(missing_ok=True)

    def add(self, path: Path, file: StoredFile) -> None:
        """Store the complete, synced content at ``path``, and its row. Raises StorageError."""
        with self._database.writing() as connection:
            _note(connection, file.sha256, time.time())
        self._blobs.prepare(path, file.sha256)
        with self._database.writing() as connection:
            # Nobody deletes during the transaction; the content is stored before its row.
            self._blobs.place(path, file.sha256)
            _put(connection, file)
            connection.execute(delete(leftovers).where(leftovers.c.sha256 == file.sha256))

    def __iter__(self) -> Iterator[StoredFile]:
        """Every file, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _FILES.where(*self._seen()).order_by(files.c.uploaded_at, files.c.id)
            ).all()
            return iter(self._named(connection, [StoredFile(*row) for row in rows]))

    def get(self, file_id: str) -> StoredFile:
        """The file of an id. Raises UnknownFile."""
        with self._database.reading() as connection:
            return self._find(connection, file_id)

    def sees(self, file_id: str) -> bool:
        """Whether :meth:`get` finds a file."""
        with self._database.reading() as connection:
            return self._found(connection, file_id) is not None

    def open(self, file_id: str) -> BinaryIO:
        """The file's content. Raises UnknownFile, and StorageError if the content is missing."""
        return self._blobs.open(self.get(file_id).sha256)

    @contextmanager
    def as_path(self, file_id: str) -> Generator[Path]:
        """The content as a local file, for the length of the block. Raises like :meth:`open`."""
        with self._blobs.as_path(self.get(file_id).sha256) as path:
            yield path

    def delete(self, file_id: str) -> None:
        """Delete a file. If no other file has its content, delete that and everything made from it.

        Raises UnknownFile, also for a file that a limited key sees but has not uploaded;
        StorageError.
        """
        with self._database.freeing() as connection:
            file = self._find(connection, file_id)
            if self._only is not None and file.owner != self.owner:
                raise UnknownFile(
                    f"The file {file_id!r} was not uploaded with this key.",
                    remedy="Remove it from the collection instead.",
                    param="file_id",
                )
            sha256 = file.sha256
            connection.execute(delete(files).where(files.c.id == file_id))
            _remove_source(connection, file_id)
            if not connection.scalar(select(exists().where(files.c.sha256 == sha256))):
                forget_contents(connection, [sha256])
                _note(connection, sha256, 0)
        self._clear(0)

    def _seen(self) -> tuple[Any, ...]:
        """The condition for files that are seen."""
        if self._only is None:
            return ()
        columns = collection_files.c
        in_mine = select(columns.source).where(columns.collection.in_(self._mine()))
        return (or_(files.c.owner == self.owner, cast(files.c.id, LargeBinary).in_(in_mine)),)

    def _mine(self) -> Select[tuple[str]]:
        """The ids of the collections that a limited key may see."""
        return select(collections.c.id).where(collections.c.name.in_(self._only or ()))

    def _found(self, connection: Connection, file_id: str) -> StoredFile | None:
        if not _ID.fullmatch(file_id):  # it may not be valid text in the database either
            return None
        row = connection.execute(_FILES.where(files.c.id == file_id, *self._seen())).first()
        return None if row is None else self._named(connection, [StoredFile(*row)])[0]

    def _named(self, connection: Connection, found: list[StoredFile]) -> list[StoredFile]:
        """Files with names that the caller may see: others may have uploaded the same content.

        A limited key sees its own names, and otherwise those in its collections.
        """
        others = [file.id for file in found if file.owner != self.owner]
        if self._only is None or not others:
            return found
        columns = collection_files.c
        named = select(columns.source, columns.name).where(columns.collection.in_(self._mine()))
        # The oldest name comes last, and stays.
        rows = connection.execute(named.order_by(columns.number.desc())).all()
        names: dict[str, str] = {row.source: row.name for row in rows}
        wanted = {one: names[one] for one in others if one in names}
        return [replace(file, name=wanted.get(file.id, file.name)) for file in found]

    def _find(self, connection: Connection, file_id: str) -> StoredFile:
        file = self._found(connection, file_id)
        if file is None:
            raise UnknownFile(
                f"There is no file {file_id[:80]!r}.",
                remedy="GET /files lists all files; POST /files/upload adds one.",
                param="file_id",
            )
        return file

    def sweep(self) -> None:
        """Remove what processes that have ended left behind. Raises StorageError."""
        now = time.time()
        with storage_errors(self._incoming):
            for path in self._incoming.iterdir():
                with suppress(FileNotFoundError):  # whole, and moved to its place, a moment ago
                    age_s = now - path.stat().st_mtime
                    if age_s > _ABANDONED_S or (age_s > _UNLOCKED_S and _is_abandoned(path)):
                        path.unlink()
        self._clear(now - _ABANDONED_S)

    def _clear(self, oldest: float) -> None:
        """Remove contents that no file has and that were noted at ``oldest`` or before."""
        old = select(leftovers.c.sha256).where(leftovers.c.since <= oldest)
        with self._database.reading() as connection:
            if not connection.scalars(old).first():
                return
        # In a transaction that writes, so that nobody adds a file with the content in between.
        with self._database.freeing() as connection:
            digests = connection.scalars(old).all()
            for sha256 in digests:
                if not connection.scalar(select(exists().where(contents.c.sha256 == sha256))):
                    self._blobs.delete(sha256)
            connection.execute(delete(leftovers).where(leftovers.c.since <= oldest))


def _is_abandoned(path: Path) -> bool:
    """Whether an upload is locked by no process any more."""
    if fcntl is None or not path.name.startswith(_UPLOAD):
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def open_files(database: Database, blobs_url: str, folder: Path) -> FileStore:
    """The files of a database, with their contents at ``blobs_url``, or in ``folder`` if empty.

    Raises InvalidValue for an invalid URL, StorageError.
    """
    return FileStore(database, open_blobs(blobs_url, folder), folder)


def is_kept(connection: Connection, file_id: str) -> bool:
    """Whether a file is there, within the caller's transaction."""
    return bool(connection.scalar(select(exists().where(files.c.id == file_id))))


_FILES = select(
    files.c.id,
    files.c.name,
    contents.c.size_bytes,
    files.c.uploaded_at,
    files.c.sha256,
    files.c.purpose,
    files.c.owner,
).join(contents)


def _put(connection: Connection, file: StoredFile) -> None:
    if not connection.scalar(select(exists().where(contents.c.sha256 == file.sha256))):
        connection.execute(insert(contents).values(sha256=file.sha256, size_bytes=file.size_bytes))
    values = {
        "name": file.name,
        "purpose": file.purpose,
        "uploaded_at": file.uploaded_at,
        "owner": file.owner,
    }
    # An update, not a delete and an insert, which would remove rows that refer to it.
    changed = connection.execute(update(files).where(files.c.id == file.id).values(values))
    if not changed.rowcount:
        connection.execute(insert(files).values(id=file.id, sha256=file.sha256, **values))


def _remove_source(connection: Connection, file_id: str) -> None:
    """Remove the files that are from a stored file from all collections."""
    mark_stored_file_removed(connection, file_id)
    columns = collection_files.c
    found = select(columns.collection, columns.number).where(columns.source == file_id)
    rows = connection.execute(found).all()
    for collection_id in sorted({row.collection for row in rows}):
        count_change(connection, collection_id)
    remove_files(connection, [row.number for row in rows])


def _note(connection: Connection, sha256: str, since: float) -> None:
    connection.execute(delete(leftovers).where(leftovers.c.sha256 == sha256))
    connection.execute(insert(leftovers).values(sha256=sha256, since=since))
