"""The second stage: what it scores, how it orders, and what it does with nothing."""

import hashlib
import math
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.values.strategies import embeddings, pairs, patient

from bindery.encoders.base import Encoded, Encoder, TokenVectors
from bindery.encoders.loading import load_encoder
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest
from bindery.errors import (
    Abandoned,
    DeadlineExceeded,
    InvalidValue,
    TextTooLong,
    UnsupportedModel,
)
from bindery.library.reranking import DEFAULT_WEIGHT, Ranked, mix, reorder, rerank, rerank_counted
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions, VectorOptions
from bindery.types import Truncate
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.scoring import cosine, maxsim, mean_maxsim

WIDTH = 16
MOST_WORDS = 6


class Words:
    """A model that knows a word by its letters: a vector for each, their mean for a text.

    ``kind`` is "dense", "late" (no pooled vectors) or "remote" (no token vectors).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.most_at_once = 0

    def encode(self, texts: Sequence[str], role: str) -> Embeddings:
        rows = [self._rows(text).sum(axis=0) + 1e-3 for text in texts]
        return Embeddings.dense(np.array(rows, dtype=np.float32).reshape(-1, WIDTH)).normalised()

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        (cancellation or Cancellation()).check()
        used = self._used(request)
        encoded = Encoded(
            self.encode(request.texts, request.options.role),
            used,
            used * 0,
            tokens_billed=int(used.sum()),
        )
        return Pending.done(encoded)

    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        if self.kind == "remote":
            raise UnsupportedModel("A remote model shows no tokens.")
        (cancellation or Cancellation()).check()
        self.most_at_once = max(self.most_at_once, len(request.texts))
        tokens = Embeddings.ragged([self._rows(text) for text in request.texts], WIDTH)
        pooled = self.encode(request.texts, request.options.role) if self.kind == "dense" else None
        used = self._used(request)
        return Pending.done(TokenVectors(tokens, pooled, used, used * 0))

    def encode_tokens(self, texts: Sequence[str], role: str) -> TokenVectors:
        return self.submit_tokens(EncodeRequest(texts, VectorOptions(role))).result()

    def _used(self, request: EncodeRequest) -> np.ndarray:
        used = np.array([len(text.split()) for text in request.texts], dtype=np.int64)
        if request.options.truncate is Truncate.ERROR and (used > MOST_WORDS).any():
            raise TextTooLong(f"Text {int(used.argmax())} is too long.", param="texts")
        return used

    def _rows(self, text: str) -> np.ndarray:
        rows = np.zeros((len(text.split()), WIDTH), dtype=np.float32)
        for place, word in enumerate(text.split()):
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
            rows[place] = np.random.default_rng(seed).normal(size=WIDTH)
            rows[place] /= np.linalg.norm(rows[place])
        return rows


KINDS = ["dense", "late", "remote"]
texts = st.lists(st.sampled_from(["paper", "shelf", "code", "ink", "spine"]), max_size=4).map(
    " ".join
)


@pytest.fixture(scope="module")
def minilm(minilm_folder: Path) -> Generator[Encoder]:
    encoder = load_encoder(read_layout(minilm_folder), ModelOptions(precision="f32"))
    yield encoder
    encoder.close()


@patient
@given(sides=pairs())
def test_the_mean_is_the_sum_for_each_row_of_the_query(
    sides: tuple[Embeddings, Embeddings],
) -> None:
    queries, documents = sides
    sums, means = maxsim(queries, documents), mean_maxsim(queries, documents)

    assert means.dtype == np.float32
    assert means.shape == sums.shape
    for query in range(len(queries)):
        rows = max(len(queries[query]), 1)
        assert np.allclose(means[query], sums[query] / rows, rtol=1e-6)


@patient
@given(value=embeddings(most_rows=3))
def test_the_mean_of_a_text_with_itself_is_1(value: Embeddings) -> None:
    unit = value.normalised()
    means = np.diag(mean_maxsim(unit, unit))

    for text, mean in enumerate(means):
        if len(value[text]) and value[text].any(axis=1).all():
            assert mean == pytest.approx(1, abs=1e-5)
    assert (means[np.isfinite(means)] <= 1 + 1e-5).all()


@patient
@given(kind=st.sampled_from(KINDS), query=texts, documents=st.lists(texts, max_size=6))
def test_every_document_comes_once_best_first_and_ties_as_given(
    kind: str, query: str, documents: list[str]
) -> None:
    ranked = rerank(Words(kind), query, documents)

    assert sorted(one.index for one in ranked) == list(range(len(documents)))
    keys = [(-one.score, one.index) for one in ranked]
    assert keys == sorted(keys)
    assert all(-1 - 1e-5 <= one.normalised <= 1 + 1e-5 for one in ranked)
    for count in range(1, len(documents) + 2):
        assert rerank(Words(kind), query, documents, top_n=count) == ranked[:count]


@patient
@given(kind=st.sampled_from(KINDS), query=texts, documents=st.lists(texts, max_size=6))
def test_the_tokens_of_every_text_are_counted(kind: str, query: str, documents: list[str]) -> None:
    counted = rerank_counted(Words(kind), query, documents, top_n=1)

    assert counted.tokens_used.tolist() == [len(text.split()) for text in (query, *documents)]
    assert not counted.tokens_cut.any()
    assert counted.total_tokens == counted.tokens_used.sum()


@patient
@given(kind=st.sampled_from(["dense", "late"]), query=texts, documents=st.lists(texts, max_size=6))
def test_a_document_without_tokens_never_comes_before_one_with(
    kind: str, query: str, documents: list[str]
) -> None:
    ranked = rerank(Words(kind), query, documents)
    empty = [not documents[one.index].strip() for one in ranked]

    assert empty == sorted(empty)
    assert all(math.isfinite(one.score) for one in ranked)
    assert all(one.normalised == -1 for one, none in zip(ranked, empty, strict=True) if none)


@patient
@given(query=texts, documents=st.lists(texts, max_size=6), weight=st.floats(0, 1))
def test_vectors_that_were_kept_give_the_same_order(
    query: str, documents: list[str], weight: float
) -> None:
    for kind in ("dense", "late"):
        words = Words(kind)
        kept = words.encode_tokens(documents, "document")
        asked = words.encode_tokens([query], "query")

        assert reorder(asked, kept, weight=weight) == rerank(words, query, documents, weight=weight)


def scores_by_index(ranked: Sequence[Ranked]) -> list[float]:
    return [one.score for one in sorted(ranked, key=lambda one: one.index)]


def test_each_family_is_scored_by_its_own_formula() -> None:
    query, documents = "paper shelf", ["paper", "shelf code ink", "ink", "shelf paper"]
    words = Words("dense")
    asked, kept = words.encode_tokens([query], "query"), words.encode_tokens(documents, "document")
    cosines = cosine(words.encode([query], "query"), words.encode(documents, "document"))[0]
    sums = maxsim(asked.tokens, kept.tokens)[0]

    for weight in (0, 0.25, DEFAULT_WEIGHT, 1):
        found = scores_by_index(rerank(words, query, documents, weight=weight))
        expected = (1 - weight) * cosines + weight * sums / 2
        assert np.allclose(found, expected, atol=1e-6)
    late = rerank(Words("late"), query, documents)
    assert np.allclose(scores_by_index(late), sums, atol=1e-6)
    assert all(one.normalised == pytest.approx(one.score / 2) for one in late)
    remote = rerank(Words("remote"), query, documents)
    assert np.allclose(scores_by_index(remote), cosines, atol=1e-6)
    assert late[0].index == 3


def test_a_query_without_tokens_is_answered_by_cosine() -> None:
    documents = ["paper", "", "shelf code", "ink"]
    words = Words("dense")
    cosines = cosine(words.encode([""], "query"), words.encode(documents, "document"))[0]

    found = scores_by_index(rerank(words, "", documents))

    assert np.allclose(found, [cosines[0], -1, cosines[2], cosines[3]], atol=1e-6)
    assert [one.score for one in rerank(Words("late"), "", ["paper", "ink"])] == [0, 0]


def test_many_documents_are_scored_some_at_a_time() -> None:
    documents = [f"word{place} paper" for place in range(257)]
    words = Words("dense")

    ranked = rerank(words, "paper word123", documents)

    assert ranked[0].index == 123
    assert words.most_at_once < len(documents)
    whole = words.encode_tokens(documents, "document")
    at_once = reorder(words.encode_tokens(["paper word123"], "query"), whole)
    assert np.allclose(scores_by_index(ranked), scores_by_index(at_once), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_more_runs_for_a_caller_that_has_left(kind: str) -> None:
    documents = ["paper"] * 350
    words, cancellation = Words(kind), Cancellation()
    rerank_counted(words, "ink", documents, cancellation=cancellation)
    ran: list[int] = []

    def leaving(text: str, rows: Callable[[str], np.ndarray] = words._rows) -> np.ndarray:
        ran.append(1)
        if len(ran) > 20:
            cancellation.cancel()
        return rows(text)

    words._rows = leaving
    if kind == "remote":  # the vendor has both by then
        cancellation.cancel()
    with pytest.raises(Abandoned):
        rerank_counted(words, "ink", documents, cancellation=cancellation)

    assert len(ran) < len(documents)
    with pytest.raises(DeadlineExceeded):
        rerank_counted(Words(kind), "ink", documents, cancellation=Cancellation.within(0))


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_cut_or_refused_as_asked(kind: str) -> None:
    documents = [*["paper"] * 150, "ink " * (MOST_WORDS + 1)]
    words = Words(kind)

    rerank_counted(words, "ink", documents, truncate=Truncate.END)
    with pytest.raises(TextTooLong) as caught:
        rerank_counted(words, "ink", documents, truncate=Truncate.ERROR)
    assert str(documents.index(documents[-1]) % 100) in caught.value.message
    with pytest.raises(TextTooLong):
        rerank_counted(words, documents[-1], ["ink"], truncate=Truncate.ERROR)
    if kind != "remote":
        assert "from 100 on" in caught.value.message
        assert caught.value.param == "documents"


def test_what_cannot_be_asked_is_refused() -> None:
    words = Words("dense")
    late = Words("late").encode_tokens(["paper"], "document")
    one, two = (words.encode_tokens(["paper"] * count, "query") for count in (1, 2))

    for top_n in (0, -1):
        with pytest.raises(InvalidValue) as caught:
            rerank(words, "paper", ["ink"], top_n=top_n)
        assert caught.value.param == "top_n"
    for weight in (-0.1, 1.1, math.nan):
        with pytest.raises(InvalidValue) as caught:
            reorder(one, one, weight=weight)
        assert caught.value.param == "weight"
    with pytest.raises(InvalidValue, match="list"):
        rerank(words, "paper", "ink")
    with pytest.raises(InvalidValue, match="query must be one text"):
        reorder(two, one)
    with pytest.raises(InvalidValue, match="no pooled vectors"):
        reorder(one, late)


def test_the_mix_goes_from_cosine_to_maxsim() -> None:
    cosines = np.array([0.5, -0.5, 0.9], np.float32)
    means = np.array([0.1, 0.7, -np.inf], np.float32)

    assert mix(cosines, means, 0).tolist() == pytest.approx([0.5, -0.5, -1])
    assert mix(cosines, means, 0.5).tolist() == pytest.approx([0.3, 0.1, -1])
    assert mix(cosines, means, 1).tolist() == pytest.approx([0.1, 0.7, -1])


def test_the_real_model_puts_the_answer_first(minilm: Encoder) -> None:
    documents = [
        "The library opens at nine and closes at five.",
        "",
        "A spine label tells where on the shelf a book has its place.",
        "Paper becomes brittle where acid is left in the pulp.",
        "Acid.",
    ]
    query = "Why does old paper break so easily?"

    ranked = rerank(minilm, query, documents)

    assert ranked[0].index == 3
    assert ranked[-1] == Ranked(1, -1.0, -1.0)
    kept = minilm.encode_tokens(documents, "document")
    again = reorder(minilm.encode_tokens([query], "query"), kept)
    assert [one.index for one in again] == [one.index for one in ranked]
    assert np.allclose([one.score for one in again], [one.score for one in ranked], atol=1e-5)
    cosines = cosine(minilm.encode([query], "query"), minilm.encode(documents, "document"))[0]
    alone = rerank(minilm, query, documents, weight=0)
    cosines[1] = -1
    assert np.allclose(scores_by_index(alone), cosines, atol=1e-5)
