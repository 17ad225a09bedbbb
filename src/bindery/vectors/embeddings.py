"""Vectors of texts: one value for dense and late-interaction models alike.

Rows lie flat, one after the other; offsets say which belong to which text. A dense model gives one
row per text, a late-interaction model one per kept token, and everything that works on the one
works on the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bindery.errors import InvalidValue

Rows = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.int64]

_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)
_INT8_LARGEST = 127
# The smallest normal number keeps the division finite where a row is zero or nearly so; one step
# below the largest keeps 127 times it finite.
_LEAST_SCALE = np.finfo(np.float32).tiny
_LARGEST_SCALE = np.nextafter(np.finfo(np.float32).max / np.float32(_INT8_LARGEST), np.float32(0))


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Text i owns ``rows[offsets[i]:offsets[i+1]]``.

    ``rows`` is (r, d) float32, C-contiguous and finite.
    ``offsets`` is (n + 1,) int64, starts at 0, never falls and ends at r. No text at all is
    ``rows`` of shape (0, d) with offsets ``[0]``. Both arrays are read-only.

    Raises InvalidValue where any of that does not hold.
    """

    rows: Rows
    offsets: Offsets

    def __post_init__(self) -> None:
        rows = self.rows
        if rows.dtype != np.float32 or rows.ndim != 2 or not rows.flags.c_contiguous:
            raise InvalidValue(
                f"Rows are a C-contiguous float32 matrix, not {rows.dtype} of shape {rows.shape}."
            )
        check_offsets(self.offsets, len(rows))
        if not np.isfinite(rows).all():
            row = int(np.argmin(np.isfinite(rows).all(axis=1)))
            raise InvalidValue(f"Row {row} holds a value that is not finite.")
        freeze(self, "rows", "offsets")

    @classmethod
    def dense(cls, rows: Rows) -> "Embeddings":
        """One row per text: (n, d) float32."""
        return cls(np.ascontiguousarray(rows), np.arange(len(rows) + 1, dtype=np.int64))

    @classmethod
    def ragged(cls, texts: Sequence[Rows], width: int) -> "Embeddings":
        """Several rows per text: n matrices of (rows, width), each perhaps empty."""
        for text, rows in enumerate(texts):
            if rows.ndim != 2 or rows.shape[1] != width:
                raise InvalidValue(f"Text {text} is of shape {rows.shape}, not (rows, {width}).")
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(rows) for rows in texts], out=offsets[1:])
        empty = np.zeros((0, width), dtype=np.float32)
        return cls(np.concatenate([empty, *texts]), offsets)

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    def __getitem__(self, text: int) -> Rows:
        """The rows of one text, (rows, d), as a view; negative counts from the end."""
        if not -len(self) <= text < len(self):
            raise IndexError(f"text {text} of {len(self)}")
        text %= len(self)
        return self.rows[self.offsets[text] : self.offsets[text + 1]]

    @property
    def width(self) -> int:
        """The number of values in a row."""
        return self.rows.shape[1]

    @property
    def is_dense(self) -> bool:
        """Whether every text has exactly one row."""
        return len(self.rows) == len(self) and bool((np.diff(self.offsets) == 1).all())

    def normalised(self) -> "Embeddings":
        """Every row at length 1 (L2), computed in float32; a zero row stays zero."""
        return Embeddings(_unit(self.rows), self.offsets)

    def cut(self, dimensions: int) -> "Embeddings":
        """The first ``dimensions`` values of every row, brought back to length 1.

        Matryoshka Representation Learning (Kusupati et al., 2022, arXiv:2205.13147, section 3):
        without the second step a shorter vector's cosine is wrong. Cutting to the full width
        normalises.
        """
        if not 1 <= dimensions <= self.width:
            raise InvalidValue(
                f"Vectors of {self.width} values cannot be cut to {dimensions}.",
                remedy=f"Choose 1 to {self.width}.",
                param="dimensions",
            )
        return Embeddings(_unit(self.rows[:, :dimensions]), self.offsets)

    def halved(self) -> "Float16Embeddings":
        """16-bit floats (IEEE 754 binary16), each the nearest one.

        Raises InvalidValue for a value beyond 65,504, the largest that they hold.
        """
        with np.errstate(over="ignore"):  # an overflow is told below
            rows = self.rows.astype(np.float16)
        if not np.isfinite(rows).all():
            row = int(np.argmin(np.isfinite(rows).all(axis=1)))
            raise InvalidValue(
                f"Row {row} holds a value beyond what 16-bit floats can: {_LARGEST_FLOAT16:,.0f}.",
                remedy="Choose float32 or int8, or normalise first.",
                param="form",
            )
        return Float16Embeddings(rows, self.offsets)

    def quantised(self) -> "Int8Embeddings":
        """8-bit integers with one scale per row: row = codes * scale, off by at most scale / 2."""
        largest = np.abs(self.rows).max(axis=1, initial=0.0)
        scales = np.clip(largest / np.float32(_INT8_LARGEST), _LEAST_SCALE, _LARGEST_SCALE)
        codes = np.clip(np.rint(self.rows / scales[:, None]), -_INT8_LARGEST, _INT8_LARGEST)
        return Int8Embeddings(codes.astype(np.int8), scales, self.offsets)

    def packed(self) -> "BinaryEmbeddings":
        """One bit per value, set where it is above 0; eight to a byte, the first value highest."""
        bits = np.packbits(self.rows > 0, axis=1, bitorder="big")
        return BinaryEmbeddings(bits, self.width, self.offsets)


