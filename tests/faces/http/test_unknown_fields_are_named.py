"""A misspelt field is an error on Bindery's own routes, and a warning in other dialects."""

from collections.abc import Iterator

import pytest
from tests.faces.http.test_chunks_are_shown_with_their_places import upload

from bindery.faces.http.dialects.table import DIALECTS
from bindery.faces.http.examples import body_examples

GENERATE = "/embedding/vanilla/generate"


@pytest.mark.parametrize(
    ("path", "body", "unknown", "near"),
    [
        ("/jobs", {"files": ["x"], "strateggy": "late"}, "strateggy", "strategy"),
        ("/jobs", {"files": ["x"], "parentsize": 9}, "parentsize", "parent_size"),
        (
            "/embedding/vanilla/generate",
            {"chunks": ["x"], "dimension": 9},
            "dimension",
            "dimensions",
        ),
        ("/embedding/vanilla/generate?previw=2", {"chunks": ["x"]}, "previw", "preview"),
    ],
)
def test_own_routes_refuse_unknown_fields(client, path, body, unknown, near):
    answer = client.post(path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unknown_field", unknown)
    assert error["remedy"] == f"Did you mean {near!r}?"


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/chunk/fixed/file/{id}?sise=9", "size"),
        ("/jobs?limitt=9", "limit"),
        ("/files/{id}?colour=9", ""),
    ],
)
def test_own_routes_refuse_unknown_query_parameters(client, path, near):
    file_id = upload(client, "a.txt", b"Oak and elm.")
    error = client.get(path.replace("{id}", file_id)).json()["error"]
    assert error["code"] == "unknown_field"
    assert near in error["remedy"]


@pytest.mark.parametrize(
    ("field", "warning"),
    [
        ("dimension", "Unknown field 'dimension' was ignored. Did you mean 'dimensions'?"),
        (
            "anydimensions",
            "Unknown field 'anydimensions' was ignored. Did you mean 'any_dimensions'?",
        ),
        ("rotati\u00f6n", "Unknown field 'rotati\\xf6n' was ignored. Did you mean 'rotation'?"),
        ("user", None),
        ("safety_identifier", None),
    ],
)
def test_other_dialects_warn_of_near_misses(client, field, warning):
    body = {"model": "vanilla", "input": "x", field: 9}
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200
    assert answer.headers.get("bindery-warning") == warning


def _additions() -> Iterator[object]:
    """Each addition to each route of a dialect, with a body that the route accepts."""
    for dialect in DIALECTS:
        for one in (*dialect.embeds, *dialect.reranks):
            if one.body.refuses_unknown:
                continue
            values = [v["value"] for v in body_examples(one.body, one.examples).values()]
            body = next(v for v in values if not one.marks or not one.marks.isdisjoint(v))
            for path in one.paths:
                for name in sorted(one.body.additions):
                    yield pytest.param(path, body, name, id=f"{one.name} {path} {name}")
    yield pytest.param("/tokenize", {"inputs": "x"}, "model", id="tokenize")
    yield pytest.param("/decode", {"ids": [2054]}, "model", id="decode")


@pytest.mark.parametrize(("path", "body", "name"), list(_additions()))
def test_every_dialect_warns_of_near_misses_of_our_additions(client, path, body, name):
    near = name[:2] + name[3:]
    answer = client.post(path, json={**body, near: 1})
    assert answer.status_code == 200, answer.text
    assert answer.headers["bindery-warning"] == (
        f"Unknown field {near!r} was ignored. Did you mean {name!r}?"
    )


def test_every_route_of_a_dialect_that_embeds_or_ranks_has_additions():
    for dialect in DIALECTS:
        for one in (*dialect.embeds, *dialect.reranks):
            assert one.body.additions or one.body.refuses_unknown, one.name


def test_the_answer_with_chunks_may_be_sent_back_whole(client):
    file_id = upload(client, "a.txt", b"Oak and elm.")
    chunks = client.get(f"/chunk/fixed/file/{file_id}").json()
    answer = client.post(GENERATE, json=chunks)
    assert (answer.status_code, answer.json()["total_chunks"]) == (200, 1)
    assert client.post(GENERATE, json={**chunks, "chunkss": []}).status_code == 400
