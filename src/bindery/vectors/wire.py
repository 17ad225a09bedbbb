"""Vectors in JSON: lists of numbers, or base64 of their little-endian bytes."""

from base64 import b64decode
from binascii import Error as NotBase64
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from bindery.errors import InvalidValue
from bindery.vectors.forms import Coded, Form, Values


def to_wire(
    coded: Coded, *, nested: bool, base64: bool = False, first: int | None = None
) -> dict[str, Any]:
    """The fields of an answer that hold vectors, with arrays that orjson writes as they are.

    ``embeddings`` has one entry for each text: its numbers, or their bytes in base64. Where
    ``nested``, as for late interaction, that is a list of vectors, or the bytes of all of them, and
    ``offsets`` says which vectors are whose; otherwise every text must have exactly one. ``scales``
    come with int8, one for each vector. ``first`` shows the first so many numbers of each vector,
    or where nested the first so many vectors of each text.

    Raises InvalidValue where a text does not have exactly one vector and ``nested`` is False.
    """
    if nested:
        coded = coded if first is None else _first_vectors(coded, first)
        entries: Any = [
            coded.values[start:end]
            for start, end in zip(coded.offsets[:-1], coded.offsets[1:], strict=True)
        ]
    else:
        if len(coded.values) != len(coded) or (np.diff(coded.offsets) != 1).any():
            raise InvalidValue("A text has several vectors, or none: they are written nested.")
        entries = np.ascontiguousarray(coded.values[:, :first])
    return {
        "embeddings": [_base64(entry) for entry in entries] if base64 else entries,
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
) -> Coded:
    """Read back what :func:`to_wire` wrote, once JSON is parsed: lists and base64 alike.

    Raises InvalidValue for what does not fit together: entries of another length or kind, numbers
    that the form does not hold, a wrong number of offsets or scales.
    """
    texts = [_rows(entry, form, dimensions, nested=offsets is not None) for entry in embeddings]
    counts = np.array([len(rows) for rows in texts], dtype=np.int64)
    found = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    if offsets is not None and list(offsets) != found.tolist():
        raise InvalidValue("The offsets are not those of the embeddings.", param="offsets")
    empty = np.zeros((0, form.columns(dimensions)), dtype=form.dtype)
    read = None if scales is None else _numbers(scales, np.dtype("<f4"))
    return Coded(form, dimensions, np.concatenate([empty, *texts]), found, read)


def _first_vectors(coded: Coded, count: int) -> Coded:
    """The first so many vectors of each text."""
    counts = np.diff(coded.offsets)
    place_in_text = np.arange(len(coded.values)) - np.repeat(coded.offsets[:-1], counts)
    kept = place_in_text < count
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(counts, count))])
    scales = None if coded.scales is None else coded.scales[kept]
    return Coded(coded.form, coded.dimensions, coded.values[kept], offsets, scales)


def _base64(values: Values) -> str:
    return b2a_base64(values.data, newline=False).decode("ascii")


def _rows(entry: Any, form: Form, dimensions: int, *, nested: bool) -> Values:  # noqa: ANN401
    """The vectors of one text as they came: (rows, columns)."""
    columns = form.columns(dimensions)
    if isinstance(entry, str):
        try:
            data = b64decode(entry, validate=True)
        except NotBase64 as error:
            raise _unfit(f"base64 is broken: {error}") from None
        size = columns * form.dtype.itemsize
        if not size or len(data) % size:
            raise _unfit(f"{len(data)} bytes are no vectors of {size} bytes each")
        values = np.frombuffer(data, dtype=form.dtype).reshape(-1, columns)
    else:
        values = _numbers(entry, form.dtype)
        if nested and not len(values):
            return np.zeros((0, columns), dtype=form.dtype)
        values = values if nested else values[None]
    if values.ndim != 2 or values.shape[1] != columns or (not nested and len(values) != 1):
        raise _unfit(f"a text is of shape {values.shape}, not of vectors of {columns} numbers")
    return values


def _numbers(given: Sequence[Any], dtype: np.dtype[Any]) -> Values:
    """Numbers as they came in JSON, if the dtype holds them all."""
    try:
        with np.errstate(over="ignore"):  # infinities are refused when decoded
            found = np.asarray(given)
            values = found.astype(dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise _unfit(f"they are no numbers in rows of one length: {error}") from None
    is_exact = dtype.kind == "f" or not found.size or np.array_equal(values, found)
    if (found.size and found.dtype.kind not in "iuf") or not is_exact:
        raise _unfit(f"{dtype} does not hold them")
    return values


def _unfit(why: str) -> InvalidValue:
    return InvalidValue(f"The embeddings cannot be read: {why}.", param="embeddings")
