"""Rows with vectors as a Parquet or Arrow file, streamed batch by batch."""

# arro3's stubs leave the item type of buffers open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import orjson
from arro3.core import (
    Array,
    DataType,
    Field,
    RecordBatch,
    RecordBatchReader,
    Schema,
    fixed_size_list_array,
    list_array,
)
from arro3.io import write_ipc
from arro3.io import write_parquet as write_arrow

from bindery.errors import StorageError
from bindery.vectors.forms import CodedEmbeddings, Form

# 25 MB of vectors of 384 values: what the writer holds before it puts them on the disk.
_ROWS_IN_MEMORY = 16_384

_NUMBERS: Mapping[Form, DataType] = {
    Form.FLOAT32: DataType.float32(),
    Form.FLOAT16: DataType.float16(),
    Form.INT8: DataType.int8(),
    Form.BINARY: DataType.int8(),
    Form.UBINARY: DataType.uint8(),
}

TEXT = DataType.string()
NUMBER = DataType.int64()
TEXTS = DataType.list(Field("item", DataType.string(), nullable=False))


@dataclass(frozen=True, slots=True)
class Column:
    """A column beside the vectors: ``TEXT``, ``NUMBER`` or ``TEXTS``."""

    name: str
    kind: DataType
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The schema of a table: its columns, then ``embedding``, and with int8 ``scales``.

    ``embedding`` is a fixed-size list of the numbers of a vector of ``dimensions`` values, or a
    list of such lists if a text has many vectors. ``scales`` is a number, or a list with one for
    each vector. ``about`` is written into the metadata as JSON, under ``bindery``. Columns
    ``of_few`` have few distinct values.
    """

    columns: tuple[Column, ...]
    form: Form
    dimensions: int
    has_many_vectors: bool
    about: Mapping[str, Any]
    of_few: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The same as an Arrow schema."""
        numbers = Field("item", _NUMBERS[self.form], nullable=False)
        vector = DataType.list(numbers, self.form.columns(self.dimensions))
        fields = [Field(one.name, one.kind, nullable=one.nullable) for one in self.columns]
        fields.append(Field("embedding", self._of_each_text(vector), nullable=False))
        if self.form is Form.INT8:
            scale = self._of_each_text(DataType.float32())
            fields.append(Field("scales", scale, nullable=False))
        return Schema(fields, metadata={"bindery": orjson.dumps(self.about).decode()})

    def _of_each_text(self, vector: DataType) -> DataType:
        return _list_of(vector) if self.has_many_vectors else vector


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """Some rows: the values of each column, and the vectors."""

    columns: Mapping[str, Sequence[Any]]
    vectors: CodedEmbeddings


def write_parquet(batches: Iterable[TableRows], sink: IO[bytes], table: Table) -> None:
    """Write Parquet. Raises what the batches raise, and StorageError."""

    def write(reader: RecordBatchReader) -> None:
        write_arrow(
            reader,
            sink,
            compression="zstd(1)",
            dictionary_enabled=False,
            column_dictionary_enabled=dict.fromkeys(table.of_few, True),
            max_row_group_size=_ROWS_IN_MEMORY,
        )

    _write(batches, table, write)


def write_arrow_file(batches: Iterable[TableRows], sink: IO[bytes], table: Table) -> None:
    """Write Arrow's file format (IPC, also called Feather). Raises as :func:`write_parquet`."""
    _write(batches, table, lambda reader: write_ipc(reader, sink, compression=None))


def _write(
    batches: Iterable[TableRows], table: Table, write: Callable[[RecordBatchReader], None]
) -> None:
    schema = table.schema
    stopped: list[BaseException] = []

    def arrow() -> Iterator[RecordBatch]:
        # The writer replaces any error that is raised here, so keep the first.
        try:
            for batch in batches:
                yield RecordBatch.from_arrays(_arrays(batch, schema, table), schema=schema)
        except BaseException as error:
            stopped.append(error)
            raise

    try:
        write(RecordBatchReader.from_batches(schema, arrow()))
    except Exception as error:  # the writer raises nothing narrower
        if stopped:
            raise stopped[0] from None
        raise StorageError(
            f"The table cannot be written: {error}.",
            remedy="Check that the disk has room, or choose another folder.",
        ) from error


def _list_of(item: DataType) -> DataType:
    return DataType.list(Field("item", item, nullable=False))


def _arrays(batch: TableRows, schema: Schema, table: Table) -> list[Array]:
    arrays = [_beside(batch.columns[one.name], schema.field(one.name)) for one in table.columns]
    return [*arrays, *_vectors(batch.vectors, schema, table)]


def _beside(values: Sequence[Any], field: Field) -> Array:
    if field.type != TEXTS:
        return Array(list(values), field)
    # arro3 does not build lists of texts.
    ends = np.cumsum([0, *(len(texts) for texts in values)], dtype=np.int32)
    item = Field("item", TEXT, nullable=False)
    flat = Array([text for texts in values for text in texts], item)
    return list_array(ends, flat, type=field)


def _vectors(coded: CodedEmbeddings, schema: Schema, table: Table) -> Iterator[Array]:
    """The columns that hold them: ``embedding``, and with int8 ``scales``."""
    field = schema.field("embedding")
    vector = field.type.value_field if table.has_many_vectors else field
    vectors = fixed_size_list_array(_flat(coded), coded.values.shape[1], type=vector)
    yield _by_text(vectors, coded, field, table)
    if coded.scales is not None:
        scales = Array.from_numpy(coded.scales)
        yield _by_text(scales, coded, schema.field("scales"), table)


def _flat(coded: CodedEmbeddings) -> Array:
    numbers = coded.values.reshape(-1)
    if coded.form is not Form.FLOAT16:
        return Array.from_numpy(numbers)
    # arro3 takes no float16 from NumPy; float32 holds them exactly.
    return Array.from_numpy(numbers.astype(np.float32)).cast(DataType.float16())


def _by_text(of_vectors: Array, coded: CodedEmbeddings, field: Field, table: Table) -> Array:
    """One entry for each text: the one of its vector, or a list of those of its vectors."""
    if not table.has_many_vectors:
        return of_vectors
    return list_array(coded.offsets.astype(np.int32), of_vectors, type=field)
