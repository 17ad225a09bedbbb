"""Verify that a model's files are complete and the expected ones."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bindery.checkpoint import find_damage
from bindery.errors import ModelBroken
from bindery.models.card import CatalogEntry

_PIECE_BYTES = 1 << 20
_MISSING = "is missing"


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The SHA-256 (hex) and the size in bytes of a file."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file. ``by_lock``: only the lock file expects another one."""

    path: str
    reason: str
    by_lock: bool = False


@dataclass(frozen=True, slots=True)
class Inspection:
    """The good files by path, in the order of the catalog, and the faults of the others."""

    good: Mapping[str, FileDigest]
    faults: tuple[Fault, ...]

    def describe(self, model: str) -> str:
        """One sentence that names every bad file of ``model``."""
        return f"Model {model!r} is broken: " + "; ".join(
            f"{fault.path} {fault.reason}" for fault in self.faults
        )


def verify(
    folder: Path, entry: CatalogEntry, lock: Mapping[str, FileDigest]
) -> Mapping[str, FileDigest]:
    """Read every file of a model and compare it with the catalog and the lock file.

    ``lock`` has the digests of the first download by path. If neither it nor the catalog has the
    digest of a file, the file must at least be well-formed. Returns the measured digests by path.

    Raises:
        ModelBroken: Files are missing, empty, truncated or altered; the message names each.
    """
    inspection = inspect(folder, entry, lock)
    if inspection.faults:
        raise ModelBroken(
            f"{inspection.describe(entry.id)}.",
            remedy=f"Run `bindery preload {entry.id}` to fetch it again.",
        )
    return inspection.good


def inspect(folder: Path, entry: CatalogEntry, lock: Mapping[str, FileDigest]) -> Inspection:
    """Like :func:`verify`, but returns the faults instead of raising."""
    good: dict[str, FileDigest] = {}
    faults: list[Fault] = []
    for path, sha256 in entry.release.files.items():
        locked = lock.get(path)
        result = _inspect_file(folder, path, sha256, locked)
        if isinstance(result, FileDigest):
            good[path] = result
        elif result.reason != _MISSING or locked or path not in entry.release.optional:
            faults.append(result)
    return Inspection(good, tuple(faults))


def _inspect_file(
    folder: Path, path: str, sha256: str | None, locked: FileDigest | None
) -> FileDigest | Fault:
    file = folder / path
    expected = sha256 or (locked and locked.sha256)
    try:
        if not file.is_file():
            return Fault(path, _MISSING)
        size = file.stat().st_size
        if size == 0:
            return Fault(path, "is empty")
        if locked and locked.sha256 == expected and size < locked.size:
            reason = f"is truncated ({size} of {locked.size} bytes)"
            return Fault(path, reason, by_lock=sha256 is None)
        measured = digest_of(file)
        if expected and measured.sha256 != expected:
            reason = f"is altered (sha256 {measured.sha256[:12]}..., expected {expected[:12]}...)"
            return Fault(path, reason, by_lock=sha256 is None)
        # Without a known digest, a truncated or malformed file can still be detected.
        damage = None if expected else find_damage(file)
    except OSError as error:
        return Fault(path, f"cannot be read ({error.strerror})")
    return Fault(path, damage) if damage else measured


def digest_of(file: Path) -> FileDigest:
    """The digest of a file's content. Raises OSError."""
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as source:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return FileDigest(digest.hexdigest(), size)
