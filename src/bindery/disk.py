"""Files on disk: written whole and durably, with the file system's errors as ours."""

import errno
import io
import os
import secrets
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from bindery.errors import StorageError, StorageFull

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "Free some space on that disk, or choose another folder.",
    errno.EDQUOT: "Free some space of your quota, or choose another folder.",
}
# Most file systems allow 255 bytes: four for a character, and the rest of the draft's name.
_NAME_PART = 50
_PERMISSIONS = "Check its owner and permissions, or choose another folder."


@contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Raise the block's OSErrors as :class:`StorageError` on ``path``, StorageFull for no space."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in _REMEDIES else StorageError
        raise kind(
            f"{error.filename or path} cannot be used: {error.strerror or error}.",
            remedy=_REMEDIES.get(cast("int", error.errno), _PERMISSIONS),
        ) from error


@contextmanager
def whole_file(path: Path, *, mode: int = 0o666) -> Generator[BinaryIO]:
    """Write the file ``path`` whole and durably.

    The file appears, or replaces the one there, when the block has ended and everything is on the
    disk. If the block raises, ``path`` stays as it was and nothing else is left. ``mode`` gives the
    permissions, less the process's umask. Raises StorageError.
    """
    draft = path.with_name(f".{path.name[:_NAME_PART]}.{secrets.token_hex(8)}")
    try:
        file = NewFile(draft, mode=mode, reported_as=path)
        with io.BufferedWriter(file) as buffer:
            yield buffer
            buffer.flush()
            file.sync()
        move(draft, path)
    except BaseException:  # also Ctrl-C
        with suppress(OSError):  # the first error is the one to report
            draft.unlink(missing_ok=True)
        raise


class NewFile(io.FileIO):
    """A file that is created to be written to; one that exists is a StorageError.

    Nothing is buffered, since a buffer that could not be written would be tried again on closing.
    Errors name the file ``reported_as``, or by its path.
    """

    def __init__(self, path: Path, *, mode: int = 0o666, reported_as: Path | None = None) -> None:
        self._path = reported_as or path
        with storage_errors(path):
            super().__init__(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of ``data``. Raises StorageError."""
        rest = memoryview(data).cast("B")
        size_bytes = len(rest)
        with storage_errors(self._path):
            while rest:
                rest = rest[super().write(rest) :]
        return size_bytes

    def sync(self) -> None:
        """Wait until the disk has what was written. Raises StorageError."""
        with storage_errors(self._path):
            os.fsync(self.fileno())


def move(source: Path, target: Path) -> None:
    """Rename a file or folder that is on the disk, durably. A file at ``target`` is replaced.

    Raises StorageError.
    """
    with storage_errors(target):
        source.replace(target)
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, on systems that can. Raises StorageError."""
    if os.name == "nt":  # Windows cannot open folders, and orders changes to them by itself
        return
    with storage_errors(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_room(folder: Path, *, least_bytes: int) -> None:
    """Raise StorageError if a folder cannot be written to, StorageFull if less space is free.

    Messages do not name the folder.
    """
    if not os.access(folder, os.W_OK):
        raise StorageError("The home folder is read-only.", remedy=_PERMISSIONS)
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError:  # it was removed meanwhile
        return
    if free_bytes < least_bytes:
        raise StorageFull(
            f"The disk of the home folder is almost full: {free_bytes >> 20} MB are free.",
            remedy=_REMEDIES[errno.ENOSPC],
        )


class Ballast:
    """A file that reserves space on the disk: on a full disk, deleting needs some, too."""

    SIZE_BYTES = 8 << 20

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self) -> None:
        """Reserve the space, unless it is. Raises StorageFull if there is too little."""
        if self._path.exists():
            return
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        try:
            with NewFile(draft) as file:
                _allocate(file, self.SIZE_BYTES)
            with storage_errors(self._path):
                draft.replace(self._path)
        except StorageError as error:
            draft.unlink(missing_ok=True)
            raise StorageFull(
                f"The disk of {self._path.parent} is full: files can be read and deleted, but not "
                "added.",
                remedy="Delete files that are not needed, or free some space on that disk.",
            ) from error

    def release(self) -> None:
        """Give the space back."""
        self._path.unlink(missing_ok=True)

    def hold_again(self) -> None:
        """Reserve the space if there is enough."""
        with suppress(StorageFull):
            self.hold()


def _allocate(file: NewFile, size_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        with storage_errors(Path(os.fsdecode(file.name))):
            os.posix_fallocate(file.fileno(), 0, size_bytes)
    else:
        file.write(bytes(size_bytes))
