"""Routes besides embedding: tokens, similarities, rankings and lists, in each dialect."""

import json

import numpy as np
import pytest

from bindery.faces.http.dialects.base import _BYTES
from bindery.vectors import Form, code
from bindery.vectors.scoring import maxsim

TEXTS = ["Loose paper is lost.", "", "A code on the spine says where a book stands."]
QUERY = "Where does a book stand?"


@pytest.mark.parametrize("model", ["vanilla", "colbert"])
def test_every_token_has_a_vector(families, model):
    client, library = families
    body = {"inputs": TEXTS, "model": model, "truncate": True}
    answer = client.post("/embed_all", json=body)
    assert answer.status_code == 200, answer.text
    expected = library.encoder(model).encode_tokens(TEXTS, "document").tokens
    found = answer.json()
    assert [len(rows) for rows in found] == np.diff(expected.offsets).tolist()
    flat = np.float32([row for rows in found for row in rows])
    assert np.abs(flat - expected.rows).max() < 1e-5
    [one] = client.post("/embed_all", json={"inputs": "a", "model": "vanilla"}).json()
    assert np.shape(one) == (1, 384)


@pytest.mark.parametrize("path", ["/similarity", "/"])
def test_texts_are_compared(client, library, path):
    inputs = {"source_sentence": QUERY, "sentences": TEXTS}
    answer = client.post(path, json={"inputs": inputs})
    rows = library.encoder("vanilla").encode([QUERY, *TEXTS], "document").rows
    np.testing.assert_allclose(answer.json(), rows[1:] @ rows[0], atol=1e-5)
    as_query = {"inputs": inputs, "parameters": {"prompt_name": "poem", "truncate": None}}
    assert client.post(path, json=as_query).status_code == 422
    assert client.post(path, json={"inputs": {"source_sentence": QUERY}}).status_code == 422
    long = {"inputs": inputs | {"sentences": ["paper " * 400]}}
    assert client.post(path, json=long).status_code == 413
    assert client.post(path, json=long | {"parameters": {"truncate": True}}).status_code == 200


def test_several_vectors_are_compared_by_maxsim(families):
    client, library = families
    inputs = {"source_sentence": "a book", "sentences": ["a shelf", "a book"]}
    answer = client.post("/similarity", json={"inputs": inputs, "model": "colbert"})
    encoder = library.encoder("colbert")
    first = encoder.encode(["a book"], "document")
    scores = maxsim(first, encoder.encode(inputs["sentences"], "document"))[0] / len(first.rows)
    np.testing.assert_allclose(answer.json(), scores, atol=1e-5)


def test_cohere_gives_every_form_at_once(client, library):
    types = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    body = {"model": "vanilla", "texts": TEXTS, "embedding_types": [*types, "float"]}
    answer = client.post("/v2/embed", json=body).json()
    embeddings = library.encoder("vanilla").encode(TEXTS, "document")
    found = answer["embeddings"]
    assert list(found) == types
    for form in (Form.INT8, Form.BINARY, Form.UBINARY):
        assert found[form] == code(embeddings, form).values.tolist()
    assert found["uint8"] == [[value + 128 for value in row] for row in found["int8"]]
    assert answer["scales"] == pytest.approx(code(embeddings, Form.INT8).scales.tolist())
    assert (answer["texts"], answer["meta"]["api_version"]) == (TEXTS, {"version": "2"})
    refused = client.post("/v2/embed", json=body | {"embedding_types": ["int4"]})
    assert (refused.status_code, refused.json()["param"]) == (400, "embedding_types")


def test_cohere_names_each_text_that_was_cut(client):
    body = {"model": "vanilla", "texts": ["short", "paper " * 400]}
    for path in ("/v1/embed", "/v2/embed"):
        meta = client.post(path, json=body).json()["meta"]
        assert meta["warnings"] == ["Text 1: 146 tokens were cut."]
    assert "warnings" not in client.post("/v2/embed", json=body | {"texts": ["x"]}).json()["meta"]


def test_one_path_ranks_for_two_dialects(client, library):
    _, expected = library.rerank("vanilla", QUERY, TEXTS)
    cohere = {"model": "vanilla", "query": QUERY, "documents": TEXTS, "return_documents": True}
    answers = [client.post(path, json=cohere).json() for path in ("/rerank", "/v2/rerank")]
    assert answers[0] == answers[1] == client.post("/v1/rerank", json=cohere).json()
    order = [one.index for one in expected.ranked]
    assert [one["index"] for one in answers[0]["results"]] == order
    # Voyage's client reads the rows by another name, and texts without an object around them.
    assert [one["document"] for one in answers[0]["data"]] == [TEXTS[place] for place in order]

    tei = {"query": QUERY, "texts": TEXTS, "return_text": True}
    raw = client.post("/rerank", json=tei | {"raw_scores": True}).json()
    scores = [one.score for one in expected.ranked]
    assert [one["index"] for one in raw] == order
    assert [one["score"] for one in raw] == pytest.approx(scores, abs=1e-5)
    usual = client.post("/rerank?model=vanilla", json=tei).json()
    assert [one["score"] for one in usual] == pytest.approx(
        [(1 + score) / 2 for score in scores], abs=1e-5
    )
    assert [one["text"] for one in usual] == [TEXTS[place] for place in order]
    long = client.post("/rerank", json=tei | {"texts": ["paper " * 400]})
    assert (long.status_code, long.json()["param"]) == (413, "texts")


