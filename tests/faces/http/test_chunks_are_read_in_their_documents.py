"""`POST /v1/contextualizedembeddings`: late chunking in Voyage's format."""

from base64 import b64decode

import numpy as np
import pytest

from bindery.encoders.request import SpannedText, SpansRequest

PATH = "/v1/contextualizedembeddings"
DOCUMENTS = [
    ["Berlin is the capital.", "It lies on the Spree.", "The city is a state, too."],
    ["Loose paper is lost."],
]


def body(**how: object) -> dict[str, object]:
    return {"model": "vanilla", "inputs": DOCUMENTS, "input_type": "document", **how}


def rows(answer: dict) -> np.ndarray:
    """All vectors, one document after another; every index is checked."""
    assert answer["object"] == "list"
    found = []
    for place, document in enumerate(answer["data"]):
        assert (document["object"], document["index"]) == ("list", place)
        assert [chunk["index"] for chunk in document["data"]] == list(range(len(document["data"])))
        assert {chunk["object"] for chunk in document["data"]} == {"embedding"}
        found += [chunk["embedding"] for chunk in document["data"]]
    return np.float32(found)


def test_each_chunk_is_read_with_those_around_it(client, library):
    answer = client.post(PATH, json=body())
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [len(document["data"]) for document in found["data"]] == [3, 1]
    encoder = library.encoder("vanilla")
    texts = [SpannedText.joined(chunks) for chunks in DOCUMENTS]
    expected = encoder.submit_spans(SpansRequest(texts)).result()
    assert np.abs(rows(found) - expected.embeddings.rows).max() < 1e-6
    # A document of one chunk has the vector of its text; chunks of others do not.
    alone = encoder.encode([chunk for chunks in DOCUMENTS for chunk in chunks], "document").rows
    differences = np.abs(rows(found) - alone).max(axis=1)
    assert differences[3] < 1e-6
    assert (differences[:3] > 0.01).all()


def test_jina_asks_for_it_with_a_flag(client):
    expected = rows(client.post(PATH, json=body(inputs=DOCUMENTS[:1])).json())
    asked = {"model": "vanilla", "input": DOCUMENTS[0], "late_chunking": True}
    answer = client.post("/v1/embeddings", json=asked)
    assert answer.status_code == 200, answer.text
    found = np.float32([one["embedding"] for one in answer.json()["data"]])
    assert np.abs(found - expected).max() < 1e-6
    plain = client.post("/v1/embeddings", json={**asked, "late_chunking": False}).json()
    assert np.abs(np.float32([one["embedding"] for one in plain["data"]]) - found).max() > 0.01


def test_tokens_are_those_that_ran(client, library):
    long = [["paper " * 200] * 3]
    joined = SpannedText.joined(long[0])
    expected = library.encoder("vanilla").submit_spans(SpansRequest([joined])).result()
    answer = client.post(PATH, json=body(inputs=long))
    assert answer.json()["usage"]["total_tokens"] == expected.total_tokens > 602
    assert answer.headers["x-bindery-tokens"] == str(expected.total_tokens)
    assert answer.headers["x-bindery-truncated-tokens"] == "0"


def test_a_question_is_asked_as_one(families):
    client, library = families
    answer = client.post(PATH, json=body(model="gemma", inputs=[["a book"]], input_type="query"))
    expected = library.encoder("gemma").encode(["a book"], "query").rows
    assert np.abs(rows(answer.json()) - expected).max() < 1e-5


def test_vectors_are_shorter_and_in_other_forms_as_voyage_has_it(families):
    client, _ = families
    inputs = [["a book"], ["paper", "a spine"]]
    full = rows(client.post(PATH, json=body(model="gemma", inputs=inputs)).json())
    short = client.post(PATH, json=body(model="gemma", inputs=inputs, output_dimension=16)).json()
    cut = full[:, :16] / np.linalg.norm(full[:, :16], axis=1, keepdims=True)
    assert np.abs(rows(short) - cut).max() < 1e-5

    packed = client.post(
        PATH, json=body(model="gemma", inputs=inputs, output_dtype="ubinary")
    ).json()
    assert (rows(packed) == np.packbits(full > 0, axis=1)).all()
    coded = client.post(
        PATH, json=body(model="gemma", inputs=inputs, encoding_format="base64")
    ).json()
    texts = [chunk["embedding"] for document in coded["data"] for chunk in document["data"]]
    found = np.stack([np.frombuffer(b64decode(text), "<f4") for text in texts])
    assert np.abs(found - full).max() < 1e-6


@pytest.mark.parametrize(
    ("how", "param", "said"),
    [
        ({"inputs": "text"}, "inputs", "must be a non-empty list of documents"),
        ({"inputs": []}, "inputs", "must be a non-empty list of documents"),
        ({"inputs": ["text"]}, "inputs", "inputs[0] must be a non-empty list of chunks"),
        ({"inputs": [["a"], []]}, "inputs", "inputs[1] must be a non-empty list of chunks"),
        ({"inputs": [["a"], ["b", ""]]}, "inputs", "inputs[1][1] must be a non-empty string"),
        ({"inputs": [["a", 3]]}, "inputs", "inputs[0][1] must be a non-empty string"),
        ({"inputs": [["a"]] * 1001}, "inputs", "1001 texts"),
        ({"inputs": [["a"] * 1100] * 2}, "inputs", "2200 texts"),
        ({"enable_auto_chunking": True}, "enable_auto_chunking", "not supported"),
        ({"output_dimension": 7}, "output_dimension", "7 dimensions"),
        ({"model": "colbert"}, "model", "several vectors"),
        ({"model": "nobody"}, "model", "nobody"),
    ],
)
def test_what_cannot_be_is_refused_as_voyage_does(families, how, param, said):
    client, _ = families
    answer = client.post(PATH, json=body(**how))
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param
    # Voyage's client reads this field.
    assert said in answer.json()["detail"]
