"""Why a passage was found: what each word and each token of the query adds to its scores."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.encoders.base import Encoder
from bindery.errors import UnsupportedModel
from bindery.search.analysis import Analyser, TermFinder
from bindery.search.lexical import word_weights
from bindery.search.queries import LexicalQuery
from bindery.search.view import View
from bindery.types import DOCUMENT, QUERY, Span


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
        self._finders: dict[Analyser, list[TermFinder]] = {}
        self._names = [text[word.span.start : word.span.end] for word, _ in self._weights]

    def of(self, segment: int, row: int, text: str, analyser: Analyser) -> tuple[WordShare, ...]:
        """The shares of a row's words, highest first; ``text`` is that of its hit."""
        scores = self._segments[segment].shares(self._weights, self._average, row)
        finders = self._finders.get(analyser)
        if finders is None:
            finders = [TermFinder(analyser, frozenset(word.terms)) for word, _ in self._weights]
            self._finders[analyser] = finders
        found = [
            WordShare(
                name,
                score,
                rows,
                tuple(finder.spans(text)),
            )
            for finder, name, rows, score in zip(
                finders, self._names, self._rows, scores, strict=True
            )
            if score > 0
        ]
        return tuple(sorted(found, key=lambda share: -share.score))


@dataclass(frozen=True, slots=True)
class TokenShare:
    """A token of the query, and the token of a hit that is most like it.

    ``similarity`` is the dot product of their vectors, -1 to 1, and ``score`` that divided by the
    number of the query's tokens: the scores add up to the mean MaxSim (Khattab and Zaharia, 2020).
    ``span`` is the place of the token in the query and ``mark`` that of ``match`` in the text of
    the hit; None for a token that the model adds.
    """

    token: str
    match: str
    similarity: float
    score: float
    span: Span | None = None
    mark: Span | None = None

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class TokenMatrix:
    """The dot products (q, t) of the vectors of a query's tokens and of a text's, -1 to 1.

    ``spans`` (q) are the places of the tokens in the query and ``marks`` (t) those in the text,
    None for a token that the model adds.
    """

    query: str
    text: str
    spans: Sequence[Span | None]
    marks: Sequence[Span | None]
    products: npt.NDArray[np.float32]

    def shares(self) -> tuple[TokenShare, ...]:
        """The share of each token of the query."""
        best: list[int] = self.products.argmax(axis=1).tolist()
        most: list[float] = self.products.max(axis=1).tolist()
        return tuple(
            TokenShare(
                _quoted(self.query, span),
                _quoted(self.text, self.marks[at]),
                similarity,
                similarity / len(best),
                span,
                self.marks[at],
            )
            for span, at, similarity in zip(self.spans, best, most, strict=True)
        )

    def facts(self) -> dict[str, Any]:
        """The same for JSON; ``start`` and ``end`` are null for tokens that the model adds."""
        return {
            "query_tokens": [_token_facts(self.query, span) for span in self.spans],
            "tokens": [_token_facts(self.text, span) for span in self.marks],
            "similarities": np.round(self.products, 4).tolist(),
            "score": float(self.products.max(axis=1).mean()),
        }


def token_matrices(encoder: Encoder, query: str, texts: Sequence[str]) -> list[TokenMatrix | None]:
    """A query's tokens compared with those of each text.

    None for every text if the model is remote, since it gives no vectors of tokens, and for a text
    without tokens. Of a text that is longer than the window, the end is not compared.
    """
    try:
        asked, found = encoder.encode_tokens([query], QUERY), encoder.encode_tokens(texts)
    except UnsupportedModel:
        return [None] * len(texts)
    rows = asked.tokens[0]
    spans = _places(encoder, query, QUERY, len(rows))
    matrices: list[TokenMatrix | None] = []
    for number, text in enumerate(texts):
        others = found.tokens[number]
        if not len(others) or not len(rows):
            matrices.append(None)
            continue
        marks = _places(encoder, text, DOCUMENT, len(others))
        matrices.append(TokenMatrix(query, text, spans, marks, rows @ others.T))
    return matrices


def _token_facts(text: str, span: Span | None) -> dict[str, Any]:
    place = {"start": None, "end": None} if span is None else asdict(span)
    return {"text": _quoted(text, span), **place}


def _places(encoder: Encoder, text: str, role: str, count: int) -> Sequence[Span | None]:
    """The place of each row of a text; unknown if rows are the means of several tokens."""
    spans = encoder.tokeniser.token_spans(text, role)
    unknown: list[Span | None] = [None] * count
    return spans if len(spans) == count else unknown


def _quoted(text: str, span: Span | None) -> str:
    return "" if span is None else text[span.start : span.end]
