"""Are a model's files whole, and the ones that they should be?"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bindery.errors import ModelBroken
from bindery.models.card import CatalogEntry

_PIECE_BYTES = 1 << 20
_MISSING = "is missing"

# The format's own limit; a longer header is an attack on whoever parses it.
_MAX_HEADER_BYTES = 100_000_000

_ITEM_BYTES: Mapping[str, int] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file was when it was first fetched: its SHA-256 (hex) and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file. ``by_lock`` where only the lock file objects to it."""

    path: str
    reason: str
    by_lock: bool = False


@dataclass(frozen=True, slots=True)
class Inspection:
    """The files that are good, by path in the order of the catalog, and the faults of the rest."""

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

    ``lock`` maps paths to what was fetched first; where neither it nor the catalog knows a file's
    digest, the file must at least be sound in itself. Returns what was measured, by path.

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
    """Like :func:`verify`, but gives the faults back instead of raising."""
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
        measured = _digest(file)
        if expected and measured.sha256 != expected:
            reason = f"is altered (sha256 {measured.sha256[:12]}..., expected {expected[:12]}...)"
            return Fault(path, reason, by_lock=sha256 is None)
        # A file that nobody knows the digest of can still be seen to be cut off or something else.
        unsound = None if expected else _unsound(file)
    except OSError as error:
        return Fault(path, f"cannot be read ({error.strerror})")
    return Fault(path, unsound) if unsound else measured


def _digest(file: Path) -> FileDigest:
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as source:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return FileDigest(digest.hexdigest(), size)


def _unsound(file: Path) -> str | None:
    if file.suffix == ".safetensors":
        return _unsound_safetensors(file)
    if file.suffix in {".json", ".metadata"}:
        try:
            json.loads(file.read_bytes())
        except ValueError:
            return "is no JSON"
    return None


def check_safetensors(path: Path) -> None:
    """Check that a safetensors file is whole: a sound header, and just as many bytes as it says.

    Raises:
        ModelBroken: It is truncated, has bytes too many, or is no such file. Names the path.
    """
    try:
        reason = _unsound_safetensors(path)
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    if reason:
        raise ModelBroken(f"{path} {reason}.", remedy="Fetch the file again.")


def _unsound_safetensors(file: Path) -> str | None:
    """What is wrong with a safetensors file, or None. The tensors' bytes are not read.

    The file is: the header's length (8 bytes, little-endian), the header (JSON, tensors by name
    with ``dtype``, ``shape`` and the range of their bytes), and these bytes, without gaps.
    """
    size = file.stat().st_size
    with file.open("rb") as source:
        header_bytes = int.from_bytes(source.read(8), "little")
        if size < 8 or header_bytes > size - 8:
            return f"is truncated ({size} bytes end within the header), or no safetensors file"
        if header_bytes > _MAX_HEADER_BYTES:
            return f"has a header of {header_bytes} bytes, which is too long"
        header = source.read(header_bytes)
    try:
        ends_at = _end_of_tensors(json.loads(header))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return f"has a header that is not sound ({type(error).__name__}: {error})"

    expected = 8 + header_bytes + ends_at
    if size < expected:
        return f"is truncated ({size} of {expected} bytes)"
    if size > expected:
        return f"has {size - expected} bytes too many"
    return None


def _end_of_tensors(header: object) -> int:
    """Where the last tensor ends, counted from the end of the header; they leave no gaps."""
    tensors = {
        name: cast("dict[str, object]", tensor)
        for name, tensor in cast("dict[str, object]", header).items()
        if name != "__metadata__"
    }
    ranges: list[tuple[int, int, str]] = []
    for name, tensor in tensors.items():
        start, end = cast("list[int]", tensor["data_offsets"])
        ranges.append((start, end, name))
        item_bytes = _ITEM_BYTES.get(cast("str", tensor["dtype"]))
        shape = cast("list[int]", tensor["shape"])
        if item_bytes is not None and math.prod(shape) * item_bytes != end - start:
            raise ValueError(f"{name} does not fill its bytes")

    reached = 0
    for start, end, name in sorted(ranges):
        if start != reached or end < start:
            raise ValueError(f"{name} does not begin where the one before it ends")
        reached = end
    return reached
