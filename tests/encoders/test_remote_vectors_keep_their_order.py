"""Remote models: every dialect, in batches, several at once, and each text gets its own vector."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.fault_server import WIDTH, FaultServer, changed, vectors_of
from tests.encoders.remote_rows import KEY, bounded, entry

from bindery.encoders.base import UNKNOWN
from bindery.encoders.remote import load_remote
from bindery.errors import InvalidValue, UnsupportedModel
from bindery.models.card import Family
from bindery.models.endpoint import EncodingFormat, Vendor

TEXTS = ["Loose paper is lost.", "Bound paper is kept.", "糊", "e\u0301", " ", "\n" * 3, "x" * 5000]


@pytest.fixture(autouse=True)
def _fresh(server: FaultServer) -> None:
    server.clear()


@pytest.mark.parametrize("vendor", Vendor)
def test_every_vendor_gives_each_text_its_vector(server, vendor):
    encoder = load_remote(entry(server, vendor), KEY)
    encoded = encoder.encode_counted(TEXTS, "document")
    assert np.abs(encoded.embeddings.rows - vectors_of(TEXTS)).max() < 1e-6
    assert encoded.embeddings.is_dense
    assert encoded.tokens_billed == encoded.total_tokens == sum(map(len, TEXTS))
    assert (encoded.tokens_used == UNKNOWN).all()
    cut = UNKNOWN if vendor is Vendor.OPENAI else 0
    assert (encoded.tokens_cut == cut).all()
    assert encoder.precision == "remote"
    (seen,) = server.seen
    assert seen.headers["authorization"] == f"Bearer {KEY.reveal()}"
    assert seen.body["model"] == "model-1"
    encoder.close()


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1, max_size=30), max_size=25),
    vendor=st.sampled_from(Vendor),
    most_texts=st.integers(1, 9),
    most_tokens=st.integers(1, 300),
    at_once=st.integers(1, 5),
)
def test_any_cut_into_batches_gives_the_same_vectors(
    server, texts, vendor, most_texts, most_tokens, at_once
):
    server.clear()
    encoder = bounded(
        entry(server, vendor),
        texts_per_request=most_texts,
        tokens_per_request=most_tokens,
        requests_at_once=at_once,
    )
    rows = encoder.encode(texts, "document").rows
    encoder.close()
    assert rows.shape == (len(texts), WIDTH)
    assert np.abs(rows - vectors_of(texts)).max(initial=0) < 1e-6
    asked = [seen.body["texts" if vendor is Vendor.COHERE else "input"] for seen in server.seen]
    assert sorted(text for batch in asked for text in batch) == sorted(texts)
    assert all(
        len(batch) == 1
        or (len(batch) <= most_texts and sum(len(text.encode()) for text in batch) <= most_tokens)
        for batch in asked
    )
    assert server.most_at_once <= at_once


@pytest.mark.parametrize(
    ("vendor", "texts", "batches"),
    [
        (Vendor.OPENAI, ["a"] * 2049, [2048, 1]),
        (Vendor.COHERE, ["a"] * 200, [96, 96, 8]),
        (Vendor.VOYAGE, ["a"] * 1001, [1000, 1]),
        (Vendor.OPENAI, ["a" * 150_000] * 2, [1, 1]),
        (Vendor.VOYAGE, ["é" * 40_000, "b" * 60_000, "c" * 9_000], [1, 2]),
    ],
)
def test_batches_stay_within_the_vendors_limits(server, vendor, texts, batches):
    encoder = load_remote(entry(server, vendor), KEY)
    rows = encoder.encode(texts, "document").rows
    encoder.close()
    assert np.abs(rows - vectors_of(texts)).max() < 1e-6
    name = "texts" if vendor is Vendor.COHERE else "input"
    assert sorted(len(seen.body[name]) for seen in server.seen) == sorted(batches)


def test_a_models_own_limit_of_tokens_is_known(server):
    row = entry(server, Vendor.VOYAGE)
    row = replace(row, endpoint=replace(row.endpoint, model="voyage-4"))
    encoder = load_remote(row, KEY)
    encoder.encode(["é" * 40_000, "b" * 30_000], "document")
    encoder.close()
    assert len(server.seen) == 1


def test_an_answer_in_another_order_is_put_right(server):
    server.script = [changed(lambda good: {**good, "data": good["data"][::-1]})]
    encoder = load_remote(entry(server), KEY)
    assert np.abs(encoder.encode(TEXTS, "query").rows - vectors_of(TEXTS)).max() < 1e-6
    encoder.close()


@pytest.mark.parametrize("encoding_format", EncodingFormat)
def test_lists_and_base64_are_read_alike(server, encoding_format):
    encoder = bounded(entry(server), encoding_format=encoding_format)
    assert np.abs(encoder.encode(TEXTS, "document").rows - vectors_of(TEXTS)).max() < 1e-6
    assert server.seen[0].body["encoding_format"] == encoding_format
    encoder.close()


def test_requests_overlap_but_not_too_many(server):
    # A fault without effect but a pause, so that requests meet.
    def slowly(handler, good):
        server.released.wait(0.05)
        handler.answer(good)

    server.script = [slowly] * 12
    texts = [str(number) for number in range(12)]
    encoder = bounded(entry(server), texts_per_request=1, requests_at_once=3)
    assert np.abs(encoder.encode(texts, "query").rows - vectors_of(texts)).max() < 1e-6
    encoder.close()
    assert 1 < server.most_at_once <= 3


def test_no_texts_are_no_request(server):
    encoder = load_remote(entry(server), KEY)
    encoded = encoder.encode_counted([], "document")
    encoder.close()
    assert encoded.embeddings.rows.shape == (0, WIDTH)
    assert encoded.total_tokens == 0
    assert not server.seen


# Roles, prompts, titles


@pytest.mark.parametrize(
    ("vendor", "role", "word"),
    [
        (Vendor.COHERE, "query", "search_query"),
        (Vendor.COHERE, "document", "search_document"),
        (Vendor.COHERE, "classification", "classification"),
        (Vendor.COHERE, "clustering", "clustering"),
        (Vendor.VOYAGE, "query", "query"),
        (Vendor.VOYAGE, "document", "document"),
    ],
)
def test_the_role_is_said_in_the_vendors_words(server, vendor, role, word):
    encoder = load_remote(entry(server, vendor), KEY)
    encoder.encode(["text"], role)
    encoder.close()
    assert server.seen[0].body["input_type"] == word


def test_a_server_that_knows_roles_is_told_them(server):
    plain, told = load_remote(entry(server), KEY), bounded(entry(server), sends_role=True)
    plain.encode(["text"], "query")
    rows = told.encode(["text"], "query").rows
    assert [seen.body.get("input_type") for seen in server.seen] == [None, "query"]
    assert np.abs(rows - vectors_of(["textquery"])).max() < 1e-6
    plain.close()
    told.close()


def test_prompts_and_titles_come_before_the_text(server):
    row = entry(
        server,
        prompts={"query": "find: ", "Clustering": "group: "},
        title_prompt="title: {title} | ",
    )
    encoder = load_remote(row, KEY)
    encoder.encode(["a"], "query")
    encoder.encode(["b", "c"], "document", titles=["T", None])
    encoder.encode(["d"], "Clustering")
    encoder.close()
    assert [seen.body["input"] for seen in server.seen] == [
        ["find: a"],
        ["title: T | b", "c"],
        ["group: d"],
    ]


@pytest.mark.parametrize("vendor", Vendor)
def test_other_roles_and_titles_are_refused_before_anything_is_sent(server, vendor):
    encoder = load_remote(entry(server, vendor), KEY)
    with pytest.raises(InvalidValue, match="no role") as caught:
        encoder.encode(["a"], "search_query")
    assert "query, document" in caught.value.remedy
    with pytest.raises(InvalidValue, match="does not support titles"):
        encoder.encode(["a"], "document", titles=["T"])
    with pytest.raises(InvalidValue, match="Text 1 must be a string, got int"):
        encoder.encode(["a", 1], "document")
    encoder.close()
    assert not server.seen


def test_a_prompt_for_a_role_that_the_vendor_lacks_is_refused(server):
    with pytest.raises(InvalidValue, match="Cohere does not know the role 'STS'"):
        load_remote(entry(server, Vendor.COHERE, prompts={"STS": "x"}), KEY)


# Dimensions


@pytest.mark.parametrize(
    ("vendor", "name"),
    [
        (Vendor.OPENAI, "dimensions"),
        (Vendor.COHERE, "output_dimension"),
        (Vendor.VOYAGE, "output_dimension"),
    ],
)
def test_dimensions_are_passed_through(server, vendor, name):
    row = entry(server, vendor, family=Family.MATRYOSHKA, nested_dimensions=(4, 2))
    encoder = load_remote(row, KEY)
    for asked, width in [(None, 8), (8, 8), (4, 4), (2, 2)]:
        server.clear()
        rows = encoder.encode(TEXTS, "document", asked).rows
        assert server.seen[0].body[name] == width
        assert np.abs(rows - vectors_of(TEXTS, width)).max() < 1e-6
    with pytest.raises(InvalidValue, match="3 dimensions") as caught:
        encoder.encode(TEXTS, "document", 3)
    assert caught.value.remedy == "Allowed: 8, 4, 2."
    rows = encoder.encode(TEXTS, "document", 3, any_dimensions=True).rows
    assert np.abs(rows - vectors_of(TEXTS, 3)).max() < 1e-6
    encoder.close()


def test_a_model_of_one_length_is_not_told_it(server):
    encoder = load_remote(entry(server), KEY)
    encoder.encode(["a"], "document", WIDTH)
    assert "dimensions" not in server.seen[0].body
    with pytest.raises(InvalidValue, match="4 dimensions"):
        encoder.encode(["a"], "document", 4)
    encoder.close()


def test_vectors_are_brought_to_length_1_only_where_the_card_says_so(server):
    def doubled(good):
        for item in good["data"]:
            item["embedding"] = [1.0, 2.0, 2.0, 0, 0, 0, 0, 0]
        return good

    for normalised, length in [(True, 1.0), (False, 3.0)]:
        server.script = [changed(doubled)]
        encoder = load_remote(entry(server, normalised=normalised), KEY)
        rows = encoder.encode(["a"], "document").rows
        assert np.linalg.norm(rows) == pytest.approx(length)
        encoder.close()


# What goes with a request, and what no vendor tells


def test_extra_fields_go_with_every_request(server):
    encoder = bounded(entry(server), extra={"user": "me"})
    encoder.encode(["a"], "query")
    encoder.close()
    assert server.seen[0].body["user"] == "me"
    with pytest.raises(InvalidValue, match="already has the field 'input'"):
        bounded(entry(server), extra={"input": "other"})


def test_a_server_without_keys_is_sent_none(server):
    row = entry(server)
    encoder = load_remote(replace(row, endpoint=replace(row.endpoint, key="")), KEY)
    encoder.encode(["a"], "query")
    encoder.close()
    assert "authorization" not in server.seen[0].headers


def test_an_empty_text_is_passed_on_where_the_vendor_takes_it(server):
    for vendor in (Vendor.OPENAI, Vendor.COHERE):
        encoder = load_remote(entry(server, vendor), KEY)
        assert np.abs(encoder.encode(["", "a"], "query").rows - vectors_of(["", "a"])).max() < 1e-6
        encoder.close()
    server.clear()
    encoder = load_remote(entry(server, Vendor.VOYAGE), KEY)
    with pytest.raises(InvalidValue, match="Text 1 is empty, which Voyage does not accept"):
        encoder.encode(["a", ""], "query")
    encoder.close()
    assert not server.seen


def test_tokens_that_are_not_told_are_not_made_up(server):
    server.script = [changed(lambda good: {"data": good["data"]})]
    encoder = load_remote(entry(server), KEY)
    assert encoder.encode_counted(["a"], "query").tokens_billed is None
    encoder.close()


def test_what_needs_the_tokeniser_is_refused_with_a_way_out(server):
    encoder = load_remote(entry(server), KEY)
    for ask in (
        lambda: encoder.tokeniser.count_tokens(["a"]),
        lambda: encoder.tokeniser.tokenise(["a"], "document"),
        lambda: encoder.tokeniser.room("document"),
        lambda: encoder.encode_tokens(["a"], "document"),
    ):
        with pytest.raises(UnsupportedModel, match="'far' is remote") as caught:
            ask()
        assert "vanilla" in caught.value.remedy
    encoder.close()


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    encoder = load_remote(entry(server), KEY)
    assert len(encoder.encode(["a"], "query")) == 1
    encoder.close()
