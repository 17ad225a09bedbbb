"""Late interaction: a vector for each token of a row, compared with a query's by MaxSim.

The score is the mean over the query's tokens of the best dot product with a token of the row
(Khattab and Zaharia, 2020, section 3.3, divided by the number of query tokens): from -1 to 1.

Token vectors are kept as int8 of one scale, after one orthogonal turn that is the same for all: it
spreads the energy evenly over the dimensions and leaves dot products as they are. On SciFact the
best 10 agree with those of float16 to .998, at a quarter of the bytes of float32.

Few tokens are all compared. Of many, :mod:`bindery.search.centroids` finds candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bindery.search.centroids import CentroidLists
from bindery.search.codes import LEAST_RECALL, NO_FIRST_PASS, FirstPass
from bindery.search.lexical import Mask, Rows, Scores
from bindery.vectors.embeddings import Embeddings

LISTED_TOKENS = 250_000
"""From this number of tokens on, lists of centroids find candidates."""

_TOKENS_AT_ONCE = 4096
"""512 kB of int8 and 32 rows of products stay in a cache of 2 MB."""

# Of a turned unit vector 1 value in 10,000 is larger, times the root of the dimensions.
_LARGEST = 3.9
_LEVELS = 127
_NOTHING = np.float32(-1)

# Among the 200 rows with the best lists are .99 of the best 10 of 5,000 texts of 240 tokens. If a
# segment needs more, it has more.
_LEAST_CANDIDATES = 200
_CANDIDATES_PER_HIT = 4
_SPREADS = (1, 2, 4)
_GATHERED_ROWS = 500
_SAMPLE = 25
_SAMPLE_TOKENS = 32
_SAMPLE_HITS = 10


@dataclass(frozen=True, slots=True, eq=False)
class TokenSegment:
    """The token vectors (t, d) int8 of n rows: row r has ``tokens[starts[r]:starts[r + 1]]``."""

    has_exact_scores: ClassVar[bool] = False
    """Token vectors are kept as int8."""

    tokens: npt.NDArray[np.int8]
    starts: npt.NDArray[np.int64]
    lists: CentroidLists | None = None

    @classmethod
    def of(cls, embeddings: Embeddings) -> "TokenSegment":
        """Those of embeddings, text by text."""
        return cls(_quantised(embeddings.rows), embeddings.offsets)

    def with_codes(self, kept: bytes | None = None) -> "TokenSegment":
        """The segment with its lists, from what was kept of them or made; none for few tokens."""
        if len(self.tokens) < LISTED_TOKENS:
            return self
        lists = None if kept is None else CentroidLists.from_bytes(kept)
        if lists is None or len(lists) != len(self):
            lists = self._measured(CentroidLists.of(self.tokens, self.starts))
        return replace(self, lists=lists)

    @property
    def code_bytes(self) -> bytes | None:
        """What is kept of the lists, from which they are read faster than made."""
        return None if self.lists is None else self.lists.to_bytes()

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def first_pass(self) -> FirstPass:
        """How candidates are found if there are many rows."""
        if self._used_lists is None:
            return NO_FIRST_PASS
        return FirstPass("centroids", self._used_lists.recall)

    @property
    def _used_lists(self) -> CentroidLists | None:
        """The lists, unless they find too little."""
        return self.lists if self.lists and self.lists.recall >= LEAST_RECALL else None

    @property
    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What is kept of it, apart from the lists."""
        return {"tokens": self.tokens.view(np.uint8), "token_starts": self.starts}

    def candidates(self, query: npt.NDArray[np.float32], k: int, allowed: Mask) -> Rows:
        """The rows, rising, among which the k best of the allowed rows (n,) are looked for.

        They are all of the allowed rows if these are few, or if there are no lists.
        """
        lists, count = self._used_lists, int(np.count_nonzero(allowed))
        wanted = _wanted(k) * (lists.spread if lists else 1)
        if lists is None or count <= max(_GATHERED_ROWS, wanted):
            return np.flatnonzero(allowed)
        asked = _restored(_quantised(np.atleast_2d(query)))
        return np.sort(lists.candidates(asked, wanted, None if count == len(self) else allowed))

    def scores(self, query: npt.NDArray[np.float32], rows: Rows) -> Scores:
        """The scores (m,) of these rows for a query's tokens (q, d); -1 for a row without one."""
        return self._maxsim([_quantised(np.atleast_2d(query))], rows)[0]

    def _maxsim(self, queries: Sequence[npt.NDArray[np.int8]], rows: Rows) -> Scores:
        """The scores (b, m) of these rows for each query (q, d)."""
        found = np.full((len(queries), len(rows)), _NOTHING, dtype=np.float32)
        lengths = self.starts[rows + 1] - self.starts[rows]
        full = np.flatnonzero(lengths > 0)
        asked = np.concatenate(queries).astype(np.float32)
        if not len(full) or not len(asked):
            return found
        firsts = np.cumsum([0, *(len(query) for query in queries[:-1])])
        factors = [1 / (_scale(self.tokens.shape[1]) ** 2 * len(query)) for query in queries]
        ends = np.cumsum(lengths[full])
        blocks = np.searchsorted(ends, np.arange(0, int(ends[-1]), _TOKENS_AT_ONCE), side="right")
        cuts = np.unique([0, *blocks.tolist(), len(full)])
        for first, last in pairwise(cuts.tolist()):
            part = full[first:last]
            tokens, starts = self._gathered(rows[part], lengths[part])
            products = asked @ tokens.astype(np.float32).T
            best = np.maximum.reduceat(products, starts, axis=1)
            sums = np.add.reduceat(best, firsts, axis=0)
            found[:, part] = sums * np.array(factors, dtype=np.float32)[:, None]
        return found

    def _measured(self, lists: CentroidLists) -> CentroidLists:
        """The lists with as many candidates as find enough of the best 10, and what they find.

        The queries are tokens that follow each other in a row; the row itself does not count.
        """
        filled = np.flatnonzero(np.diff(self.starts))
        rows = filled[np.linspace(0, len(filled) - 1, min(_SAMPLE, len(filled))).astype(np.int64)]
        queries = [self.tokens[self.starts[row] : self.starts[row + 1]] for row in rows]
        queries = [query[:_SAMPLE_TOKENS] for query in queries]
        exact = self._maxsim(queries, np.arange(len(self)))
        exact[np.arange(len(rows)), rows] = -np.inf
        k = min(_SAMPLE_HITS, len(self) - 1)
        best = np.partition(exact, -k, axis=1)[:, -k]
        for spread in _SPREADS:
            found = 0
            for query, scores, least in zip(queries, exact, best, strict=True):
                asked = _restored(query)
                near = lists.candidates(asked, spread * _wanted(k), None)
                found += min(k, int(np.count_nonzero(scores[near] >= least - 1e-6)))
            lists = replace(lists, spread=spread, recall=found / (k * len(rows)))
            if lists.recall >= LEAST_RECALL:
                break
        return lists

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


def _wanted(k: int) -> int:
    """How many candidates the k best rows are looked for among."""
    return max(_LEAST_CANDIDATES, _CANDIDATES_PER_HIT * k)


def _quantised(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    width = rows.shape[1]
    turned = rows @ _turn(width) * np.float32(_scale(width))
    return np.clip(np.rint(turned), -_LEVELS, _LEVELS).astype(np.int8)


def _restored(tokens: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
    """Token vectors (t, d) of length about 1, turned."""
    return tokens.astype(np.float32) / np.float32(_scale(tokens.shape[1]))


def _scale(width: int) -> float:
    return _LEVELS * width**0.5 / _LARGEST


@cache
def _turn(width: int) -> npt.NDArray[np.float32]:
    """An orthogonal matrix (d, d), the same everywhere: it is made from a fixed seed."""
    return np.linalg.qr(np.random.default_rng(0).standard_normal((width, width)))[0].astype(
        np.float32
    )
