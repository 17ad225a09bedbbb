"""MaxSim over kept tokens stays close to that of the vectors themselves."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.test_search_equals_the_oracle import make_rows, unit

from bindery.search.segments import Segment, merged
from bindery.search.tokens import TokenSegment
from bindery.vectors.embeddings import Embeddings

WIDTH = 32


def embeddings(chance: np.random.Generator, lengths: list[int]) -> Embeddings:
    return Embeddings.ragged([unit(chance.normal(size=(n, WIDTH))) for n in lengths], WIDTH)


def maxsim(query: np.ndarray, texts: Embeddings) -> np.ndarray:
    return np.array(
        [
            (query @ texts[n].T).max(axis=1).mean() if len(texts[n]) else -1
            for n in range(len(texts))
        ],
        dtype=np.float32,
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=25),
    st.integers(1, 6),
)
def test_scores_are_close_to_those_of_the_vectors(seed, lengths, asked):
    chance = np.random.default_rng(seed)
    texts, query = embeddings(chance, lengths), unit(chance.normal(size=(asked, WIDTH)))
    kept = TokenSegment.of(texts)
    rows = np.flatnonzero(chance.random(len(lengths)) < 0.7)

    np.testing.assert_allclose(kept.scores(query, rows), maxsim(query, texts)[rows], atol=0.03)
    allowed = np.zeros(len(lengths), dtype=np.bool_)
    allowed[rows] = True
    assert kept.candidates(query, 3, allowed).tolist() == rows.tolist()


def test_long_texts_are_scored_block_by_block():
    chance = np.random.default_rng(3)
    texts = embeddings(chance, [5000, 0, 3, 4096, 1, 4095])
    query = unit(chance.normal(size=(4, WIDTH)))
    scores = TokenSegment.of(texts).scores(query, np.arange(6))
    np.testing.assert_allclose(scores, maxsim(query, texts), atol=0.03)


def test_a_segment_of_tokens_reads_back_and_merges(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    texts = embeddings(chance, [3, 0, 5, 2, 4, 1])
    query = unit(chance.normal(size=(4, WIDTH)))
    whole = Segment.in_memory(make_rows(6, files=3), texts, has_many_vectors=True)
    read = Segment.open(tmp_path, whole.write(tmp_path))
    left = read.of_files([0, 2])

    again = merged([left])

    assert again.table.files.tolist() == [0, 2, 0, 2]
    np.testing.assert_array_equal(
        again.dense.scores(query, np.arange(4)), whole.dense.scores(query, np.array([0, 2, 3, 5]))
    )
