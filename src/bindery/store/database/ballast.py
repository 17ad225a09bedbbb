"""Room kept free on the disk: on a full one, not even deleting would work without it."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from bindery.errors import StorageFull

SIZE_BYTES = 8 << 20


class Ballast:
    """A file that takes room until that is needed to delete something."""

    def __init__(self, path: Path, size_bytes: int = SIZE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def hold(self) -> None:
        """Take the room where it is not taken. Raises StorageFull where there is none."""
        if self._path.exists():
            return
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        try:
            with draft.open("wb", buffering=0) as file:
                _allocate(file.fileno(), self._size_bytes)
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise StorageFull(
                f"The disk of {self._path.parent} has no room left: what is there can be read and "
                "deleted, and nothing is added.",
                remedy="Delete files that are not needed, or free some space on that disk.",
            ) from error

    def release(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)

    def hold_again(self) -> None:
        """Take the room where there is some."""
        with suppress(StorageFull):
            self.hold()


def _allocate(descriptor: int, size_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size_bytes)
        return
    rest = memoryview(bytes(size_bytes))
    while rest:
        rest = rest[os.write(descriptor, rest) :]
