"""The forms of numbers that vectors are written in, and the way into each and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.errors import InvalidValue
from bindery.vectors.embeddings import (
    BinaryEmbeddings,
    Embeddings,
    Float16Embeddings,
    Int8Embeddings,
    Offsets,
    Rows,
    check_offsets,
    freeze,
)

Values: TypeAlias = npt.NDArray[Any]
Vectors: TypeAlias = Embeddings | Float16Embeddings | Int8Embeddings | BinaryEmbeddings

# What turns a byte that counts from 0 into the one that counts from -128, and back.
_SIGN = np.uint8(0x80)


class Form(StrEnum):
    """What each number of a vector is written as, named as vendors name it.

    ``BINARY`` and ``UBINARY`` hold one bit per value, eight to a byte: the same bytes, minus 128 as
    signed numbers or as they are.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    BINARY = "binary"
    UBINARY = "ubinary"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numbers as they are written, little-endian."""
        return _DTYPES[self]

    def columns(self, dimensions: int) -> int:
        """How many numbers a vector of so many dimensions is written as."""
        return (dimensions + 7) // 8 if self in (Form.BINARY, Form.UBINARY) else dimensions


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Vectors in one form, as they are written.

    ``values`` is (r, ``form.columns(dimensions)``) of ``form.dtype``, C-contiguous; text i owns the
    rows from ``offsets[i]`` to ``offsets[i + 1]``. ``scales`` is (r,) little-endian float32 for
    int8 and None for the others. The arrays are read-only.

    Raises InvalidValue where any of that does not hold.
    """

    form: Form
    dimensions: int
    values: Values
    offsets: Offsets
    scales: Rows | None = None

    def __post_init__(self) -> None:
        expected = (len(self.values), self.form.columns(self.dimensions))
        if self.values.dtype != self.form.dtype or self.values.shape != expected:
            raise InvalidValue(
                f"{self.form} of {self.dimensions} dimensions are {expected[1]} numbers of "
                f"{self.form.dtype} a vector, not {self.values.dtype} of {self.values.shape}."
            )
        if not self.values.flags.c_contiguous:
            raise InvalidValue("Values lie one row after the other.")
        if (self.scales is not None) != (self.form is Form.INT8):
            raise InvalidValue(f"Scales go with int8, and int8 with scales; this is {self.form}.")
        if self.scales is not None and self.scales.shape != (len(self.values),):
            raise InvalidValue(f"{len(self.values)} vectors need as many scales.", param="scales")
        check_offsets(self.offsets, len(self.values))
        freeze(self, "values", "offsets", *(() if self.scales is None else ("scales",)))

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    def decoded(self) -> Vectors:
        """The value that computes. Raises InvalidValue for numbers that it does not allow."""
        return _DECODERS[self.form](self)


def code(embeddings: Embeddings, form: Form) -> Coded:
    """The vectors in a form. Raises InvalidValue for a value that float16 cannot hold."""
    scales = None
    if form is Form.INT8:
        quantised = embeddings.quantised()
        values, scales = quantised.codes, quantised.scales.astype("<f4", copy=False)
    else:
        values = _CODERS[form](embeddings).astype(form.dtype, copy=False)
    return Coded(form, embeddings.width, values, embeddings.offsets, scales)


def joined(parts: Sequence[Coded], form: Form, dimensions: int) -> Coded:
    """The texts of all parts, one after the other; no part at all gives no text."""
    counts = [np.diff(part.offsets) for part in parts]
    offsets = np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *counts]))
    empty = np.zeros((0, form.columns(dimensions)), dtype=form.dtype)
    scales = [part.scales for part in parts if part.scales is not None]
    return Coded(
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

_CODERS: Mapping[Form, Callable[[Embeddings], Values]] = {
    Form.FLOAT32: lambda embeddings: embeddings.rows,
    Form.FLOAT16: lambda embeddings: embeddings.halved().rows,
    Form.BINARY: lambda embeddings: (embeddings.packed().bits ^ _SIGN).view(np.int8),
    Form.UBINARY: lambda embeddings: embeddings.packed().bits,
}


def _float32(coded: Coded) -> Vectors:
    return Embeddings(coded.values.astype(np.float32, copy=False), coded.offsets)


def _float16(coded: Coded) -> Vectors:
    return Float16Embeddings(coded.values.astype(np.float16, copy=False), coded.offsets)


def _int8(coded: Coded) -> Vectors:
    assert coded.scales is not None  # the constructor holds it
    scales = coded.scales.astype(np.float32, copy=False)
    return Int8Embeddings(coded.values, scales, coded.offsets)


def _binary(coded: Coded) -> Vectors:
    bits = coded.values.view(np.uint8) ^ _SIGN
    return BinaryEmbeddings(bits, coded.dimensions, coded.offsets)


def _ubinary(coded: Coded) -> Vectors:
    return BinaryEmbeddings(coded.values, coded.dimensions, coded.offsets)


_DECODERS: Mapping[Form, Callable[[Coded], Vectors]] = {
    Form.FLOAT32: _float32,
    Form.FLOAT16: _float16,
    Form.INT8: _int8,
    Form.BINARY: _binary,
    Form.UBINARY: _ubinary,
}
