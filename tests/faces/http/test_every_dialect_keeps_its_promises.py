"""Conformance over the table of dialects: each gives the encoder's own vectors."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from bindery.errors import (
    Abandoned,
    BinderyError,
    DeadlineExceeded,
    EngineError,
    InvalidValue,
    ModelMissing,
    Overloaded,
    TextFailed,
    TextTooLong,
    UnknownModel,
)
from bindery.faces.http.dialects.table import DIALECTS
from bindery.faces.http.errors import Busy, error_answer

from .speakers import ELSEWHERE, EMBEDS, PATHS, SPEAKERS, address

TEXTS = ["Loose paper is lost.", "", "装丁 🙂 ـكتاب"]
LONG = "paper " * 400
MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def ask(
    client: TestClient, name: str, path: str, texts: list[str], model: str = "vanilla", **how: Any
) -> Any:
    """The answer, which must be a success."""
    answer = client.post(address(path, model), json=SPEAKERS[name].body(texts, model, **how))
    assert answer.status_code == 200, answer.text
    return answer


def rows(client: TestClient, name: str, path: str, texts: list[str], **how: Any) -> np.ndarray:
    return SPEAKERS[name].rows(ask(client, name, path, texts, **how).json())


def test_every_dialect_is_tested():
    assert SPEAKERS.keys() | ELSEWHERE == EMBEDS.keys()


def test_every_dialect_has_its_addresses():
    """The paths that clients have built in; add new ones by hand."""
    found = {path for dialect in DIALECTS for one in dialect.embeds for path in one.paths}
    assert found == {
        "/embedding/{model_id:path}/generate",
        *("/v1/embeddings", "/embeddings", "/v1/embed", "/v2/embed", "/embed", "/embed_all"),
        *("/similarity", "/", "/api/embed", "/api/embeddings", "/v1/contextualizedembeddings"),
    }
    found = {path for dialect in DIALECTS for one in dialect.reranks for path in one.paths}
    assert found == {"/v1/rerank", "/v2/rerank", "/rerank"}


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_vectors_are_the_encoders(client, library, name, path):
    speaker = SPEAKERS[name]
    texts = TEXTS[:1] if speaker.takes_one else TEXTS
    expected = library.encoder("vanilla").encode_counted(texts, "document")
    for how in ({}, speaker.base64):
        if how is not None:
            answer = ask(client, name, path, texts, **how)
            assert np.abs(speaker.rows(answer.json()) - expected.embeddings.rows).max() < 1e-6
    assert answer.headers["x-request-id"]
    assert answer.headers["x-bindery-truncated-tokens"] == "0"
    assert int(answer.headers["x-bindery-tokens"]) == expected.total_tokens
    if speaker.tokens:
        assert speaker.tokens(answer.json()) == expected.total_tokens


@pytest.mark.parametrize(("name", "path"), PATHS)
@pytest.mark.parametrize("model", [MODEL, MODEL.upper(), "VANILLA"])
def test_a_model_has_its_repositorys_name_too(client, name, path, model):
    expected = rows(client, name, path, TEXTS[:1])
    assert (rows(client, name, path, TEXTS[:1], model=model) == expected).all()


@pytest.mark.parametrize("name", SPEAKERS)
def test_null_is_absent_and_what_is_unknown_ignored(client, name):
    path, body = EMBEDS[name].paths[0], EMBEDS[name].body
    given = SPEAKERS[name].body(TEXTS[:1])
    nulls = {field: None for field in body.model_fields if field not in given}
    expected = rows(client, name, path, TEXTS[:1])
    unknown = {} if body.refuses_unknown else {"colour": {"red": [None]}, "user": 7}
    found = rows(client, name, path, TEXTS[:1], **nulls, **unknown)
    assert (found == expected).all()


@pytest.mark.parametrize("name", [name for name, one in SPEAKERS.items() if one.as_query])
def test_a_question_is_asked_as_one(families, name):
    client, library = families
    path, speaker = EMBEDS[name].paths[0], SPEAKERS[name]
    beside = {"output_dimension": 32} if name.endswith("voyage") else {}
    encoder = library.encoder("gemma")
    size = 32 if beside else None
    for role, how in (("document", {}), ("query", speaker.as_query)):
        answer = ask(client, name, path, TEXTS, "gemma", **{**beside, **how, **(speaker.cut or {})})
        expected = encoder.encode(TEXTS, role, size).rows
        assert np.abs(speaker.rows(answer.json()) - expected).max() < 1e-5
    documents = encoder.encode(TEXTS, "document", size).rows
    assert np.abs(documents - expected).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "how", "role"),
    [
        ("cohere_embed", {"input_type": "classification"}, "Classification"),
        ("cohere_embed", {"input_type": "clustering"}, "Clustering"),
        ("create_embeddings_jina", {"task": "text-matching"}, "STS"),
        ("create_embeddings", {"input_type": "sts"}, "STS"),
        ("tei_embed", {"prompt_name": "Clustering"}, "Clustering"),
    ],
)
def test_tasks_are_those_of_the_model(families, name, how, role):
    client, library = families
    path = EMBEDS[name].paths[0]
    answer = ask(client, name, path, ["a book"], "gemma", **how)
    expected = library.encoder("gemma").encode(["a book"], role).rows
    assert np.abs(SPEAKERS[name].rows(answer.json()) - expected).max() < 1e-5
    # If a model has no such task, the vendor's word for it means a document.
    if name.startswith("cohere"):
        plain = rows(client, name, path, ["a book"])
        assert (rows(client, name, path, ["a book"], **how) == plain).all()


@pytest.mark.parametrize("name", [name for name, one in SPEAKERS.items() if one.dimensions])
def test_shorter_vectors_have_one_name_each(families, name):
    client, library = families
    path, field = EMBEDS[name].paths[0], SPEAKERS[name].dimensions
    answer = ask(client, name, path, ["a book"], "gemma", **{field: 16})
    expected = library.encoder("gemma").encode(["a book"], "document", 16).rows
    assert np.abs(SPEAKERS[name].rows(answer.json()) - expected).max() < 1e-5

    body = SPEAKERS[name].body(["a book"], "gemma", **{field: 17})
    refused = client.post(address(path, "gemma"), json=body)
    assert 400 <= refused.status_code < 500
    assert told(refused)["param"] == field
    assert "Allowed: 48, 32, 16, 8." in refused.text


@pytest.mark.parametrize("name", SPEAKERS)
def test_long_texts_are_cut_or_refused_as_the_dialect_has_it(client, library, name):
    path, speaker = EMBEDS[name].paths[0], SPEAKERS[name]
    expected = library.encoder("vanilla").encode([LONG], "document").rows
    for how, cuts in (({}, speaker.cuts), (speaker.cut, True), (speaker.refuse, False)):
        if how is None:
            continue
        answer = client.post(address(path, "vanilla"), json=speaker.body([LONG], **how))
        if cuts:
            assert answer.status_code == 200, answer.text
            assert np.abs(speaker.rows(answer.json()) - expected).max() < 1e-6
            assert answer.headers["x-bindery-truncated-tokens"] == "146"
            assert answer.headers["x-bindery-tokens"] == "256"
        else:
            assert answer.status_code == (413 if path in ("/embed", "/") else 400)
            error = told(answer)
            assert error["code"] in ("text_too_long", "context_length_exceeded")
            assert error["param"] == speaker.texts
            [(field, value)] = speaker.cut.items()
            remedy = error["remedy"].lower().replace("'", '"').replace('"end"', "end")
            assert f'"{field}": {str(value).lower()}' in remedy


def told(answer: Any) -> dict[str, Any]:
    """The code, the invalid field and the remedy, wherever the dialect puts them."""
    body = answer.json()
    error = body.get("error")
    return error if isinstance(error, dict) else body


SHAPES = {
    "/embedding/vanilla/generate": {"error"},
    "/v1/embeddings": {"error", "detail"},
    "/v1/contextualizedembeddings": {"error", "detail"},
    "/embeddings": {"error", "detail"},
    "/v1/rerank": {"error", "detail", "message"},
    "/v1/models/nobody/nothing": {"error"},
    "/v1/nothing": {"error"},
    "/v1/embed": {"message"},
    "/v2/embed": {"message"},
    "/v2/rerank": {"message"},
    "/v2/nothing": {"message"},
    "/v1/tokenize": {"message"},
    "/embed": {"error", "error_type"},
    "/embed_all": {"error", "error_type"},
    "/similarity": {"error", "error_type"},
    "/tokenize": {"error", "error_type"},
    "/rerank": {"error", "error_type", "message"},
    "/": {"error", "error_type"},
    "/api/embed": {"error"},
    "/api/nothing": {"error"},
}


@pytest.mark.parametrize("path", SHAPES)
def test_errors_are_told_in_the_dialects_shape(client, path):
    """Whatever is wrong: the body, the method or the route."""
    answer = client.post(path, json={})
    assert 400 <= answer.status_code < 500
    body = answer.json()
    assert body.keys() >= SHAPES[path]
    assert {"code", "param", "remedy"} <= told(answer).keys()
    for field in SHAPES[path] - {"error"}:
        assert isinstance(body[field], str)
    if isinstance(body.get("error", ""), str):
        texts = [body[field] for field in SHAPES[path] - {"error_type"}]
        assert all(told(answer)["remedy"] in text for text in texts)
    else:
        assert body["error"].keys() >= {"message", "type", "param", "code", "remedy"}


FAULTS: dict[type[BinderyError], tuple[int, int]] = {
    InvalidValue: (400, 422),
    TextTooLong: (400, 413),
    UnknownModel: (404, 404),
    ModelMissing: (424, 424),
    TextFailed: (422, 424),
    EngineError: (503, 424),
    Overloaded: (503, 429),
    DeadlineExceeded: (503, 429),
    Busy: (503, 429),
    Abandoned: (499, 499),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", SHAPES)
def test_faults_have_the_dialects_status_and_say_when_to_come_back(fault, path):
    answer = error_answer(fault("What is wrong.", remedy="What to do."), path)
    is_tei = "error_type" in SHAPES[path]
    assert answer.status_code == FAULTS[fault][is_tei]
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
    assert b"What is wrong." in answer.body
    assert b"What to do." in answer.body


@pytest.mark.parametrize("name", [name for name in EMBEDS if "contextualized" not in name])
def test_several_vectors_of_a_text_are_given_where_there_is_room_for_them(families, name):
    client, library = families
    if name in ELSEWHERE:
        body: dict[str, Any] = {"inputs": ["a book"], "model": "colbert"}
        if name == "tei_similarity":
            body["inputs"] = {"source_sentence": "a book", "sentences": ["a book"]}
        assert client.post(EMBEDS[name].paths[0], json=body).status_code == 200
        return
    speaker, path = SPEAKERS[name], address(EMBEDS[name].paths[0], "colbert")
    how = {"output_dimension": 8} if name.endswith("voyage") else {}
    answer = client.post(path, json=speaker.body(["a book"], "colbert", **how))
    if EMBEDS[name].may_nest:
        expected = library.encoder("colbert").encode(["a book"], "document").rows
        assert np.abs(np.float32(speaker.read(answer.json())[0]) - expected).max() < 1e-5
    else:
        assert answer.status_code in (400, 422)
        assert told(answer)["param"] == "model"
        assert "/v1/embeddings" in told(answer)["remedy"]
