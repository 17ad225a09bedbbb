"""Dense vectors of a segment: a first pass over 4-bit codes, exact scores for the best of it.

A score is the dot product of the query (float32) and the row as it is kept (float16): the cosine,
since both have length 1. Few allowed rows are multiplied outright; more are scanned as codes under
a mask, so that a filter never loses hits.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bindery.search.codes import NO_FIRST_PASS, Codes, FirstPass
from bindery.search.lexical import Mask, Rows, Scores
from bindery.vectors.embeddings import Embeddings

CODED_ROWS = 5000
"""From this number of rows on, a first pass over codes is faster than the exact product."""

GATHERED_ROWS = 500
"""So few allowed rows are read and multiplied, which is faster than a scan."""

_GATHERED_OF = 250
"""So is one allowed row of this many: 2 ms of a million rows, which are scanned in 3 to 4."""

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class DenseSegment:
    """Vectors (n, d) float16, and perhaps codes of them for a faster first pass."""

    has_exact_scores: ClassVar[bool] = True
    """A score is that of the vectors themselves."""

    vectors: npt.NDArray[np.float16]
    codes: Codes | None = None

    @classmethod
    def of(cls, embeddings: Embeddings) -> "DenseSegment":
        """The vectors of embeddings, one for each text."""
        return cls(np.ascontiguousarray(embeddings.rows, dtype=np.float16))

    def with_codes(self, kept: bytes | None = None) -> "DenseSegment":
        """The segment with its codes, from what was kept of them or made; none for few rows."""
        if len(self.vectors) < CODED_ROWS:
            return self
        codes = None if kept is None else Codes.from_bytes(kept)
        if codes is None or len(codes) != len(self.vectors):
            codes = Codes.of(self.vectors)
        return replace(self, codes=codes)

    @property
    def code_bytes(self) -> bytes | None:
        """What is kept of the codes, from which they are read faster than made."""
        return None if self.codes is None else self.codes.to_bytes()

    @property
    def first_pass(self) -> FirstPass:
        """How candidates are found if there are many rows."""
        return NO_FIRST_PASS if self.codes is None else self.codes.first_pass

    @property
    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What is kept of it, but for the codes."""
        return {"vectors": self.vectors}

    def candidates(self, query: npt.NDArray[np.float32], k: int, allowed: Mask) -> Rows:
        """The rows, rising, among which the k best of the allowed rows (n,) are looked for.

        They are all of the allowed rows if these are few, or if there are no codes.
        """
        count = int(np.count_nonzero(allowed))
        if self.codes is None:
            return np.flatnonzero(allowed)
        few = max(GATHERED_ROWS, self.codes.wanted(k), len(self.vectors) // _GATHERED_OF)
        if count <= few:
            return np.flatnonzero(allowed)
        return np.sort(self.codes.candidates(query, k, allowed, count))

    def scores(self, query: npt.NDArray[np.float32], rows: Rows) -> Scores:
        """The exact scores (m,) of these rows."""
        found = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            vectors = self.vectors[some].astype(np.float32)
            # Row by row, so that equal rows have equal scores whatever they are scored with.
            found[start : start + len(some)] = np.vecdot(vectors, query)
        return found

    def centres(self, rows: Rows) -> npt.NDArray[np.float32]:
        """The vectors (m, d) of these rows."""
        return self.vectors[rows].astype(np.float32)

    def chosen(self, rows: Rows) -> "DenseSegment":
        """Those of some rows, without codes."""
        return DenseSegment(self.vectors[rows])

    @classmethod
    def joined(cls, parts: "list[DenseSegment]") -> "DenseSegment":
        """Those of several, one after the other, without codes."""
        return cls(np.concatenate([part.vectors for part in parts]))


def best_with_ties(scores: Scores, k: int) -> npt.NDArray[np.int64]:
    """The places of the k largest scores, rising, and of all that are equal to the last."""
    if len(scores) <= k or k <= 0:
        return np.arange(len(scores))
    last = np.partition(scores, len(scores) - k)[len(scores) - k]
    return np.flatnonzero(scores >= last)


def best_first(scores: Scores, k: int) -> npt.NDArray[np.int64]:
    """The places of the k largest scores, largest first, equal ones by place."""
    places = best_with_ties(scores, k)
    return places[np.argsort(-scores[places], kind="stable")][: max(0, k)]
