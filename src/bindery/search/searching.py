"""One search over one view: candidates of each leg, exact scores, fusion.

Both legs give their best ``depth`` of the allowed rows. Every candidate of either then has its
exact cosine and its exact BM25, and only these are mixed. If more hits are wanted than these give,
as on later pages or with a limit per file, deeper candidates follow: behind the former ones, and
with scores that are not above theirs, so that an order once shown stays. Each stage is reported
with its candidates and its time, and each hit with its rank in each stage.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bindery.options import SearchMode, SearchOptions
from bindery.search import fusion
from bindery.search.candidates import Candidates, Floor, Leg, Ranking, ScoredRow
from bindery.search.language import USUAL_WEIGHT, Weight
from bindery.search.lexical import Mask, Rows, Scores, bm25
from bindery.search.paging import Walk, begin_walk, keys_of
from bindery.search.queries import LexicalQuery, Word
from bindery.search.segments import Segment
from bindery.search.selecting import Selection
from bindery.search.view import View
from bindery.types import Span

DEPTH = 100
"""How many candidates each leg gives, at least."""

_MOST_COMPARED = 4000


_NO_WORDS = LexicalQuery(())


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is searched for; ``vector`` is None if the mode needs none, or if it failed.

    ``vector`` is (d,), or (q, d) for a model with a vector for each token. ``weights`` are those of
    meaning in the mode hybrid, by the language of a passage. ``walk`` is how far the same search
    was read before. ``floor`` is what hits must be above for the confidence that is wanted.
    """

    options: SearchOptions
    vector: npt.NDArray[np.float32] | None = None
    words: LexicalQuery = _NO_WORDS
    weights: Mapping[str, Weight] = field(default_factory=dict[str, Weight])
    walk: Walk | None = None
    floor: Floor | None = None

    @property
    def mode(self) -> SearchMode:
        """What is ranked by."""
        return self.options.mode

    @property
    def is_dense(self) -> bool:
        """Whether meaning is ranked by; not if the query could not be embedded."""
        return self.mode.is_dense and self.vector is not None

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
class SearchResult:
    """The passages, best first, each the rows of its chunks, of which the first is the best.

    ``is_exact`` if no first pass was approximate. ``walk`` is None if nothing follows. ``best`` is
    the highest score that was compared with the floor, None without candidates or a floor.
    """

    passages: tuple[tuple[ScoredRow, ...], ...]
    stages: tuple[StageReport, ...]
    allowed: int
    is_exact: bool
    weights: tuple[UsedWeight, ...]
    walk: Walk | None
    best: float | None = None


class RowReader(Protocol):
    """Reads the facts of rows from the catalog; a row is a segment's number and a row in it."""

    def has_phrases(self, rows: Sequence[tuple[int, int]]) -> Mask:
        """Which rows (m,) have the query's phrases in their texts."""
        ...

    def parents(self, rows: Sequence[tuple[int, int]]) -> Sequence[Span | None]:
        """The parents of the rows' chunks."""
        ...