def test_texts_are_cut_into_tokens_and_put_together(client, library):
    text = "Loose naïve paper"
    [tokens] = client.post("/tokenize", json={"inputs": text}).json()
    own = [token for token in tokens if not token["special"]]
    assert [token["id"] for token in tokens][:: len(tokens) - 1] == [101, 102]
    assert all(text[token["start"] : token["stop"]] == token["text"] for token in own)
    ids = [token["id"] for token in own]
    assert ids == library.measure("vanilla").tokeniser.text_ids(text)
    bare = client.post("/tokenize", json={"inputs": [text], "add_special_tokens": False}).json()
    assert bare == [own]
    cohere = client.post("/v1/tokenize", json={"text": text, "model": "vanilla"}).json()
    assert cohere == {"tokens": ids, "token_strings": [token["text"] for token in own]}

    assert client.post("/decode", json={"ids": [ids, []]}).json() == ["loose naive paper", ""]
    kept = client.post("/decode", json={"ids": [101, *ids], "skip_special_tokens": False})
    assert kept.json() == ["[CLS] loose naive paper"]
    detokenised = client.post("/v1/detokenize", json={"tokens": ids, "model": "vanilla"})
    assert detokenised.json() == {"text": "loose naive paper"}
    for path, field in (("/decode", "ids"), ("/v1/detokenize", "tokens")):
        for wrong in ([10**6], [-1], [2**63], ["x"], [True], []):
            answer = client.post(path, json={field: wrong})
            assert 400 <= answer.status_code < 500, answer.text


def test_the_model_behind_a_server_of_one_is_described(client):
    info = client.get("/info").json()
    assert info["model_id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (info["max_input_length"], info["max_client_batch_size"]) == (256, 2048)
    assert client.get("/info?model=colbert").json()["model_id"] == "colbert-ir/colbertv2.0"
    assert client.get("/info?model=nobody").status_code == 404


def test_ollama_lists_what_is_here(client):
    [here] = client.get("/api/tags").json()["models"]
    assert (here["name"], here["model"]) == ("vanilla", "vanilla")
    for name in ("model", "name"):
        shown = client.post("/api/show", json={name: "vanilla:latest"}).json()
        assert shown["capabilities"] == ["embedding"]
        assert shown["model_info"]["dense.embedding_length"] == 384
    assert client.post("/api/show", json={"model": "nobody"}).json()["code"] == "unknown_model"
    assert client.get("/api/version").json()["version"]


def test_models_are_listed_for_clients_without_a_prefix(client):
    listed = client.get("/models").json()
    assert {"object": listed["object"], "data": listed["data"]} == client.get("/v1/models").json()
    for name in ("vanilla", "sentence-transformers%2Fall-MiniLM-L6-v2", "Vanilla"):
        for prefix in ("/v1/models", "/models"):
            found = client.get(f"{prefix}/{name}").json()
            assert (found["id"], found["name"], found["context_length"]) == (
                "vanilla",
                "vanilla",
                256,
            )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"late_chunking": True, "titles": ["a"]}, "titles"),
        ({"late_chunking": True, "input": ["a", ""]}, "input"),
        ({"embedding_type": "int8"}, "embedding_type"),
        ({"embedding_type": ["float", "binary"]}, "embedding_type"),
        ({"embedding_type": {}}, "embedding_type"),
        ({"task": "poem"}, "task"),
        ({"truncation": "yes"}, "truncation"),
        ({"output_dimension": 100}, "output_dimension"),
        ({"truncation": True, "output_dtype": "float16"}, "output_dtype"),
    ],
)
def test_a_field_of_a_shared_path_is_named_as_its_dialect_does(client, body, param):
    answer = client.post("/v1/embeddings", json={"model": "vanilla", "input": "x", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_too_large_an_answer_is_refused_with_a_way_out(families, monkeypatch):
    client, _ = families
    monkeypatch.setattr("bindery.faces.http.dialects.base.MAX_ANSWER_BYTES", 100_000)
    texts = [f"text {n}" for n in range(30)]
    body = {"model": "vanilla", "input": texts}
    refused = client.post("/v1/embeddings", json=body)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (400, "encoding_format")
    assert "base64" in error["remedy"]
    for how in ({"encoding_format": "base64"}, {"output_dtype": "int8"}, {"input": texts[:9]}):
        answer = client.post("/v1/embeddings", json=body | how)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) < 100_000
    # The number of vectors of a text is only known after embedding it.
    many = client.post("/v1/embeddings", json={"model": "colbert", "input": texts * 10})
    assert many.status_code == 400
    assert "base64" in many.text


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("is_base64", [True, False])
def test_the_bound_is_near_what_an_answer_takes(client, form, is_base64):
    body = {
        "chunks": [f"some text of number {n}" for n in range(50)],
        "output_dtype": form,
        "encoding_format": "base64" if is_base64 else "float",
    }
    answer = client.post("/embedding/vanilla/generate", json=body)
    taken = len(json.dumps(answer.json()["embeddings"], separators=(",", ":")))
    expected = 50 * 384 * _BYTES[form][is_base64]
    assert taken <= 1.35 * expected
    assert taken >= 0.6 * expected
