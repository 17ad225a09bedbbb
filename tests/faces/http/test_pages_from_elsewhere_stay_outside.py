"""Host, Origin and CORS: the names of the server, and the pages that may use it."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from bindery.errors import InvalidValue
from bindery.faces.http.app import create_app
from bindery.faces.http.gate.origins import Origins
from bindery.library import Library
from bindery.settings import Settings
from bindery.store.keys import KeyStore, Scope

PAGE = "https://app.example.com"
PREFLIGHT = {"access-control-request-method": "POST"}


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> tuple[TestClient, str]:
    """A server with keys that a listed page of another site may use, and a key."""
    home = tmp_path_factory.mktemp("home")
    _, text = KeyStore(home).create("page", [Scope.EMBED])
    settings = Settings(
        home=home,
        host="192.0.2.7",
        allowed_hosts=("bindery.example.com", "[2001:DB8::1]"),
        cors_origins=(PAGE, "http://localhost:3000"),
    )
    app = create_app(Library(home), settings)
    return TestClient(app, base_url="http://127.0.0.1"), text.reveal()


@pytest.fixture(scope="module")
def page(key) -> Iterator[TestClient]:
    client, _ = key
    with client:
        yield client


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("[::1]", 200),
        ("192.0.2.7:8000", 200),
        ("bindery.example.com", 200),
        ("BINDERY.example.com:443", 200),
        ("[2001:db8::1]:8000", 200),
        ("evil.example", 421),
        ("bindery.example.com.evil.example", 421),
        ("evil.bindery.example.com", 421),
        ("bindery.example.com:80:80", 421),
        ("bindery.example.com@evil.example", 421),
        ("evil.example#bindery.example.com", 421),
        ("127.0.0.1.", 421),
        ("127.1", 421),
        ("0.0.0.0", 421),
        ("", 421),
    ],
)
def test_the_server_goes_by_its_names_alone(page, host, status):
    assert page.get("/health", headers={"host": host}).status_code == status


def test_two_hosts_are_none(page):
    headers = [("host", "127.0.0.1"), ("host", "127.0.0.1")]
    assert page.get("/health", headers=headers).status_code == 421


def test_an_empty_name_is_none():
    with pytest.raises(Exception, match="Host header"):
        Origins(["", "[]"]).check({b"host": [b""]})


def test_an_allowed_page_is_answered_so_that_it_may_read(page, key):
    headers = {"origin": PAGE, "authorization": f"Bearer {key[1]}"}
    for answer in (
        page.get("/v1/models", headers=headers),
        page.get("/v1/models/x", headers=headers),
    ):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["vary"] == "origin"
        assert "access-control-allow-credentials" not in answer.headers
    assert answer.status_code == 404
    # It can also read why it was refused.
    answer = page.get("/v1/models", headers={"origin": PAGE})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_a_browser_may_ask_beforehand_without_a_key(page):
    answer = page.options("/v1/embeddings", headers={"origin": PAGE, **PREFLIGHT})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "*" not in str(answer.headers)
    asked = "authorization, content-type, idempotency-key, last-event-id, x-stainless-os"
    headers = {"access-control-request-headers": asked}
    answer = page.options("/v1/embeddings", headers={"origin": PAGE, **PREFLIGHT, **headers})
    assert answer.headers["access-control-allow-headers"] == asked
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    private = {"access-control-request-private-network": "true"}
    answer = page.options("/v1/embeddings", headers={"origin": PAGE, **PREFLIGHT, **private})
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(
    "origin",
    ["app://obsidian.md", "tauri://localhost", "vscode-webview://1f0c", "chrome-extension://a"],
)
def test_an_app_or_extension_may_be_allowed(origin):
    origins = Origins([], [origin])
    headers = {b"host": [b"localhost"], b"origin": [origin.encode()]}
    origins.check(headers)
    assert (b"access-control-allow-origin", origin.encode()) in origins.marks(headers)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:444",
        "https://app.example.com.evil.example",
        "https://APP.example.com",
        "https://app.example.com/",
        "https://app.example.com, https://evil.example",
        "null",
        "",
    ],
)
def test_another_page_is_turned_away(page, key, origin):
    headers = {"origin": origin, "authorization": f"Bearer {key[1]}"}
    for answer in (
        page.get("/v1/models", headers=headers),
        page.options("/v1/embeddings", headers={**headers, **PREFLIGHT}),
    ):
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_page_of_this_machine_may_use_it_and_read_where_it_is_listed(page, key):
    authorization = {"authorization": f"Bearer {key[1]}"}
    for port, may_read in ((3000, True), (4000, False)):
        origin = {"origin": f"http://localhost:{port}"}
        answer = page.get("/v1/models", headers=authorization | origin)
        assert answer.status_code == 200
        assert ("access-control-allow-origin" in answer.headers) == may_read


def test_options_from_nowhere_is_a_method_like_others(page, key):
    assert page.options("/v1/models", headers=PREFLIGHT).status_code == 401
    headers = {"authorization": f"Bearer {key[1]}"}
    assert page.options("/v1/models", headers=headers).status_code == 405


@pytest.mark.parametrize("origin", ["https://evil.example", PAGE, "http://localhost:3000"])
def test_without_a_list_there_is_no_cors(client, origin):
    for answer in (
        client.options("/v1/embeddings", headers={"origin": origin, **PREFLIGHT}),
        client.get("/health", headers={"origin": origin}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.status_code == 403 or "localhost" in origin


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*.example.com", "app.example.com", "null", "https://a/b", "ftp://a", ""],
)
def test_an_origin_is_spelt_out(tmp_path, origin):
    with pytest.raises(InvalidValue) as caught:
        Origins([], [origin])
    assert caught.value.param == "cors_origins"
