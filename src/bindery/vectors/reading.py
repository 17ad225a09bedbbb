"""Reads files of vectors that ``bindery embed`` wrote."""

# arro3's stubs leave the item type of buffers open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import orjson
from arro3.core import DataType, RecordBatch, RecordBatchReader, list_flatten, list_offsets
from arro3.io import read_ipc, read_parquet

from bindery.errors import InvalidValue, UnknownFile
from bindery.vectors.forms import CodedEmbeddings, Form, Values, joined

SUFFIXES = (".npz", ".parquet", ".arrow")
"""The suffixes of the files that can be read back."""

_OF_VECTORS = ("embedding", "scales")
# What files of these formats begin and end with.
_PARQUET = b"PAR1"
_ARROW = b"ARROW1"


def load(path: str | Path) -> CodedEmbeddings:
    """The vectors in a file that ``bindery embed`` wrote, in the form that it has.

    Its suffix is one of :data:`SUFFIXES`. ``load(path).decoded()`` gives :class:`Embeddings`.
    Raises UnknownFile if there is no such file, and InvalidValue if it does not hold vectors.
    """
    path = Path(path)
    _check(path)
    return _read_npz(path) if path.suffix.lower() == ".npz" else _read_table(path)


def read_about(path: str | Path) -> Mapping[str, Any]:
    """What made the vectors in a file, as ``bindery embed`` noted it. Raises as :func:`load`."""
    path = Path(path)
    _check(path)
    try:
        if path.suffix.lower() == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return orjson.loads(str(arrays["metadata"]))
        return orjson.loads(_opened(path).schema.metadata_str["bindery"])
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # as in _read_table
        raise _no_vectors(path, error) from error


def read_rows(path: str | Path) -> Iterator[tuple[dict[str, Any], CodedEmbeddings]]:
    """The columns and the vectors of a Parquet or Arrow file, batch by batch.

    Raises as :func:`load`, naming the rows of the batch that is wrong.
    """
    path, first = Path(path), 1
    _check(path)
    try:
        table = _opened(path)
        form, dimensions = _described(table.schema.metadata_str["bindery"])
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # as in _read_table
        raise _no_vectors(path, error) from error
    while (batch := _next(table, path)) is not None:
        beside = [name for name in batch.schema.names if name not in _OF_VECTORS]
        try:
            coded = _columns(batch, form, dimensions)
        except InvalidValue as error:
            raise InvalidValue(
                f"Rows {first} to {first + batch.num_rows - 1} of {str(path)!r}: {error.message}"
            ) from error
        yield {name: batch[name].to_pylist() for name in beside}, coded
        first += batch.num_rows


def _next(table: RecordBatchReader, path: Path) -> RecordBatch | None:
    try:
        return next(table, None)  # pyright: ignore[reportArgumentType, reportCallIssue]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # as in _read_table
        raise _no_vectors(path, error) from error


def _check(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidValue(
            f"The name of {str(path)!r} does not end like a file of vectors.",
            remedy=f"Files end in {' or '.join(SUFFIXES)}.",
        )
    if not path.is_file():
        raise UnknownFile(f"There is no file {str(path)!r}.", remedy="Check the path.")


def _read_npz(path: Path) -> CodedEmbeddings:
    try:
        # Opened here, because NumPy leaves a broken file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            form, dimensions = _described(str(arrays["metadata"]))
            scales = arrays.get("scales")
            return CodedEmbeddings(form, dimensions, arrays["vectors"], arrays["offsets"], scales)
    except (OSError, EOFError, KeyError, ValueError, zlib.error, BadZipFile, InvalidValue) as error:
        raise _no_vectors(path, error) from error


def _opened(path: Path) -> RecordBatchReader:
    is_parquet = path.suffix.lower() == ".parquet"
    _check_ends(path, _PARQUET if is_parquet else _ARROW)
    return read_parquet(path) if is_parquet else read_ipc(path)


def _read_table(path: Path) -> CodedEmbeddings:
    try:
        table = _opened(path)
        form, dimensions = _described(table.schema.metadata_str["bindery"])
        parts = [_columns(batch, form, dimensions) for batch in table]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # the reader panics on some broken files, which is no Exception
        raise _no_vectors(path, error) from error
    return joined(parts, form, dimensions)


def _check_ends(path: Path, mark: bytes) -> None:
    """Raise InvalidValue for a file that was cut short; the reader would panic on it."""
    with path.open("rb") as file:
        first = file.read(len(mark))
        file.seek(max(0, path.stat().st_size - len(mark)))
        if not first == file.read() == mark:
            raise InvalidValue("the file is of another format, or incomplete")


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
