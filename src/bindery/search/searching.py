"""One search over one view: candidates of each leg, exact scores, fusion.

Both legs give their best ``depth`` of the allowed rows. Every candidate of either then has its
exact cosine and its exact BM25, and only these are mixed. Each stage is reported with its
candidates and its time, and each hit with its rank in each leg.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bindery.options import SearchMode, SearchOptions
from bindery.search import fusion
from bindery.search.dense import best_first
from bindery.search.lexical import Mask, Scores, bm25
from bindery.search.queries import LexicalQuery, Word
from bindery.search.view import View

DEPTH = 100
"""How many candidates each leg gives, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is searched for; ``vector`` and ``words`` as far as the mode needs them.

    ``vector`` is (d,), or (q, d) for a model with a vector for each token.
    """

    options: SearchOptions
    vector: npt.NDArray[np.float32] | None = None
    words: LexicalQuery | None = None

    @property
    def mode(self) -> SearchMode:
        """What is ranked by."""
        return self.options.mode

    @property
    def k(self) -> int:
        """How many hits are wanted."""
        return self.options.top


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage did: how many candidates it left, and how long it took."""

    name: str
    candidates: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A hit: row ``row`` of the view's segment ``segment``.

    ``score`` is that of the mode: the cosine (dense), BM25 (lexical), the sum of reciprocal ranks
    (rrf), or the logistic function of the fused z-scores (hybrid), from 0 to 1. The others are the
    exact scores, and the ranks from 1 in each leg, None if it is not among the leg's candidates.
    """

    segment: int
    row: int
    score: float
    cosine: float | None
    bm25: float | None
    dense_rank: int | None
    lexical_rank: int | None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits, best first, and what was done; ``is_exact`` if no first pass was approximate."""

    rows: tuple[ScoredRow, ...]
    stages: tuple[StageReport, ...]
    allowed: int
    is_exact: bool


HasPhrases = Callable[[Sequence[tuple[int, int]]], Mask]
"""Which rows, each a segment's number and a row in it, have the query's phrases."""


