"""Every route with every method and every kind of key: which requests are admitted."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import product
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.routing import Match
from tests.homes import home_with

from bindery.faces.http.app import create_app
from bindery.faces.http.gate.access import ACCESS, OPEN, RouteScopes, Scope, check_access, lines_of
from bindery.library import Library, ModelState
from bindery.options import ModelOptions
from bindery.settings import Settings
from bindery.store.keys import KeyStore

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
# None of them is a route, and each is like one.
NO_ROUTES = [
    "/nothing",
    "/v1/nothing",
    "//health",
    "/health/",
    "/Health",
    "/health\x00",
    "/health;x=1",
    "/health/../files",
    "/docs/..//files",
    "/health%2f..%2ffiles",
    "/%66iles",
    "/files/../metrics",
    "/.",
    "*",
    "",
]

RUNNER = asyncio.Runner()
"""All requests run on one event loop: making one takes longer than a request."""


@pytest.fixture(scope="module", autouse=True)
def _loop_is_closed() -> Iterator[None]:
    yield
    RUNNER.close()


@dataclass(frozen=True)
class Answered:
    """An answer, and how often the app asked for a piece of the body."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    asked: int


def scope_of(method: str, path: str, headers: dict[str, str]) -> dict:
    """The ASGI scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in ({"host": "localhost"} | headers).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }


def ask(app: FastAPI, method: str, path: str, headers: dict[str, str]) -> Answered:
    """Send a request with a body to the app, as a server would."""
    asked, sent = 0, []

    async def receive():
        nonlocal asked
        asked += 1
        if asked > 1:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = scope_of(method, path, {"content-length": "2", **headers})
    RUNNER.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answered(sent[0]["status"], dict(sent[0]["headers"]), body, asked)


def apps(home: Path) -> FastAPI:
    return create_app(
        Library(home, ModelOptions(precision="f32")), Settings(home=home, precision="f32")
    )


@pytest.fixture(scope="module")
def open_app(tmp_path_factory) -> Iterator[FastAPI]:
    """An app without keys, over an empty home."""
    app = apps(tmp_path_factory.mktemp("open"))
    yield app
    app.state.services.close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> tuple[Path, dict[str, dict[str, str]]]:
    """A home with keys, and the headers of each kind of client."""
    guarded = tmp_path_factory.mktemp("guarded")
    store = KeyStore(guarded)
    texts = {scope: store.create(scope, [scope])[1].reveal() for scope in Scope}
    revoked, revoked_text = store.create("revoked", list(Scope))
    store.revoke(revoked.id)
    good = texts[Scope.EMBED]
    everybody = {
        "nobody": {},
        "a wrong key": {"authorization": f"Bearer bindery_00000000_{'0' * 64}"},
        "a wrong secret": {"authorization": f"Bearer {good[:-8]}00000000"},
        "no bearer": {"authorization": good},
        "basic": {"authorization": f"Basic {good}"},
        "two words": {"authorization": f"Bearer {good} {good}"},
        "an empty key": {"authorization": "Bearer ", "x-api-key": ""},
        "two keys": {"authorization": f"Bearer {good}", "x-api-key": texts[Scope.ADMIN]},
        "a revoked key": {"authorization": f"Bearer {revoked_text.reveal()}"},
        "a key in another header": {"api-key": good, "cookie": good},
    }
    for scope, text in texts.items():
        everybody[scope] = {"authorization": f"Bearer {text}"}
    return guarded, everybody


@pytest.fixture(scope="module")
def closed_app(keys, tmp_path_factory) -> Iterator[FastAPI]:
    """An app with those keys, over an otherwise empty home."""
    closed = tmp_path_factory.mktemp("closed")
    (closed / "keys.json").write_bytes((keys[0] / "keys.json").read_bytes())
    app = apps(closed)
    yield app
    app.state.services.close()


def paths(app: FastAPI) -> list[str]:
    """A path that a client would request, for every route of the app."""
    found = {str(context.path) for context in iter_route_contexts(app.routes)}
    return sorted({re.sub(r"{[^}]*}", "nothing", path) for path in found})


def requests(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every path with every method."""
    return product(paths(app), METHODS)


