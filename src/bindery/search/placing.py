"""Where any row of a collection is in every stage of a search, also if no stage chose it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bindery.filters import And, Filter, filter_to_json
from bindery.search.candidates import Ranking
from bindery.search.lexical import bm25
from bindery.search.searching import Question, RowReader, Searcher
from bindery.search.view import View


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """Where a row is: its rank in each stage, and ``place`` among the final candidates."""

    ranks: Mapping[str, int | None]
    scores: Mapping[str, float | None]
    place: int | None
    score: float
    is_allowed: bool
    is_out_by_phrase: bool


class RowStages:
    """The scores of all rows in both legs, and the ranking of the candidates of a question."""

    def __init__(self, view: View, question: Question, reader: RowReader) -> None:
        self._view, self._question = view, question
        self._reader = reader
        self._allowed = view.allowed(question.options.where)
        self._legs: dict[str, list[Any]] = {}
        if question.is_dense and question.vector is not None:
            self._legs["dense"] = [
                one.dense.scores(question.vector, np.arange(len(one))) for one in view.segments
            ]
        if question.mode.is_lexical:
            segments = [one.lexical for one in view.segments]
            self._legs["lexical"] = bm25(segments, question.words)
        self._ranking: Ranking = Searcher(view, question, reader).ranking()

    def order_of(self, place: tuple[int, int]) -> tuple[float, float]:
        """What is larger for rows that are ranked higher."""
        at = self._at(place)
        total = sum(float(scores[place[0]][place[1]]) for scores in self._legs.values())
        return (-np.inf if at is None else float(self._ranking.scores[at]), total)

    def placed(self, place: tuple[int, int]) -> PlacedRow:
        """Where a row is."""
        segment, row = place
        is_allowed = bool(self._allowed[segment][row])
        masks = self._allowed if is_allowed else [one.alive for one in self._view.segments]
        ranks: dict[str, int | None] = {}
        scores: dict[str, float | None] = {"cosine": None, "bm25": None}
        for name, leg in self._legs.items():
            own = float(leg[segment][row])
            above = sum(
                int(np.count_nonzero(mask & (some > own)))
                for some, mask in zip(leg, masks, strict=True)
            )
            has_none = name == "lexical" and own <= 0
            ranks[name] = None if has_none else above + 1
            scores[{"dense": "cosine", "lexical": "bm25"}[name]] = own
        at = self._at(place)
        for name, some in self._ranking.stages.items():
            ranks[name] = None if at is None else int(some[at]) or None
        phrases = self._question.words.phrases
        is_out = bool(phrases) and not bool(self._reader.has_phrases([place])[0])
        if at is None:
            return PlacedRow(ranks, scores, None, 0.0, is_allowed, is_out)
        score = float(self._ranking.scores[at])
        final = int(np.count_nonzero(self._ranking.scores > score)) + 1
        return PlacedRow(ranks, scores, final, score, is_allowed, is_out)

    def _at(self, place: tuple[int, int]) -> int | None:
        found = self._ranking.found
        at = np.flatnonzero((found.segments == place[0]) & (found.rows == place[1]))
        return int(at[0]) if len(at) else None


def failing(view: View, where: Filter | None, place: tuple[int, int]) -> str:
    """The parts of a filter that do not hold for a row."""
    assert where is not None, "only a filter leaves rows out"
    parts = where.parts if isinstance(where, And) else (where,)
    segment, row = place
    failing = [one for one in parts if not view.allowed(one)[segment][row]]
    return "; ".join(str(filter_to_json(one)) for one in failing)


def too_low(placed: PlacedRow, question: Question) -> tuple[str, str] | None:
    """Why the score of a row is too low, and the way out; None if it is high enough."""
    floor, threshold = question.floor, question.options.score_threshold
    if floor is not None and (own := placed.scores[floor.name] or 0.0) <= floor.score:
        return (
            f"Its {floor.name} of {own:.3f} is too low for min_confidence, which asks for more "
            f"than {floor.score:.3f}.",
            "Search with a lower min_confidence.",
        )
    if placed.place is not None and threshold is not None and placed.score < threshold:
        return (
            f"Its score of {placed.score:.3f} is below score_threshold.",
            f"Search with score_threshold {placed.score:.3f} or less.",
        )
    return None
