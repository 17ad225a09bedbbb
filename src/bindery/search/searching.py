"""One search over one view: candidates of each leg, exact scores, fusion.

Both legs give their best ``depth`` of the allowed rows. Every candidate of either then has its
exact cosine and its exact BM25, and only these are mixed. Each stage is reported with its
candidates and its time, and each hit with its rank in each leg.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bindery.options import SearchMode, SearchOptions
from bindery.search import fusion
from bindery.search.candidates import Candidates, Leg
from bindery.search.dense import best_first
from bindery.search.language import USUAL_WEIGHT, Weight
from bindery.search.lexical import Mask, Rows, Scores, bm25
from bindery.search.queries import LexicalQuery, Word
from bindery.search.segments import Segment
from bindery.search.view import View

DEPTH = 100
"""How many candidates each leg gives, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is searched for; ``vector`` and ``words`` as far as the mode needs them.

    ``vector`` is (d,), or (q, d) for a model with a vector for each token. ``weights`` are those of
    meaning in the mode hybrid, by the language of a passage.
    """

    options: SearchOptions
    vector: npt.NDArray[np.float32] | None = None
    words: LexicalQuery | None = None
    weights: Mapping[str, Weight] = field(default_factory=dict[str, Weight])

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
    """What a stage did: how many candidates it left, and how long it took.

    ``recall`` is the share of the best that a stage which is not exact finds, as it was measured on
    a sample of the collection; None for an exact one.
    """

    name: str
    candidates: int
    milliseconds: float
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class UsedWeight:
    """The weight of meaning against words that ``candidates`` of them had, and the reason."""

    weight: float
    reason: str
    candidates: int


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
    """The hits, best first, and what was done; ``is_exact`` if no first pass was approximate.

    ``weights`` are those of the mode hybrid.
    """

    rows: tuple[ScoredRow, ...]
    stages: tuple[StageReport, ...]
    allowed: int
    is_exact: bool
    weights: tuple[UsedWeight, ...] = ()


HasPhrases = Callable[[Sequence[tuple[int, int]]], Mask]
"""Which rows, each a segment's number and a row in it, have the query's phrases."""


class Searcher:
    """Answers one question on one view."""

    def __init__(self, view: View, question: Question, has_phrases: HasPhrases) -> None:
        self._view = view
        self._question = question
        self._has_phrases = has_phrases
        self._stages: list[StageReport] = []
        self._weights: dict[Weight, int] = {}
        self._started = time.perf_counter()

    def search(self) -> SearchResult:
        """The hits. Raises InvalidValue for a filter on something that is not there."""
        question = self._question
        allowed = self._allowed()
        count = sum(int(np.count_nonzero(mask)) for mask in allowed)
        self._report("filter", count)
        scores: list[Scores] | None = None
        if question.mode.is_lexical and question.words is not None:
            scores = bm25([segment.lexical for segment in self._view.segments], question.words)
        depth = self._depth()
        while True:
            found, is_exact = self._candidates(allowed, depth, scores)
            # A phrase is looked for in the texts of candidates: of all rows it would take too long.
            if not self._phrases or len(found) >= question.k or depth >= count:
                break
            depth *= 4
        final = self._fused(found)
        chosen = self._chosen(found, final)
        rows = tuple(self._row(found, place, float(final[place])) for place in chosen)
        self._report("select", len(rows))
        weights = tuple(UsedWeight(w.value, w.reason, n) for w, n in self._weights.items())
        return SearchResult(rows, tuple(self._stages), count, is_exact, weights)

    def _depth(self) -> int:
        """How many candidates each leg gives: no more than there are hits, if none is left out."""
        options = self._question.options
        if options.mode is SearchMode.DENSE and not (
            self._phrases or options.diversity or options.limit_per_file
        ):
            return options.top
        return max(DEPTH, 2 * options.top)

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
    ) -> tuple[Candidates, bool]:
        view, question = self._view, self._question
        vector = question.vector if question.mode.is_dense else None
        dense, is_exact = Leg.empty(), True
        if question.mode.is_dense:
            dense, is_exact = self._dense(allowed, depth)
            self._report("dense", len(dense))
        lexical = Leg.empty()
        if scores is not None:
            lexical = Leg.of_scores(view, scores, allowed, depth)
            self._report("lexical", len(lexical))
        found = Candidates.of(view, (dense, lexical), vector, scores)
        if self._phrases:
            found = found.only(self._has_phrases(found.where()))
            self._report("phrases", len(found))
        return found, is_exact

    def _dense(self, allowed: Sequence[Mask], depth: int) -> tuple[Leg, bool]:
        vector = self._question.vector
        assert vector is not None, "a dense search needs the query's vector"
        segments = self._view.segments
        parts = [
            (segment.dense, segment.dense.candidates(vector, depth, mask), np.count_nonzero(mask))
            for segment, mask in zip(segments, allowed, strict=True)
        ]
        passes = [dense.first_pass for dense, rows, count in parts if len(rows) < count]
        if passes:
            worst = min(passes, key=lambda one: one.recall)
            self._report(worst.name, sum(len(rows) for _, rows, _ in parts), worst.recall)
        is_exact = not passes and all(dense.has_exact_scores for dense, _, _ in parts)
        scored = [(rows, dense.scores(vector, rows)) for dense, rows, _ in parts]
        return Leg.best(self._view, scored, depth), is_exact

    def _fused(self, found: Candidates) -> Scores:
        question = self._question
        if question.mode is SearchMode.DENSE:
            return found.cosines
        if question.mode is SearchMode.LEXICAL:
            return found.bm25
        if question.mode is SearchMode.RRF:
            final = fusion.reciprocal_ranks(found.rankings(), len(found))
            self._report("rrf", len(found))
            return final
        final = fusion.weighted(found.cosines, found.bm25, self._weights_of(found))
        self._report("fusion", len(found))
        if len(found) > 1:
            final = fusion.with_neighbours(final, found.vectors(self._view))
            self._report("neighbours", len(found))
        return (1 / (1 + np.exp(-final.astype(np.float64)))).astype(np.float32)

    def _weights_of(self, found: Candidates) -> Scores:
        """The weight (m,) of meaning for each candidate, by its language."""
        only = fusion.only_leg(found.cosines, found.bm25)
        if only is not None:
            self._weights = {_ONLY[only]: len(found)}
            return np.full(len(found), only, dtype=np.float32)
        by_language = self._question.weights
        used = list(dict.fromkeys([*by_language.values(), USUAL_WEIGHT]))

        def numbers(segment: Segment, rows: Rows) -> npt.NDArray[np.int64]:
            names = segment.table.language_names
            of_name = [used.index(by_language.get(name, USUAL_WEIGHT)) for name in names]
            return np.array(of_name, dtype=np.int64)[segment.table.languages[rows]]

        chosen = found.collect(self._view, numbers)
        counts = np.bincount(chosen, minlength=len(used)).tolist()
        self._weights = {one: count for one, count in zip(used, counts, strict=True) if count}
        return np.array([one.value for one in used], dtype=np.float32)[chosen]

    def _chosen(self, found: Candidates, final: Scores) -> list[int]:
        """The places of the hits: above the threshold, few enough of a file, unlike each other."""
        question = self._question
        order = best_first(final, len(final))
        if question.options.score_threshold is not None:
            order = order[final[order] >= np.float32(question.options.score_threshold)]
        if question.options.limit_per_file is not None:
            order = self._limited(found, order, question.options.limit_per_file)
        if question.options.diversity and len(order):
            vectors = found.vectors(self._view)[order]
            picked = fusion.diverse(final[order], vectors, question.k, question.options.diversity)
            return [int(order[place]) for place in picked]
        return [int(place) for place in order[: question.k]]

    def _limited(
        self, found: Candidates, order: npt.NDArray[np.int64], most: int
    ) -> npt.NDArray[np.int64]:
        seen: dict[int, int] = {}
        kept: list[int] = []
        files = found.files(self._view)[order] if len(order) else order
        for place, file in zip(order.tolist(), files.tolist(), strict=True):
            seen[file] = seen.get(file, 0) + 1
            if seen[file] <= most:
                kept.append(place)
        return np.array(kept, dtype=np.int64)

    def _row(self, found: Candidates, place: int, score: float) -> ScoredRow:
        mode = self._question.mode
        return ScoredRow(
            int(found.segments[place]),
            int(found.rows[place]),
            score,
            float(found.cosines[place]) if mode.is_dense else None,
            float(found.bm25[place]) if mode.is_lexical else None,
            int(found.dense_ranks[place]) or None,
            int(found.lexical_ranks[place]) or None,
        )

    def _report(self, name: str, candidates: int, recall: float | None = None) -> None:
        now = time.perf_counter()
        milliseconds = round((now - self._started) * 1000, 3)
        self._stages.append(StageReport(name, candidates, milliseconds, recall))
        self._started = now


_ONLY = (
    Weight(0.0, "the meaning of all candidates is equally near"),
    Weight(1.0, "no word tells the candidates apart"),
)
