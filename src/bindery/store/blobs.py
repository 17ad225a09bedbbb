"""The contents of files by their SHA-256, in a folder or in an S3 bucket.

::

    <folder>/<sha256>        or        s3://<bucket>/<prefix>/<sha256>

A file is received on the local disk first, because its digest is only known at the end.
"""

import hashlib
import io
import re
import secrets
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from bindery.disk import move, storage_errors, sync_folder
from bindery.errors import InvalidValue, StorageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer
    from _typeshed import WriteableBuffer

_PART_BYTES = 8 << 20
# An upload holds this many parts in memory, however large the file is.
_PARTS_AT_ONCE = 4


class Blobs(Protocol):
    """Contents by their digest. Every method may raise StorageError."""

    def prepare(self, path: Path, sha256: str) -> None:
        """Do the slow part of :meth:`place`, without holding a transaction."""
        ...

    def place(self, path: Path, sha256: str) -> None:
        """Store the synced file at ``path`` durably. The file may be moved away.

        :meth:`delete` must not run at the same time.
        """
        ...

    def open(self, sha256: str) -> BinaryIO:
        """The content, opened at its start."""
        ...

    def as_path(self, sha256: str) -> AbstractContextManager[Path]:
        """A file with the content, for the length of the block."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove the content if it exists."""
        ...


def open_blobs(url: str, folder: Path) -> Blobs:
    """The contents at ``s3://BUCKET/PREFIX``, or in ``folder`` if ``url`` is empty.

    Raises InvalidValue for any other URL, StorageError.
    """
    if not url:
        return LocalBlobs(folder)
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[^?#]*)?", url):
        raise InvalidValue(
            "Invalid URL for the contents of files.",
            remedy="Use s3://bucket/prefix, or nothing for a folder in the home.",
            param="blobs_url",
        )
    return S3Blobs(url, folder / "incoming")


class LocalBlobs:
    """One file per content, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, path: Path, sha256: str) -> None:
        """Do nothing: renaming is fast."""

    def place(self, path: Path, sha256: str) -> None:
        """See :meth:`Blobs.place`."""
        move(path, self._folder / sha256)

    def open(self, sha256: str) -> BinaryIO:
        """See :meth:`Blobs.open`."""
        try:
            with storage_errors(self._folder):
                return (self._folder / sha256).open("rb")
        except StorageError as error:
            raise _gone(error) from error

    def as_path(self, sha256: str) -> AbstractContextManager[Path]:
        """See :meth:`Blobs.as_path`."""
        self.open(sha256).close()
        return nullcontext(self._folder / sha256)

    def delete(self, sha256: str) -> None:
        """See :meth:`Blobs.delete`."""
        with storage_errors(self._folder):
            (self._folder / sha256).unlink(missing_ok=True)
            sync_folder(self._folder)


class S3Blobs:
    """One object per content, under one prefix of a bucket.

    Keys, region and endpoint are read from the environment: ``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL`` and so on.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        """``scratch`` is a folder for temporary copies, which the caller cleans up."""
        try:
            import obstore
            from obstore import exceptions, store
        except ImportError as error:
            raise InvalidValue(
                "The client for S3 is not installed.",
                remedy="pip install 'bindery-search[s3]'.",
                param="blobs_url",
            ) from error
        self._url = url
        self._scratch = scratch
        self._obstore = obstore
        self._exceptions = exceptions
        with self._errors():
            self._store = store.S3Store.from_url(url)

    def prepare(self, path: Path, sha256: str) -> None:
        """Upload the file in parts, never whole in memory."""
        with self._errors():
            self._obstore.put(
                self._store,
                sha256,
                path,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def place(self, path: Path, sha256: str) -> None:
        """Check that it is still there: its last file may just have been deleted."""
        try:
            with self._errors():
                self._obstore.head(self._store, sha256)
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self.prepare(path, sha256)

    def open(self, sha256: str) -> BinaryIO:
        """See :meth:`Blobs.open`."""
        try:
            with self._errors():
                file = self._obstore.open_reader(self._store, sha256, buffer_size=_PART_BYTES)
        except StorageError as error:
            raise _gone(error) from error

        def read(size: int) -> "Buffer":
            with self._errors():
                return file.read(size)

        return io.BufferedReader(_Object(read))

    @contextmanager
    def as_path(self, sha256: str) -> Generator[Path]:
        """A copy for the length of the block. Raises StorageError if the object was altered."""
        path = self._scratch / secrets.token_hex(16)
        digest = hashlib.sha256()
        try:
            with storage_errors(self._scratch), self.open(sha256) as file, path.open("xb") as copy:
                while piece := file.read(_PART_BYTES):
                    digest.update(piece)
                    copy.write(piece)
            if digest.hexdigest() != sha256:
                raise StorageError(
                    f"{self._url}/{sha256} was altered in the bucket.",
                    remedy="Delete the file and upload it again.",
                )
            yield path
        finally:
            path.unlink(missing_ok=True)

    def delete(self, sha256: str) -> None:
        """See :meth:`Blobs.delete`."""
        with self._errors():
            self._obstore.delete(self._store, sha256)

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (self._exceptions.BaseError, OSError) as error:
            # Only its class: the server's message may quote what was sent to it.
            raise StorageError(
                f"The bucket {self._url} cannot be used ({type(error).__name__}).",
                remedy="Check that it can be reached, and check AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY.",
            ) from error


def _gone(error: StorageError) -> StorageError:
    if not isinstance(error.__cause__, FileNotFoundError):
        return error
    return StorageError(
        "The content of the file is missing from the store.",
        remedy="Delete the file and upload it again.",
    )


class _Object(io.RawIOBase):
    """A raw stream on top of a function that reads some bytes."""

    def __init__(self, read: Callable[[int], "Buffer"]) -> None:
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        piece = memoryview(self._read(len(view)))
        view[: len(piece)] = piece
        return len(piece)
