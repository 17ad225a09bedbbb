"""``POST /v1/rerank``: Cohere's and Jina's format, for any model."""

import pytest
from starlette.testclient import TestClient

from bindery.library import Library

QUERY = "Where does a bound book stand?"
DOCUMENTS = ["Paper burns.", "Every bound book has a place on a shelf.", "", "Rain fell all day."]


def rerank(client: TestClient, **body: object) -> dict:
    answer = client.post(
        "/v1/rerank", json={"model": "vanilla", "query": QUERY, "documents": DOCUMENTS} | body
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_order_is_the_librarys(client, library: Library):
    answer = rerank(client)

    encoder, expected = library.rerank("vanilla", QUERY, DOCUMENTS)
    ranked = expected.ranked
    found = [(one["index"], one["relevance_score"]) for one in answer["results"]]
    assert [index for index, _ in found] == [one.index for one in ranked]
    assert [score for _, score in found] == pytest.approx([one.score for one in ranked], abs=1e-5)
    assert found[0][0] == 1
    assert answer["model"] == "vanilla"
    assert answer["revision"] == encoder.card.revision
    tokens = sum(encoder.tokeniser.count_tokens([QUERY, *DOCUMENTS])) + 2 * (1 + len(DOCUMENTS))
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_the_best_so_many_and_their_texts(client):
    whole = rerank(client)["results"]
    assert all("document" not in one for one in whole)
    assert rerank(client, top_k=2)["results"] == whole[:2]
    best = rerank(client, top_n=2, return_documents=True)["results"]
    assert [one["document"] for one in best] == [{"text": DOCUMENTS[one["index"]]} for one in best]
    assert [one["index"] for one in best] == [one["index"] for one in whole[:2]]
    assert len(rerank(client, top_n=99)["results"]) == len(DOCUMENTS)


def test_documents_may_be_objects_and_nulls_are_absent(client):
    objects = [{"text": text, "title": "unused"} for text in DOCUMENTS]
    nulls = {"top_n": None, "return_documents": None, "weight": None, "max_tokens_per_doc": None}
    assert rerank(client, documents=objects, **nulls) == rerank(client)


def test_a_weight_of_none_leaves_the_cosine(client, library):
    answer = rerank(client, weight=0)
    encoder = library.encoder("vanilla")
    asked, documents = encoder.encode([QUERY], "query"), encoder.encode(DOCUMENTS, "document")
    cosines = (documents.rows @ asked.rows[0]).tolist()
    shelf = answer["results"][0]
    assert shelf["relevance_score"] == pytest.approx(cosines[shelf["index"]], abs=1e-5)


def test_no_documents_give_no_results(client):
    assert rerank(client, documents=[])["results"] == []


def test_what_is_cut_is_told(client):
    body = {"model": "vanilla", "query": QUERY, "documents": ["paper " * 400, "short"]}
    assert client.post("/v1/rerank", json=body).headers["x-bindery-truncated-tokens"] == "146"
    for how in ({"truncate": "error"}, {"truncation": False}):
        refused = client.post("/v1/rerank", json=body | how)
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            400,
            "context_length_exceeded",
        )


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"query": None}, 400, "query"),
        ({"query": ["x"]}, 400, "query"),
        ({"documents": "x"}, 400, "documents"),
        ({"documents": [{"txt": "x"}]}, 400, "documents"),
        ({"documents": ["x", 7]}, 400, "documents"),
        ({"documents": ["x"] * 1001}, 400, "documents"),
        ({"top_n": 0}, 400, "top_n"),
        ({"weight": 1.5}, 400, "weight"),
        ({"model": "vanila"}, 404, "model"),
    ],
)
def test_a_field_at_fault_is_named(client, body, status, param):
    given = {"model": "vanilla", "query": QUERY, "documents": DOCUMENTS} | body
    answer = client.post("/v1/rerank", json=given)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
