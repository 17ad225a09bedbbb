"""BM25 over immutable segments: exact under filters, and after deletes as a fresh index would be.

The statistics are the sums over the living rows of all segments, so a search gives what one index
of these rows alone would give, however they are divided. The score of a row is the sum over the
query's words w of

    idf(w) * (k1 + 1) * f / (f + k1 * (1 - b + b * length / average length))

(Robertson and Zaragoza, 2009, equation 3.15), with idf(w) = log(1 + (N - n + .5) / (n + .5)) as in
Lucene, f the frequency in the row and n the number of living rows with the word. A word that may be
several terms counts as one: its rows are those of any of them, f is the largest.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.search.queries import LexicalQuery, Word

K1 = 1.2
B = 0.75

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]

_MOST_COMPLETIONS = 200
_LEAST_STEM = 4
_LONGEST_ENDING = 4
_NO_ROWS = np.zeros(0, dtype=np.int32)
_MOST_COUNTED = np.iinfo(np.uint16).max


class Vocabulary:
    """The terms of a segment in order of their code points, numbered from 0."""

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = terms

    @classmethod
    def from_bytes(cls, data: npt.NDArray[np.uint8]) -> "Vocabulary":
        """The terms from UTF-8, one on each line: no term has white space in it."""
        text = data.tobytes().decode("utf-8")
        return cls(text.split("\n") if text else [])

    def to_bytes(self) -> npt.NDArray[np.uint8]:
        """The reverse of :meth:`from_bytes`."""
        return np.frombuffer("\n".join(self.terms).encode("utf-8"), dtype=np.uint8)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {term: number for number, term in enumerate(self.terms)}

    def __len__(self) -> int:
        return len(self.terms)

    def find(self, term: str) -> int | None:
        """The number of a term, if the segment has it."""
        return self._numbers.get(term)

    def starting_with(self, beginning: str) -> range:
        """The numbers of the terms that begin with a text."""
        first = bisect_left(self.terms, beginning)
        return range(first, bisect_left(self.terms, f"{beginning}\U0010ffff", lo=first))


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Which terms n rows have, as arrays that never change.

    The rows (p,) int32 of term t, rising, are ``rows[term_starts[t]:term_starts[t + 1]]``, and
    ``counts`` (p,) uint16 their frequencies. ``lengths`` (n,) int32 counts the terms of each row
    with repetition.
    ``row_terms[row_starts[r]:row_starts[r + 1]]`` are the numbers of the terms of row r.
    """

    vocabulary: Vocabulary
    term_starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint16]
    lengths: npt.NDArray[np.int32]
    row_starts: npt.NDArray[np.int64]
    row_terms: npt.NDArray[np.int32]

    @classmethod
    def of(cls, texts: Sequence[Sequence[str]]) -> "Postings":
        """Those of rows that are given by their terms."""
        lengths = np.array([len(terms) for terms in texts], dtype=np.int32)
        seen: dict[str, int] = {}
        numbers = [seen.setdefault(term, len(seen)) for terms in texts for term in terms]
        names = sorted(seen)
        order = np.empty(len(names), dtype=np.int64)
        order[[seen[name] for name in names]] = np.arange(len(names))
        term = order[np.array(numbers, dtype=np.int64)] if numbers else np.zeros(0, dtype=np.int64)
        row = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
        width = max(1, len(texts))
        pairs, counts = np.unique(term * width + row, return_counts=True)
        few = np.minimum(counts, _MOST_COUNTED).astype(np.uint16)
        return cls._sorted(names, pairs // width, pairs % width, few, lengths)

    @classmethod
    def joined(cls, parts: Sequence[tuple["Postings", Rows]]) -> "Postings":
        """Those of chosen rows (rising) of several, one after the other: terms without rows go."""
        names = sorted({term for one, _ in parts for term in one.vocabulary.terms})
        numbers = {name: number for number, name in enumerate(names)}
        terms: list[npt.NDArray[np.int64]] = []
        rows: list[npt.NDArray[np.int64]] = []
        counts: list[npt.NDArray[np.uint16]] = []
        first = 0
        for one, chosen in parts:
            place = np.full(len(one), -1, dtype=np.int64)
            place[chosen] = np.arange(first, first + len(chosen))
            new = np.array([numbers[term] for term in one.vocabulary.terms], dtype=np.int64)
            term = np.repeat(new, np.diff(one.term_starts))
            row = place[one.rows]
            kept = row >= 0
            terms.append(term[kept])
            rows.append(row[kept])
            counts.append(one.counts[kept])
            first += len(chosen)
        term, row, count = np.concatenate(terms), np.concatenate(rows), np.concatenate(counts)
        used, term = np.unique(term, return_inverse=True)
        order = np.lexsort((row, term))
        lengths = np.concatenate([one.lengths[chosen] for one, chosen in parts])
        return cls._sorted(
            [names[int(n)] for n in used.tolist()], term[order], row[order], count[order], lengths
        )

    @classmethod
    def _sorted(
        cls,
        names: Sequence[str],
        term: npt.NDArray[np.int64],
        row: npt.NDArray[np.int64],
        counts: npt.NDArray[np.uint16],
        lengths: npt.NDArray[np.int32],
    ) -> "Postings":
        """From pairs of a term and a row, in order of the terms and then of the rows."""
        by_row = np.argsort(row, kind="stable")
        places = np.arange(len(lengths) + 1)
        return cls(
            vocabulary=Vocabulary(names),
            term_starts=np.searchsorted(term, np.arange(len(names) + 1)).astype(np.int64),
            rows=row.astype(np.int32),
            counts=counts,
            lengths=lengths,
            row_starts=np.searchsorted(row[by_row], places).astype(np.int64),
            row_terms=term[by_row].astype(np.int32),
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def of_term(self, term: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16]] | None:
        """The rows of a term and its frequencies there, if the segment has the term."""
        number = self.vocabulary.find(term)
        if number is None:
            return None
        part = slice(self.term_starts[number], self.term_starts[number + 1])
        return self.rows[part], self.counts[part]


@dataclass(frozen=True, slots=True, eq=False)
class LexicalSegment:
    """Postings, and which of their rows are alive. ``frequencies`` (t,) counts those by term."""

    postings: Postings
    alive: Mask
    frequencies: npt.NDArray[np.int64]
    length: int

    @classmethod
    def whole(cls, postings: Postings) -> "LexicalSegment":
        """The segment with every row alive."""
        alive = np.ones(len(postings), dtype=np.bool_)
        return cls(postings, alive, np.diff(postings.term_starts), int(postings.lengths.sum()))

    def without(self, rows: Rows) -> "LexicalSegment":
        """The segment in which these rows, all of them alive before, are dead."""
        if not len(rows):
            return self
        postings, alive = self.postings, self.alive.copy()
        alive[rows] = False
        parts = [
            postings.row_terms[postings.row_starts[row] : postings.row_starts[row + 1]]
            for row in rows
        ]
        gone = np.bincount(np.concatenate(parts), minlength=len(self.frequencies))
        return replace(
            self,
            alive=alive,
            frequencies=self.frequencies - gone,
            length=self.length - int(postings.lengths[rows].sum()),
        )

    @property
    def rows(self) -> int:
        """How many rows are alive."""
        return int(np.count_nonzero(self.alive))

    def frequency(self, word: Word) -> int:
        """In how many living rows the word is."""
        numbers = [n for one in word.terms if (n := self.postings.vocabulary.find(one)) is not None]
        if len(numbers) < 2:
            return int(self.frequencies[numbers[0]]) if numbers else 0
        rows, _ = self._of_word(word)
        return int(np.count_nonzero(self.alive[rows]))

    def scores(self, idf: Sequence[tuple[Word, float]], average: float) -> Scores:
        """BM25 (n,) of every row, dead ones too; 0 for a row without any of the words."""
        found = [(*self._of_word(word), weight) for word, weight in idf]
        # As int64 once, since each use as an index would make it so.
        rows = np.concatenate([_NO_ROWS, *(rows for rows, _, _ in found)], dtype=np.int64)
        f = np.concatenate(
            [np.zeros(0, dtype=np.float32), *(counts for _, counts, _ in found)], dtype=np.float32
        )
        slope = np.float32(K1 * B / average) if average else np.float32(0)
        norm = self.postings.lengths.take(rows).astype(np.float32)
        norm *= slope
        norm += np.float32(K1 * (1 - B))
        norm += f
        f /= norm
        f *= np.repeat(
            np.array([weight * (K1 + 1) for _, _, weight in found], dtype=np.float32),
            [len(rows) for rows, _, _ in found],
        )
        scores = np.zeros(len(self.postings), dtype=np.float32)
        np.add.at(scores, rows, f)  # word by word, so the sums do not depend on the segments
        return scores

    def shares(self, idf: Sequence[tuple[Word, float]], average: float, row: int) -> list[float]:
        """What each word adds to the score of a row."""
        length = float(self.postings.lengths[row])
        norm = K1 * (1 - B + B * length / average) if average else K1 * (1 - B)
        found: list[float] = []
        for word, weight in idf:
            rows, counts = self._of_word(word)
            at = int(np.searchsorted(rows, row))
            f = float(counts[at]) if at < len(rows) and rows[at] == row else 0.0
            found.append(weight * (K1 + 1) * f / (f + norm))
        return found

    def has_all(self, words: Sequence[Word]) -> Mask:
        """Which rows (n,) have every one of the words, in whatever order."""
        found = np.ones(len(self.postings), dtype=np.bool_)
        for word in words:
            has = np.zeros(len(found), dtype=np.bool_)
            has[self._of_word(word)[0]] = True
            found &= has
        return found

    def _of_word(self, word: Word) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
        parts = [found for one in word.terms if (found := self.postings.of_term(one)) is not None]
        if not parts:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint16)
        if len(parts) == 1:
            return parts[0]
        rows = np.concatenate([rows for rows, _ in parts])
        counts = np.concatenate([counts for _, counts in parts])
        distinct, place = np.unique(rows, return_inverse=True)
        most = np.zeros(len(distinct), dtype=np.uint16)
        np.maximum.at(most, place, counts)
        return distinct, most


