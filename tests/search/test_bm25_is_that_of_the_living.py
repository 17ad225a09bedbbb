"""BM25 over segments equals its formula over the living rows, however they are divided."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindery.search.lexical import K1, B, LexicalSegment, Postings, bm25
from bindery.search.queries import LexicalQuery, Word
from bindery.types import Span

WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta", "ü", "东"])
ROWS = st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=12)


def query(*words: str | tuple[str, ...]) -> LexicalQuery:
    groups = [(word,) if isinstance(word, str) else word for word in words]
    return LexicalQuery(tuple(Word(group, Span(0, 1)) for group in groups))


def reference(rows: list[list[str]], asked: LexicalQuery) -> list[float]:
    """The formula, row by row."""
    average = sum(map(len, rows)) / max(1, len(rows))
    scores = [0.0] * len(rows)
    for word in {word.terms: word for word in asked.words}.values():
        counts = [max(row.count(term) for term in word.terms) for row in rows]
        n = sum(count > 0 for count in counts)
        idf = math.log(1 + (len(rows) - n + 0.5) / (n + 0.5))
        for place, (count, row) in enumerate(zip(counts, rows, strict=True)):
            if count:
                norm = K1 * (1 - B + B * len(row) / average)
                scores[place] += idf * (K1 + 1) * count / (count + norm)
    return scores


@given(ROWS, st.data())
def test_scores_equal_the_formula_over_the_living_rows(rows, data):
    cut = data.draw(st.integers(0, len(rows)))
    dead = data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=len(rows) - 1))
    asked = query("alpha", ("beta", "gamma"), "东", "absent")
    parts = [range(cut), range(cut, len(rows))]

    segments = [
        LexicalSegment.whole(Postings.of([rows[n] for n in part])).without(
            np.array([n - part.start for n in part if n in dead], dtype=np.int64)
        )
        for part in parts
    ]
    found = np.concatenate(bm25(segments, asked))

    living = [n for n in range(len(rows)) if n not in dead]
    expected = reference([rows[n] for n in living], asked)
    np.testing.assert_allclose(found[living], expected, rtol=1e-4, atol=1e-6)


@given(ROWS, st.data())
def test_joined_postings_are_those_of_the_chosen_rows(rows, data):
    cut = data.draw(st.integers(0, len(rows)))
    kept = data.draw(st.sets(st.integers(0, len(rows) - 1)))
    first, second = sorted(n for n in kept if n < cut), sorted(n for n in kept if n >= cut)

    joined = Postings.joined(
        [
            (Postings.of(rows[:cut]), np.array(first, dtype=np.int64)),
            (Postings.of(rows[cut:]), np.array([n - cut for n in second], dtype=np.int64)),
        ]
    )

    fresh = Postings.of([rows[n] for n in (*first, *second)])
    assert list(joined.vocabulary.terms) == list(fresh.vocabulary.terms)
    for name in ("term_starts", "rows", "counts", "lengths", "row_starts", "row_terms"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(fresh, name))


def test_what_is_deleted_leaves_the_statistics():
    """After deletes the order is that of a fresh index: the rarer word counts more."""
    rows = [["alpha", "filler"]] * 900 + [["beta", "filler"]] * 100
    whole = LexicalSegment.whole(Postings.of(rows))
    asked = query("alpha", "beta")
    assert bm25([whole], asked)[0].argmax() == 900

    left = whole.without(np.arange(895))

    scores = bm25([left], asked)[0]
    fresh = bm25([LexicalSegment.whole(Postings.of(rows[895:]))], asked)[0]
    np.testing.assert_allclose(scores[895:], fresh, rtol=1e-5)
    assert scores[895:].argmax() < 5


@pytest.mark.parametrize("rows", [[], [[]], [[], []]])
def test_an_empty_index_scores_nothing(rows):
    segment = LexicalSegment.whole(Postings.of(rows))
    assert [len(scores) for scores in bm25([segment], query("alpha"))] == [len(rows)]
    assert bm25([], query("alpha")) == []
