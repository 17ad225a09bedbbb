"""Bad requests of every kind get an answer in our error format, and never cause a fault."""

import json
import threading
import tracemalloc

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bindery.errors import BinderyError
from bindery.faces.http.app import create_app
from bindery.faces.http.errors import STATUSES, status_of
from bindery.faces.http.gate.access import ACCESS, EMBED
from bindery.library import Library
from bindery.settings import Settings

ROUTES = ["/v1/embeddings", "/embedding/vanilla/generate"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = ["input", "chunks", "model", "role", "dimensions", "encoding_format", "truncate"]
quick = hypothesis_settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_refused(answer) -> dict:
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "remedy"}
    assert error["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]
    return error


@quick
@given(body=JSON, route=st.sampled_from(ROUTES))
def test_any_json_gets_an_answer(client, body, route):
    content = json.dumps(body)  # writes NaN and lone surrogates too
    assert_refused(client.post(route, content=content))


@quick
@given(fields=st.dictionaries(st.sampled_from(FIELDS), JSON), route=st.sampled_from(ROUTES))
def test_any_fields_get_an_answer(client, fields, route):
    body = {"model": "vanilla", "input": "x", "chunks": ["x"], **fields}
    answer = client.post(route, content=json.dumps(body))
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert_refused(answer)


@quick
@given(content=st.binary(max_size=100), route=st.sampled_from(ROUTES))
def test_any_bytes_get_an_answer(client, content, route):
    assert_refused(client.post(route, content=content))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "content",
    [
        b'{"model": "vanilla", "input": "\\ud800", "chunks": ["\\ud800"]}',
        b'{"\\ud800": 1}',
        b'{"model": "vanilla", "input": [NaN], "chunks": [NaN]}',
        b'{"model": "vanilla", "input": "x", "chunks": ["x"], "dimensions": 1e999}',
        b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model": "vanilla", "input": ['
        + b"0," * 300_000
        + b'0], "chunks": ['
        + b"0," * 300_000
        + b"0]}",
        "{}".encode("utf-16"),
        b"",
        b"null",
    ],
)
def test_hostile_bodies_are_refused_in_few_words(client, route, content):
    answer = client.post(route, content=content)
    assert_refused(answer)
    assert len(answer.content) < 2000


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused(client, route, announced):
    content = b" " * ((16 << 20) + 1)
    answer = client.post(route, content=content if announced else iter([content]))
    assert answer.status_code == 413
    assert assert_refused(answer)["code"] == "request_too_large"


@pytest.mark.parametrize("item", ["null", "{}", "[]", "[[]]", '"x"', "1.5", "true"])
def test_300_000_wrong_items_get_one_complaint(client, item):
    items = "[" + ",".join([item] * 300_000) + "]"
    names = ["input", "inputs", "chunks", "texts", "documents", "titles", "ids", "embedding_types"]
    fields = "".join(f'"{name}": {items}, ' for name in names[:4])
    for line, needs in ACCESS.items():
        method, path = line.split(" ")
        if method != "POST" or needs != EMBED:
            continue
        path = path.replace("{model_id:path}", "vanilla")
        body = f'{{{fields} "{names[4]}": {items}, "model": "vanilla", "query": "x"}}'
        answer = client.post(path, content=body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert len(answer.content) < 2000, path


@pytest.mark.parametrize("item", [b"[],", b"{},", b'"ab",', b"1.5,", b'"",'])
def test_a_body_that_would_grow_in_memory_is_not_parsed(client, item):
    content = b'{"model": "vanilla", "input": [' + item * (15_000_000 // len(item)) + b"0]}"
    tracemalloc.start()
    try:
        answer = client.post("/v1/embeddings", content=content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert assert_refused(answer)["code"] == "request_too_large"
    assert peak < 100_000_000  # this client has the body three times over, and the server twice


def test_of_a_name_that_comes_twice_the_last_counts(client):
    content = b'{"model": "nothing", "input": "x", "model": "vanilla"}'
    assert client.post("/v1/embeddings", content=content).status_code == 200


def test_what_was_sent_is_not_sent_back(client):
    secret = "canary-3141"
    bodies = [{"model": secret * 100}, {"input": [{"a": secret}], "model": "vanilla"}, {secret: 1}]
    for body in [*bodies, {"input": secret, "model": "vanilla", "encoding_format": secret}]:
        assert secret not in client.post("/v1/embeddings", json=body).text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/docs/../../app.py", 404, "not_found"),
        ("GET", "/docs/%2e%2e%2fapp.py", 404, "not_found"),
        ("PUT", "/health", 405, "method_not_allowed"),
        ("GET", "/v1/embeddings", 405, "method_not_allowed"),
        ("POST", "/files", 405, "method_not_allowed"),
    ],
)
def test_addresses_that_are_none_are_told_in_the_same_shape(client, method, path, status, code):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert assert_refused(answer)["code"] == code


def test_a_long_value_is_not_repeated_whole(client):
    answer = client.post(f"/embedding/{'x' * 20_000}/generate", json={"chunks": ["x"]})
    assert answer.status_code == 404
    assert len(answer.content) < 2000


def test_a_fault_of_ours_is_logged_and_told_without_its_traceback(tmp_path, caplog):
    app: FastAPI = create_app(Library(tmp_path), Settings(home=tmp_path))

    @app.get("/fault")
    async def fault() -> None:
        raise RuntimeError("the secret of the server")

    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get("/fault", headers={"x-request-id": "my-id.1"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert answer.headers["x-request-id"] == "my-id.1"
    assert "secret" not in answer.text
    assert any("my-id.1" in record.getMessage() and record.exc_info for record in caplog.records)


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "é", "<b>"])
def test_a_request_id_that_is_not_sane_is_replaced(client, given):
    answer = client.get("/health", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"].startswith("req_")


def test_every_error_has_a_status():
    def below(kind: type[BinderyError]) -> list[type[BinderyError]]:
        return [kind, *(found for sub in kind.__subclasses__() for found in below(sub))]

    for kind in below(BinderyError):
        assert 400 <= status_of(kind("")) < 600
    assert STATUSES[BinderyError] == 500


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1:8000"])
def test_a_foreign_host_is_turned_away(client, host):
    answer = client.get("/health", headers={"host": host})
    assert answer.status_code == 421
    assert assert_refused(answer)["code"] == "foreign_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_names_of_this_machine_are_taken(client, host):
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", ""])
def test_a_page_from_elsewhere_is_turned_away(bare, bare_home, origin):
    files = {"file": ("a.txt", b"planted")}
    answer = bare.post("/files/upload", files=files, headers={"origin": origin})
    assert answer.status_code == 403
    assert not list((bare_home / "files").glob("*.json"))


def test_a_page_of_this_machine_is_not_and_nobody_gets_cors(client):
    answer = client.get("/health", headers={"origin": "http://localhost:3000"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_health_and_readiness_answer_while_every_worker_is_busy(tmp_path):
    settings = Settings(home=tmp_path)
    app = create_app(Library(tmp_path), settings)
    release = threading.Event()
    with TestClient(app, base_url="http://127.0.0.1") as client:
        services = app.state.services
        try:
            for pool in (services.encoding, services.parsing, services.disk):
                for _ in range(64):
                    pool._threads.submit(release.wait)
            assert client.get("/health").status_code == 200
            assert client.get("/ready").status_code == 503
            assert client.get("/v1/models").status_code == 200
            assert client.get("/docs").status_code == 200
        finally:
            release.set()
