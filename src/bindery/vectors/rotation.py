"""Matryoshka for every model: a rotation that puts what matters first, so vectors can be cut."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from bindery.errors import InvalidValue
from bindery.vectors.embeddings import Embeddings, Rows, freeze

Shares = npt.NDArray[np.float64]

# An orthogonal matrix of 1,024 columns rounded to float32 is off by some 1e-7.
_TOLERANCE = 1e-5
# Rows that are widened to float64 at once: 32 MB at 1,024 values.
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """An orthogonal matrix fitted on a model's vectors, for queries and documents alike.

    ``matrix`` is (d, d) float32; vectors are turned by ``rows @ matrix``, which leaves dot products
    and lengths as they are. ``energy`` is (d,) float64: the share of the sample's squared length
    that each turned dimension holds, falling, 1 in sum. ``model`` and ``revision`` tell whose
    vectors it turns, ``fitted_on`` the number of vectors in the sample.

    Raises InvalidValue if any of this is violated.
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
            raise _invalid(f"A rotation is not fitted on {self.fitted_on} vectors.")
        freeze(self, "matrix", "energy")

    @classmethod
    def fit(cls, embeddings: Embeddings, *, model: str, revision: str) -> "Rotation":
        """The rotation to the eigenvectors of D^T D, by falling eigenvalue, for a sample D.

        Principal component analysis (Jolliffe, 2002) without centring: taking the mean away would
        change dot products, and a query has no part in the mean. Computed in float64. Neither the
        order of the rows nor the sign of an eigenvector is left to chance, so equal samples give
        the same matrix.

        ``embeddings`` are full vectors of documents, uncut. Raises InvalidValue for fewer rows than
        dimensions: the rest of the matrix would be arbitrary, and what is cut away with it too.
        """
        rows, width = embeddings.rows, embeddings.width
        if len(rows) < width:
            raise _invalid(
                f"{len(rows)} vectors are too few to fit a rotation of {width} dimensions.",
                remedy=f"Give {width} or more; a thousand are a good sample.",
            )
        # By their bytes, which costs little: only that the order is always the same matters.
        order = np.argsort(rows.view(f"V{rows.strides[0]}")[:, 0])
        gram = np.zeros((width, width))
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            block = rows[order[first : first + _ROWS_AT_ONCE]].astype(np.float64)
            gram += block.T @ block
        eigenvalues, vectors = np.linalg.eigh(gram)
        falling = np.maximum(eigenvalues[::-1], 0)  # rounding can leave a tiny one below 0
        if not falling[0]:
            raise _invalid("All vectors of the sample are zero.")

        vectors = vectors[:, ::-1]
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(width)]
        matrix = np.ascontiguousarray(vectors * np.sign(largest), dtype=np.float32)
        return cls(matrix, falling / falling.sum(), model, revision, len(rows))

    @property
    def width(self) -> int:
        """The width of the vectors that it turns."""
        return len(self.matrix)

    @property
    def digest(self) -> str:
        """SHA-256 over all that it holds, in hex: vectors of one digest can be compared."""
        about = [self.model, self.revision, self.width, self.fitted_on]
        digest = hashlib.sha256(orjson.dumps(about) + b"\n")
        digest.update(self.matrix.astype("<f4").tobytes())
        digest.update(self.energy.astype("<f8").tobytes())
        return digest.hexdigest()

    def check_model(self, model: str, revision: str, width: int) -> None:
        """Raise InvalidValue for vectors of another model, revision or width."""
        own, other = (self.model, self.revision, self.width), (model, revision, width)
        if own != other:
            raise _invalid(
                f"The rotation turns vectors of {_named(*own)}, not of {_named(*other)}.",
                remedy="Fit one on vectors of this model: bindery rotate fit.",
            )

    def apply(self, embeddings: Embeddings) -> Embeddings:
        """Turn every row; then :meth:`Embeddings.cut` keeps most of it in few dimensions.

        Raises InvalidValue for another width.
        """
        if embeddings.width != self.width:
            raise _invalid(
                f"The rotation turns vectors of {self.width} values, not of {embeddings.width}.",
                remedy="Turn full vectors first, and cut them afterwards.",
            )
        return Embeddings(embeddings.rows @ self.matrix, embeddings.offsets)


def energy_of(embeddings: Embeddings) -> Shares:
    """The share of all rows' squared length that each dimension holds: (d,), 1 in sum.

    They sum to 0 if there are no rows or all are zero.
    """
    energy = np.zeros(embeddings.width)
    for first in range(0, len(embeddings.rows), _ROWS_AT_ONCE):
        block = embeddings.rows[first : first + _ROWS_AT_ONCE].astype(np.float64)
        energy += np.square(block).sum(axis=0)
    return energy / (energy.sum() or 1)


def _check_orthogonal(matrix: Rows) -> None:
    if matrix.dtype != np.float32 or matrix.ndim != 2 or not 0 < len(matrix) == matrix.shape[1]:
        raise _invalid(
            f"A rotation is a square float32 matrix, not {matrix.dtype} of shape {matrix.shape}."
        )
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is not orthogonal
        off = np.abs(matrix @ matrix.T - np.eye(len(matrix), dtype=np.float32)).max()
    if not off <= _TOLERANCE:
        raise _invalid(f"The matrix is not orthogonal: off by {off:.1e}.")


def _check_energy(energy: Shares, width: int) -> None:
    if energy.dtype != np.float64 or energy.shape != (width,):
        raise _invalid(f"{width} dimensions need as many float64 shares of energy.")
    falls = bool((np.diff(energy) <= 0).all()) and energy[-1] >= 0
    if not falls or abs(energy.sum() - 1) > _TOLERANCE:
        raise _invalid("Shares of energy fall, none below 0, and are 1 in sum.")


def _named(model: str, revision: str, width: int) -> str:
    at = f" at revision {revision[:12]}" if revision else ""
    return f"{model}{at} with {width} values"


def _invalid(message: str, *, remedy: str = "") -> InvalidValue:
    return InvalidValue(message, remedy=remedy, param="rotation")
