"""What clients send beside plain requests: HEAD, compressed bodies, a byte order mark."""

import gzip
import json
import zlib
from codecs import BOM_UTF8

import pytest
from starlette.testclient import TestClient

from bindery.faces.http.app import create_app
from bindery.faces.http.gate.access import ACCESS
from bindery.library import Library
from bindery.settings import Settings

BODY = json.dumps({"inputs": "Loose paper is fragile. " * 500}).encode()
PLAIN = [line.removeprefix("GET ") for line in ACCESS if line[:4] == "GET " and "{" not in line]


def tokenise(client, content, encoding: str):
    headers = {"content-type": "application/json", "content-encoding": encoding}
    return client.post("/tokenize", content=content, headers=headers)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_compressed_body_is_decoded(client, encoding) -> None:
    expected = client.post("/tokenize", content=BODY).json()
    packed = gzip.compress(BODY)
    assert tokenise(client, packed, encoding).json() == expected
    pieces = iter([packed[n : n + 50] for n in range(0, len(packed), 50)])
    assert tokenise(client, pieces, encoding).json() == expected


def test_a_large_body_may_be_compressed(client) -> None:
    """Several megabytes arrive in a few bytes, and are decoded some at a time."""
    body = json.dumps({"inputs": " " * (5 << 20) + "paper"}).encode()
    [tokens] = tokenise(client, gzip.compress(body), "gzip").json()
    assert [token["text"] for token in tokens if not token["special"]] == ["paper"]


def test_a_compressed_body_keeps_the_limit_of_its_size(client) -> None:
    answer = tokenise(client, gzip.compress(bytes(200 << 20), 1), "gzip")
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    "packed",
    [BODY, gzip.compress(BODY)[:-9], gzip.compress(BODY) + b"x", zlib.compress(BODY), b"\x1f\x8b"],
    ids=["plain", "cut", "followed", "zlib", "begun"],  # gzip writes the time
)
def test_a_broken_compressed_body_is_named(client, packed) -> None:
    answer = tokenise(client, packed, "gzip")
    assert answer.status_code == 422  # as Text Embeddings Inference answers a wrong body
    assert "gzip" in answer.json()["message"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x" * 500])
def test_other_encodings_are_refused(client, encoding) -> None:
    answer = tokenise(client, BODY, encoding)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


def test_a_byte_order_mark_is_no_error(client) -> None:
    assert client.post("/tokenize", content=BOM_UTF8 + BODY).status_code == 200


@pytest.mark.parametrize("path", [*PLAIN, "/v1/models/vanilla", "/v1/models/nothing", "/nowhere"])
def test_head_answers_as_get_without_a_body(client, path) -> None:
    expected = client.get(path, follow_redirects=False)
    answer = client.head(path, follow_redirects=False)
    assert answer.status_code == expected.status_code
    assert answer.content == b""
    assert answer.headers["content-type"] == expected.headers["content-type"] or path == "/metrics"
    if path not in {"/metrics", "/ready"}:
        assert answer.headers["content-length"] == expected.headers["content-length"]


def test_no_answer_shows_where_the_server_keeps_its_files(tmp_path) -> None:
    (tmp_path / "bindery.db").write_bytes(b"not a database" * 1000)
    app = create_app(Library(tmp_path), Settings(home=tmp_path))
    answer = TestClient(app, base_url="http://127.0.0.1").get("/files")
    assert answer.status_code == 507
    assert "bindery.db" in answer.text
    assert str(tmp_path) not in answer.text
