"""What takes space in a home, and what of it may be deleted."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bindery.disk import storage_errors


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """A part of a home: its path in it, what it is, its size, and how to make it smaller.

    ``remedy`` is ``""`` for what Bindery needs or manages itself.
    """

    path: str
    what: str
    size_bytes: int
    remedy: str = ""


_PARTS = (
    ("files", "contents of uploaded files", "bindery files delete ID"),
    ("indexes", "indexes of collections", "bindery collections delete NAME"),
    ("evaluations", "evaluations, and figures of settings", "delete the folder"),
    ("rotations", "rotations", "bindery rotate delete NAME"),
    ("staging", "unfinished downloads", "bindery preload MODEL completes them"),
    ("ballast", "space in reserve, so that deleting works on a full disk", ""),
)
_DATABASE = ("bindery.db", "bindery.db-wal", "bindery.db-shm", "bindery.db-journal")


def disk_usage(home: Path) -> list[DiskUsage]:
    """The parts of a home that exist, the largest first. Raises StorageError.

    Symbolic links are not followed: what they point to is not in the home.
    """
    found = [
        DiskUsage(
            "bindery.db",
            "the database: chunks, vectors, jobs and collections",
            sum(_size(home / name) for name in _DATABASE),
            "bindery collections delete NAME, or delete files and jobs",
        )
    ]
    known = {*_DATABASE, "models"}
    for name, what, remedy in _PARTS:
        known.add(name)
        found.append(DiskUsage(name, what, _size(home / name), remedy))
    for folder in _children(home / "models"):
        remedy = f"bindery models remove {folder.name}"
        found.append(DiskUsage(f"models/{folder.name}", "a model", _size(folder), remedy))
    others = sum(_size(path) for path in _children(home) if path.name not in known)
    found.append(DiskUsage(".", "keys, settings and other files", others))
    return sorted((one for one in found if one.size_bytes), key=lambda one: -one.size_bytes)


def _children(folder: Path) -> Iterator[Path]:
    with storage_errors(folder):
        yield from sorted(folder.iterdir()) if folder.is_dir() else ()


def _size(path: Path) -> int:
    """The bytes that a file, or a folder with everything in it, takes on the disk."""
    if not path.is_dir() or path.is_symlink():
        return _blocks(path)
    return sum(_blocks(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def _blocks(path: Path) -> int:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return getattr(found, "st_blocks", 0) * 512 or found.st_size
