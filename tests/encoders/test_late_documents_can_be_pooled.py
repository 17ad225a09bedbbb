"""Token pooling: fewer vectors for a document, in the clusters of sentence-transformers 6.2."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.late_checkpoints import GOLDEN, LATE, RECORD, TEXTS, late_encoder

from bindery.encoders.late import pool_tokens
from bindery.errors import InvalidValue
from bindery.vectors.embeddings import Embeddings

REFERENCE = np.load(GOLDEN / "pooling.npz")
ROWS = Embeddings(REFERENCE["rows"], REFERENCE["offsets"])


def random_texts(lengths: list[int], seed: int) -> Embeddings:
    generator = np.random.default_rng(seed)
    texts = [generator.normal(size=(length, 5)).astype(np.float32) for length in lengths]
    return Embeddings.ragged(texts, 5).normalised()


def in_any_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.round(3).T)]


@pytest.mark.parametrize(("factor", "protected"), RECORD["pooling"])
def test_the_clusters_are_the_references(factor: float, protected: int) -> None:
    found = pool_tokens(ROWS, factor, protected)
    rows, offsets = (REFERENCE[f"{factor}/{protected}/{key}"] for key in ("rows", "offsets"))

    assert found.offsets.tolist() == offsets.tolist()
    for text, (start, end) in enumerate(pairwise(offsets)):
        expected = rows[start:end]
        assert np.allclose(found[text][:protected], expected[:protected], atol=1e-6)
        difference = in_any_order(found[text]) - in_any_order(expected)
        assert np.abs(difference).max(initial=0) <= 1e-5


LENGTHS = st.lists(st.integers(0, 25), max_size=4)
FACTORS = st.one_of(st.integers(1, 6), st.floats(1, 8))


@given(lengths=LENGTHS, factor=FACTORS, protected=st.integers(0, 3), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_one_in_so_many_is_left(
    lengths: list[int], factor: float, protected: int, seed: int
) -> None:
    texts = random_texts(lengths, seed)
    found = pool_tokens(texts, factor, protected)

    assert len(found) == len(lengths)
    for text, length in enumerate(lengths):
        others = length - min(protected, length)
        left = max(1, int(others // factor)) if others else 0
        assert len(found[text]) == length - others + left
        kept = min(protected, length)
        assert np.allclose(found[text][:kept], texts[text][:kept], atol=1e-6)
    lengths_found = np.linalg.norm(found.rows, axis=1)
    assert np.allclose(lengths_found, 1, atol=1e-5)


def test_a_factor_of_one_keeps_every_row_in_its_place() -> None:
    assert np.allclose(pool_tokens(ROWS, 1).rows, ROWS.rows, atol=1e-6)


def test_equal_rows_fall_together() -> None:
    """Distances that are equal leave fewer clusters than asked for, as in the reference."""
    same = Embeddings.ragged([np.ones((9, 4), dtype=np.float32)], 4).normalised()

    assert len(pool_tokens(same, 2, 1)[0]) == 2


def test_a_cluster_is_the_mean_of_its_rows() -> None:
    angles = np.array([0.0, 1.5, 0.1, 1.6, 3.0])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = pool_tokens(Embeddings.ragged([rows], 2), 1.6, 0)[0]

    expected = np.array([rows[[0, 2]].mean(axis=0), rows[[1, 3]].mean(axis=0), rows[4]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("factor", "protected"),
    [(0.5, 1), (0, 1), (-2, 1), (float("inf"), 1), (float("nan"), 1), (2, -1)],
)
def test_other_factors_are_refused(factor: float, protected: int) -> None:
    with pytest.raises(InvalidValue, match="pooling factor must be"):
        pool_tokens(ROWS, factor, protected)


def test_an_encoder_pools_documents_alone() -> None:
    texts = list(TEXTS.values())
    plain = late_encoder(LATE / "stanford")
    pooled = late_encoder(LATE / "stanford", pooling_factor=2)

    assert np.array_equal(plain.encode(texts, "query").rows, pooled.encode(texts, "query").rows)
    expected = pool_tokens(plain.encode(texts, "document"), 2)
    found = pooled.encode_counted(texts, "document")
    assert np.allclose(found.embeddings.rows, expected.rows, atol=1e-5)
    counted = plain.encode_counted(texts, "document")
    assert found.tokens_used.tolist() == counted.tokens_used.tolist()
    plain.close()
    pooled.close()
    with pytest.raises(InvalidValue, match=r"must be at least 1 .* got 0\.5"):
        late_encoder(LATE / "stanford", pooling_factor=0.5)
