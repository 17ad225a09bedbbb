"""The files of a segment: arrays in the layout of safetensors, named by the SHA-256 of the content.

::

    NAME.segment              every array, read through a memory map
    NAME.DIGEST.codes         what finds candidates among the vectors, made again if not there

A file that is not what its name says is an error that :class:`DamagedSegment` names: its rows are
made again from the catalog.
"""

import errno
import hashlib
import json
import mmap
import os
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from bindery.disk import storage_errors, whole_file

FORMAT = "1"
SUFFIX = ".segment"
_ALIGNMENT = 8
_DIGITS = 32
_BLOCK_BYTES = 1 << 20
_DRAFT_S = 60.0
_DTYPES: Mapping[str, str] = {
    "F16": "<f2", "F32": "<f4", "U8": "|u1", "U16": "<u2", "I32": "<i4", "I64": "<i8",
}  # fmt: skip
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}

# What a file was like when its content was compared with its name.
_verified: dict[Path, tuple[int, int, int, int]] = {}

Arrays = Mapping[str, npt.NDArray[Any]]


class DamagedSegment(Exception):
    """A file of an index is missing, cut, altered, another one, or of an unknown format."""


class MissingSegment(DamagedSegment):
    """The file of a segment is not in this home."""


def write_arrays(folder: Path, arrays: Arrays, about: Mapping[str, str]) -> str:
    """Keep arrays durably; the name that finds them again. Raises StorageError."""
    header = _header(arrays, about)
    digest = hashlib.sha256(header)
    for block in _blocks(arrays):
        digest.update(block)
    name = digest.hexdigest()[:_DIGITS]
    path = folder / f"{name}{SUFFIX}"
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(header)
        for block in _blocks(arrays):
            file.write(block)
    return name


def read_arrays(folder: Path, name: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """The arrays of a name, in one memory map, and what was said about them; all of it is verified.

    A file that this process has verified and that has not changed since is not read again. Raises
    DamagedSegment, and StorageError if the file cannot be opened although it may be right.
    """
    path = folder / f"{name}{SUFFIX}"
    with _damage(path), path.open("rb") as file:
        _verify(file, path, name)
        file.seek(0)
        size, entries, about = _read_header(file)
        if about.get("format") != FORMAT:
            raise DamagedSegment(f"{path.name} has format {about.get('format')!r}, not {FORMAT!r}.")
        # One map for all arrays: each map takes a file descriptor.
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        arrays = {
            key: np.ndarray(
                entry["shape"],
                _DTYPES[entry["dtype"]],
                buffer=content,
                offset=8 + size + entry["data_offsets"][0],
            )
            for key, entry in entries.items()
        }
    return arrays, about


def read_about(folder: Path, name: str) -> dict[str, str]:
    """What was said about the arrays of a name, not verified. Raises DamagedSegment."""
    path = folder / f"{name}{SUFFIX}"
    with _damage(path), path.open("rb") as file:
        return _read_header(file)[2]


def _read_header(file: IO[bytes]) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The size of the header, and what it says of the arrays and about them."""
    size = int.from_bytes(file.read(8), "little")
    entries: dict[str, Any] = json.loads(file.read(size))
    return size, entries, entries.pop("__metadata__", {})


@contextmanager
def _damage(path: Path) -> Generator[None]:
    """Raise DamagedSegment for a file that is missing or wrong, StorageError for other failures."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EIO):
            kind = MissingSegment if error.errno == errno.ENOENT else DamagedSegment
            raise kind(f"{path.name} cannot be read: {error}.") from error
        with storage_errors(path):
            raise
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedSegment(f"{path.name} cannot be read: {error}.") from error


def _verify(file: IO[bytes], path: Path, name: str) -> None:
    status = os.fstat(file.fileno())
    found = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if _verified.get(path) == found:
        return
    if _digest_of(file)[:_DIGITS] != name:
        raise DamagedSegment(f"{path.name} is not what its name says.")
    _verified[path] = found


def verify_files(folder: Path, name: str) -> None:
    """Compare the files of a segment with their names, even if they seem not to have changed.

    Raises DamagedSegment.
    """
    path = folder / f"{name}{SUFFIX}"
    _verified.pop(path, None)
    with _damage(path), path.open("rb") as file:
        _verify(file, path, name)
    if any(folder.glob(f"{name}.*.codes")) and read_codes(folder, name) is None:
        raise DamagedSegment(f"The codes of {path.name} are not what their name says.")


def write_codes(folder: Path, name: str, data: bytes) -> None:
    """Keep the codes of a segment beside it. Raises StorageError."""
    digest = hashlib.sha256(data).hexdigest()[:_DIGITS]
    with whole_file(folder / f"{name}.{digest}.codes") as file:
        file.write(data)


def read_codes(folder: Path, name: str) -> bytes | None:
    """The codes of a segment, if there are some that are what they should be."""
    for path in folder.glob(f"{name}.*.codes"):
        with suppress(OSError):  # they are made again
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest()[:_DIGITS] == path.name.split(".")[1]:
                return data
    return None


def codes_head(folder: Path, name: str) -> bytes:
    """The first line of a segment's codes, which is not verified; empty if there are none."""
    for path in folder.glob(f"{name}.*.codes") if name else ():
        with suppress(OSError), path.open("rb") as file:
            return file.readline(_BLOCK_BYTES)
    return b""


def size_of(folder: Path, name: str) -> int:
    """The bytes of a segment's files; 0 if they are gone, or if it is in memory."""
    if not name:
        return 0
    with suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in files_of(folder, name))
    return 0