def line_of(app: FastAPI, method: str, path: str) -> str | None:
    """The line of the table for the route that the router chooses; None if it finds none."""
    method = "GET" if method == "HEAD" else method
    scope = {"type": "http", "method": method, "path": path, "headers": [], "root_path": ""}
    for context in iter_route_contexts(app.routes):
        if context.matches(dict(scope))[0] is Match.FULL:
            return f"{method} {context.path}"
    return None


def expected(line: str | None, who: str) -> int | None:
    """The status of a refusal; None if the request is admitted."""
    needs = ACCESS[line] if line else frozenset()
    if needs is OPEN:
        return None
    if who not in list(Scope):
        return HTTPStatus.UNAUTHORIZED
    return None if needs <= {Scope(who)} else HTTPStatus.FORBIDDEN


def test_the_table_has_every_route_and_no_other(open_app):
    assert sorted(ACCESS) == sorted(set(lines_of(open_app.routes)))


def test_only_probes_and_the_files_of_the_page_are_open():
    assert {line for line, needs in ACCESS.items() if needs is OPEN} == {
        "GET /health",
        "GET /ready",
        "GET /",
        "GET /page/{name}",
        "GET /view/{collection}/{file_id}",
        "GET /docs",
        "GET /docs/{name}",
    }


def test_every_route_turns_away_who_has_no_key_for_it(minilm_folder, keys):
    guarded, everybody = keys
    # The home has the model, which refused requests must not load.
    home_with(minilm_folder, guarded)
    app = apps(guarded)
    asked = [(path, method, line_of(app, method, path)) for path, method in requests(app)]
    for (path, method, line), who in product(asked, everybody):
        status = expected(line, who)
        if status is None:
            continue
        answer = ask(app, method, path, everybody[who])
        what = f"{method} {path} by {who}: {answer}"
        assert (answer.status, answer.asked) == (status, 0), what
        challenge = b"Bearer" if status == HTTPStatus.UNAUTHORIZED else None
        assert answer.headers.get(b"www-authenticate") == challenge, what
    states = {status.card.id: status.state for status in app.state.services.library.statuses()}
    assert states["vanilla"] is ModelState.PRESENT
    app.state.services.close()


def test_every_route_treats_who_has_the_key_as_a_server_without_keys_does(
    open_app, closed_app, keys
):
    _, everybody = keys
    for path, method in requests(open_app):
        line = line_of(open_app, method, path)
        answer = ask(open_app, method, path, {})
        what = f"{method} {path}: {answer}"
        assert answer.status not in (401, 403), what
        assert answer.status < 500 or path == "/ready", what
        assert (answer.status == 405) == (line is None), what
        for who, headers in everybody.items():
            if expected(line, who) is None:
                assert ask(closed_app, method, path, headers).status == answer.status, (what, who)
            # Without keys, whatever key a client sends is ignored.
            elif who != Scope.ADMIN:
                assert ask(open_app, method, path, headers).status == answer.status, (what, who)


@pytest.mark.parametrize("path", NO_ROUTES)
def test_what_is_no_route_is_told_to_those_alone_who_have_a_key(open_app, closed_app, keys, path):
    _, everybody = keys
    for method in METHODS:
        assert ask(open_app, method, path, {}).status in (404, 405)
        for who, headers in everybody.items():
            answer = ask(closed_app, method, path, headers)
            if who in list(Scope):
                assert answer.status in (403, 404, 405)
            else:
                assert (answer.status, answer.asked) == (401, 0)


def test_both_headers_show_a_key_and_the_scheme_is_any_case(closed_app, keys):
    text = keys[1][Scope.ADMIN]["authorization"].removeprefix("Bearer ")
    for headers in (
        {"x-api-key": text},
        {"authorization": f"bearer {text}"},
        {"authorization": f"BEARER   {text} "},
        {"authorization": f"Bearer {text}", "x-api-key": text},
    ):
        assert ask(closed_app, "GET", "/metrics", headers).status == 200


def test_to_cut_by_meaning_a_key_must_open_embedding_too(closed_app, keys):
    path = f"/chunk/semantic/file/{'0' * 64}"
    refused = ask(closed_app, "GET", path, keys[1][Scope.FILES])

    assert refused.status == 403
    assert b"--scope embed" in refused.body
    assert (
        ask(closed_app, "GET", path.replace("semantic", "fixed"), keys[1][Scope.FILES]).status
        == 404
    )