def completions(segments: Sequence[LexicalSegment], beginning: str) -> tuple[str, ...]:
    """The terms that begin with a text, those in most rows first, at most 200.

    Terms are stems, which a text that is longer does not begin: ``revoki`` is in no index. If no
    term begins with the text, the longest term is taken that the text itself begins with.
    """
    counts = Counter[str]()
    for segment in segments:
        vocabulary = segment.postings.vocabulary
        for number in vocabulary.starting_with(beginning):
            counts[vocabulary.terms[number]] += int(segment.frequencies[number])
    if counts or not beginning:
        return tuple(term for term, count in counts.most_common(_MOST_COMPLETIONS) if count)
    shortest = max(_LEAST_STEM, len(beginning) - _LONGEST_ENDING)
    for length in range(len(beginning) - 1, shortest - 1, -1):
        stem = beginning[:length]
        if any(one.postings.vocabulary.find(stem) is not None for one in segments):
            return (stem,)
    return ()


def bm25(segments: Sequence[LexicalSegment], query: LexicalQuery) -> list[Scores]:
    """The BM25 score of every row of each segment, from the statistics of all living rows."""
    weights, average = word_weights(segments, query)
    return [segment.scores(weights, average) for segment in segments]


def word_weights(
    segments: Sequence[LexicalSegment], query: LexicalQuery
) -> tuple[list[tuple[Word, float]], float]:
    """The distinct words of a query that living rows have, with their idf, and the mean length."""
    rows = sum(segment.rows for segment in segments)
    average = sum(segment.length for segment in segments) / max(1, rows)
    weights: list[tuple[Word, float]] = []
    distinct = {word.terms: word for word in query.words}
    for word in distinct.values():
        n = sum(segment.frequency(word) for segment in segments)
        if n:
            weights.append((word, float(np.log1p((rows - n + 0.5) / (n + 0.5)))))
    return weights, average
