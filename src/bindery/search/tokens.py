"""Late interaction: a vector for each token of a row, compared with a query's by MaxSim.

The score is the mean over the query's tokens of the best dot product with a token of the row
(Khattab and Zaharia, 2020, section 3.3, divided by the number of query tokens): from -1 to 1.

Token vectors are kept as int8 of one scale, after one orthogonal turn that is the same for all: it
spreads the energy evenly over the dimensions and leaves dot products as they are. On SciFact the
best 10 agree with those of float16 to .998, at a quarter of the bytes of float32.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bindery.search.codes import FirstPass
from bindery.search.lexical import Mask, Rows, Scores
from bindery.vectors.embeddings import Embeddings

_TOKENS_AT_ONCE = 4096
"""512 kB of int8 and 32 rows of products stay in a cache of 2 MB."""

# Of a turned unit vector 1 value in 10,000 is larger, times the root of the dimensions.
_LARGEST = 3.9
_LEVELS = 127
_NOTHING = np.float32(-1)


@dataclass(frozen=True, slots=True, eq=False)
class TokenSegment:
    """The token vectors (t, d) int8 of n rows: row r has ``tokens[starts[r]:starts[r + 1]]``."""

    has_exact_scores: ClassVar[bool] = False
    """Token vectors are kept as int8."""

    tokens: npt.NDArray[np.int8]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, embeddings: Embeddings) -> "TokenSegment":
        """Those of embeddings, text by text."""
        return cls(_quantised(embeddings.rows), embeddings.offsets)

    @property
    def first_pass(self) -> FirstPass:
        """How candidates are found if there are many rows."""
        return FirstPass("none", 1.0)

    @property
    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What is kept of it."""
        return {"tokens": self.tokens.view(np.uint8), "token_starts": self.starts}

    def candidates(self, query: npt.NDArray[np.float32], k: int, allowed: Mask) -> Rows:
        """Every allowed row: up to about 2 million tokens, to search for fewer takes longer."""
        return np.flatnonzero(allowed)

    def scores(self, query: npt.NDArray[np.float32], rows: Rows) -> Scores:
        """The scores (m,) of these rows for a query's tokens (q, d); -1 for a row without one."""
        found = np.full(len(rows), _NOTHING, dtype=np.float32)
        lengths = self.starts[rows + 1] - self.starts[rows]
        full = np.flatnonzero(lengths > 0)
        asked = _quantised(np.atleast_2d(query)).astype(np.float32)
        ends = np.cumsum(lengths[full])
        if not len(full) or not len(asked):
            return found
        blocks = np.searchsorted(ends, np.arange(0, int(ends[-1]), _TOKENS_AT_ONCE), side="right")
        cuts = np.unique(np.append(blocks, len(full)))
        if cuts[0] != 0:
            cuts = np.append(0, cuts)
        factor = np.float32(1 / (_scale(self.tokens.shape[1]) ** 2 * len(asked)))
        for first, last in pairwise(cuts.tolist()):
            part = full[first:last]
            tokens, starts = self._gathered(rows[part], lengths[part])
            products = asked @ tokens.astype(np.float32).T
            best = np.maximum.reduceat(products, starts, axis=1)
            found[part] = best.sum(axis=0, dtype=np.float32) * factor
        return found

    def centres(self, rows: Rows) -> npt.NDArray[np.float32]:
        """A vector (m, d) of length 1 for each row: the mean of its tokens."""
        found = np.zeros((len(rows), self.tokens.shape[1]), dtype=np.float32)
        for place, row in enumerate(rows.tolist()):
            tokens = self.tokens[self.starts[row] : self.starts[row + 1]].astype(np.float32)
            if len(tokens):
                mean = tokens.mean(axis=0)
                found[place] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return found

    def chosen(self, rows: Rows) -> "TokenSegment":
        """Those of some rows."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        tokens, _ = self._gathered(rows, lengths)
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        return TokenSegment(tokens, starts)

    @classmethod
    def joined(cls, parts: "list[TokenSegment]") -> "TokenSegment":
        """Those of several, one after the other."""
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        starts = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        return cls(np.concatenate([part.tokens for part in parts]), starts)

    def _gathered(
        self, rows: Rows, lengths: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
        """The tokens of rows, one row after the other, and where each begins."""
        starts = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(self.starts[rows] - starts, lengths)
        return self.tokens[places], starts


def _quantised(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    width = rows.shape[1]
    turned = rows @ _turn(width) * np.float32(_scale(width))
    return np.clip(np.rint(turned), -_LEVELS, _LEVELS).astype(np.int8)


def _scale(width: int) -> float:
    return _LEVELS * width**0.5 / _LARGEST


@cache
def _turn(width: int) -> npt.NDArray[np.float32]:
    """An orthogonal matrix (d, d), the same everywhere: it is made from a fixed seed."""
    return np.linalg.qr(np.random.default_rng(0).standard_normal((width, width)))[0].astype(
        np.float32
    )
