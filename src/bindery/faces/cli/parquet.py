"""Records as a Parquet table, streamed batch by batch."""

# arro3's stubs leave the item type of buffers open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema, list_array
from arro3.io import write_parquet as write_arrow

from bindery.codec import Coded, Form
from bindery.errors import StorageError
from bindery.faces.cli.records import About, Batch

# 25 MB of vectors of 384 values: what the writer holds before it puts them on the disk.
_ROWS_IN_MEMORY = 16_384

_TYPES: Mapping[Form, DataType] = {
    Form.FLOAT32: DataType.float32(),
    Form.FLOAT16: DataType.float16(),
    Form.INT8: DataType.int8(),
    Form.BINARY: DataType.int8(),
    Form.UBINARY: DataType.uint8(),
}

_NUMBERS = ("index", "start", "end", "tokens", "tokens_cut", "page")


def write_table(batches: Iterable[Batch], path: Path, about: About) -> None:
    """Write all batches as one table. Raises what they raise, and StorageError."""
    schema = _schema(about)
    stopped: list[BaseException] = []

    def arrow() -> Iterator[RecordBatch]:
        # The writer turns whatever is raised in here into an error of its own: keep the first.
        try:
            for batch in batches:
                yield RecordBatch.from_arrays(_arrays(batch, schema, about), schema=schema)
        except BaseException as error:
            stopped.append(error)
            raise

    try:
        with path.open("wb") as sink:
            write_arrow(
                RecordBatchReader.from_batches(schema, arrow()),
                sink,
                compression="zstd(1)",
                dictionary_enabled=False,
                column_dictionary_enabled={"file": True},
                max_row_group_size=_ROWS_IN_MEMORY,
            )
    except Exception as error:  # the writer raises nothing narrower
        if stopped:
            raise stopped[0] from None
        raise StorageError(
            f"The Parquet file {path} cannot be written: {error}.",
            remedy="Check that the disk has room, or choose another folder.",
        ) from error


def _schema(about: About) -> Schema:
    fields = [
        Field("file", DataType.string(), nullable=False),
        *(Field(name, DataType.int64(), nullable=name == "page") for name in _NUMBERS),
        Field("text", DataType.string(), nullable=False),
        Field("embedding", _of_each_text(_list_of(_TYPES[about.form]), about), nullable=False),
    ]
    if about.form is Form.INT8:
        fields.append(Field("scales", _of_each_text(DataType.float32(), about), nullable=False))
    return Schema(fields, metadata={"bindery": orjson.dumps(about.facts()).decode()})


def _of_each_text(vector: DataType, about: About) -> DataType:
    return _list_of(vector) if about.has_many_vectors else vector


def _list_of(item: DataType) -> DataType:
    return DataType.list(Field("item", item, nullable=False))


def _arrays(batch: Batch, schema: Schema, about: About) -> list[Array]:
    pieces = batch.pieces
    columns: dict[str, list[Any]] = {
        "file": [piece.file for piece in pieces],
        "index": [piece.index for piece in pieces],
        "start": [piece.start for piece in pieces],
        "end": [piece.end for piece in pieces],
        "tokens": [piece.tokens for piece in pieces],
        "tokens_cut": batch.encoded.tokens_cut.tolist(),
        "page": [piece.page for piece in pieces],
        "text": [piece.text for piece in pieces],
    }
    arrays = [Array(values, schema.field(name)) for name, values in columns.items()]
    return [*arrays, *_vectors(batch.coded(about.form), schema, about)]


def _vectors(coded: Coded, schema: Schema, about: About) -> Iterator[Array]:
    """The columns that hold them: ``embedding``, and with int8 ``scales``."""
    field = schema.field("embedding")
    vector = field.type.value_field if about.has_many_vectors else field
    columns = coded.values.shape[1]
    ends = np.arange(len(coded.values) + 1, dtype=np.int32) * np.int32(columns)
    yield _by_text(list_array(ends, _flat(coded), type=vector), coded, field, about)
    if coded.scales is not None:
        scales = Array.from_numpy(coded.scales)
        yield _by_text(scales, coded, schema.field("scales"), about)


def _flat(coded: Coded) -> Array:
    numbers = coded.values.reshape(-1)
    if coded.form is not Form.FLOAT16:
        return Array.from_numpy(numbers)
    # arro3 takes no float16 from NumPy; as float32 every one of them is exact.
    return Array.from_numpy(numbers.astype(np.float32)).cast(DataType.float16())


def _by_text(of_vectors: Array, coded: Coded, field: Field, about: About) -> Array:
    """One entry for each text: the one of its vector, or a list of those of its vectors."""
    if not about.has_many_vectors:
        return of_vectors
    return list_array(coded.offsets.astype(np.int32), of_vectors, type=field)