@dataclass(frozen=True, slots=True, eq=False)
class Float16Embeddings:
    """Rows as 16-bit floats: ``rows`` (r, d) float16, finite."""

    rows: npt.NDArray[np.float16]
    offsets: Offsets

    def __post_init__(self) -> None:
        if self.rows.dtype != np.float16 or self.rows.ndim != 2:
            raise InvalidValue("Rows are a float16 matrix.")
        if not np.isfinite(self.rows).all():
            raise InvalidValue("Rows are finite.")
        check_offsets(self.offsets, len(self.rows))
        freeze(self, "rows", "offsets")

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    def restored(self) -> Embeddings:
        """The rows as float32 again, exactly."""
        return Embeddings(np.ascontiguousarray(self.rows, dtype=np.float32), self.offsets)


@dataclass(frozen=True, slots=True, eq=False)
class Int8Embeddings:
    """Rows as 8-bit integers: ``codes`` (r, d) int8 in [-127, 127], ``scales`` (r,) float32 > 0."""

    codes: npt.NDArray[np.int8]
    scales: Rows
    offsets: Offsets

    def __post_init__(self) -> None:
        if self.codes.dtype != np.int8 or self.codes.ndim != 2 or (self.codes == -128).any():
            raise InvalidValue("Codes are an int8 matrix in [-127, 127].")
        if self.scales.dtype != np.float32 or self.scales.shape != (len(self.codes),):
            raise InvalidValue(f"{len(self.codes)} rows need as many float32 scales.")
        if not (np.isfinite(self.scales).all() and (self.scales > 0).all()):
            raise InvalidValue("Scales are finite and above 0.")
        check_offsets(self.offsets, len(self.codes))
        freeze(self, "codes", "scales", "offsets")

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    def restored(self) -> Embeddings:
        """The rows as float32 again: codes * scale."""
        return Embeddings(self.codes.astype(np.float32) * self.scales[:, None], self.offsets)


@dataclass(frozen=True, slots=True, eq=False)
class BinaryEmbeddings:
    """Rows as bits: ``bits`` (r, ceil(width / 8)) uint8, most significant first, padded with 0."""

    bits: npt.NDArray[np.uint8]
    width: int
    offsets: Offsets

    def __post_init__(self) -> None:
        if self.bits.dtype != np.uint8 or self.bits.ndim != 2:
            raise InvalidValue("Bits are a uint8 matrix.")
        if self.width < 0 or self.bits.shape[1] != (self.width + 7) // 8:
            raise InvalidValue(f"{self.bits.shape[1]} bytes do not hold {self.width} bits.")
        padding = -self.width % 8
        if padding and (self.bits[:, -1] & ((1 << padding) - 1)).any():
            raise InvalidValue("The bits beyond the width are 0.")
        check_offsets(self.offsets, len(self.bits))
        freeze(self, "bits", "offsets")

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    @property
    def is_dense(self) -> bool:
        """Whether every text has exactly one row."""
        return len(self.bits) == len(self) and bool((np.diff(self.offsets) == 1).all())


def _unit(rows: Rows) -> Rows:
    # Dividing by the largest value first keeps the squares of tiny and huge rows inside float32.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    scaled = rows / np.where(largest > 0, largest, 1).astype(np.float32)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.ascontiguousarray(scaled / np.where(length > 0, length, 1), dtype=np.float32)


def check_offsets(offsets: Offsets, rows: int) -> None:
    """Raise InvalidValue unless the offsets start at 0, never fall and end at ``rows``."""
    if offsets.dtype != np.int64 or offsets.ndim != 1 or not len(offsets):
        raise InvalidValue("Offsets are a row of int64 that starts at 0.")
    if offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets) < 0).any():
        raise InvalidValue(f"Offsets start at 0, never fall and end at the {rows} rows.")


def freeze(value: object, *names: str) -> None:
    """Make arrays of a frozen value read-only, as views: the caller's own stay as they were."""
    for name in names:
        view = getattr(value, name).view()
        view.flags.writeable = False
        object.__setattr__(value, name, view)
