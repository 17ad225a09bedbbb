"""Each way of pooling against a loop over the tokens of one text, in float64."""

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.encoders.head import POOLINGS, pool
from bindery.models.card import Pooling

# In: the rows of the tokens that take part, and their places from 0.
Naive = Callable[[list[np.ndarray], list[int]], np.ndarray]


def weighted(rows: list[np.ndarray], places: list[int]) -> np.ndarray:
    total = sum((place + 1) * row for row, place in zip(rows, places, strict=True))
    return total / sum(place + 1 for place in places)


NAIVE: Mapping[Pooling, Naive] = {
    Pooling.MEAN: lambda rows, _: sum(rows) / len(rows),
    Pooling.CLS: lambda rows, _: rows[0],
    Pooling.LAST: lambda rows, _: rows[-1],
    Pooling.MAX: lambda rows, _: np.array([max(column) for column in zip(*rows, strict=True)]),
    Pooling.MEAN_SQRT: lambda rows, _: sum(rows) / sqrt(len(rows)),
    Pooling.WEIGHTED_MEAN: weighted,
}


@st.composite
def batches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Hidden states of 1 to 4 texts with the mask: padded on the right, perhaps without a prompt.

    What stands where the mask is 0 is large, so that it would be noticed.
    """
    texts, length, width = draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    mask = np.zeros((texts, length), dtype=np.int32)
    for row in mask:
        end = draw(st.integers(1, length))
        row[draw(st.integers(0, end - 1)) : end] = 1
    hidden = rng.normal(size=(texts, length, width)).astype(np.float32)
    return np.where(mask[:, :, None] > 0, hidden, np.float32(1e4)), mask


def test_every_pooling_of_a_vector_is_tried() -> None:
    assert set(NAIVE) == set(POOLINGS) == set(Pooling) - {Pooling.TOKENS}


@pytest.mark.parametrize("kind", POOLINGS)
@given(batch=batches())
@settings(max_examples=30, deadline=None)
def test_pooling_is_a_loop_over_the_tokens(
    kind: Pooling, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    hidden, mask = batch

    found = pool((kind,), hidden, mask)

    assert found.dtype == np.float32
    assert found.shape == (len(hidden), hidden.shape[2])
    for vector, rows, one in zip(found, hidden.astype(np.float64), mask, strict=True):
        places = np.flatnonzero(one).tolist()
        assert np.abs(vector - NAIVE[kind]([rows[place] for place in places], places)).max() <= 1e-5


@given(batch=batches(), kinds=st.lists(st.sampled_from(list(POOLINGS)), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_several_stand_side_by_side_in_their_order(
    batch: tuple[np.ndarray, np.ndarray], kinds: list[Pooling]
) -> None:
    expected = np.concatenate([pool((kind,), *batch) for kind in kinds], axis=1)

    assert (pool(tuple(kinds), *batch) == expected).all()


@pytest.mark.parametrize("kind", [Pooling.MEAN, Pooling.MEAN_SQRT, Pooling.WEIGHTED_MEAN])
def test_a_text_of_which_nothing_takes_part_is_zero(kind: Pooling) -> None:
    hidden = np.ones((1, 3, 2), dtype=np.float32)

    assert pool((kind,), hidden, np.zeros((1, 3), np.int32)).tolist() == [[0, 0]]
