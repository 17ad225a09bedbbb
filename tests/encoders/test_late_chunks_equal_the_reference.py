"""Late chunking: the vectors of spans, against the reference's token states and against itself."""

import itertools
import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.conftest import GOLDEN
from tests.engines.checkpoints import TINY, load

from bindery.encoders.base import Encoded
from bindery.encoders.dense import DenseEncoder
from bindery.encoders.loading import load_encoder
from bindery.encoders.request import SpannedText, SpansRequest
from bindery.errors import InvalidValue
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions, VectorOptions
from bindery.types import Span

RECORD = json.loads((GOLDEN / "late_chunking.json").read_text(encoding="utf-8"))
VECTORS = np.load(GOLDEN / "late_chunking.npz")
TEXT = RECORD["cases"]["long"]["text"]


@pytest.fixture(scope="module")
def gemma() -> Iterator[DenseEncoder]:
    """A prompt that is pooled, two Dense layers, and a window of 64."""
    encoder = load(GOLDEN / "matryoshka")
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def excluded() -> Iterator[DenseEncoder]:
    """Mean pooling that leaves the prompt out."""
    encoder = load(TINY / "noprompt")
    yield encoder
    encoder.close()


def spanned(text: str, spans: list[tuple[int, int]]) -> SpannedText:
    return SpannedText(text, tuple(Span(start, end) for start, end in spans))


def late(encoder: DenseEncoder, *texts: SpannedText, role: str = "document") -> Encoded:
    return encoder.submit_spans(SpansRequest(texts, VectorOptions(role))).result()


@pytest.mark.parametrize("case", RECORD["cases"])
@pytest.mark.parametrize("model", ["minilm", "gemma"])
def test_vectors_equal_the_reference(
    model: str, case: str, minilm: DenseEncoder, gemma: DenseEncoder
) -> None:
    text, spans = RECORD["cases"][case]["text"], RECORD["cases"][case]["spans"]
    encoder = minilm if model == "minilm" else gemma
    found = late(encoder, spanned(text, spans)).embeddings.rows
    assert np.abs(found - VECTORS[f"{model}/{case}"]).max() < 1e-5


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
    | st.lists(st.sampled_from(["paper", "spine. ", " shelf", "装丁", "\n", "e\u0301"]), min_size=1,
               max_size=20).map(" ".join),
    role=st.sampled_from(["query", "document"]),
)  # fmt: skip
def test_a_text_of_one_span_has_the_vector_that_it_has_alone(
    minilm: DenseEncoder, gemma: DenseEncoder, excluded: DenseEncoder, text: str, role: str
) -> None:
    for encoder in (minilm, gemma, excluded):
        alone = encoder.encode_counted([text], role)
        if alone.tokens_cut[0]:
            continue
        found = late(encoder, spanned(text, [(0, len(text))]), role=role)
        assert np.abs(found.embeddings.rows - alone.embeddings.rows).max() < 1e-5
        assert found.total_tokens == alone.total_tokens


def test_what_is_around_a_document_is_not_read(minilm: DenseEncoder) -> None:
    alone = minilm.encode(["bound paper"], "document").rows
    found = late(minilm, spanned("loose. bound paper, shelf", [(7, 18)])).embeddings.rows
    assert np.abs(found - alone).max() < 1e-6


def test_what_is_between_spans_is_read(minilm: DenseEncoder) -> None:
    one, other = (
        late(minilm, spanned(text, [(0, 5), (17, 22)])).embeddings.rows
        for text in ("first and then a third", "first but never third.")
    )
    assert (np.abs(one - other).max(axis=1) > 0.01).all()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_every_token_counts_for_each_span_in_which_it_starts(
    minilm: DenseEncoder, gemma: DenseEncoder, data: st.DataObject
) -> None:
    encoder = data.draw(st.sampled_from([minilm, gemma]))
    text = TEXT[: data.draw(st.integers(1, 1500))].rstrip()
    places = st.sampled_from([*(n for n, one in enumerate(text) if one != " "), len(text)])
    edges = sorted(data.draw(st.sets(places, min_size=2, max_size=12)))
    spans = list(itertools.pairwise(edges))
    found = late(encoder, spanned(text, spans))
    inside = text[edges[0] : edges[-1]]
    own = encoder.tokeniser.of_role().token_offsets([inside])[0]
    starts = own[:, 0] + edges[0]
    starts = starts + [text[start] == " " and end - start > 1 for start, end in
                       zip(starts, own[:, 1] + edges[0], strict=True)]  # fmt: skip
    special = encoder.tokeniser.tokenise([""], "document")[0].used
    counts = [int(((starts >= a) & (starts < b)).sum()) for a, b in spans]
    expected = [max(count, 1) for count in counts]
    expected[0], expected[-1] = counts[0], counts[-1]
    assert np.isfinite(found.embeddings.rows).all()
    if encoder is minilm:  # gemma's tokeniser divides a first word otherwise behind a prompt
        assert (found.tokens_used[1:-1] == expected[1:-1]).all()
        assert found.tokens_used.sum() >= sum(counts) + special - 1


