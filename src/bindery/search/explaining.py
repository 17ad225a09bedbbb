"""Why a passage was found: what each word of the query adds to its score by words."""

from dataclasses import asdict, dataclass
from typing import Any

from bindery.search.analysis import Analyser, TermFinder
from bindery.search.lexical import word_weights
from bindery.search.queries import LexicalQuery
from bindery.search.view import View
from bindery.types import Span


@dataclass(frozen=True, slots=True)
class WordShare:
    """A word of the query, and what it adds to a hit's BM25.

    ``rows`` counts the chunks of the collection that have the word. ``marks`` are its places in the
    text of the hit; a word may also be in its headings, its title or the name of its file.
    """

    word: str
    score: float
    rows: int
    marks: tuple[Span, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


class WordShares:
    """The shares of a query's words in the hits of a view. They add up to each hit's BM25."""

    def __init__(self, view: View, query: LexicalQuery, text: str) -> None:
        segments = [segment.lexical for segment in view.segments]
        self._segments = segments
        self._weights, self._average = word_weights(segments, query)
        self._rows = [sum(one.frequency(word) for one in segments) for word, _ in self._weights]
        self._names = [text[word.span.start : word.span.end] for word, _ in self._weights]

    def of(self, segment: int, row: int, text: str, analyser: Analyser) -> tuple[WordShare, ...]:
        """The shares of a row's words, highest first; ``text`` is that of its hit."""
        scores = self._segments[segment].shares(self._weights, self._average, row)
        found = [
            WordShare(
                name,
                score,
                rows,
                tuple(TermFinder(analyser, frozenset(word.terms)).spans(text)),
            )
            for (word, _), name, rows, score in zip(
                self._weights, self._names, self._rows, scores, strict=True
            )
            if score > 0
        ]
        return tuple(sorted(found, key=lambda share: -share.score))
