"""Matryoshka for every model: a rotation that puts the energy first, so that vectors can be cut."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from bindery.errors import InvalidValue
from bindery.vectors.embeddings import Embeddings, Rows, freeze

Shares = npt.NDArray[np.float64]

# Rounding an orthogonal matrix of 1,024 columns to float32 changes products by about 1e-7.
_TOLERANCE = 1e-5
# Rows that are converted to float64 at a time: 32 MB at 1,024 values.
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """An orthogonal matrix fitted on a model's vectors, for queries and documents.

    ``matrix`` is (d, d) float32; ``rows @ matrix`` rotates vectors and preserves dot products and
    lengths. ``energy`` is (d,) float64: the share of the sample's squared length in each rotated
    dimension, decreasing, with the sum 1. It is for vectors of ``model`` at ``revision``;
    ``fitted_on`` is the number of vectors in the sample.

    Raises InvalidValue if any of this does not hold.
    """

    matrix: Rows
    energy: Shares
    model: str
    revision: str
    fitted_on: int

    def __post_init__(self) -> None:
        _check_orthogonal(self.matrix)
        _check_energy(self.energy, self.width)
        if self.fitted_on < 1:
            raise _invalid(f"fitted_on must be at least 1, got {self.fitted_on}.")
        freeze(self, "matrix", "energy")

    @classmethod
    def fit(cls, embeddings: Embeddings, *, model: str, revision: str) -> "Rotation":
        """The rotation to the eigenvectors of D^T D, by decreasing eigenvalue, for a sample D.

        Principal component analysis (Jolliffe, 2002) without centring, because subtracting the mean
        would change dot products. Computed in float64. The order of rows and the signs of
        eigenvectors are fixed, so equal samples give the same matrix.

        ``embeddings`` are full vectors of documents. Raises InvalidValue for fewer rows than
        dimensions, because the rest of the matrix would be arbitrary.
        """
        rows, width = embeddings.rows, embeddings.width
        if len(rows) < width:
            raise _invalid(
                f"{len(rows)} vectors are too few to fit a rotation of {width} dimensions.",
                remedy=f"Use at least {width} vectors; a thousand are a good sample.",
            )
        # Sorted by their bytes, which is cheap; any fixed order will do.
        order = np.argsort(rows.view(f"V{rows.strides[0]}")[:, 0])
        gram = np.zeros((width, width))
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            block = rows[order[first : first + _ROWS_AT_ONCE]].astype(np.float64)
            gram += block.T @ block
        eigenvalues, vectors = np.linalg.eigh(gram)
        energy = np.maximum(eigenvalues[::-1], 0)  # rounding can make one slightly negative
        if not energy[0]:
            raise _invalid("All vectors of the sample are zero.")

        vectors = vectors[:, ::-1]
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(width)]
        matrix = np.ascontiguousarray(vectors * np.sign(largest), dtype=np.float32)
        return cls(matrix, energy / energy.sum(), model, revision, len(rows))

    @property
    def width(self) -> int:
        """The number of values in the vectors."""
        return len(self.matrix)

    @property
    def digest(self) -> str:
        """SHA-256 of all fields, in hex: vectors rotated with the same digest can be compared."""
        about = [self.model, self.revision, self.width, self.fitted_on]
        digest = hashlib.sha256(orjson.dumps(about) + b"\n")
        digest.update(self.matrix.astype("<f4").tobytes())
        digest.update(self.energy.astype("<f8").tobytes())
        return digest.hexdigest()

    @property
    def facts(self) -> dict[str, str | int]:
        """What users see of it."""
        return {
            "model": self.model,
            "revision": self.revision,
            "dimensions": self.width,
            "fitted_on": self.fitted_on,
            "digest": self.digest,
        }

    def check_model(self, model: str, revision: str, width: int) -> None:
        """Raise InvalidValue for vectors of another model, revision or width."""
        own, other = (self.model, self.revision, self.width), (model, revision, width)
        if own != other:
            raise _invalid(
                f"The rotation is for vectors of {_named(*own)}, not of {_named(*other)}.",
                remedy="Fit one on vectors of this model: bindery rotate fit.",
            )

    def apply(self, embeddings: Embeddings) -> Embeddings:
        """Every row rotated, for :meth:`Embeddings.cut`. Raises InvalidValue for another width."""
        if embeddings.width != self.width:
            raise _invalid(
                f"The rotation is for vectors of {self.width} values, not of {embeddings.width}.",
                remedy="Rotate full vectors first, and cut them afterwards.",
            )
        return Embeddings(embeddings.rows @ self.matrix, embeddings.offsets)


def energy_of(embeddings: Embeddings) -> Shares:
    """The share of the squared length of all rows in each dimension: (d,), with the sum 1.

    The sum is 0 if there are no rows or all are zero.
    """
    energy = np.zeros(embeddings.width)
    for first in range(0, len(embeddings.rows), _ROWS_AT_ONCE):
        block = embeddings.rows[first : first + _ROWS_AT_ONCE].astype(np.float64)
        energy += np.square(block).sum(axis=0)
    return energy / (energy.sum() or 1)


def _check_orthogonal(matrix: Rows) -> None:
    if matrix.dtype != np.float32 or matrix.ndim != 2 or not 0 < len(matrix) == matrix.shape[1]:
        raise _invalid(
            f"A rotation must be a square float32 matrix, got {matrix.dtype} of {matrix.shape}."
        )
    with np.errstate(invalid="ignore", over="ignore"):  # non-finite values fail the test below
        off = np.abs(matrix @ matrix.T - np.eye(len(matrix), dtype=np.float32)).max()
    if not off <= _TOLERANCE:
        raise _invalid(f"The matrix must be orthogonal, but is off by {off:.1e}.")


def _check_energy(energy: Shares, width: int) -> None:
    if energy.dtype != np.float64 or energy.shape != (width,):
        raise _invalid(f"energy must be {width} float64 shares, got {energy.shape}.")
    decreases = bool((np.diff(energy) <= 0).all()) and energy[-1] >= 0
    if not decreases or abs(energy.sum() - 1) > _TOLERANCE:
        raise _invalid("The shares of energy must decrease, be at least 0, and have the sum 1.")


def _named(model: str, revision: str, width: int) -> str:
    at = f" at revision {revision[:12]}" if revision else ""
    return f"{model}{at} with {width} values"


def _invalid(message: str, *, remedy: str = "") -> InvalidValue:
    return InvalidValue(message, remedy=remedy, param="rotation")
