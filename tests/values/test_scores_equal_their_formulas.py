"""Cosine, MaxSim and Hamming against double loops over plain numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.values.strategies import embeddings, pairs, patient

from bindery.errors import InvalidValue
from bindery.vectors import Form, code
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.scoring import cosine, hamming, maxsim


def slow_maxsim(query: np.ndarray, document: np.ndarray) -> float:
    if not len(document):
        return -math.inf
    return sum(max(float(q @ d) for d in document) for q in query)


def texts(value: Embeddings) -> list[np.ndarray]:
    return [value[place].astype(np.float64) for place in range(len(value))]


def assert_alike(found: np.ndarray, expected: np.ndarray, width: int) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    reached = np.isfinite(expected)
    assert (np.isneginf(found) == ~reached).all()
    # 5 query rows, values up to 128: what a sum in float32 may be off by.
    allowed = 1e-6 * 5 * width * 128**2
    assert np.abs(found[reached] - expected[reached]).max(initial=0) <= allowed


@patient
@given(sides=pairs(dense=True))
def test_cosine_is_the_dot_product_over_the_lengths(sides: tuple[Embeddings, Embeddings]) -> None:
    scores = cosine(*sides)

    assert scores.shape == (len(sides[0]), len(sides[1]))
    assert scores.dtype == np.float32
    for q, query in enumerate(sides[0].rows.astype(np.float64)):
        for d, document in enumerate(sides[1].rows.astype(np.float64)):
            lengths = np.linalg.norm(query) * np.linalg.norm(document)
            assert abs(scores[q, d] - (query @ document / lengths if lengths else 0)) <= 1e-5
    assert np.abs(scores).max(initial=0) <= 1 + 1e-5


@patient
@given(value=embeddings(most_rows=1))
def test_a_vectors_cosine_with_itself_is_1(value: Embeddings) -> None:
    dense = Embeddings.dense(value.rows)

    assert np.abs(np.diag(cosine(dense, dense)) - value.rows.any(axis=1)).max(initial=0) <= 1e-5


@patient
@given(sides=pairs())
def test_maxsim_is_the_sum_of_the_best(sides: tuple[Embeddings, Embeddings]) -> None:
    queries, documents = sides
    expected = [[slow_maxsim(q, d) for d in texts(documents)] for q in texts(queries)]

    shaped = np.array(expected, dtype=np.float64).reshape(len(queries), len(documents))
    assert_alike(maxsim(queries, documents), shaped, queries.width)


@patient
@given(sides=pairs(dense=True))
def test_maxsim_of_one_row_each_is_the_dot_product(sides: tuple[Embeddings, Embeddings]) -> None:
    queries, documents = (side.rows.astype(np.float64) for side in sides)

    assert_alike(maxsim(*sides), queries @ documents.T, sides[0].width)


@patient
@given(sides=pairs(), data=st.data())
def test_a_document_scores_the_same_among_any_others(
    sides: tuple[Embeddings, Embeddings], data: st.DataObject
) -> None:
    queries, documents = sides
    order = data.draw(st.permutations(range(len(documents))))
    chosen = order[: data.draw(st.integers(0, len(order)))]
    others = Embeddings.ragged([documents[place] for place in chosen], documents.width)

    expected = maxsim(queries, documents)[:, chosen].astype(np.float64)

    assert_alike(maxsim(queries, others), expected, queries.width)


def test_texts_without_rows() -> None:
    nothing, one = np.zeros((0, 2), np.float32), np.ones((1, 2), np.float32)
    documents = Embeddings.ragged([nothing, one, nothing, nothing, 3 * one, nothing], 2)
    queries = Embeddings.ragged([one, nothing], 2)
    never = -np.inf

    found = maxsim(queries, documents)

    assert found.tolist() == [
        [never, 2, never, never, 6, never],
        [never, 0, never, never, 0, never],
    ]
    assert maxsim(queries, Embeddings.ragged([nothing], 2)).tolist() == [[never], [never]]
    assert maxsim(queries, Embeddings.ragged([], 2)).shape == (2, 0)
    assert maxsim(Embeddings.ragged([], 2), documents).shape == (0, 6)


@patient
@given(sides=pairs(dense=True))
def test_hamming_counts_the_bits_that_differ(sides: tuple[Embeddings, Embeddings]) -> None:
    queries, documents = sides
    expected = [[int(((q > 0) != (d > 0)).sum()) for d in documents.rows] for q in queries.rows]

    found = hamming(*(code(side, Form.UBINARY) for side in (queries, documents)))

    assert found.shape == (len(queries), len(documents))
    assert found.tolist() == (expected if len(documents) else [[]] * len(queries))
    assert ((found >= 0) & (found <= queries.width)).all()


def test_different_widths_are_refused() -> None:
    wide = Embeddings.dense(np.ones((1, 9), np.float32))
    narrow = wide.cut(7)

    for score in (cosine, maxsim):
        with pytest.raises(InvalidValue, match="9 and 7 values"):
            score(wide, narrow)
    with pytest.raises(InvalidValue, match="9 and 7 values"):
        hamming(code(wide, Form.BINARY), code(narrow, Form.BINARY))


def test_several_vectors_for_a_text_are_refused_where_one_is_compared() -> None:
    one = Embeddings.dense(np.ones((1, 3), np.float32))
    several = Embeddings.ragged([np.ones((2, 3), np.float32)], 3)

    for sides in ((one, several), (several, one)):
        with pytest.raises(InvalidValue, match="one vector per text") as caught:
            cosine(*sides)
        assert "maxsim" in caught.value.remedy
        with pytest.raises(InvalidValue, match="one vector per text"):
            hamming(*(code(side, Form.UBINARY) for side in sides))