class Searcher:
    """Answers one question on one view."""

    def __init__(self, view: View, question: Question, has_phrases: HasPhrases) -> None:
        self._view = view
        self._question = question
        self._has_phrases = has_phrases
        self._stages: list[StageReport] = []
        self._started = time.perf_counter()

    def search(self) -> SearchResult:
        """The hits. Raises InvalidValue for a filter on something that is not there."""
        question = self._question
        allowed = self._allowed()
        count = sum(int(mask.sum()) for mask in allowed)
        self._report("filter", count)
        scores: list[Scores] | None = None
        if question.mode.is_lexical and question.words is not None:
            scores = bm25([segment.lexical for segment in self._view.segments], question.words)
        depth = max(DEPTH, 2 * question.k)
        while True:
            found, is_exact = self._candidates(allowed, depth, scores)
            # A phrase is looked for in the texts of candidates: of all rows it would take too long.
            if not self._phrases or len(found) >= question.k or depth >= count:
                break
            depth *= 4
        final = self._fused(found)
        chosen = self._chosen(found, final)
        rows = tuple(found.row(place, float(final[place])) for place in chosen)
        self._report("select", len(rows))
        return SearchResult(rows, tuple(self._stages), count, is_exact)

    @property
    def _phrases(self) -> tuple[tuple[Word, ...], ...]:
        return self._question.words.phrases if self._question.words else ()

    def _allowed(self) -> list[Mask]:
        """The rows that pass the filter and have the words of every phrase, in whatever order."""
        allowed = self._view.allowed(self._question.options.where)
        for phrase in self._phrases:
            allowed = [
                mask & segment.lexical.has_all(phrase)
                for segment, mask in zip(self._view.segments, allowed, strict=True)
            ]
        return allowed

    def _candidates(
        self, allowed: Sequence[Mask], depth: int, scores: list[Scores] | None
    ) -> tuple["_Candidates", bool]:
        dense, is_exact = (
            self._dense(allowed, depth) if self._question.mode.is_dense else (_Leg.empty(), True)
        )
        if self._question.mode.is_dense:
            self._report("dense", len(dense))
        lexical = _Leg.empty() if scores is None else _lexical_leg(scores, allowed, depth)
        if scores is not None:
            self._report("lexical", len(lexical))
        found = self._union(dense, lexical, scores)
        if self._phrases:
            found = found.only(self._has_phrases([(int(s), int(r)) for s, r in found.where]))
            self._report("phrases", len(found))
        return found, is_exact

    def _dense(self, allowed: Sequence[Mask], depth: int) -> tuple["_Leg", bool]:
        vector = self._question.vector
        assert vector is not None, "a dense search needs the query's vector"
        parts = [
            (place, *segment.dense.best(vector, depth, mask))
            for place, (segment, mask) in enumerate(zip(self._view.segments, allowed, strict=True))
        ]
        is_exact = all(segment.dense.is_exact for segment in self._view.segments)
        return _Leg.best([(n, rows, scores) for n, rows, scores in parts], depth), is_exact

    def _union(self, dense: "_Leg", lexical: "_Leg", scores: list[Scores] | None) -> "_Candidates":
        """The union of both legs, in the order of the chunks' ids, with their exact scores."""
        segments = self._view.segments
        places = dict.fromkeys([*dense.places(), *lexical.places()])
        ordered = sorted(places, key=lambda one: segments[one[0]].table.ids[one[1]].tobytes())
        where = np.array(ordered, dtype=np.int64).reshape(-1, 2)
        vector = self._question.vector
        cosines = np.zeros(len(where), dtype=np.float32)
        words = np.zeros(len(where), dtype=np.float32)
        for number, segment in enumerate(segments):
            mine = where[:, 0] == number
            rows = where[mine, 1]
            if vector is not None and self._question.mode.is_dense:
                cosines[mine] = segment.dense.scores(vector, rows)
            if scores is not None:
                words[mine] = scores[number][rows]
        return _Candidates(
            where, cosines, words, dense.ranks(), lexical.ranks(), self._question.mode
        )

    def _fused(self, found: "_Candidates") -> Scores:
        question = self._question
        if question.mode is SearchMode.DENSE:
            return found.cosines
        if question.mode is SearchMode.LEXICAL:
            return found.bm25
        if question.mode is SearchMode.RRF:
            final = fusion.reciprocal_ranks(found.rankings(), len(found))
            self._report("rrf", len(found))
            return final
        final = fusion.weighted(found.cosines, found.bm25, question.options.weight)
        self._report("fusion", len(found))
        if len(found) > 1:
            final = fusion.with_neighbours(final, self._vectors(found))
            self._report("neighbours", len(found))
        return (1 / (1 + np.exp(-final.astype(np.float64)))).astype(np.float32)

    def _vectors(self, found: "_Candidates") -> npt.NDArray[np.float32]:
        """A vector (m, d) for each candidate, by which they are alike or not."""
        places: list[npt.NDArray[np.int64]] = []
        vectors: list[npt.NDArray[np.float32]] = []
        for number, segment in enumerate(self._view.segments):
            mine = np.flatnonzero(found.where[:, 0] == number)
            places.append(mine)
            vectors.append(segment.dense.centres(found.where[mine, 1]))
        order = np.argsort(np.concatenate(places))
        return np.concatenate(vectors)[order]

    def _chosen(self, found: "_Candidates", final: Scores) -> list[int]:
        """The places of the hits: above the threshold, few enough of a file, unlike each other."""
        question = self._question
        order = best_first(final, len(final))
        if question.options.score_threshold is not None:
            order = order[final[order] >= np.float32(question.options.score_threshold)]
        if question.options.limit_per_file is not None:
            order = self._limited(found, order, question.options.limit_per_file)
        if question.options.diversity and len(order):
            vectors = self._vectors(found)[order]
            picked = fusion.diverse(final[order], vectors, question.k, question.options.diversity)
            return [int(order[place]) for place in picked]
        return [int(place) for place in order[: question.k]]

    def _limited(
        self, found: "_Candidates", order: npt.NDArray[np.int64], most: int
    ) -> npt.NDArray[np.int64]:
        seen: dict[int, int] = {}
        kept: list[int] = []
        for place in order.tolist():
            segment, row = (int(one) for one in found.where[place])
            file = int(self._view.segments[segment].table.files[row])
            seen[file] = seen.get(file, 0) + 1
            if seen[file] <= most:
                kept.append(place)
        return np.array(kept, dtype=np.int64)

    def _report(self, name: str, candidates: int) -> None:
        now = time.perf_counter()
        self._stages.append(StageReport(name, candidates, round((now - self._started) * 1000, 3)))
        self._started = now


