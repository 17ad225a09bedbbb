"""Candidates for MaxSim: the centroids that are near each row's tokens, and lists of their rows.

The tokens of a segment are clustered, and each row is known by the centroids of its tokens, without
repetition (the first stage of PLAID: Santhanam et al., 2022, arXiv:2205.09707). For each token of a
query the rows in the lists of the nearest centroids have the score of their nearest one. A row that
is in none of these lists has the score of the best list that was not read (WARP's missing
similarity: Scheerer et al., 2025, arXiv:2501.17788).

Under a filter the lists have the allowed rows alone, and more of them are read. Of a few thousand
allowed rows every centroid counts. So a filter does not lose hits that would be found without it.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bindery.search.lexical import Mask, Rows, Scores

_MOST_CENTROIDS = 4096
# Centroids for each square root of the number of tokens, as many as a power of two.
_CENTROIDS = 4
_SAMPLES_PER_CENTROID = 16
_ROUNDS = 4
_READ_LISTS = 16
_WHOLE_ROWS = 4000
_TOKENS_AT_ONCE = 8192

_Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CentroidLists:
    """Centroids (c, d) of length 1, and those of each of n rows.

    Row r has ``codes[starts[r]:starts[r + 1]]``, rising numbers of centroids. Centroid c has the
    rows ``rows[list_starts[c]:list_starts[c + 1]]``. ``recall`` is that of a first pass with
    ``spread`` times the usual number of candidates.
    """

    centroids: _Vectors
    codes: npt.NDArray[np.uint16]
    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    list_starts: npt.NDArray[np.int64]
    spread: int = 1
    recall: float = 1.0

    @classmethod
    def of(cls, tokens: npt.NDArray[np.int8], starts: npt.NDArray[np.int64]) -> "CentroidLists":
        """Those of rows: row r has the tokens (d,) ``tokens[starts[r]:starts[r + 1]]``."""
        centroids = _clustered(tokens)
        row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        pairs = np.unique(row * len(centroids) + _nearest(tokens, centroids))
        first = np.searchsorted(pairs, np.arange(len(starts)) * len(centroids))
        return cls._inverted(centroids, (pairs % len(centroids)).astype(np.uint16), first)

    @classmethod
    def _inverted(
        cls, centroids: _Vectors, codes: npt.NDArray[np.uint16], starts: npt.NDArray[np.int64]
    ) -> "CentroidLists":
        row = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
        counts = np.bincount(codes, minlength=len(centroids))
        list_starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        # A stable sort of 16 bits is a radix sort: the lists are not worth their bytes on disk.
        return cls(centroids, codes, starts, row[np.argsort(codes, kind="stable")], list_starts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "CentroidLists | None":
        """The reverse of :meth:`to_bytes`; None for what this version does not read."""
        head, _, rest = data.partition(b"\n")
        try:
            about = json.loads(head)
            count, width, pairs, rows = about["centroids"]
            starts_at = 2 * (count * width + pairs)
            centroids = np.frombuffer(rest, "<f2", count * width).reshape(count, width)
            codes = np.frombuffer(rest, "<u2", pairs, 2 * count * width)
            starts = np.frombuffer(rest, "<i8", rows + 1, starts_at)
            read = cls._inverted(centroids.astype(np.float32), codes, starts)
            return replace(read, spread=int(about["spread"]), recall=float(about["recall"]))
        except (ValueError, KeyError, TypeError):  # of another version: they are made again
            return None

    def to_bytes(self) -> bytes:
        """A line of JSON, the centroids as float16, the codes, and where each row begins."""
        sizes = (*self.centroids.shape, len(self.codes), len(self))
        about = {"centroids": sizes, "spread": self.spread, "recall": self.recall}
        arrays = (self.centroids.astype("<f2"), self.codes, self.starts)
        return json.dumps(about).encode() + b"\n" + b"".join(one.tobytes() for one in arrays)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def candidates(self, query: _Vectors, count: int, allowed: Mask | None) -> Rows:
        """The ``count`` rows that are likely the best of the allowed ones, None for all.

        ``query`` (q, d) is the tokens of a query.
        """
        scores = query @ self.centroids.T
        if allowed is None:
            total = self._read(scores, self.rows, self.list_starts, _READ_LISTS)
        else:
            chosen = np.flatnonzero(allowed)
            if len(chosen) <= max(_WHOLE_ROWS, count):
                return _best(self._whole(scores, chosen), count, chosen)
            kept = np.concatenate([[0], np.cumsum(allowed[self.rows])])
            rows, starts = self.rows[allowed[self.rows]], kept[self.list_starts]
            scores[:, np.diff(starts) == 0] = -np.inf
            read = -(-_READ_LISTS * len(self) // len(chosen))
            total = self._read(scores, rows, starts, read)
            total[~allowed] = -np.inf
        total[np.diff(self.starts) == 0] = -np.inf
        return _best(total, count, np.arange(len(self)))

    def _read(
        self,
        scores: _Vectors,
        rows: npt.NDArray[np.int32],
        starts: npt.NDArray[np.int64],
        read: int,
    ) -> Scores:
        """The score (n,) of each row by the best lists of each token."""
        total, best = np.zeros((2, len(self)), dtype=np.float32)
        read = min(read, scores.shape[1] - 1)
        nearest = np.argpartition(-scores, read, axis=1)[:, : read + 1]
        firsts, lasts = starts[:-1], starts[1:]
        for token, lists in zip(scores, nearest, strict=True):
            rising = lists[np.argsort(token[lists])]  # so that the best list is the last to write
            best.fill(token[rising[0]])
            values = token[rising[1:]].tolist()
            bounds = zip(
                firsts[rising[1:]].tolist(), lasts[rising[1:]].tolist(), values, strict=True
            )
            for first, last, value in bounds:
                best[rows[first:last]] = value
            total += best
        return total

    def _whole(self, scores: _Vectors, chosen: Rows) -> Scores:
        """The score (m,) of chosen rows by all of their centroids."""
        lengths = self.starts[chosen + 1] - self.starts[chosen]
        full = np.flatnonzero(lengths)
        total = np.full(len(chosen), -np.inf, dtype=np.float32)
        if len(full):
            ends = np.cumsum(lengths)
            places = np.arange(int(ends[-1]))
            places += np.repeat(self.starts[chosen] - ends + lengths, lengths)
            codes, begin = self.codes[places], (ends - lengths)[full]
            total[full] = sum(np.maximum.reduceat(token[codes], begin) for token in scores)
        return total


def _best(scores: Scores, count: int, rows: Rows) -> Rows:
    if len(scores) <= count:
        return rows
    return rows[np.argpartition(-scores, count - 1)[:count]]


def _clustered(tokens: npt.NDArray[np.int8]) -> _Vectors:
    """Centroids (c, d) by spherical k-means on a sample, the same for the same tokens."""
    wanted = min(_MOST_CENTROIDS, 1 << round(np.log2(max(1.0, _CENTROIDS * len(tokens) ** 0.5))))
    chance = np.random.default_rng(0)
    count = min(len(tokens), _SAMPLES_PER_CENTROID * wanted)
    sample = tokens[np.sort(chance.choice(len(tokens), count, replace=False))]
    vectors = _unit(sample.astype(np.float32))
    centroids = vectors[chance.choice(len(vectors), min(wanted, len(vectors)), replace=False)]
    for _ in range(_ROUNDS):
        nearest = _nearest(vectors, centroids)
        order = np.argsort(nearest, kind="stable")
        begin = np.flatnonzero(np.diff(nearest[order], prepend=-1))
        # A centroid without tokens stays where it is.
        centroids[nearest[order][begin]] = _unit(np.add.reduceat(vectors[order], begin, axis=0))
    return centroids.astype(np.float16).astype(np.float32)


def _nearest(tokens: npt.NDArray[np.generic], centroids: _Vectors) -> npt.NDArray[np.int64]:
    """The centroid of each token: the one with the largest dot product."""
    blocks = range(0, len(tokens), _TOKENS_AT_ONCE)
    parts = (tokens[start : start + _TOKENS_AT_ONCE].astype(np.float32) for start in blocks)
    return np.concatenate([np.argmax(part @ centroids.T, axis=1) for part in parts])


def _unit(rows: _Vectors) -> _Vectors:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
