"""How a collection is searched."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from bindery.errors import InvalidValue
from bindery.filters import Filter, filter_from_json
from bindery.filters.text import filter_from_text
from bindery.options.fields import check_options, option


class SearchMode(StrEnum):
    """What a search ranks by: words and meaning, meaning, words, or both by their ranks."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"
    RRF = "rrf"

    @property
    def is_dense(self) -> bool:
        """Whether the query's vector is needed."""
        return self is not SearchMode.LEXICAL

    @property
    def is_lexical(self) -> bool:
        """Whether the query's words are needed."""
        return self is not SearchMode.DENSE


SCORE_RANGES: Mapping[SearchMode, tuple[float, float]] = {
    SearchMode.HYBRID: (0, 1),
    SearchMode.DENSE: (-1, 1),
    SearchMode.LEXICAL: (0, float("inf")),
    SearchMode.RRF: (0, 2 / 61),
}
"""The least and the largest score of a hit, by mode."""


class Passage(StrEnum):
    """What a hit is: a chunk, neighbouring chunks as one, or the parent of chunks."""

    CHUNK = "chunk"
    JOINED = "joined"
    PARENT = "parent"


MOST_HITS = 1000


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a collection is searched.

    ``mode`` says what hits are ranked by, and with it what their ``score`` is (see
    :data:`SCORE_RANGES`). ``filter`` is a :data:`bindery.filters.Filter`, its short text, or its
    JSON. ``weight`` None means that of the collection, or else of the languages of the query and of
    each passage. ``passage`` None means the parent if the collection's chunks have parents, and
    else the chunk.

    Raises InvalidValue for a value that is out of range, and for a filter that cannot be read.
    """

    mode: SearchMode = option(
        SearchMode.HYBRID, "What to rank by.", choices=tuple(SearchMode), given_as=str
    )
    top: int = option(10, "The most hits to return.", least=1, most=MOST_HITS)
    filter: Filter | str | None = option(
        None, "Search only chunks that match, such as: year >= 2020.", given_as=str | None
    )
    weight: float | None = option(
        None, "The weight of meaning in hybrid, 0 to 1; default: by language.", least=0, most=1
    )
    score_threshold: float | None = option(None, "Keep hits with at least this score.")
    min_confidence: float | None = option(
        None,
        "Keep hits that are better than the best hit of at least this share of off-topic "
        "questions, 0 to 1; else nothing is found.",
        least=0,
        most=1,
    )
    limit_per_file: int | None = option(
        None, "The most hits from one file.", least=1, most=MOST_HITS
    )
    diversity: float = option(0.0, "Prefer hits that differ, 0 to 1.", least=0, most=1)
    passage: Passage | None = option(
        None,
        "What a hit is: a chunk, neighbours joined, or their parent (by default if there is one).",
        choices=tuple(Passage),
        given_as=str | None,
    )
    prefix: bool = option(default=False, help="Complete the last word, for search as you type.")
    allow_partial: bool = option(
        default=False, help="Answer by words alone, and say so, if the query cannot be embedded."
    )
    explain: bool = option(
        default=False, help="Also say what each word and token adds to a hit's score."
    )
    explain_tokens: int = option(
        1, "With explain: of how many hits to compare the tokens.", least=0, most=MOST_HITS
    )
    cursor: str | None = option(None, "The next_cursor of an answer, to get the next page.")

    def __post_init__(self) -> None:
        check_options(self)
        object.__setattr__(self, "mode", SearchMode(self.mode))
        object.__setattr__(self, "passage", None if self.passage is None else Passage(self.passage))
        if isinstance(self.filter, str):
            object.__setattr__(self, "filter", filter_from_text(self.filter))
        elif not isinstance(cast("object", self.filter), Filter | None):
            object.__setattr__(self, "filter", filter_from_json(self.filter))
        low, high = SCORE_RANGES[self.mode]
        if self.score_threshold is not None and not low <= self.score_threshold <= high:
            raise InvalidValue(
                f"score_threshold must be {low:g} to {high:.3g} in the mode {self.mode}, "
                f"got {self.score_threshold}.",
                remedy="Choose a score that hits of this mode have, or leave it out.",
                param="score_threshold",
            )

    @property
    def where(self) -> Filter | None:
        """The filter, read."""
        return None if isinstance(self.filter, str) else self.filter
