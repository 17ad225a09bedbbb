"""Dense vectors of a segment: a first pass over 4-bit codes, exact scores for the best of it.

A score is the dot product of the query (float32) and the row as it is kept (float16): the cosine,
since both have length 1. Few allowed rows are multiplied outright; more are scanned as codes under
a mask, so that a filter never loses hits.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.search.lexical import Mask, Rows, Scores
from bindery.vectors.embeddings import Embeddings

GATHERED_ROWS = 500
"""So few allowed rows are read and multiplied, which is faster than a scan."""

# The first pass keeps this many candidates. Of 100,000 and of a million rows the best 10 were all
# among the best 50 by codes, and .9994 of the best 100 among 250.
_LEAST_CANDIDATES = 50
_CANDIDATES_PER_HIT = 2.5
_ROWS_AT_ONCE = 65_536

# turbovec 1.1.2 takes up to 40 times as long (18 ms of 100,000 rows) if between 16 and 48 rows for
# each wanted one are allowed and lie side by side. So it is asked for more.
_SLOW_SHARES = (16, 48)

# A scan under a mask takes up to twice as long as one without, which is tried first if most rows
# are allowed: with some more candidates, so that enough of them are allowed ones.
_LARGE_SHARE = 0.7
_SPARE = 1.3
_CODE_BITS = 4
_WIDTH_MULTIPLE = 8


@dataclass(frozen=True, slots=True, eq=False)
class DenseSegment:
    """Vectors (n, d) float16, and perhaps codes of them for a faster first pass."""

    vectors: npt.NDArray[np.float16]
    codes: "Codes | None" = None

    @classmethod
    def of(cls, embeddings: Embeddings) -> "DenseSegment":
        """The vectors of embeddings, one for each text."""
        return cls(np.ascontiguousarray(embeddings.rows, dtype=np.float16))

    @property
    def is_exact(self) -> bool:
        """Whether every allowed row is scored."""
        return self.codes is None

    @property
    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What is kept of it, but for the codes."""
        return {"vectors": self.vectors}

    def best(self, query: npt.NDArray[np.float32], k: int, allowed: Mask) -> tuple[Rows, Scores]:
        """The k best of the allowed rows (n,), best first, with their exact scores."""
        count = int(np.count_nonzero(allowed))
        wanted = min(max(_LEAST_CANDIDATES, int(_CANDIDATES_PER_HIT * k)), count)
        if self.codes is None or count <= max(GATHERED_ROWS, wanted):
            rows = np.flatnonzero(allowed)
        else:
            # Sorted, so that equal scores are in the order of the rows.
            rows = np.sort(self.codes.candidates(query, wanted, allowed, count))
        scores = self.scores(query, rows)
        order = best_first(scores, k)
        return rows[order], scores[order]

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


class Codes:
    """Vectors as 4-bit codes of TurboQuant (Zandieh et al., 2025, arXiv:2504.19874), by turbovec.

    They are made once and never changed: turbovec's files have no checksum, and changes after
    loading have corrupted them (its issues 303, 353 and 361).
    """

    def __init__(self, index: Any) -> None:  # noqa: ANN401 - turbovec has no types
        self._index = index

    @classmethod
    def of(cls, vectors: npt.NDArray[np.float16]) -> "Codes | None":
        """The codes of vectors (n, d), or None if turbovec is not installed.

        It has no wheel for musl and for macOS on Intel: there the first pass is exact, too.
        """
        if (turbovec := _turbovec()) is None:
            return None
        width = -(-vectors.shape[1] // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE
        index = turbovec.TurboQuantIndex(width, _CODE_BITS)
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            some = vectors[start : start + _ROWS_AT_ONCE]
            index.add(_padded(some, width))
        index.prepare()
        return cls(index)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Codes | None":
        """The reverse of :meth:`to_bytes`; None for what this turbovec does not read."""
        if (turbovec := _turbovec()) is None:
            return None
        try:
            index = turbovec.TurboQuantIndex.from_bytes(data)
        except ValueError:  # of another version: the caller makes them again
            return None
        index.prepare()
        return cls(index)

    def to_bytes(self) -> bytes:
        """The codes as turbovec keeps them."""
        return bytes(self._index.to_bytes())

    def __len__(self) -> int:
        return len(self._index)

    def candidates(
        self, query: npt.NDArray[np.float32], wanted: int, allowed: Mask, count: int
    ) -> npt.NDArray[np.int64]:
        """The ``wanted`` rows that are likely the best of the ``count`` allowed ones."""
        share = count / len(allowed)
        if share == 1:
            return self._search(query, wanted, None)
        if share > _LARGE_SHARE:
            rows = self._search(query, int(_SPARE * wanted / share), None)
            rows = rows[allowed[rows]]
            if len(rows) >= wanted:
                return rows[:wanted]
        asked = wanted
        if _SLOW_SHARES[0] * wanted < count <= _SLOW_SHARES[1] * wanted:
            asked = -(-count // _SLOW_SHARES[0])
        return self._search(query, asked, allowed)[:wanted]

    def _search(
        self, query: npt.NDArray[np.float32], count: int, allowed: Mask | None
    ) -> npt.NDArray[np.int64]:
        padded = _padded(query[None], self._index.dim)
        _, rows = self._index.search(padded, count, mask=allowed)
        return np.asarray(rows[0], dtype=np.int64)


def _padded(rows: npt.NDArray[np.floating], width: int) -> npt.NDArray[np.float32]:
    """Rows (n, d) with zeros up to a width, which leave dot products as they are."""
    missing = width - rows.shape[1]
    wide = np.pad(rows, ((0, 0), (0, missing))) if missing else rows
    return np.ascontiguousarray(wide, dtype=np.float32)


def _turbovec() -> Any:  # noqa: ANN401 - a module without types
    try:
        return import_module("turbovec")
    except ImportError:
        return None


def best_first(scores: Scores, k: int) -> npt.NDArray[np.int64]:
    """The places of the k largest scores, largest first, equal ones by place."""
    if len(scores) > k > 0:
        last = np.partition(scores, len(scores) - k)[len(scores) - k]
        # All that tie with the last, so that the cut does not depend on chance.
        places = np.flatnonzero(scores >= last)
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")][: max(0, k)]
