"""Where records go: JSON lines, NumPy's .npz or Parquet, whole or not at all."""

import shutil
import sys
import tempfile
import zipfile
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import orjson

from bindery import disk
from bindery.errors import InvalidValue, StorageError
from bindery.faces.cli.printing import JSON_OPTIONS
from bindery.faces.cli.records import About, Batch, records
from bindery.vectors import Form

Write: TypeAlias = Callable[[Iterable[Batch], Path, About], None]

_COPY_BYTES = 1 << 20
_TEXTS_AT_ONCE = 256


def write_json_lines(batches: Iterable[Batch], path: Path, about: About) -> None:
    """One JSON object on each line."""
    with path.open("wb") as sink:
        for batch in batches:
            sink.writelines(_lines(batch, about))


def write_npz(batches: Iterable[Batch], path: Path, about: About) -> None:
    """Arrays that ``numpy.load`` reads without pickle, text i in place i of each.

    ``vectors`` has a row for each vector, in the form that ``metadata`` names, and ``offsets`` is
    (n + 1,) int64: text i owns the vectors from ``offsets[i]`` to ``offsets[i + 1]``, one for a
    dense model. ``scales`` (r,) float32 is there with int8. ``file`` and ``text`` are unicode,
    ``index``, ``start``, ``end``, ``tokens`` and ``tokens_cut`` (both -1 where a vendor does not
    tell) and ``page`` (0 for none) int64. ``metadata`` is JSON on what made them.
    """
    with _Columns(path.parent, about) as columns:
        for batch in batches:
            columns.add(batch)
        with zipfile.ZipFile(path, "w") as archive:
            columns.save(archive)
            _save(archive, "metadata", np.array(orjson.dumps(about.facts()).decode()))


def write_parquet(batches: Iterable[Batch], path: Path, about: About) -> None:
    """A table with a row for each text; its metadata says under ``bindery`` what made it.

    ``embedding`` is a list of numbers, or a list of such lists where a text has many vectors; with
    int8 ``scales`` is a number, or a list of one for each vector.
    """
    from bindery.faces.cli.parquet import write_table

    write_table(batches, path, about)


WRITERS: Mapping[str, Write] = {
    ".jsonl": write_json_lines,
    ".npz": write_npz,
    ".parquet": write_parquet,
}
"""By the suffix of the file to write."""


def check_target(path: Path) -> None:
    """Raise InvalidValue for a suffix that is not in the table, StorageError for no such folder."""
    if path.suffix.lower() not in WRITERS:
        raise InvalidValue(
            f"No file ending in {path.suffix!r} can be written: {str(path)!r}."
            if path.suffix
            else f"{str(path)!r} has no suffix to tell its format by.",
            remedy=f"Choose a name that ends in {', '.join(WRITERS)}.",
            param="out",
        )
    if not path.parent.is_dir():
        raise StorageError(
            f"There is no folder {str(path.parent)!r} to write to.", remedy="Make it first."
        )


def write_file(batches: Iterable[Batch], path: Path, about: About) -> None:
    """Write a file, or leave what bears its name untouched. Raises StorageError."""
    check_target(path)
    with whole_file(path) as unfinished:
        WRITERS[path.suffix.lower()](batches, unfinished, about)


def write_output(batches: Iterable[Batch], about: About) -> None:
    """Write JSON lines to standard output as they come."""
    for batch in batches:
        sys.stdout.buffer.writelines(_lines(batch, about))
        sys.stdout.buffer.flush()


def print_document(
    batches: Iterable[Batch], about: About, ending: Callable[[], Mapping[str, Any]]
) -> None:
    """Write one JSON document to standard output, when all of it is there.

    ``ending`` gives what is known only then.
    """
    with tempfile.TemporaryFile() as spool:
        spool.write(orjson.dumps(about.facts())[:-1] + b',"chunks":[')
        first = True
        for batch in batches:
            for record in records(batch, about):
                spool.write(b"\n" if first else b",\n")
                spool.write(orjson.dumps(record, option=JSON_OPTIONS))
                first = False
        spool.write(b"]," + orjson.dumps(ending(), option=JSON_OPTIONS)[1:] + b"\n")
        spool.seek(0)
        shutil.copyfileobj(spool, sys.stdout.buffer, _COPY_BYTES)
        sys.stdout.buffer.flush()