def test_overlapping_windows_are_paid_for_and_every_token_is_pooled_once(
    minilm: DenseEncoder,
) -> None:
    count = minilm.tokeniser.count_tokens([TEXT])[0]
    found = late(minilm, spanned(TEXT, [(0, len(TEXT))]))
    assert found.tokens_used.tolist() == [count + 2]
    # Windows of 254 tokens and two special ones, of which neighbours share 63 or more.
    windows = -(-(count - 63) // (254 - 63))
    assert found.total_tokens == 256 * windows
    assert found.tokens_cut.tolist() == [0]


@pytest.mark.parametrize("text", ["\x00 \x00 \x00", "\x07a\x07", "a \u200b b"])
def test_a_span_without_a_token_takes_what_is_near(minilm: DenseEncoder, text: str) -> None:
    spans = [(at, at + 1) for at, letter in enumerate(text) if letter != " "]
    found = late(minilm, spanned(text, spans))
    assert np.abs(np.linalg.norm(found.embeddings.rows, axis=1) - 1).max() < 1e-5


def test_several_texts_are_like_one_after_the_other(minilm: DenseEncoder) -> None:
    texts = [spanned(TEXT, [(0, 900), (900, 2000)]), spanned("a book", [(0, 1), (2, 6)])]
    both = late(minilm, *texts).embeddings.rows
    apart = [late(minilm, one).embeddings.rows for one in texts]
    assert np.abs(both - np.concatenate(apart)).max() < 1e-5
    none = late(minilm)
    assert none.embeddings.rows.shape == (0, 384)


@pytest.mark.parametrize("name", ["bge", "last", "max", "sqrt", "weighted", "concatenated"])
def test_models_that_do_not_pool_by_mean_are_refused(name: str) -> None:
    encoder = load(TINY / name)
    with pytest.raises(InvalidValue, match="late chunking needs the mean of tokens") as caught:
        late(encoder, spanned("a book", [(0, 6)]))
    assert caught.value.param == "model"
    assert encoder.card.pooling[0].value in caught.value.message
    encoder.close()


def test_late_interaction_is_refused() -> None:
    encoder = load_encoder(read_layout(GOLDEN / "late" / "stanford"), ModelOptions(threads=1))
    with pytest.raises(InvalidValue, match="a vector for each token"):
        encoder.submit_spans(SpansRequest([spanned("a book", [(0, 6)])]))
    encoder.close()


def test_dimensions_and_roles_are_as_elsewhere(gemma: DenseEncoder) -> None:
    text = spanned("a book", [(0, 6)])
    [short] = (
        gemma.submit_spans(SpansRequest([text], VectorOptions("query", 8, True)))
        .result()
        .embeddings.rows
    )
    full = gemma.encode(["a book"], "query").rows[0, :8]
    assert np.abs(short - full / np.linalg.norm(full)).max() < 1e-5
    for request, param in (
        (SpansRequest([text], VectorOptions("poem")), "role"),
        (SpansRequest([text], VectorOptions("query", 7)), "dimensions"),
    ):
        with pytest.raises(InvalidValue) as caught:
            gemma.submit_spans(request)
        assert caught.value.param == param


@pytest.mark.parametrize("spans", [[], [(0, 8)], [(3, 5), (0, 2)], [(0, 5), (2, 4)]])
def test_spans_that_cannot_be_are_refused(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidValue):
        spanned("a book.", spans)


def test_parts_are_joined_by_a_blank_where_there_is_none() -> None:
    found = SpannedText.joined(["One.", "Two. ", "Three.", "\nFour"])
    assert found.text == "One. Two. Three.\nFour"
    assert [found.text[span.start : span.end] for span in found.spans] == [
        "One.", "Two. ", "Three.", "\nFour"
    ]  # fmt: skip
    with pytest.raises(InvalidValue, match="Part 1"):
        SpannedText.joined(["a", ""])
