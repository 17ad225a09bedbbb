"""The number formats of vectors, and the conversion from float32 and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.errors import InvalidValue
from bindery.vectors.embeddings import Embeddings, Offsets, Rows, check_offsets, freeze

Values: TypeAlias = npt.NDArray[Any]

_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)
_LARGEST_CODE = 127
# The smallest normal number keeps the division finite if a row is zero or nearly so; one step below
# the largest keeps 127 times it finite.
_LEAST_SCALE = np.finfo(np.float32).tiny
_LARGEST_SCALE = np.nextafter(np.finfo(np.float32).max / np.float32(_LARGEST_CODE), np.float32(0))

# Converts a byte counted from 0 into one counted from -128, and back.
_SIGN = np.uint8(0x80)


class Form(StrEnum):
    """The format of each number of a vector, named as vendors name it.

    ``BINARY`` and ``UBINARY`` hold one bit per value, eight to a byte: the same bytes, as signed
    numbers (minus 128) or unsigned.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    BINARY = "binary"
    UBINARY = "ubinary"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers, little-endian."""
        return _DTYPES[self]

    @property
    def is_bits(self) -> bool:
        """Whether a number holds the signs of eight values."""
        return self in (Form.BINARY, Form.UBINARY)

    def columns(self, dimensions: int) -> int:
        """How many numbers a vector of ``dimensions`` values has."""
        return (dimensions + 7) // 8 if self.is_bits else dimensions


@dataclass(frozen=True, slots=True, eq=False)
class CodedEmbeddings:
    """The vectors of n texts in one form.

    ``values`` is (r, ``form.columns(dimensions)``) of ``form.dtype``, C-contiguous; text i has the
    rows from ``offsets[i]`` to ``offsets[i + 1]``. ``scales`` is (r,) little-endian float32, above
    0, for int8, and None for the others: a vector is ``values * scale``. Floats are finite, int8 is
    never -128, and the bits beyond ``dimensions`` are 0. The arrays are read-only.

    Raises InvalidValue if any of this does not hold.
    """

    form: Form
    dimensions: int
    values: Values
    offsets: Offsets
    scales: Rows | None = None

    def __post_init__(self) -> None:
        expected = (len(self.values), self.form.columns(self.dimensions))
        if self.dimensions < 0:
            raise InvalidValue(f"Vectors cannot have {self.dimensions} dimensions.")
        if self.values.dtype != self.form.dtype or self.values.shape != expected:
            raise InvalidValue(
                f"A {self.form} vector of {self.dimensions} dimensions has {expected[1]} numbers "
                f"of {self.form.dtype}; got {self.values.dtype} of shape {self.values.shape}."
            )
        if not self.values.flags.c_contiguous:
            raise InvalidValue("Values must be C-contiguous.")
        if (self.scales is not None) != (self.form is Form.INT8):
            raise InvalidValue(f"Scales belong to int8, and int8 needs scales; got {self.form}.")
        check_offsets(self.offsets, len(self.values))
        if self.scales is not None:
            _check_int8(self.values, self.scales)
        elif self.form.is_bits:
            _check_bits(self._bytes, self.dimensions)
        elif not np.isfinite(self.values).all():
            row = int(np.argmin(np.isfinite(self.values).all(axis=1)))
            raise InvalidValue(f"Vector {row} has a value that is not finite.")
        freeze(self, "values", "offsets", *(() if self.scales is None else ("scales",)))

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        return f"CodedEmbeddings({self.form}, {len(self)} texts, {self.dimensions} dimensions)"

    @property
    def is_dense(self) -> bool:
        """Whether every text has exactly one vector."""
        return len(self.values) == len(self) and bool((np.diff(self.offsets) == 1).all())

    @property
    def bits(self) -> npt.NDArray[np.uint8]:
        """The bits as unsigned bytes, (r, columns), first value highest. Only for bits."""
        if not self.form.is_bits:
            raise InvalidValue(f"Vectors of {self.form} have no bits.")
        return self._bytes

    @property
    def _bytes(self) -> npt.NDArray[np.uint8]:
        values = self.values.view(np.uint8)
        return values ^ _SIGN if self.form is Form.BINARY else values

    def decoded(self) -> Embeddings:
        """The vectors as float32: exact for floats, off by at most scale / 2 for int8.

        Raises InvalidValue for bits: they only hold signs.
        """
        if self.form.is_bits:
            raise InvalidValue(
                "Bits cannot be turned back into vectors.",
                remedy="Compare them by Hamming distance, or use float32, float16 or int8.",
                param="form",
            )
        rows = np.ascontiguousarray(self.values, dtype=np.float32)
        if self.scales is not None:
            rows = rows * self.scales.astype(np.float32, copy=False)[:, None]
        return Embeddings(rows, self.offsets)


def code(embeddings: Embeddings, form: Form) -> CodedEmbeddings:
    """The vectors in a form.

    ``float16`` takes the nearest value, and raises InvalidValue beyond 65,504. ``int8`` is
    ``round(row / scale)`` with one scale per row, its largest absolute value / 127. Bits are set
    for values above 0, eight to a byte, the first value highest.
    """
    values, scales = _CODERS[form](embeddings.rows)
    values = values.astype(form.dtype, copy=False)
    return CodedEmbeddings(form, embeddings.width, values, embeddings.offsets, scales)


def joined(parts: Sequence[CodedEmbeddings], form: Form, dimensions: int) -> CodedEmbeddings:
    """The texts of all parts, in order; without parts there are no texts."""
    counts = [np.diff(part.offsets) for part in parts]
    offsets = np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *counts]))
    empty = np.zeros((0, form.columns(dimensions)), dtype=form.dtype)
    scales = [part.scales for part in parts if part.scales is not None]
    return CodedEmbeddings(
        form,
        dimensions,
        np.concatenate([empty, *(part.values for part in parts)]),
        offsets,
        np.concatenate([np.zeros(0, dtype="<f4"), *scales]) if form is Form.INT8 else None,
    )


_DTYPES: Mapping[Form, np.dtype[Any]] = {
    Form.FLOAT32: np.dtype("<f4"),
    Form.FLOAT16: np.dtype("<f2"),
    Form.INT8: np.dtype("i1"),
    Form.BINARY: np.dtype("i1"),
    Form.UBINARY: np.dtype("u1"),
}


def _half(rows: Rows) -> tuple[Values, None]:
    with np.errstate(over="ignore"):  # refused below
        halved = rows.astype(np.float16)
    if not np.isfinite(halved).all():
        row = int(np.argmin(np.isfinite(halved).all(axis=1)))
        raise InvalidValue(
            f"Row {row} has a value beyond the range of 16-bit floats, {_LARGEST_FLOAT16:,.0f}.",
            remedy="Choose float32 or int8, or normalise first.",
            param="form",
        )
    return halved, None


def _int8(rows: Rows) -> tuple[Values, Rows]:
    largest = np.abs(rows).max(axis=1, initial=0.0)
    scales = np.clip(largest / np.float32(_LARGEST_CODE), _LEAST_SCALE, _LARGEST_SCALE)
    codes = np.clip(np.rint(rows / scales[:, None]), -_LARGEST_CODE, _LARGEST_CODE)
    return codes.astype(np.int8), scales.astype("<f4", copy=False)


def _signs(rows: Rows) -> npt.NDArray[np.uint8]:
    return np.packbits(rows > 0, axis=1, bitorder="big")


_CODERS: Mapping[Form, Callable[[Rows], tuple[Values, Rows | None]]] = {
    Form.FLOAT32: lambda rows: (rows, None),
    Form.FLOAT16: _half,
    Form.INT8: _int8,
    Form.BINARY: lambda rows: ((_signs(rows) ^ _SIGN).view(np.int8), None),
    Form.UBINARY: lambda rows: (_signs(rows), None),
}


def _check_int8(codes: Values, scales: Rows) -> None:
    if (codes == -_LARGEST_CODE - 1).any():
        raise InvalidValue("int8 values must be between -127 and 127.")
    if scales.dtype != np.dtype("<f4") or scales.shape != (len(codes),):
        raise InvalidValue(
            f"{len(codes)} vectors need {len(codes)} float32 scales.", param="scales"
        )
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise InvalidValue("Scales must be finite and above 0.", param="scales")


def _check_bits(bits: npt.NDArray[np.uint8], dimensions: int) -> None:
    padding = -dimensions % 8
    if padding and (bits[:, -1] & ((1 << padding) - 1)).any():
        raise InvalidValue("The bits beyond the dimensions must be 0.")