def files_of(folder: Path, name: str) -> list[Path]:
    """Every file of a segment that is there."""
    return sorted(folder.glob(f"{name}.*"))


def remove_files(folder: Path, name: str) -> None:
    """Delete the files of a segment."""
    for path in files_of(folder, name):
        with suppress(OSError):  # Windows deletes no file that is open: it is swept later
            path.unlink()
        _verified.pop(path, None)


def sweep(folder: Path, named: Collection[str], *, age_s: float) -> int:
    """Delete files that belong to none of these segments, unless they were written recently.

    Another process may be about to publish those. A draft that is being written stays in any case.
    Returns how many were deleted.
    """
    deleted = 0
    now = time.time()
    for path in folder.iterdir() if folder.is_dir() else ():
        least_s = max(age_s, _DRAFT_S) if path.name.startswith(".") else age_s
        with suppress(OSError):  # gone, or open on Windows
            is_old = not least_s or path.stat().st_mtime <= now - least_s
            if is_old and path.name.split(".")[0] not in named:
                path.unlink()
                deleted += 1
    return deleted


def remove_folder(folder: Path) -> int:
    """Delete the folder of a collection; how many files it had.

    A file that another process writes into it stays.
    """
    deleted = sweep(folder, (), age_s=0)
    with suppress(OSError):  # it is swept later
        folder.rmdir()
    return deleted


def sweep_folders(folder: Path, named: Collection[str], *, age_s: float) -> None:
    """Delete the folders of collections that are gone, unless they were written to lately."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in named and path.is_dir():
            sweep(path, (), age_s=age_s)
            with suppress(OSError):  # not empty
                path.rmdir()


def _header(arrays: Arrays, about: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {**about, "format": FORMAT}}
    at = 0
    for key, array in _in_order(arrays):
        end = at + array.nbytes
        dtype = _NAMES[array.dtype.newbyteorder("<") if array.itemsize > 1 else array.dtype]
        entries[key] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _in_order(arrays: Arrays) -> list[tuple[str, npt.NDArray[Any]]]:
    # The widest first, so that each begins at a multiple of its own width.
    return sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))


def _blocks(arrays: Arrays) -> Iterator[bytes]:
    for _, array in _in_order(arrays):
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, len(flat), _BLOCK_BYTES):
            yield flat[start : start + _BLOCK_BYTES].tobytes()


def _digest_of(file: IO[bytes]) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