@dataclass(frozen=True, slots=True, eq=False)
class _Leg:
    """The candidates of one leg, best first, as (m, 2): segment and row."""

    where: npt.NDArray[np.int64]

    @classmethod
    def empty(cls) -> "_Leg":
        return cls(np.zeros((0, 2), dtype=np.int64))

    @classmethod
    def best(cls, parts: Sequence[tuple[int, npt.NDArray[np.int64], Scores]], depth: int) -> "_Leg":
        if not parts:
            return cls.empty()
        scores = np.concatenate([scores for _, _, scores in parts])
        where = np.concatenate(
            [np.column_stack([np.full(len(rows), place), rows]) for place, rows, _ in parts]
        )
        return cls(where[best_first(scores, depth)])

    def __len__(self) -> int:
        return len(self.where)

    def places(self) -> list[tuple[int, int]]:
        return [(int(segment), int(row)) for segment, row in self.where]

    def ranks(self) -> dict[tuple[int, int], int]:
        return {place: rank for rank, place in enumerate(self.places(), 1)}


def _lexical_leg(scores: Sequence[Scores], allowed: Sequence[Mask], depth: int) -> _Leg:
    parts: list[tuple[int, npt.NDArray[np.int64], Scores]] = []
    for place, (some, mask) in enumerate(zip(scores, allowed, strict=True)):
        rows = np.flatnonzero((some > 0) & mask)
        order = best_first(some[rows], depth)
        parts.append((place, rows[order], some[rows[order]]))
    return _Leg.best(parts, depth)


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    where: npt.NDArray[np.int64]
    cosines: Scores
    bm25: Scores
    dense: dict[tuple[int, int], int]
    lexical: dict[tuple[int, int], int]
    mode: SearchMode

    def __len__(self) -> int:
        return len(self.where)

    def only(self, kept: Mask) -> "_Candidates":
        """Those that are kept, in the same order."""
        where = self.where[kept]
        left = {(int(segment), int(row)) for segment, row in where}
        return replace(
            self,
            where=where,
            cosines=self.cosines[kept],
            bm25=self.bm25[kept],
            dense={place: rank for place, rank in self.dense.items() if place in left},
            lexical={place: rank for place, rank in self.lexical.items() if place in left},
        )

    def rankings(self) -> list[npt.NDArray[np.int64]]:
        """The places of the candidates in the order of each leg."""
        places = {(int(s), int(r)): n for n, (s, r) in enumerate(self.where)}
        return [
            np.array([places[one] for one in leg], dtype=np.int64)
            for leg in (self.dense, self.lexical)
        ]

    def row(self, place: int, score: float) -> ScoredRow:
        segment, row = (int(one) for one in self.where[place])
        return ScoredRow(
            segment,
            row,
            score,
            float(self.cosines[place]) if self.mode.is_dense else None,
            float(self.bm25[place]) if self.mode.is_lexical else None,
            self.dense.get((segment, row)),
            self.lexical.get((segment, row)),
        )
