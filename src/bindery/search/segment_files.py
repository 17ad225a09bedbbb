"""The files of a segment: arrays in the layout of safetensors, named by the SHA-256 of the content.

::

    NAME.segment              every array, read through a memory map
    NAME.DIGEST.codes         the 4-bit codes of the vectors, made from them again if not there

A file that is not what its name says is an error that :class:`DamagedSegment` names: its rows are
made again from the catalog.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
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
_DTYPES: Mapping[str, str] = {
    "F16": "<f2", "F32": "<f4", "U8": "|u1", "U16": "<u2", "I32": "<i4", "I64": "<i8",
}  # fmt: skip
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}

Arrays = Mapping[str, npt.NDArray[Any]]


class DamagedSegment(Exception):
    """A file of an index is missing, cut, altered, another one, or of an unknown format."""


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
    """The arrays of a name, as memory maps, and what was said about them; all of it is verified.

    Raises DamagedSegment.
    """
    path = folder / f"{name}{SUFFIX}"
    try:
        with path.open("rb") as file:
            if _digest_of(file)[:_DIGITS] != name:
                raise DamagedSegment(f"{path.name} is not what its name says.")
            file.seek(0)
            size = int.from_bytes(file.read(8), "little")
            entries: dict[str, Any] = json.loads(file.read(size))
    except (OSError, ValueError) as error:
        raise DamagedSegment(f"{path.name} cannot be read: {error}.") from error
    about: dict[str, str] = entries.pop("__metadata__", {})
    if about.get("format") != FORMAT:
        raise DamagedSegment(f"{path.name} has format {about.get('format')!r}, not {FORMAT!r}.")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for key, entry in entries.items():
        start, end = entry["data_offsets"]
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
        arrays[key] = (
            np.memmap(path, dtype, "r", offset=8 + size + start, shape=shape)
            if end > start
            else np.zeros(shape, dtype)
        )
    return arrays, about


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


def files_of(folder: Path, name: str) -> list[Path]:
    """Every file of a segment that is there."""
    return sorted(folder.glob(f"{name}.*"))


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