class Searcher:
    """Answers one question on one view."""

    def __init__(self, view: View, question: Question, reader: RowReader) -> None:
        self._view = view
        self._question = question
        self._reader = reader
        self._stages: list[StageReport] = []
        self._weights = Counter[Weight]()
        self._started = time.perf_counter()
        self._walk = question.walk or begin_walk(max(DEPTH, 2 * question.k), view.newest_file)

    def search(self) -> SearchResult:
        """The hits. Raises InvalidValue for a filter on something that is not there."""
        question, walk = self._question, self._walk
        allowed = self._allowed()
        count = sum(int(np.count_nonzero(mask)) for mask in allowed)
        self._report("filter", count)
        scores: list[Scores] | None = None
        if question.mode.is_lexical:
            scores = bm25([segment.lexical for segment in self._view.segments], question.words)
        selection = Selection(self._view, question.options, self._reader.parents, question.floor)
        depth, ranking = self._depth(), Ranking.empty()
        while True:
            found, is_exact, is_all = self._candidates(allowed, depth, scores, ranking)
            ranking = self._extended(ranking, found)
            shown = walk.has_shown(keys_of(ranking.found.ids))
            # One more than wanted tells whether anything follows.
            chosen = selection.passages(ranking.found, ranking.scores, shown, question.k + 1)
            if len(chosen) > question.k or is_all or depth >= count or self._is_low(ranking):
                break
            depth *= 4
        page = chosen[: question.k]
        places = np.array([place for some in page for place in some], dtype=np.int64)
        rows = ranking.rows(places, is_dense=question.is_dense, is_lexical=question.mode.is_lexical)
        # Most passages are one row, and zip makes a tuple of each at once.
        is_each_one = len(places) == len(page)
        passages = tuple(zip(rows) if is_each_one else (tuple(islice(rows, len(p))) for p in page))
        self._report("select", len(passages))
        following = self._following(ranking, chosen)
        weights = tuple(UsedWeight(w.value, w.reason, n) for w, n in self._weights.items() if n)
        best = None
        if question.floor is not None and len(ranking.found):
            best = float(question.floor.scores(ranking.found).max())
        stages = tuple(self._stages)
        return SearchResult(passages, stages, count, is_exact, weights, following, best)

    def ranking(self) -> Ranking:
        """The first candidates as they are ranked, before passages are chosen of them."""
        allowed, scores = self._allowed(), None
        if self._question.mode.is_lexical:
            scores = bm25(
                [segment.lexical for segment in self._view.segments], self._question.words
            )
        found, _, _ = self._candidates(allowed, self._depth(), scores, Ranking.empty())
        return self._extended(Ranking.empty(), found)

    def _extended(self, ranking: Ranking, found: Candidates) -> Ranking:
        looked_at = found.places(self._view)
        kept, scores, stages = self._fused(found)
        scores = np.minimum(scores, np.float32(self._ceiling(ranking)))
        return ranking.followed_by(kept, scores, stages, looked_at)

    def _following(self, ranking: Ranking, chosen: Sequence[Sequence[int]]) -> Walk | None:
        """The walk after the page of the first k passages; None if no other follows."""
        if len(chosen) <= self._question.k:
            return None
        page = chosen[: self._question.k]
        places = np.array([place for some in page for place in some])
        keys = keys_of(ranking.found.ids[places])
        return self._walk.after(keys, float(ranking.scores[[some[0] for some in page]].min()))

    def _ceiling(self, ranking: Ranking) -> float:
        """The highest score that further candidates may have.

        Scores that mix both legs depend on the candidates that are mixed, and BM25 on what has been
        added or removed since a former page.
        """
        # With diversity the hits of a page are not the best ones of those that are left.
        lowest = float("inf") if self._question.options.diversity else self._walk.lowest
        return min(lowest, float(ranking.scores.min(initial=np.inf)))

    def _is_low(self, ranking: Ranking) -> bool:
        """Whether all that would follow is below the threshold or the floor."""
        floor = self._question.floor
        if floor is not None and floor.is_reached(ranking.found):
            return True
        threshold = self._question.options.score_threshold
        return threshold is not None and bool((ranking.scores < np.float32(threshold)).any())

    def _depth(self) -> int:
        """How many candidates each leg gives: no more than there are hits, if none is left out."""
        options = self._question.options
        leaves_out = self._phrases or options.diversity or options.limit_per_file or options.passage
        # Not by words, where many scores are equal: those at the cut are to be ordered by id.
        if options.mode is SearchMode.DENSE and not leaves_out:
            return len(self._walk.shown) + options.top + 1
        return self._walk.depth

    @property
    def _phrases(self) -> tuple[tuple[Word, ...], ...]:
        return self._question.words.phrases

    def _allowed(self) -> list[Mask]:
        """The rows that pass the filter and have the words of every phrase, in whatever order."""
        view, walk = self._view, self._question.walk
        allowed = view.allowed(self._question.options.where)
        if walk is not None:
            allowed = [
                mask & (segment.table.files <= walk.newest_file)
                for segment, mask in zip(view.segments, allowed, strict=True)
            ]
        for phrase in self._phrases:
            allowed = [
                mask & segment.lexical.has_all(phrase)
                for segment, mask in zip(view.segments, allowed, strict=True)
            ]
        return allowed

    def _candidates(
        self,
        allowed: Sequence[Mask],
        depth: int,
        scores: list[Scores] | None,
        former: Ranking,
    ) -> tuple[Candidates, bool, bool]:
        """The candidates that are not among the former ones; if they are exact; if they are all."""
        view, question = self._view, self._question
        vector = question.vector if question.is_dense else None
        dense, is_exact = Leg.empty(), True
        if question.is_dense:
            dense, is_exact = self._dense(allowed, depth)
            self._report("dense", len(dense))
        lexical = Leg.empty()
        if scores is not None:
            lexical = Leg.of_scores(view, scores, allowed, depth)
            self._report("lexical", len(lexical))
        found = Candidates.of(view, (dense, lexical), vector, scores)
        if len(former.looked_at):
            found = found.only(~np.isin(found.places(view), former.looked_at))
        return found, is_exact, max(len(dense), len(lexical)) < depth

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

    def _fused(self, found: Candidates) -> tuple[Candidates, Scores, Mapping[str, Scores]]:
        """The candidates that have the phrases, their final scores, and those of each stage."""
        question = self._question
        if self._phrases:
            found = found.only(self._reader.has_phrases(found.where()))
            self._report("phrases", len(found))
        if question.mode is SearchMode.DENSE:
            return found, found.cosines, {}
        if question.mode is SearchMode.LEXICAL:
            return found, found.bm25, {}
        if question.mode is SearchMode.RRF:
            final = fusion.reciprocal_ranks(found.rankings(), len(found))
            self._report("rrf", len(found))
            return found, final, {"rrf": final}
        final = fusion.weighted(found.cosines, found.bm25, self._weights_of(found))
        self._report("fusion", len(found))
        stages = {"fusion": final}
        # Every pair of candidates is compared: far down in a walk that would be too many.
        if 1 < len(found) <= _MOST_COMPARED:
            final = fusion.with_neighbours(final, found.vectors(self._view))
            self._report("neighbours", len(found))
            stages["neighbours"] = final
        return found, (1 / (1 + np.exp(-final.astype(np.float64)))).astype(np.float32), stages

    def _weights_of(self, found: Candidates) -> Scores:
        """The weight (m,) of meaning for each candidate, by its language."""
        only = fusion.only_leg(found.cosines, found.bm25)
        if only is not None:
            self._weights[_ONLY[only]] += len(found)
            return np.full(len(found), only, dtype=np.float32)
        by_language = self._question.weights
        used = list(dict.fromkeys([*by_language.values(), USUAL_WEIGHT]))

        def numbers(segment: Segment, rows: Rows) -> npt.NDArray[np.int64]:
            names = segment.table.language_names
            of_name = [used.index(by_language.get(name, USUAL_WEIGHT)) for name in names]
            return np.array(of_name, dtype=np.int64)[segment.table.languages[rows]]

        chosen = found.collect(self._view, numbers)
        counts = np.bincount(chosen, minlength=len(used)).tolist()
        self._weights.update(dict(zip(used, counts, strict=True)))
        return np.array([one.value for one in used], dtype=np.float32)[chosen]

    def _report(self, name: str, candidates: int, recall: float | None = None) -> None:
        now = time.perf_counter()
        milliseconds = round((now - self._started) * 1000, 3)
        self._stages.append(StageReport(name, candidates, milliseconds, recall))
        self._started = now


_ONLY = (
    Weight(0.0, "the meaning of all candidates is equally near"),
    Weight(1.0, "no word tells the candidates apart"),
)
