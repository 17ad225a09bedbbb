"""The candidates of a search: what each leg gives, and the union of both with exact scores.

A candidate is a place in a view: the rows of all segments are numbered one segment after the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bindery.search.dense import best_first, best_with_ties
from bindery.search.lexical import Mask, Rows, Scores
from bindery.search.segments import Segment
from bindery.search.view import View

# A sample is every 32nd row, and the cut is at least its 8th best score.
_SAMPLED = 32
_LEAST_SAMPLED = 8


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """The candidates of one leg, best first: their places (m,) and scores (m,)."""

    places: Rows
    scores: Scores

    @classmethod
    def empty(cls) -> "Leg":
        """The leg that a mode does not use."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))

    @classmethod
    def best(cls, view: View, parts: Sequence[tuple[Rows, Scores]], depth: int) -> "Leg":
        """The best ``depth`` of rows (m,) of each segment with their scores (m,).

        Equal scores are in the order of the chunks' ids, however rows are divided into segments.
        """
        if not parts:
            return cls.empty()
        places = [rows + start for (rows, _), start in zip(parts, view.starts, strict=False)]
        scores = np.concatenate([some for _, some in parts])
        best = best_with_ties(scores, depth)
        chosen, falling = np.concatenate(places)[best], -scores[best]
        order = np.argsort(falling, kind="stable")
        if (np.diff(falling[order]) == 0).any():
            segments = view.segments_of(chosen)
            ids = _ids(view, segments, chosen - view.starts[segments])
            order = np.lexsort((ids[:, 1], ids[:, 0], falling))
        return cls(chosen[order[:depth]], -falling[order[:depth]])

    @classmethod
    def of_scores(
        cls, view: View, scores: Sequence[Scores], allowed: Sequence[Mask], depth: int
    ) -> "Leg":
        """The best ``depth`` of the allowed rows with a score above 0, given those of all rows."""
        rows = [_rows_of_best(s, mask, depth) for s, mask in zip(scores, allowed, strict=True)]
        parts = [(some, s[some]) for some, s in zip(rows, scores, strict=True)]
        return cls.best(view, parts, depth)

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The union of both legs in the order of the chunks' ids, with a value each (m,).

    ``segments`` and ``rows`` say where it is. ``ids`` (m, 2) are numbers that are in the order of
    the chunks' ids. A rank counts from 1 in its leg, 0 for a candidate of
    the other leg alone.
    """

    segments: npt.NDArray[np.int64]
    rows: Rows
    cosines: Scores
    bm25: Scores
    dense_ranks: npt.NDArray[np.int64]
    lexical_ranks: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint64]

    @classmethod
    def of(
        cls,
        view: View,
        legs: tuple[Leg, Leg],
        vector: npt.NDArray[np.float32] | None,
        scores: Sequence[Scores] | None,
    ) -> "Candidates":
        """The union of the dense and the lexical leg.

        ``vector`` is the query's and ``scores`` are the BM25 scores of all rows of each segment.
        Every candidate has its score of both, 0 for what is None.
        """
        dense, lexical = legs
        places = _union(dense.places, lexical.places)
        ranks = np.zeros((2, len(places)), dtype=np.int64)
        at = np.searchsorted(places, dense.places)
        ranks[0, at] = np.arange(1, len(dense) + 1)
        ranks[1, np.searchsorted(places, lexical.places)] = np.arange(1, len(lexical) + 1)
        cosines, words = np.zeros((2, len(places)), dtype=np.float32)
        cosines[at] = dense.scores
        segments = view.segments_of(places)
        rows = places - view.starts[segments]
        for number in distinct(segments):
            mine = np.flatnonzero(segments == number)
            if scores is not None:
                words[mine] = scores[number][rows[mine]]
            others = mine[ranks[0, mine] == 0]
            if vector is not None and len(others):
                cosines[others] = view.segments[number].dense.scores(vector, rows[others])
        if not len(places):
            return cls.none()
        ids = _ids(view, segments, rows)
        found = cls(segments, rows, cosines, words, ranks[0], ranks[1], ids)
        return found.only(np.lexsort(ids.T[::-1]))

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, places: Mask | npt.NDArray[np.int64]) -> "Candidates":
        """Those that are chosen by a mask, or by their places in an order."""
        return Candidates(*(getattr(self, one.name)[places] for one in fields(self)))

    @classmethod
    def none(cls) -> "Candidates":
        """No candidates."""
        whole, part = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        return cls(whole, whole, part, part, whole, whole, _NO_IDS)

    def followed_by(self, others: "Candidates") -> "Candidates":
        """These and then the others."""
        names = [one.name for one in fields(self)]
        pairs = [(getattr(self, name), getattr(others, name)) for name in names]
        return Candidates(*map(np.concatenate, pairs))

    def places(self, view: View) -> Rows:
        """Their places in the view."""
        return view.starts[self.segments] + self.rows

    def where(self) -> list[tuple[int, int]]:
        """The segment and row of each."""
        return list(zip(self.segments.tolist(), self.rows.tolist(), strict=True))

    def rankings(self) -> list[npt.NDArray[np.int64]]:
        """The candidates of each leg in its order."""
        return [
            np.argsort(ranks, kind="stable")[np.count_nonzero(ranks == 0) :]
            for ranks in (self.dense_ranks, self.lexical_ranks)
        ]

    def files(self, view: View) -> npt.NDArray[np.int64]:
        """The numbers of their files."""
        return self.collect(view, lambda segment, rows: segment.table.files[rows])

    def vectors(self, view: View) -> npt.NDArray[np.float32]:
        """A vector (m, d) for each, by which they are alike or not."""
        return self.collect(view, lambda segment, rows: segment.dense.centres(rows))

    def collect(
        self, view: View, of_rows: Callable[[Segment, Rows], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """The facts of the rows of each segment that has any, in the order of the candidates."""
        return _collected(view, self.segments, self.rows, of_rows)


_NO_IDS = np.zeros((0, 2), dtype=np.uint64)


def _collected(
    view: View,
    segments: npt.NDArray[np.int64],
    rows: Rows,
    of_rows: Callable[[Segment, Rows], npt.NDArray[Any]],
) -> npt.NDArray[Any]:
    numbers = distinct(segments)
    if len(numbers) == 1:
        return of_rows(view.segments[numbers[0]], rows)
    parts = [of_rows(view.segments[n], rows[segments == n]) for n in numbers]
    joined = np.concatenate(parts)
    found = np.empty_like(joined)
    found[np.argsort(segments, kind="stable")] = joined
    return found


def _ids(view: View, segments: npt.NDArray[np.int64], rows: Rows) -> npt.NDArray[np.uint64]:
    return _collected(view, segments, rows, lambda one, some: one.table.ids[some].view(">u8"))


def _rows_of_best(scores: Scores, allowed: Mask, depth: int) -> Rows:
    """Allowed rows with a score above 0, among which are the best ``depth`` and all their equals.

    A sample says which score about 2.5 times as many rows reach. The others are not looked at.
    """
    sample = scores[::_SAMPLED][allowed[::_SAMPLED]]
    rank = len(sample) - max(_LEAST_SAMPLED, 5 * depth // (2 * _SAMPLED))
    if rank > 0 and (least := np.partition(sample, rank)[rank]) > 0:
        rows = np.flatnonzero((scores >= least) & allowed)
        if len(rows) >= depth:
            return rows
    return np.flatnonzero((scores > 0) & allowed)


def _union(one: Rows, other: Rows) -> Rows:
    """The distinct places of two lists without repetition, rising."""
    if not len(one) or not len(other):
        return np.sort(one if len(one) else other)
    return np.unique(np.concatenate([one, other]))


@dataclass(frozen=True, slots=True)
class Floor:
    """What the cosine of a hit must be above, or its BM25 if not ``is_dense``."""

    score: float
    is_dense: bool

    @property
    def name(self) -> str:
        """The name of the score."""
        return "cosine" if self.is_dense else "bm25"

    def scores(self, found: Candidates) -> Scores:
        """The scores (m,) that are compared with it."""
        return found.cosines if self.is_dense else found.bm25

    def is_reached(self, found: Candidates) -> bool:
        """Whether no candidate that would follow is above it, because one of the leg is not."""
        ranks = found.dense_ranks if self.is_dense else found.lexical_ranks
        return bool(((self.scores(found) <= self.score) & (ranks > 0)).any())


class ScoredRow(NamedTuple):
    """A hit: row ``row`` of the view's segment ``segment``.

    ``score`` is that of the mode: the cosine (dense), BM25 (lexical), the sum of reciprocal ranks
    (rrf), or the logistic function of the fused z-scores (hybrid), from 0 to 1. The others are the
    exact scores. ``ranks`` are those in each stage that ranked it, from 1; None in a leg that does
    not have it among its candidates. A tuple, since hundreds are made in each search.
    """

    segment: int
    row: int
    score: float
    cosine: float | None
    bm25: float | None
    ranks: Mapping[str, int | None]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Candidates with their final scores (m,), block after block.

    ``stages`` has the ranks (m,) of each stage that mixed scores, 0 for none. ``looked_at`` are the
    places of all candidates so far, also of those that were left out.
    """

    found: Candidates
    scores: Scores
    stages: Mapping[str, npt.NDArray[np.int64]]
    looked_at: Rows

    @classmethod
    def empty(cls) -> "Ranking":
        """Before the first block."""
        none = Candidates.none()
        return cls(none, none.cosines, {}, none.rows)

    def followed_by(
        self, found: Candidates, scores: Scores, stages: Mapping[str, Scores], looked_at: Rows
    ) -> "Ranking":
        """With a further block: its candidates, their final scores and those of each stage."""
        count, more = len(self.found), len(found)
        ranks: dict[str, npt.NDArray[np.int64]] = {}
        for name in {**self.stages, **stages}:
            both = np.zeros(count + more, dtype=np.int64)
            both[:count] = self.stages.get(name, 0)
            if name in stages:
                both[count + best_first(stages[name], more)] = np.arange(count, count + more) + 1
            ranks[name] = both
        if not len(self.looked_at):
            return Ranking(found, scores, ranks, looked_at)
        return Ranking(
            self.found.followed_by(found),
            np.concatenate([self.scores, scores]),
            ranks,
            np.concatenate([self.looked_at, looked_at]),
        )

    def rows(self, places: Rows, *, is_dense: bool, is_lexical: bool) -> Iterator[ScoredRow]:
        """The candidates at places, for their hits, with the scores of the legs that were used.

        Whole columns are turned into Python's numbers, since one by one takes three times as long.
        """
        found, nothing = self.found, repeat(None, len(places))
        ranks = {"dense": found.dense_ranks, "lexical": found.lexical_ranks, **self.stages}
        columns = [[rank or None for rank in one[places].tolist()] for one in ranks.values()]
        return map(
            ScoredRow,
            found.segments[places].tolist(),
            found.rows[places].tolist(),
            self.scores[places].tolist(),
            found.cosines[places].tolist() if is_dense else nothing,
            found.bm25[places].tolist() if is_lexical else nothing,
            [dict(zip(ranks, row, strict=True)) for row in zip(*columns, strict=True)],
        )


def distinct(numbers: npt.NDArray[np.int64]) -> list[int]:
    """The distinct ones of small numbers, rising."""
    return np.flatnonzero(np.bincount(numbers)).tolist()