def test_a_key_in_the_address_is_none(closed_app, keys):
    text = keys[1][Scope.ADMIN]["authorization"].removeprefix("Bearer ")
    for path in (f"/metrics?key={text}", f"/metrics?api_key={text}", f"/metrics/{text}"):
        assert ask(closed_app, "GET", path, {}).status == 401


def test_no_header_but_host_has_a_say_in_which_route_it_is(closed_app):
    """CVE-2026-48710: a URL built from the Host header does not decide about the route."""
    for headers in (
        {"host": "localhost/health?"},
        {"x-original-url": "/health", "x-rewrite-url": "/health"},
        {"x-forwarded-prefix": "/health", "x-http-method-override": "GET"},
    ):
        assert ask(closed_app, "GET", "/files", headers).status in (401, 421)


def test_a_revoked_key_opens_nothing_on_any_route_a_moment_later(home, tmp_path):
    store = KeyStore(tmp_path)
    key, text = store.create("short-lived", list(Scope))
    app = apps(tmp_path)
    headers = {"x-api-key": text.reveal()}
    assert ask(app, "GET", "/files", headers).status == 200
    store.revoke(key.id)
    while ask(app, "GET", "/files", headers).status == 200:
        pass  # half a second, and the test would never end if the server did not look again
    for path in paths(app):
        for method in METHODS:
            line = line_of(app, method, path)
            if line is None or ACCESS[line] is not OPEN:
                assert ask(app, method, path, headers).status == 401
    app.state.services.close()


def test_a_server_without_keys_closes_with_the_first(tmp_path):
    app = apps(tmp_path)
    assert ask(app, "GET", "/files", {}).status == 200
    store = KeyStore(tmp_path)
    key, _ = store.create("first", list(Scope))
    while ask(app, "GET", "/files", {}).status == 200:
        pass
    store.revoke(key.id)
    assert ask(app, "GET", "/files", {}).status == 401
    assert ask(app, "GET", "/health", {}).status == 200
    app.state.services.close()


def test_a_damaged_file_of_keys_lets_nobody_in(tmp_path):
    store = KeyStore(tmp_path)
    _, text = store.create("laptop", list(Scope))
    store.path.write_text("{")
    app = apps(tmp_path)

    answer = ask(app, "GET", "/files", {"x-api-key": text.reveal()})

    assert answer.status == 503
    assert orjson.loads(answer.body)["error"]["code"] == "keys_broken"
    assert str(tmp_path).encode() not in answer.body
    assert ask(app, "GET", "/health", {}).status == 200
    app.state.services.close()


def test_a_route_without_a_line_keeps_the_app_from_starting(tmp_path, monkeypatch):
    monkeypatch.delitem(ACCESS, "POST /v1/rerank")
    with pytest.raises(LookupError, match="POST /v1/rerank"):
        apps(tmp_path)


def test_a_mounted_app_has_no_line_either(open_app):
    app = FastAPI(openapi_url=None)
    app.mount("/files", FastAPI())
    with pytest.raises(LookupError, match="/files"):
        check_access(app.routes)


def test_a_route_that_came_later_is_the_operators(keys):
    guarded, everybody = keys
    app = apps(guarded)

    @app.get("/late")
    async def late() -> None: ...

    assert ask(app, "GET", "/late", everybody["nobody"]).status == 401
    assert ask(app, "GET", "/late", everybody[Scope.EMBED]).status == 403
    assert ask(app, "GET", "/late", everybody[Scope.ADMIN]).status == 200
    app.state.services.close()


PIECES = st.sampled_from(
    [
        "files",
        "upload",
        "docs",
        "health",
        "v1",
        "models",
        "a",
        "..",
        ".",
        "",
        "%2f",
        "chunk",
        "file",
    ]
)


@hypothesis_settings(deadline=None, max_examples=300)
@given(pieces=st.lists(PIECES, max_size=6), method=st.sampled_from(METHODS))
def test_the_guard_and_the_router_find_the_same_route(open_app, pieces, method):
    path = "/" + "/".join(pieces)
    line = line_of(open_app, method, path)
    assert RouteScopes(open_app.routes).required(method, path) == (
        ACCESS[line] if line else frozenset()
    )


def test_an_answer_that_is_refused_bears_the_marks_of_every_other(closed_app):
    answer = ask(closed_app, "GET", "/files", {"x-request-id": "mine"})
    assert answer.headers[b"x-request-id"] == b"mine"
    assert answer.headers[b"x-content-type-options"] == b"nosniff"
