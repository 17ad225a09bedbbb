"""A user's question as terms. There is no query language, apart from phrases in double quotes.

Nothing else in a query has a meaning of its own: ``-v``, ``AND``, ``*`` and ``field:`` are text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from bindery.errors import InvalidValue
from bindery.search.analysis import Analyser, Token
from bindery.search.characters import CharClass, class_of, folded, plain, visible
from bindery.search.language import stop_words
from bindery.types import Span

MOST_QUERIES = 100
MOST_CHARACTERS = 20_000

_QUOTED = re.compile(r'"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a query: the terms that it may be in an index, and where it stands in the query."""

    terms: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    """What the lexical index is asked for.

    ``words`` are scored. Every one of ``phrases`` must stand in a text, word after word.
    """

    words: tuple[Word, ...]
    phrases: tuple[tuple[Word, ...], ...] = ()

    @property
    def terms(self) -> frozenset[str]:
        """Every term that counts for the score."""
        return frozenset(term for word in self.words for term in word.terms)

    def completed(self, complete: Callable[[str], tuple[str, ...]], text: str) -> "LexicalQuery":
        """The query whose last word may also be the beginning of a word; ``text`` is that word.

        ``complete`` gives the terms of an index that begin with it.
        """
        end = max((word.span.end for word in self.words), default=0)
        terms = complete(folded(text))
        words = [
            replace(word, terms=tuple(dict.fromkeys([*word.terms, *terms])))
            if word.span.end == end and not word.terms[0].startswith("=")
            else word
            for word in self.words
        ]
        return replace(self, words=tuple(words))

    def has_phrases_in(self, terms: Sequence[str]) -> bool:
        """Whether every phrase stands in a text, given by the terms of its words in order."""
        return all(_stands_in(phrase, terms) for phrase in self.phrases)


def _stands_in(phrase: Sequence[Word], terms: Sequence[str]) -> bool:
    starts = range(len(terms) - len(phrase) + 1)
    return any(
        all(terms[start + n] in word.terms for n, word in enumerate(phrase)) for start in starts
    )


def check_queries(queries: object) -> None:
    """Raise InvalidValue unless the queries are texts in which something can be seen.

    Every face calls this with what it was given, so the type is checked too.
    """
    if not isinstance(queries, (list, tuple)):
        raise _wrong_query(f"query must be text or a list of texts, got {type(queries).__name__}.")
    texts = cast("Sequence[object]", queries)
    if not 1 <= len(texts) <= MOST_QUERIES:
        raise _wrong_query(f"A search takes 1 to {MOST_QUERIES} queries, got {len(texts)}.")
    for number, text in enumerate(texts, 1):
        which = f"Query {number}" if len(texts) > 1 else "The query"
        if not isinstance(text, str):
            raise _wrong_query(f"{which} must be text, got {type(text).__name__}.")
        if not visible(text).strip():
            raise _wrong_query(f"{which} is blank.", "Send at least one word.")
        if len(text) > MOST_CHARACTERS:
            raise _wrong_query(
                f"{which} must have at most {MOST_CHARACTERS:,} characters, got {len(text):,}."
            )


def _wrong_query(message: str, remedy: str = "") -> InvalidValue:
    return InvalidValue(message, remedy=remedy, param="query")


def read_query(
    text: str,
    analysers: Mapping[str, Analyser],
    *,
    language: str = "",
    complete: Callable[[str], tuple[str, ...]] | None = None,
) -> LexicalQuery:
    """The words of a query for a collection whose texts have the languages of ``analysers``.

    A word may be in a text of any of these languages, so it has the terms of each. Stop words of
    the query's ``language`` (of all languages of the collection, if it is not known) are left out
    if there are other words. Those within a phrase stay. With ``complete``, which gives the terms
    of an index that begin with a text, the last word may be the beginning of one.
    """
    chosen = list(analysers.values()) or [Analyser(language)]
    quoted = [Span(*match.span(1)) for match in _QUOTED.finditer(text)]
    phrases = tuple(
        phrase
        for span in quoted
        if (phrase := tuple(_plain_words(text[span.start : span.end], chosen)))
    )
    stops = frozenset[str]().union(
        *(stop_words(one) for one in ([language] if language else analysers))
    )
    words = list(_words(text, chosen))
    last = max(words, key=lambda word: word.span.end).span if words else None
    kept = [
        word
        for word in words
        if plain(text[word.span.start : word.span.end]) not in stops
        or any(span.start <= word.span.start < span.end for span in quoted)
        or (complete is not None and word.span == last)
    ]
    query = LexicalQuery(tuple(kept or words), phrases)
    if complete is None or last is None:
        return query
    return query.completed(complete, text[last.start : last.end])


def _words(text: str, analysers: Sequence[Analyser]) -> Iterator[Word]:
    """The words that are scored: an exact spelling counts beside the word itself."""
    for tokens in _aligned(text, analysers):
        terms = tuple(dict.fromkeys(term for token in tokens for term in token.terms))
        span = tokens[0].span
        if folded := tuple(term for term in terms if not term.startswith("=")):
            yield Word(folded, span)
        yield from (Word((term,), span) for term in terms if term.startswith("="))


def _plain_words(text: str, analysers: Sequence[Analyser]) -> Iterator[Word]:
    """The words as a phrase has them: no codes as a whole, which lie over their parts."""
    for tokens in _aligned(text, analysers, whole=False):
        terms = tuple(dict.fromkeys(token.terms[0] for token in tokens))
        yield Word(terms, tokens[0].span)


def _aligned(
    text: str, analysers: Sequence[Analyser], *, whole: bool = True
) -> list[tuple[Token, ...]]:
    """Each token as every language has it; of ideographs the pairs, a single one if it is alone.

    Where the tokens are does not depend on the language.
    """
    found = list(zip(*(one.tokens(text) for one in analysers), strict=True))
    if not whole:
        return [tokens for tokens in found if not tokens[0].is_pair and not tokens[0].is_whole]
    paired = {
        place
        for tokens in found
        if tokens[0].is_pair
        for place in range(tokens[0].span.start, tokens[0].span.end)
    }
    return [
        tokens for tokens in found if tokens[0].is_pair or not _is_within(tokens[0], text, paired)
    ]


def _is_within(token: Token, text: str, paired: set[int]) -> bool:
    start = token.span.start
    return start in paired and class_of(text[start]) is CharClass.IDEOGRAPH


def plain_words(text: str) -> str:
    """A text in compatibility form and lower case, each white space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
