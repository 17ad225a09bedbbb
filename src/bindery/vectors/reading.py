"""Reads files of vectors that ``bindery embed`` wrote."""

# arro3's stubs leave the item type of buffers open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import orjson
from arro3.core import DataType, RecordBatch, list_flatten, list_offsets
from arro3.io import read_parquet

from bindery.errors import InvalidValue, UnknownFile
from bindery.vectors.forms import CodedEmbeddings, Form, Values, joined

# The first and last bytes of a Parquet file.
_PARQUET = b"PAR1"


def load(path: str | Path) -> CodedEmbeddings:
    """The vectors in a file that ``bindery embed`` wrote, ``.npz`` or ``.parquet``, in its form.

    ``load(path).decoded()`` gives :class:`Embeddings`. Raises UnknownFile if there is no such file,
    and InvalidValue if it does not hold vectors.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InvalidValue(
            f"The name of {str(path)!r} does not end like a file of vectors.",
            remedy=f"Files end in {' or '.join(_READERS)}.",
        )
    if not path.is_file():
        raise UnknownFile(f"There is no file {str(path)!r}.", remedy="Check the path.")
    return read(path)


def _read_npz(path: Path) -> CodedEmbeddings:
    try:
        # Opened here, because NumPy leaves a broken file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            form, dimensions = _described(str(arrays["metadata"]))
            scales = arrays.get("scales")
            return CodedEmbeddings(form, dimensions, arrays["vectors"], arrays["offsets"], scales)
    except (OSError, EOFError, KeyError, ValueError, zlib.error, BadZipFile, InvalidValue) as error:
        raise _no_vectors(path, error) from error


def _read_parquet(path: Path) -> CodedEmbeddings:
    try:
        _check_ends(path)
        table = read_parquet(path)
        form, dimensions = _described(table.schema.metadata_str["bindery"])
        parts = [_columns(batch, form, dimensions) for batch in table]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # the reader panics on some broken files, which is no Exception
        raise _no_vectors(path, error) from error
    return joined(parts, form, dimensions)


def _check_ends(path: Path) -> None:
    """Raise InvalidValue for a truncated file; the reader would panic on it."""
    with path.open("rb") as file:
        first = file.read(len(_PARQUET))
        file.seek(max(0, path.stat().st_size - len(_PARQUET)))
        if not first == file.read() == _PARQUET:
            raise InvalidValue("it is not a complete Parquet file")


def _columns(batch: RecordBatch, form: Form, dimensions: int) -> CodedEmbeddings:
    """The vectors of one batch of rows, whose offsets have 32 bits."""
    vectors = batch["embedding"]
    scales = batch["scales"] if form is Form.INT8 else None
    offsets = np.arange(len(vectors) + 1, dtype=np.int64)
    if _is_any_list(vectors.type.value_type):  # many vectors for each text
        offsets = _numbers(list_offsets(vectors)).astype(np.int64)
        vectors = list_flatten(vectors)
        scales = None if scales is None else list_flatten(scales)
    columns = form.columns(dimensions)
    if {columns} != _lengths(vectors, columns):
        raise InvalidValue(f"Every vector must have {columns} numbers.")
    values = _numbers(list_flatten(vectors)).reshape(-1, columns)
    return CodedEmbeddings(
        form, dimensions, values, offsets, None if scales is None else _numbers(scales)
    )


def _is_any_list(kind: DataType | None) -> bool:
    return kind is not None and (DataType.is_list(kind) or DataType.is_fixed_size_list(kind))


def _lengths(lists: Any, expected: int) -> set[int]:  # noqa: ANN401 - as in _numbers
    """The lengths of all lists, and ``expected``. Version 0.1.0 wrote lists of any length."""
    if DataType.is_fixed_size_list(lists.type):
        return {expected, lists.type.list_size}
    return {expected, *np.diff(_numbers(list_offsets(lists))).tolist()}


def _numbers(array: Any) -> Values:  # noqa: ANN401 - arro3's functions are typed too widely
    return np.asarray(array)


def _described(metadata: str) -> tuple[Form, int]:
    """The form and the dimensions; files of version 0.1.0 do not name the form."""
    about: Mapping[str, Any] = orjson.loads(metadata)
    return Form(about.get("form", Form.FLOAT32)), int(about["dimensions"])


def _no_vectors(path: Path, error: BaseException) -> InvalidValue:
    return InvalidValue(
        f"{str(path)!r} does not hold vectors written by Bindery: {error}.",
        remedy="Write it again with bindery embed.",
    )


_READERS: Mapping[str, Callable[[Path], CodedEmbeddings]] = {
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
