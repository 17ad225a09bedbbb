"""Text in, terms out: the one analyser of the lexical index, for documents and for queries.

A text is divided at white space, and each piece into *atoms*: letters of one script, digits,
ideographs, emoji. From these come the terms:

- a word is folded (NFKC, no case, no accents) and stemmed by the language of its text; ``Müller``
  also gives ``mueller`` (as some write it) and ``=müller`` (the exact spelling ranks first);
- a code is a run of atoms joined by punctuation or by nothing, such as ``ISO-9001:2015``,
  ``FY2018`` and ``C++``: it is a term as a whole, beside the terms of its atoms;
- scripts without spaces give every character and every pair of neighbours. A query has the pairs
  alone if it can, so that ``备份`` does not match a line with the same characters apart.

No query syntax exists: every character of a query is text, except that double quotes mark a phrase
(:mod:`bindery.search.queries`).
"""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

from bindery.search.characters import CharClass, class_of, folded, plain, script_of, spelt_out
from bindery.types import Span

STEMMERS = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "cs": "czech",
    "da": "danish", "nl": "dutch", "en": "english", "et": "estonian", "fi": "finnish",
    "fr": "french", "de": "german", "el": "greek", "hi": "hindi", "hu": "hungarian",
    "id": "indonesian", "ga": "irish", "it": "italian", "lt": "lithuanian", "ne": "nepali",
    "no": "norwegian", "nb": "norwegian", "nn": "norwegian", "fa": "persian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "es": "spanish",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""The Snowball stemmer of a language (ISO 639-1). Words of other languages are not stemmed."""

_PIECE = re.compile(r"\S+")
# What may stand inside a code. An apostrophe divides: l'homme is two words.
_DASHES = "\u2010\u2011\u2012\u2013\u2212"
_JOINERS = frozenset(f"-_.:/,&@+#~=\\{_DASHES}")
_ONE_DASH = str.maketrans(dict.fromkeys(_DASHES, "-"))
_TRAILING = frozenset("+#")
# Longer runs are not codes but data, such as base64: their atoms are enough.
_LONGEST_CODE = 64
_LONGEST_TERM = 128
_CACHED_PIECES = 200_000
_CACHED_TOKENS = 20_000


@dataclass(frozen=True, slots=True)
class Token:
    """What one place of a text gives: its terms, the first of which names it in phrases.

    ``span`` is the place in code points of the text. ``is_pair`` marks two ideographs, which lie
    over the tokens of each. ``is_whole`` marks a code, which lies over the tokens of its atoms.
    """

    span: Span
    terms: tuple[str, ...]
    is_pair: bool = False
    is_whole: bool = False


class Analyser:
    """Turns texts of one language into tokens. Safe to call from several threads.

    ``language`` is an ISO 639-1 code; empty for none, in which case words are not stemmed.
    """

    def __init__(self, language: str = "") -> None:
        self.language = language
        self._stemmers = threading.local()  # a Snowball stemmer keeps state
        self._known: dict[str, tuple[str, ...]] = {}
        self._tokens: dict[str, tuple[Token, ...]] = {}

    def tokens(self, text: str) -> Iterator[Token]:
        """The tokens in order of their place; a code comes before its atoms."""
        for piece in _PIECE.finditer(text):
            start = piece.start()
            for token in self._tokens_of(piece.group()):
                span = Span(token.span.start + start, token.span.end + start)
                yield Token(span, token.terms, token.is_pair, token.is_whole)

    def spans_in(self, pieces: Iterable[str], terms: frozenset[str]) -> dict[str, list[Span]]:
        """The places of the tokens that have one of the terms, in pieces without white space."""
        known = self._known
        return {
            piece: [one.span for one in self._tokens_of(piece) if not terms.isdisjoint(one.terms)]
            for piece in pieces
            if not terms.isdisjoint(known.get(piece) or self._terms(piece))
        }

    def terms(self, text: str) -> list[str]:
        """All terms of a text, in order, as they go into an index."""
        found: list[str] = []
        known = self._known
        for piece in text.split():
            terms = known.get(piece)
            found.extend(self._terms(piece) if terms is None else terms)
        return found

    def _terms(self, piece: str) -> tuple[str, ...]:
        if (known := self._known.get(piece)) is not None:
            return known
        terms = tuple(term for token in self._analyse(piece) for term in token.terms)
        if len(piece) <= _LONGEST_CODE:
            if len(self._known) >= _CACHED_PIECES:
                self._known.clear()
            self._known[piece] = terms
        return terms

    def _tokens_of(self, piece: str) -> tuple[Token, ...]:
        if (known := self._tokens.get(piece)) is not None:
            return known
        tokens = tuple(self._analyse(piece))
        if len(piece) <= _LONGEST_CODE:
            if len(self._tokens) >= _CACHED_TOKENS:
                self._tokens.clear()
            self._tokens[piece] = tokens
        return tokens

    def _analyse(self, piece: str) -> Iterator[Token]:
        atoms = _atoms(piece)
        for run in _runs(atoms, piece):
            if (whole := _whole(run, piece)) is not None:
                yield whole
            for atom in run:
                terms = self._terms_of(piece[atom.start : atom.end], atom.kind)
                if terms:
                    yield Token(Span(atom.start, atom.end), terms)
        ideographs = [atom for atom in atoms if atom.kind is CharClass.IDEOGRAPH]
        for left, right in pairwise(ideographs):
            if left.end == right.start:
                pair = folded(piece[left.start : right.end])
                yield Token(Span(left.start, right.end), (pair,), is_pair=True)

    def _terms_of(self, text: str, kind: CharClass) -> tuple[str, ...]:
        if kind is not CharClass.LETTER:
            return (folded(text)[:_LONGEST_TERM],) if folded(text) else ()
        base = folded(text)[:_LONGEST_TERM]
        if text.isascii():
            return (self._stem(base),)
        # Without case, ß is ss: here it is kept apart.
        exact = "ß".join(map(plain, text.replace("ẞ", "ß").split("ß")))[:_LONGEST_TERM]
        other = spelt_out(text)[:_LONGEST_TERM]
        terms = [self._stem(base), self._stem(other)]
        if exact != base:
            terms.append(f"={exact}")
        return tuple(dict.fromkeys(term for term in terms if term))

    def _stem(self, word: str) -> str:
        name = STEMMERS.get(self.language)
        if name is None or not word:
            return word
        stemmer: Any = getattr(self._stemmers, "stemmer", None)
        if stemmer is None:
            stemmer = self._stemmers.stemmer = import_module("Stemmer").Stemmer(name)
        return str(stemmer.stemWord(word)) or word


