"""The two embedding routes: the library's own vectors, in order, and the counts of tokens."""

import base64
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.testclient import TestClient

from bindery.library import Library
from bindery.types import Truncate

TEXTS = [
    "Loose paper is lost.",
    "",
    "Bound paper is kept: it has a place on a shelf, and a code on its spine.",
    "装丁 🙂 ـكتاب",
]
LONG = "paper " * 400


@pytest.fixture
def expected(client: TestClient, library: Library) -> np.ndarray:
    return library.encoder("vanilla").encode(TEXTS, "document").rows


def generate(client: TestClient, query: str = "", **body: object) -> dict:
    answer = client.post(f"/embedding/vanilla/generate{query}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_floats_are_the_encoders(client, expected):
    answer = generate(client, chunks=TEXTS)
    assert np.abs(np.float32(answer["embeddings"]) - expected).max() < 1e-6
    assert answer["model_id"] == "vanilla"
    assert answer["precision"] == "f32"
    assert len(answer["revision"]) == 40
    assert (answer["total_chunks"], answer["dimensions"]) == (4, 384)
    assert answer["tokens_used"][1] == 2
    assert answer["tokens_cut"] == [0, 0, 0, 0]


def test_base64_is_little_endian_float32(client, expected):
    answer = generate(client, chunks=TEXTS, encoding_format="base64")
    rows = [np.frombuffer(base64.b64decode(row), "<f4") for row in answer["embeddings"]]
    assert np.abs(np.stack(rows) - expected).max() < 1e-6


def test_a_preview_shows_the_first_values_and_changes_nothing_else(client):
    whole, shown = generate(client, chunks=TEXTS), generate(client, "?preview=10", chunks=TEXTS)
    assert [row[:10] for row in whole["embeddings"]] == shown["embeddings"]
    assert {**whole, "embeddings": None} == {**shown, "embeddings": None}
    assert generate(client, "?preview=0", chunks=TEXTS)["embeddings"] == [[], [], [], []]
    assert generate(client, "?preview=9999", chunks=TEXTS) == whole


def test_no_chunks_give_no_embeddings(client):
    answer = generate(client, chunks=[])
    assert (answer["total_chunks"], answer["embeddings"], answer["tokens_used"]) == (0, [], [])


def test_chunks_may_come_as_the_chunk_route_gives_them(client):
    plain = generate(client, chunks=TEXTS)
    assert generate(client, chunks=[{"index": 3, "text": text} for text in TEXTS]) == plain


def test_what_is_cut_is_told_or_refused(client):
    answer = generate(client, chunks=["short", LONG], truncate="end")
    assert answer["tokens_used"] == [3, 256]
    assert answer["tokens_cut"] == [0, 146]

    for how in ({}, {"truncate": "error"}, {"truncate": False}, {"truncate": None}):
        refused = client.post(
            "/embedding/vanilla/generate", json={"chunks": ["short", LONG], **how}
        )
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == ("text_too_long", "chunks")
        assert '"truncate": "end"' in error["remedy"]
    assert "Text 1 has 402 tokens" in error["message"]
    assert "256" in error["message"]


def test_nulls_are_absent_and_openai_ignores_unknown_fields(client):
    plain = generate(client, chunks=TEXTS)
    nulls = {"role": None, "dimensions": None, "encoding_format": None, "truncate": None}
    assert generate(client, chunks=TEXTS, **nulls) == plain

    body = {"model": "vanilla", "input": "x", "user": None, "dimensions": None}
    body |= {"encoding_format": None, "input_type": None, "truncate": None, "colour": {"a": 1}}
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200
    assert len(answer.json()["data"][0]["embedding"]) == 384


def test_either_end_may_be_cut(client, library):
    words = [f"word{place} of a long text" for place in range(100)]
    first, last = " ".join(words), " ".join(reversed(words))
    encoder = library.encoder("vanilla")
    for side in (Truncate.END, Truncate.START):
        rows = np.float32(generate(client, chunks=[first, last], truncate=side)["embeddings"])
        expected = encoder.encode([first, last], "document", truncate=side).rows
        assert np.abs(rows - expected).max() < 1e-5
    # One keeps exactly what the other cuts.
    assert not np.allclose(rows, encoder.encode([first, last], "document").rows, atol=1e-3)


def test_openai_counts_and_cuts_are_told(client):
    body = {"model": "vanilla", "input": ["a b", LONG]}
    answer = client.post("/v1/embeddings", json=body | {"truncate": "end"})
    assert answer.json()["usage"] == {"prompt_tokens": 260, "total_tokens": 260}
    assert answer.json()["tokens_cut"] == [0, 146]
    assert answer.headers["x-bindery-tokens"] == "260"
    assert answer.headers["x-bindery-truncated-tokens"] == "146"
    refused = client.post("/v1/embeddings", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "vanilla"}, "input"),
        ({"input": "x"}, "model"),
        ({"model": 7, "input": "x"}, "model"),
        ({"model": "vanilla", "input": []}, "input"),
        ({"model": "vanilla", "input": {}}, "input"),
        ({"model": "vanilla", "input": [15339, "x"]}, "input"),
        ({"model": "vanilla", "input": [[15339], "x"]}, "input"),
        ({"model": "vanilla", "input": [15339, True]}, "input"),
        ({"model": "vanilla", "input": ["x", 7]}, "input"),
        ({"model": "vanilla", "input": ["x"] * 2049}, "input"),
        ({"model": "vanilla", "input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"model": "vanilla", "input": "x", "dimensions": 100}, "dimensions"),
        ({"model": "vanilla", "input": "x", "dimensions": "384"}, "dimensions"),
        ({"model": "vanilla", "input": "x", "dimensions": True}, "dimensions"),
        ({"model": "vanilla", "input": "x", "input_type": "poem"}, "input_type"),
        ({"model": "vanilla", "input": "x", "truncate": "middle"}, "truncate"),
        ({"model": "vanilla", "input": "x", "truncate": 7}, "truncate"),
    ],
)
def test_a_field_at_fault_is_named(client, body, param):
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("chunks", ["text", [7], [{"txt": "x"}], [["x"]], [None], ["x"] * 2049])
def test_chunks_that_are_no_texts_are_refused(client, chunks):
    answer = client.post("/embedding/vanilla/generate", json={"chunks": chunks})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "chunks"


