"""Uploaded files, kept under the SHA-256 of their content.

::

    files/<sha256>          the content
    files/<sha256>.json     what it is called: written last, so a file exists when this does
    files/incoming/         uploads under way; emptied when the store is opened

What a user calls a file is data and never part of a path.
"""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import orjson

from bindery.errors import FileTooLarge, InvalidValue, StorageError, UnknownFile

_LONGEST_NAME = 1024
# An upload that has not been written to for so long belongs to a process that is gone.
_ABANDONED_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A kept file: ``id`` is the SHA-256 of its content, ``uploaded_at`` seconds since 1970."""

    id: str
    name: str
    size_bytes: int
    uploaded_at: float


class Incoming:
    """A file on its way in: write to it piece by piece, then ``keep`` it under a name."""

    def __init__(self, path: Path, file: FileIO, limit_bytes: int, store: "FileStore") -> None:
        self._path = path
        self._file = file
        self._limit_bytes = limit_bytes
        self._store = store
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Take the next piece. Raises FileTooLarge past the limit, StorageError on a full disk."""
        self._size_bytes += len(piece)
        if self._size_bytes > self._limit_bytes:
            raise FileTooLarge(
                f"The file is larger than {_megabytes(self._limit_bytes)}.",
                remedy="Split it, or raise BINDERY_UPLOAD_LIMIT_MB.",
                param="file",
            )
        self._digest.update(piece)
        rest = memoryview(piece)
        while rest:
            with _storage_errors(self._path.parent):
                rest = rest[self._file.write(rest) :]

    def keep(self, name: str) -> StoredFile:
        """Make it a file of the store: found again after a restart, whatever happens next."""
        _check_name(name)
        stored = StoredFile(self._digest.hexdigest(), name, self._size_bytes, time.time())
        with _storage_errors(self._path.parent):
            os.fsync(self._file.fileno())
            self._store.place(self._path, stored)
        return stored


class FileStore:
    """Files under one folder. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        with _storage_errors(folder):
            self._incoming.mkdir(parents=True, exist_ok=True)
            for path in self._incoming.iterdir():
                if _is_abandoned(path):
                    path.unlink(missing_ok=True)

    @contextmanager
    def receive(self, *, limit_bytes: int) -> Generator[Incoming]:
        """Take in a file of at most ``limit_bytes``. What was not kept at the end is gone."""
        path = self._incoming / secrets.token_hex(16)
        with _storage_errors(self._incoming):
            # Unbuffered: a buffer that could not be written would be tried again when closed.
            file = path.open("xb", buffering=0)
        try:
            with file:
                yield Incoming(path, file, limit_bytes, self)
        finally:
            path.unlink(missing_ok=True)

    def place(self, path: Path, stored: StoredFile) -> None:
        """Move a whole, synced file to its place and write down what it is called."""
        path.replace(self._folder / stored.id)
        record = {"name": stored.name, "size": stored.size_bytes, "uploaded_at": stored.uploaded_at}
        draft = self._incoming / f"{secrets.token_hex(16)}.json"
        with draft.open("xb") as file:
            file.write(orjson.dumps(record))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._record(stored.id))
        _sync_folder(self._folder)

    def __iter__(self) -> Iterator[StoredFile]:
        """Every file, oldest first."""
        files: list[StoredFile] = []
        for path in self._folder.glob("*.json"):
            with suppress(UnknownFile):  # deleted a moment ago
                files.append(self.get(path.stem))
        return iter(sorted(files, key=lambda file: (file.uploaded_at, file.id)))

    def get(self, file_id: str) -> StoredFile:
        """Raises UnknownFile where there is none of that id."""
        path = self._record(file_id)
        try:
            record = orjson.loads(path.read_bytes())
            return StoredFile(file_id, record["name"], record["size"], record["uploaded_at"])
        except FileNotFoundError as error:
            raise _unknown(file_id) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{path} is not a file's record.", remedy="Delete it and upload the file again."
            ) from error

    def path(self, file_id: str) -> Path:
        """Where the content lies, to be read. Raises UnknownFile where there is none."""
        self.get(file_id)
        return self._folder / file_id

    def delete(self, file_id: str) -> None:
        """Remove content and record. Raises UnknownFile where there is none."""
        with _storage_errors(self._folder):
            try:
                self._record(file_id).unlink()
            except FileNotFoundError as error:
                raise _unknown(file_id) from error
            (self._folder / file_id).unlink(missing_ok=True)
            _sync_folder(self._folder)

    def _record(self, file_id: str) -> Path:
        # The id comes from outside: only what a digest looks like becomes part of a path.
        if not re.fullmatch(r"[0-9a-f]{64}", file_id):
            raise _unknown(file_id)
        return self._folder / f"{file_id}.json"


def _is_abandoned(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED_S
    except FileNotFoundError:  # whole, and moved to its place, a moment ago
        return False


def _check_name(name: str) -> None:
    try:
        long = len(name.encode("utf-8")) > _LONGEST_NAME
    except UnicodeEncodeError:
        raise InvalidValue("The file's name is not Unicode.", param="filename") from None
    if long:
        raise InvalidValue(f"The file's name is over {_LONGEST_NAME} bytes long.", param="filename")


def _unknown(file_id: str) -> UnknownFile:
    return UnknownFile(
        f"There is no file {file_id[:80]!r}.",
        remedy="GET /files lists those there are; POST /files/upload adds one.",
        param="file_id",
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:g} MB"


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a folder to sync it
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written: {error.strerror or error}.",
            remedy="Free some space, or set BINDERY_HOME to a folder that can be written.",
        ) from error
