"""Records as a Parquet table, streamed batch by batch."""

# arro3's stubs leave the item type of buffers open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema, list_array
from arro3.io import write_parquet as write_arrow

from bindery.errors import StorageError
from bindery.faces.cli.records import About, Batch

# 25 MB of vectors of 384 values: what the writer holds before it puts them on the disk.
_ROWS_IN_MEMORY = 16_384

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
        Field("embedding", _vector_type(about), nullable=False),
    ]
    return Schema(fields, metadata={"bindery": orjson.dumps(about.facts()).decode()})


def _vector_type(about: About) -> DataType:
    vector = DataType.list(Field("item", DataType.float32(), nullable=False))
    return (
        DataType.list(Field("item", vector, nullable=False)) if about.has_many_vectors else vector
    )


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
    return [*arrays, _embeddings(batch, schema.field("embedding"), about)]


def _embeddings(batch: Batch, field: Field, about: About) -> Array:
    embeddings = batch.encoded.embeddings
    rows = embeddings.rows
    ends = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(rows.shape[1])
    if not about.has_many_vectors:
        return list_array(ends, rows.reshape(-1), type=field)
    vectors = list_array(ends, rows.reshape(-1), type=field.type.value_field)
    return list_array(embeddings.offsets.astype(np.int32), vectors, type=field)