class TermFinder:
    """Finds the places of terms in texts of one language. No word is looked at twice."""

    def __init__(self, analyser: Analyser, terms: frozenset[str]) -> None:
        self._analyser = analyser
        self._terms = terms
        self._seen: set[str] = set()
        self._spans: dict[str, list[Span]] = {}

    def spans(self, text: str) -> Iterator[Span]:
        """The places of the tokens that have one of the terms, in the order of the tokens."""
        pieces = set(text.split())
        self._spans |= self._analyser.spans_in(pieces - self._seen, self._terms)
        self._seen |= pieces
        if self._spans.keys().isdisjoint(pieces):
            return
        found = self._spans
        for match in [one for one in _PIECE.finditer(text) if one[0] in found]:
            start = match.start()
            for span in found[match[0]]:
                yield Span(span.start + start, span.end + start)


@dataclass(frozen=True, slots=True)
class _Atom:
    start: int
    end: int
    kind: CharClass
    script: str = ""


def _atoms(piece: str) -> list[_Atom]:
    """Letters of one script, digits, single ideographs, single symbols; punctuation is left out."""
    if piece.isascii() and piece.isalpha():  # most words
        return [_Atom(0, len(piece), CharClass.LETTER, script_of("a"))]
    found: list[_Atom] = []
    for place, char in enumerate(piece):
        kind = class_of(char)
        last = found[-1] if found and found[-1].end == place else None
        if kind is CharClass.ATTACHED and last is not None:
            found[-1] = _Atom(last.start, place + 1, last.kind, last.script)
            continue
        # A set would hash the enum's members, which takes as long as all the rest.
        if kind is CharClass.OTHER or kind is CharClass.ATTACHED:
            continue
        script = script_of(char) if kind is CharClass.LETTER else ""
        grows = last is not None and last.kind is kind and last.script == script
        if grows and last is not None and (kind is CharClass.LETTER or kind is CharClass.DIGIT):
            found[-1] = _Atom(last.start, place + 1, kind, script)
        else:
            found.append(_Atom(place, place + 1, kind, script))
    return found


def _runs(atoms: Sequence[_Atom], piece: str) -> Iterator[list[_Atom]]:
    """The atoms in groups that may be one code: a border of scripts ends one."""
    run: list[_Atom] = []
    for atom in atoms:
        if run and not _joins(run, atom, piece):
            yield run
            run = []
        run.append(atom)
    if run:
        yield run


def _joins(run: Sequence[_Atom], atom: _Atom, piece: str) -> bool:
    kinds = {run[-1].kind, atom.kind}
    if kinds & {CharClass.IDEOGRAPH, CharClass.SYMBOL}:
        return False
    scripts = {one.script for one in (*run, atom) if one.script}
    between = piece[run[-1].end : atom.start]
    return len(scripts) <= 1 and (not between or (len(between) == 1 and between in _JOINERS))


def _whole(run: Sequence[_Atom], piece: str) -> Token | None:
    """The token of a code as a whole, if the atoms are one."""
    start, end = run[0].start, run[-1].end
    if run[-1].kind is CharClass.LETTER:
        while end < len(piece) and piece[end] in _TRAILING and end - run[-1].end < 2:
            end += 1
    if (len(run) == 1 and end == run[0].end) or end - start > _LONGEST_CODE:
        return None
    whole = folded(piece[start:end]).translate(_ONE_DASH)
    return Token(Span(start, end), (whole,), is_whole=True)
