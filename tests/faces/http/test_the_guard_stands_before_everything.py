"""The guard is plain ASGI, limits the number of requests, and only lets HTTP through."""

import ast
import asyncio
from pathlib import Path

from bindery.faces import http
from bindery.faces.http.app import create_app
from bindery.faces.http.gate.guard import Guard
from bindery.faces.http.gate.origins import Origins
from bindery.faces.http.observing.timings import RequestTimings
from bindery.library import Library
from bindery.settings import Settings
from bindery.store.keys import KeyRing, KeyStore


def test_every_middleware_is_plain_asgi(tmp_path):
    """Starlette's BaseHTTPMiddleware hides from the routes that a client has left."""
    folder = Path(http.__file__).parent
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {
            one.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for one in n.names
        }
        assert not names & {"BaseHTTPMiddleware", "middleware"}, path
    app = create_app(Library(tmp_path), Settings(home=tmp_path))
    assert app.user_middleware
    for middleware in app.user_middleware:
        assert not [
            base for base in middleware.cls.__mro__ if base.__name__ == "BaseHTTPMiddleware"
        ]


def test_a_websocket_is_refused_and_the_lifespan_passes(tmp_path):
    app = create_app(Library(tmp_path), Settings(home=tmp_path))
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/files", "headers": []}
    asyncio.run(app(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
    app.state.services.close()


def test_more_requests_than_the_limit_are_refused_at_once(tmp_path):
    app = create_app(Library(tmp_path), Settings(home=tmp_path, max_requests=2))
    release, statuses = asyncio.Event(), []

    @app.get("/hold")
    async def hold() -> None:
        statuses.append("held")
        await asyncio.wait_for(release.wait(), 30)

    async def one(path: str) -> None:
        async def receive():
            await asyncio.Event().wait()

        async def send(message):
            statuses.extend([message["status"]] if "status" in message else [])

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        await app(scope, receive, send)

    async def run() -> None:
        first = [asyncio.create_task(one("/hold")) for _ in range(2)]
        while len(statuses) < 2:
            await asyncio.sleep(0)
        for path in ("/hold", "/files", "/health"):
            await one(path)
        release.set()
        await asyncio.gather(*first)
        await one("/files")

    asyncio.run(run())
    assert statuses == ["held", "held", 503, 503, 200, 200, 200, 200]
    app.state.services.close()


def test_a_full_queue_refuses_before_a_body_is_read_and_says_when_to_come_back(tmp_path):
    routes = create_app(Library(tmp_path), Settings(home=tmp_path)).routes
    settings = Settings(home=tmp_path)
    reached, sent = [], []

    async def inner(scope, receive, send):
        reached.append(scope["path"])

    async def receive():
        raise AssertionError("the body was asked for")

    async def send(message):
        sent.append(message)

    def ask(method, path, wait_s):
        guard = Guard(
            inner,
            routes=routes,
            settings=settings,
            keys=KeyRing(KeyStore(tmp_path)),
            origins=Origins((), ()),
            until_room_s=lambda: wait_s,
        )
        headers = [(b"host", b"localhost")]
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        scope["state"] = {"timings": RequestTimings()}
        asyncio.run(guard(scope, receive, send))

    ask("POST", "/v1/embeddings", 7)
    [start, _] = sent
    assert start["status"] == 503
    assert (b"retry-after", b"7") in start["headers"]
    assert not reached

    for method, path, wait_s in (
        ("POST", "/v1/embeddings", 0),
        ("GET", "/v1/models", 7),
        ("GET", "/ready", 7),
        ("POST", "/files/upload", 7),
    ):
        ask(method, path, wait_s)
        assert reached.pop() == path