@contextmanager
def whole_file(path: Path) -> Generator[Path, None, None]:
    """A file beside ``path`` to write to, which takes its name once all of it is on the disk."""
    with disk.whole_file(path) as file, disk.storage_errors(path):
        yield Path(file.name)


def _lines(batch: Batch, about: About) -> Iterator[bytes]:
    options = JSON_OPTIONS | orjson.OPT_APPEND_NEWLINE
    return (orjson.dumps(record, option=options) for record in records(batch, about))


class _Columns:
    """The columns of an .npz while they grow: vectors and texts on the disk, numbers in memory."""

    def __init__(self, folder: Path, about: About) -> None:
        self._vectors: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (see __exit__)
        self._texts: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._form = about.form
        self._columns = about.form.columns(about.dimensions)
        self._scales = array("f")
        self._lengths = array("q")
        self._longest = 1
        self._offsets = array("q", [0])
        self._files: list[str] = []
        names = ("index", "start", "end", "tokens", "tokens_cut", "page")
        self._numbers = {name: array("q") for name in names}

    def __enter__(self) -> "_Columns":
        return self

    def __exit__(self, *_: object) -> None:
        self._vectors.close()
        self._texts.close()

    def add(self, batch: Batch) -> None:
        """Take one batch in."""
        coded, cut = batch.coded(self._form), batch.encoded.tokens_cut
        self._vectors.write(coded.values.data)
        self._offsets.extend((coded.offsets[1:] + self._offsets[-1]).tolist())
        if coded.scales is not None:
            self._scales.frombytes(coded.scales.astype(np.float32, copy=False).tobytes())
        for place, piece in enumerate(batch.pieces):
            self._files.append(piece.file)
            numbers = (piece.index, piece.start, piece.end, piece.tokens, cut[place], piece.page)
            for column, number in zip(self._numbers.values(), numbers, strict=True):
                column.append(int(number or 0))
            encoded = piece.text.encode("utf-8")
            self._texts.write(encoded)
            self._lengths.append(len(encoded))
            self._longest = max(self._longest, len(piece.text))

    def save(self, archive: zipfile.ZipFile) -> None:
        """Write all columns."""
        self._vectors.seek(0)
        pieces = iter(lambda: self._vectors.read(_COPY_BYTES), b"")
        shape = (self._offsets[-1], self._columns)
        _stream(archive, "vectors", self._form.dtype, shape, pieces, packed=False)
        if self._form is Form.INT8:
            _save(archive, "scales", np.array(self._scales, dtype="<f4"))
        _save(archive, "offsets", np.array(self._offsets, dtype="<i8"))
        _save(archive, "file", np.array(self._files, dtype=np.str_))
        dtype = np.dtype(f"<U{self._longest}")
        _stream(archive, "text", dtype, (len(self._lengths),), self._padded_texts(dtype))
        for name, column in self._numbers.items():
            _save(archive, name, np.array(column, dtype="<i8"))

    def _padded_texts(self, dtype: np.dtype[Any]) -> Iterator[bytes]:
        self._texts.seek(0)
        for first in range(0, len(self._lengths), _TEXTS_AT_ONCE):
            lengths = self._lengths[first : first + _TEXTS_AT_ONCE]
            texts = [self._texts.read(length).decode("utf-8") for length in lengths]
            yield np.array(texts, dtype=dtype).tobytes()


def _save(archive: zipfile.ZipFile, name: str, values: np.ndarray[Any, Any]) -> None:
    _stream(archive, name, values.dtype, values.shape, [values.tobytes()])


def _stream(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    pieces: Iterable[bytes],
    *,
    packed: bool = True,
) -> None:
    """Write an array piece by piece; ``packed`` compresses it, which floats hardly allow."""
    member = zipfile.ZipInfo(f"{name}.npy")
    member.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    with archive.open(member, "w", force_zip64=True) as sink:
        np.lib.format.write_array_header_1_0(sink, header)
        for piece in pieces:
            sink.write(piece)
