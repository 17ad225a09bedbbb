"""The formats of results, Parquet, Arrow, JSON lines and NumPy's .npz, written batch by batch."""

import struct
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import IO, Any

import numpy as np
import orjson

from bindery.errors import InvalidValue
from bindery.jobs.results import Write
from bindery.vectors.forms import Form
from bindery.vectors.tables import (
    NUMBER,
    TEXTS,
    Column,
    Table,
    TableRows,
    write_arrow_file,
    write_parquet,
)

_COPY_BYTES = 1 << 20
_ROWS_AT_ONCE = 256
_LENGTH = struct.Struct("<q")
_MISSING: Mapping[str, int] = {"page": 0, "last_page": 0}
_JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def json_records(rows: TableRows, table: Table) -> Iterator[bytes]:
    """Each row as a JSON object with the table's columns.

    ``embedding`` is a list of numbers, or a list of such lists if a text has many vectors.
    ``scales``, only with int8, is a number, or a list with one for each vector.
    """
    coded = rows.vectors
    names = [column.name for column in table.columns]
    for place, values in enumerate(zip(*(rows.columns[name] for name in names), strict=True)):
        start, end = coded.offsets[place], coded.offsets[place + 1]
        own = slice(start, end) if table.has_many_vectors else start
        record: dict[str, Any] = dict(zip(names, values, strict=True))
        record["embedding"] = coded.values[own]
        if coded.scales is not None:
            record["scales"] = coded.scales[own]
        yield orjson.dumps(record, option=_JSON_OPTIONS)


def write_json_lines(batches: Iterable[TableRows], sink: IO[bytes], table: Table) -> None:
    """Write a JSON object on each line, and flush after each batch."""
    for rows in batches:
        sink.writelines(record + b"\n" for record in json_records(rows, table))
        sink.flush()


def write_npz(batches: Iterable[TableRows], sink: IO[bytes], table: Table) -> None:
    """Write arrays that ``numpy.load`` reads without pickle.

    ``vectors`` has a row for each vector, in the form named by ``metadata``. ``offsets`` is
    (n + 1,) int64: text i has the vectors from ``offsets[i]`` to ``offsets[i + 1]``, one for a
    dense model. ``scales``, (r,) float32, exists only with int8. The other arrays are the columns:
    numbers are int64 and missing ones -1 (a missing page is 0); the others are Unicode, with
    ``headings`` as JSON lists. ``metadata`` is JSON. Columns are spooled to disk, not memory.
    """
    with ExitStack() as stack:
        vectors = stack.enter_context(tempfile.TemporaryFile())
        scales = stack.enter_context(tempfile.TemporaryFile())
        offsets = stack.enter_context(tempfile.TemporaryFile())
        columns = [stack.enter_context(_Spool(column)) for column in table.columns]
        texts = rows = 0
        offsets.write(_LENGTH.pack(0))
        for batch in batches:
            coded = batch.vectors
            vectors.write(coded.values.data)
            offsets.write((coded.offsets[1:] + rows).astype("<i8").tobytes())
            if coded.scales is not None:
                scales.write(coded.scales.astype("<f4").tobytes())
            for spool in columns:
                spool.add(batch.columns[spool.name])
            texts, rows = texts + len(coded), rows + len(coded.values)
        with zipfile.ZipFile(sink, "w") as archive:
            width = table.form.columns(table.dimensions)
            _save(archive, "vectors", table.form.dtype, (rows, width), vectors, is_packed=False)
            if table.form is Form.INT8:
                _save(archive, "scales", np.dtype("<f4"), (rows,), scales)
            _save(archive, "offsets", np.dtype("<i8"), (texts + 1,), offsets)
            for spool in columns:
                _stream(archive, spool.name, spool.dtype, (texts,), spool.pieces(texts))
            about = np.array(orjson.dumps(table.about).decode())
            _stream(archive, "metadata", about.dtype, (), [about.tobytes()])


FORMATS: Mapping[str, Write] = {
    "parquet": write_parquet,
    "arrow": write_arrow_file,
    "jsonl": write_json_lines,
    "npz": write_npz,
}
"""The writers by format, which is also the suffix of the file."""


def writer_of(format: str) -> Write:
    """The function that writes a format. Raises InvalidValue for an unknown one."""
    if format not in FORMATS:
        raise InvalidValue(
            f"Unknown format {format[:80]!r}.",
            remedy=f"Choose one of: {', '.join(FORMATS)}.",
            param="format",
        )
    return FORMATS[format]


class _Spool:
    """A growing column of an .npz on disk: numbers, or texts with their lengths before them."""

    def __init__(self, column: Column) -> None:
        self.name = column.name
        self._is_number = column.kind == NUMBER
        self._is_list = column.kind == TEXTS
        self._missing = _MISSING.get(column.name, -1)
        self._longest = 1
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the whole column."""
        return np.dtype("<i8") if self._is_number else np.dtype(f"<U{self._longest}")

    def add(self, values: Iterable[Any]) -> None:
        """Add the values of a batch."""
        if self._is_number:
            numbers = [self._missing if one is None else one for one in values]
            self._file.write(np.array(numbers, dtype="<i8").tobytes())
            return
        for value in values:
            text = orjson.dumps(value).decode() if self._is_list else value or ""
            self._longest = max(self._longest, len(text))
            encoded = text.encode("utf-8")
            self._file.write(_LENGTH.pack(len(encoded)) + encoded)

    def pieces(self, count: int) -> Iterator[bytes]:
        """The column in NumPy's memory layout, piece by piece."""
        self._file.seek(0)
        if self._is_number:
            yield from iter(lambda: self._file.read(_COPY_BYTES), b"")
            return
        texts = (self._text() for _ in range(count))
        while some := list(islice(texts, _ROWS_AT_ONCE)):
            yield np.array(some, dtype=self.dtype).tobytes()

    def _text(self) -> str:
        (length,) = _LENGTH.unpack(self._file.read(_LENGTH.size))
        return self._file.read(length).decode("utf-8")


def _save(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    file: IO[bytes],
    *,
    is_packed: bool = True,
) -> None:
    file.seek(0)
    pieces = iter(lambda: file.read(_COPY_BYTES), b"")
    _stream(archive, name, dtype, shape, pieces, is_packed=is_packed)


def _stream(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    pieces: Iterable[bytes],
    *,
    is_packed: bool = True,
) -> None:
    """Write an array piece by piece, compressed if ``is_packed``; floats hardly compress."""
    member = zipfile.ZipInfo(f"{name}.npy")
    member.compress_type = zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    with archive.open(member, "w", force_zip64=True) as sink:
        np.lib.format.write_array_header_1_0(sink, header)
        for piece in pieces:
            sink.write(piece)
