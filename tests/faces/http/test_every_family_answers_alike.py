"""One server with a model of each family, under their usual names."""

import numpy as np
import pytest

from bindery.library.reranking import reorder
from bindery.models.catalog import DEFAULT_MODELS

from .test_vectors_come_in_every_form import openais, ours, read

TEXTS = ["a book has a place on a shelf", "", "loose paper {title} is\nlost", "..."]


@pytest.mark.parametrize("name", DEFAULT_MODELS)
@pytest.mark.parametrize("role", ["query", "document"])
def test_vectors_are_those_of_the_model(families, name: str, role: str):
    http, library = families
    expected = library.encoder(name).encode(TEXTS, role)
    how = {"truncate": "end"}
    for answer in (
        ours(http, TEXTS, name, role=role, **how),
        openais(http, TEXTS, name, input_type=role, **how),
    ):
        found = read(answer).decoded()
        assert np.array_equal(found.offsets, expected.offsets)
        assert np.abs(found.rows - expected.rows).max() < 1e-5
        assert ("offsets" in answer) == (name == "colbert")


@pytest.mark.parametrize("name", DEFAULT_MODELS)
def test_no_texts_are_answered_in_the_same_shape(families, name: str):
    http, library = families
    answer = ours(http, [], name, output_dtype="int8", encoding_format="base64")
    assert (answer["embeddings"], answer["scales"]) == ([], [])
    assert answer["dimensions"] == library.encoder(name).card.dimensions
    assert answer.get("offsets") == ([0] if name == "colbert" else None)


@pytest.mark.parametrize("name", DEFAULT_MODELS)
def test_documents_are_put_in_order(families, name: str):
    http, library = families
    asked = {"model": name, "query": "where is a book kept", "documents": TEXTS, "top_n": 3}
    results = http.post("/v1/rerank", json=asked).json()["results"]

    encoder = library.encoder(name)
    query = encoder.encode_tokens([asked["query"]], "query")
    expected = reorder(query, encoder.encode_tokens(TEXTS, "document"), top_n=3)
    assert [one["index"] for one in results] == [one.index for one in expected]
    found = [(one["relevance_score"], one["normalised_score"]) for one in results]
    np.testing.assert_allclose(found, [(one.score, one.normalised) for one in expected], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "allowed"), [("vanilla", "384"), ("gemma", "48, 32, 16, 8"), ("colbert", "8")]
)
def test_lengths_that_the_model_was_not_trained_for_are_told_those_it_was(families, name, allowed):
    http, _ = families
    for dimensions in (0, 7, 1000):
        body = {"chunks": TEXTS, "dimensions": dimensions}
        answer = http.post(f"/embedding/{name}/generate", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["remedy"].startswith(f"Allowed: {allowed}. Or ")


def test_matryoshkas_vectors_are_cut(families):
    http, library = families
    for size in (48, 32, 16, 8):
        found = read(openais(http, TEXTS, "gemma", dimensions=size, input_type="query")).decoded()
        expected = library.encoder("gemma").encode(TEXTS, "query", size)
        assert np.abs(found.rows - expected.rows).max() < 1e-5
