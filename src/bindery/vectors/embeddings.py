"""Vectors of texts, as one value for dense and late-interaction models.

All rows are in one array; offsets say which rows belong to which text. A dense model gives one row
per text, a late-interaction model one per kept token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.errors import InvalidValue

Rows = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """The vectors of n texts: text i has ``rows[offsets[i]:offsets[i + 1]]``.

    ``rows`` is (r, d) float32, C-contiguous and finite. ``offsets`` is (n + 1,) int64, starts at 0,
    never decreases and ends at r. Without texts, ``rows`` is (0, d) and offsets are ``[0]``. Both
    arrays are read-only. ``np.asarray`` gives (n, d) if every text has one row.

    Raises InvalidValue if any of this does not hold.
    """

    rows: Rows
    offsets: Offsets

    def __post_init__(self) -> None:
        rows = self.rows
        if rows.dtype != np.float32 or rows.ndim != 2 or not rows.flags.c_contiguous:
            raise InvalidValue(
                f"Rows must be a C-contiguous float32 matrix, got {rows.dtype} of {rows.shape}."
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
        """Several rows per text: n matrices (rows, width); any may be empty."""
        for text, rows in enumerate(texts):
            if rows.ndim != 2 or rows.shape[1] != width:
                raise InvalidValue(f"Text {text} has shape {rows.shape}, not (rows, {width}).")
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(rows) for rows in texts], out=offsets[1:])
        empty = np.zeros((0, width), dtype=np.float32)
        return cls(np.concatenate([empty, *texts]), offsets)

    @classmethod
    def joined(cls, parts: Sequence["Embeddings"]) -> "Embeddings":
        """The texts of all parts, of which there is at least one, in order."""
        ends = np.cumsum([0, *(len(part.rows) for part in parts)])
        offsets = [part.offsets[:-1] + end for part, end in zip(parts, ends[:-1], strict=True)]
        rows = np.concatenate([part.rows for part in parts])
        return cls(rows, np.concatenate([*offsets, ends[-1:]]))

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    def __getitem__(self, text: int) -> Rows:
        """The rows of one text, (rows, d), as a view; negative indices count from the end."""
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
        """Every row scaled to L2 length 1, in float32; a zero row stays zero."""
        return Embeddings(_unit(self.rows), self.offsets)

    def cut(self, dimensions: int) -> "Embeddings":
        """The first ``dimensions`` values of every row, scaled to length 1.

        Matryoshka Representation Learning (Kusupati et al., 2022, arXiv:2205.13147, section 3):
        without scaling, the cosine of a shorter vector is wrong. Cutting to the full width only
        normalises. Raises InvalidValue unless ``dimensions`` is 1 to ``width``.
        """
        if not 1 <= dimensions <= self.width:
            raise InvalidValue(
                f"Vectors of {self.width} values cannot be cut to {dimensions}.",
                remedy=f"Choose 1 to {self.width}.",
                param="dimensions",
            )
        return Embeddings(_unit(self.rows[:, :dimensions]), self.offsets)

    def __array__(
        self,
        dtype: npt.DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 - NumPy's protocol
    ) -> npt.NDArray[Any]:
        """The rows as (n, d), if every text has exactly one. Raises InvalidValue otherwise."""
        if not self.is_dense:
            raise InvalidValue(
                "These texts have several vectors each, so they do not form an array of (n, d).",
                remedy="Use .rows with .offsets, or index: embeddings[i] is (rows of text i, d).",
            )
        return np.array(self.rows, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        rows = "" if self.is_dense else f", {len(self.rows)} rows"
        return f"Embeddings({len(self)} texts{rows}, {self.width} dimensions)"


def _unit(rows: Rows) -> Rows:
    # Dividing by the largest value first keeps the squares of tiny and huge rows within float32.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    scaled = rows / np.where(largest > 0, largest, 1).astype(np.float32)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.ascontiguousarray(scaled / np.where(length > 0, length, 1), dtype=np.float32)


def check_offsets(offsets: Offsets, rows: int) -> None:
    """Raise InvalidValue unless the offsets start at 0, never decrease and end at ``rows``."""
    if offsets.dtype != np.int64 or offsets.ndim != 1 or not len(offsets):
        raise InvalidValue("Offsets must be a one-dimensional int64 array that starts at 0.")
    if offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets) < 0).any():
        raise InvalidValue(f"Offsets must start at 0, never decrease, and end at {rows}, the rows.")


def freeze(value: object, *names: str) -> None:
    """Make arrays of a frozen value read-only, as views: the caller's arrays stay writeable."""
    for name in names:
        view = getattr(value, name).view()
        view.flags.writeable = False
        object.__setattr__(value, name, view)
