"""Vectors in JSON: lists of numbers, or base64 of their little-endian bytes."""

from base64 import b64decode
from binascii import Error as NotBase64
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from bindery.errors import InvalidValue
from bindery.vectors.forms import CodedEmbeddings, Form, Values


def to_wire(
    coded: CodedEmbeddings, *, nested: bool, base64: bool = False, first: int | None = None
) -> dict[str, Any]:
    """The fields of an answer that hold vectors, as arrays that orjson can write.

    ``embeddings`` has one entry for each text: its numbers, or their bytes in base64. If
    ``nested``, as for late interaction, an entry is a list of vectors, or the bytes of all of them,
    and ``offsets`` gives the vectors of each text. ``scales`` has one number for each int8 vector.
    ``first`` limits the numbers of each vector; if nested, the vectors of each text.

    Raises InvalidValue if ``nested`` is False and a text does not have exactly one vector.
    """
    if nested:
        coded = coded if first is None else _first_vectors(coded, first)
        entries: Any = [
            coded.values[start:end]
            for start, end in zip(coded.offsets[:-1], coded.offsets[1:], strict=True)
        ]
    else:
        if not coded.is_dense:
            raise InvalidValue("A text does not have exactly one vector: write them nested.")
        entries = np.ascontiguousarray(coded.values[:, :first])
    return {
        "embeddings": (
            [b2a_base64(entry.data, newline=False).decode("ascii") for entry in entries]
            if base64
            else entries
        ),
        **({"offsets": coded.offsets} if nested else {}),
        **({} if coded.scales is None else {"scales": coded.scales}),
    }


def from_wire(
    embeddings: Sequence[Any],
    form: Form,
    dimensions: int,
    *,
    offsets: Sequence[int] | None = None,
    scales: Sequence[float] | None = None,
) -> CodedEmbeddings:
    """Read the fields that :func:`to_wire` wrote, after parsing the JSON: lists or base64.

    Raises InvalidValue for entries of another length or kind, numbers outside the form, and a wrong
    number of offsets or scales.
    """
    texts = [_rows(entry, form, dimensions, nested=offsets is not None) for entry in embeddings]
    counts = np.array([len(rows) for rows in texts], dtype=np.int64)
    found = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    if offsets is not None and list(offsets) != found.tolist():
        raise InvalidValue("The offsets do not match the embeddings.", param="offsets")
    empty = np.zeros((0, form.columns(dimensions)), dtype=form.dtype)
    read = None if scales is None else _numbers(scales, np.dtype("<f4"))
    return CodedEmbeddings(form, dimensions, np.concatenate([empty, *texts]), found, read)


def _first_vectors(coded: CodedEmbeddings, count: int) -> CodedEmbeddings:
    """The first ``count`` vectors of each text."""
    counts = np.diff(coded.offsets)
    index_in_text = np.arange(len(coded.values)) - np.repeat(coded.offsets[:-1], counts)
    kept = index_in_text < count
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(counts, count))])
    scales = None if coded.scales is None else coded.scales[kept]
    return CodedEmbeddings(coded.form, coded.dimensions, coded.values[kept], offsets, scales)


def _rows(entry: Any, form: Form, dimensions: int, *, nested: bool) -> Values:  # noqa: ANN401
    """The vectors of one text from JSON: (rows, columns)."""
    columns = form.columns(dimensions)
    if isinstance(entry, str):
        try:
            data = b64decode(entry, validate=True)
        except NotBase64 as error:
            raise _invalid(f"the base64 is invalid: {error}") from None
        size = columns * form.dtype.itemsize
        if not size or len(data) % size:
            raise _invalid(f"{len(data)} bytes are not a multiple of {size}, the size of a vector")
        values = np.frombuffer(data, dtype=form.dtype).reshape(-1, columns)
    else:
        values = _numbers(entry, form.dtype)
        if nested and not len(values):
            return np.zeros((0, columns), dtype=form.dtype)
        values = values if nested else values[None]
    if values.ndim != 2 or values.shape[1] != columns or (not nested and len(values) != 1):
        raise _invalid(f"a text has shape {values.shape}, not vectors of {columns} numbers")
    return values


def _numbers(given: Sequence[Any], dtype: np.dtype[Any]) -> Values:
    """Numbers from JSON, if the dtype can hold them all."""
    try:
        with np.errstate(over="ignore"):  # infinities are refused later
            found = np.asarray(given)
            values = found.astype(dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise _invalid(f"they are not numbers in rows of equal length: {error}") from None
    is_exact = dtype.kind == "f" or not found.size or np.array_equal(values, found)
    if (found.size and found.dtype.kind not in "iuf") or not is_exact:
        raise _invalid(f"{dtype} cannot hold them")
    return values


def _invalid(why: str) -> InvalidValue:
    return InvalidValue(f"The embeddings cannot be read: {why}.", param="embeddings")
