"""Files on disk: written whole and durably, and what the file system answers as typed errors."""

import errno
import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from bindery.errors import StorageError, StorageFull

_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "Free some space on that disk, or choose another folder.",
    errno.EDQUOT: "Free some space of your quota, or choose another folder.",
}
_UNWRITABLE = "Check whose it is and whether it can be written to, or choose another folder."


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power, where the system can do that."""
    if os.name == "nt":  # Windows opens no folders, and orders their changes by itself.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors(path: Path) -> Generator[None, None, None]:
    """Turn what the file system says within the block into a :class:`StorageError` on ``path``."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in _REMEDIES else StorageError
        raise kind(
            f"{error.filename or path} cannot be used: {error.strerror or error}.",
            remedy=_REMEDIES.get(cast("int", error.errno), _UNWRITABLE),
        ) from error


@contextmanager
def whole_file(path: Path) -> Generator[IO[bytes]]:
    """A file beside ``path`` to write to, which takes its name once all of it is on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with storage_errors(path):
        try:
            with draft.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
