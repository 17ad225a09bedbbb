"""MaxSim over kept tokens stays close to that of the vectors themselves."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.synthetic import LATE, found, open_synthetic, put
from tests.search.test_search_equals_the_oracle import make_rows, unit

from bindery.library import Library
from bindery.options import SearchMode
from bindery.search import centroids
from bindery.search import tokens as search_tokens
from bindery.search.centroids import CentroidLists
from bindery.search.codes import NO_FIRST_PASS
from bindery.search.maintenance import erase, seal
from bindery.search.segment_files import DamagedSegment, verify_files
from bindery.search.segments import Segment, merged
from bindery.search.tokens import TokenSegment
from bindery.search.verifying import make_again
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


# Candidates by lists of centroids

ROWS = 3000


@pytest.fixture(scope="module")
def texts() -> Embeddings:
    """Texts of 0 to 12 tokens, which are near 100 words; each text is about some of these."""
    chance = np.random.default_rng(11)
    words = unit(chance.normal(size=(100, WIDTH)))
    rows = [
        words[chance.choice(chance.integers(0, 100, 5), chance.integers(0, 13))]
        for _ in range(ROWS)
    ]
    return Embeddings.ragged([unit(r + 0.1 * chance.normal(size=r.shape)) for r in rows], WIDTH)


@pytest.fixture(scope="module")
def few_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_tokens, "LISTED_TOKENS", 1000)
        patch.setattr(search_tokens, "_LEAST_CANDIDATES", 40)
        patch.setattr(search_tokens, "_GATHERED_ROWS", 30)
        yield


@pytest.fixture(scope="module")
def listed(texts: Embeddings, few_are_many: None) -> TokenSegment:
    made = TokenSegment.of(texts).with_codes()
    assert made.lists is not None
    assert (made.first_pass.name, made.first_pass.recall) == ("centroids", made.lists.recall)
    assert made.first_pass.recall >= 0.98
    return made


@pytest.mark.parametrize("whole_rows", [0, 4000])
@pytest.mark.parametrize("side_by_side", [True, False])
def test_lists_find_the_best_at_every_share_that_a_filter_leaves(
    texts: Embeddings,
    listed: TokenSegment,
    monkeypatch: pytest.MonkeyPatch,
    whole_rows: int,
    side_by_side: bool,
) -> None:
    monkeypatch.setattr(centroids, "_WHOLE_ROWS", whole_rows)
    chance = np.random.default_rng(7)
    order = np.arange(ROWS) if side_by_side else chance.permutation(ROWS)
    hits = wanted = 0
    for place in np.flatnonzero(np.diff(texts.offsets) > 3)[:: ROWS // 10]:
        query = unit(texts[place] + 0.1 * chance.normal(size=texts[place].shape))
        exact = listed.scores(query, np.arange(ROWS))
        for share in (0.0005, 0.01, 0.1, 0.5, 0.95, 1):
            allowed = order < share * ROWS
            rows = listed.candidates(query, 10, allowed)
            best = np.sort(exact[allowed])[::-1][:10]
            assert allowed[rows].all()
            assert len(rows) >= len(best)
            assert share < 1 or len(rows) < ROWS / 10
            hits += int((np.sort(exact[rows])[::-1][:10] >= best[-1] - 1e-6).sum())
            wanted += len(best)
    assert hits / wanted >= 0.98


def test_lists_are_kept_beside_their_segment_and_made_again(
    texts: Embeddings, listed: TokenSegment, tmp_path: Path
) -> None:
    whole = Segment.in_memory(make_rows(ROWS), texts, has_many_vectors=True)
    name = whole.write(tmp_path)
    (path,) = tmp_path.glob(f"{name}.*.codes")
    query = texts[next(n for n in range(ROWS) if len(texts[n]) > 3)]

    def candidates() -> list[int]:
        dense = Segment.open(tmp_path, name).dense
        return dense.candidates(query, 10, np.ones(ROWS, dtype=np.bool_)).tolist()

    first = candidates()
    assert len(first) < ROWS
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DamagedSegment):
        verify_files(tmp_path, name)
    assert candidates() == first
    path.unlink()
    assert candidates() == first


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[1]\n", b'{"centroids": [9, 9, 9, 9]}\n12'])
def test_lists_of_another_version_are_made_again(
    texts: Embeddings, listed: TokenSegment, data: bytes
) -> None:
    assert CentroidLists.from_bytes(data) is None
    again = TokenSegment.of(texts).with_codes(data)
    assert again.code_bytes == listed.code_bytes


def test_lists_that_find_too_little_are_not_used(few_are_many: None) -> None:
    chance = np.random.default_rng(2)
    made = TokenSegment.of(embeddings(chance, [8] * 2000)).with_codes()
    assert made.lists is not None
    assert made.lists.recall < 0.98
    allowed = np.ones(2000, dtype=np.bool_)
    assert len(made.candidates(unit(chance.normal(size=(8, WIDTH))), 10, allowed)) == 2000
    again = TokenSegment(made.tokens, made.starts).with_codes(made.code_bytes)
    assert again.first_pass == NO_FIRST_PASS


def test_a_collection_of_tokens_is_searched_changed_and_made_again(
    home: Library, few_are_many: None
) -> None:
    collection = open_synthetic(home, "late", LATE)
    chance = np.random.default_rng(4)
    words = [f"word{n}" for n in range(60)]
    texts = {f"{n}.txt": [" ".join(chance.choice(words, 5)) for _ in range(5)] for n in range(60)}
    put(home, collection, texts)
    seal(collection.index, least_rows=1)
    facts = collection.facts()
    sizes = [path.stat().st_size for path in collection.index.folder.iterdir()]
    assert (facts["first_pass"], facts["index_bytes"]) == ("centroids", sum(sizes))
    assert facts["bytes_per_chunk"] == round(sum(sizes) / facts["chunks"])
    assert facts["recall"] >= 0.98
    asked = [texts[f"{n}.txt"][3] for n in range(0, 60, 6)]
    assert all(found(collection, one, SearchMode.DENSE)[0] == one for one in asked)

    collection.remove(["0.txt"])
    put(home, collection, {"6.txt": ["entirely other words than before"]})
    gone, other, *left = asked
    every = {text for some in texts.values() for text in some} - {*texts["0.txt"], *texts["6.txt"]}
    assert {*found(collection, gone, SearchMode.DENSE, 20)} <= every
    assert {*found(collection, other, SearchMode.DENSE, 20)} <= every
    erase(collection.index)
    assert {*found(collection, gone, SearchMode.DENSE, 20)} <= every

    (path,) = collection.index.folder.glob("*.codes")
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    (problem,) = collection.verify().problems
    assert problem.message.startswith("The codes of ")
    make_again(collection.index)
    assert collection.verify().problems == ()
    assert all(found(collection, one, SearchMode.DENSE)[0] == one for one in left)