@pytest.mark.parametrize(
    ("model", "status", "own", "openai"),
    [
        ("vanila", 404, "unknown_model", "model_not_found"),
        ("gemma", 424, "model_missing", "model_missing"),
    ],
)
def test_a_model_that_cannot_answer_says_why(client, model, status, own, openai):
    ours = client.post(f"/embedding/{model}/generate", json={"chunks": ["x"]})
    theirs = client.post("/v1/embeddings", json={"model": model, "input": "x"})
    assert (ours.status_code, theirs.status_code) == (status, status)
    assert (ours.json()["error"]["code"], theirs.json()["error"]["code"]) == (own, openai)
    assert ours.json()["error"]["remedy"]


def test_a_model_that_is_not_there_says_how_to_get_it(bare):
    answer = bare.post("/v1/embeddings", json={"model": "vanilla", "input": "x"})
    assert answer.status_code == 424
    error = answer.json()["error"]
    assert error["code"] == "model_missing"
    assert "bindery preload vanilla" in error["remedy"]


def test_many_requests_at_once_each_get_their_own_vectors(client, library):
    batches = [[f"request {n}, text {i} " * (1 + n % 7) for i in range(n % 5)] for n in range(60)]
    expected = [library.encoder("vanilla").encode(batch, "document").rows for batch in batches]

    def ask(batch: list[str]) -> list[list[float]]:
        return generate(client, chunks=batch)["embeddings"]

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(ask, batches))
    for rows, answer in zip(expected, answers, strict=True):
        assert np.abs(np.float32(answer).reshape(-1, 384) - rows).max(initial=0) < 1e-5
