"""A real server with short limits, and connections to it that carry any bytes."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from tests.faces.http.serving import serving

from bindery.faces.http.app import create_app
from bindery.faces.http.gate.access import cancellation_of
from bindery.faces.http.wire.protocol import protocol_for
from bindery.library import Library
from bindery.settings import Settings

# Long enough for a machine with much else to do; nothing waits for it to pass.
PATIENCE_S = 300
LARGE_BYTES = 64 << 20
# Slow clients wait for these; the others must send what they have within them.
LIMIT_S = 1.0
_LIMITS = {"header_timeout_s": LIMIT_S, "body_timeout_s": LIMIT_S}
_BYTES = {"body_limit_bytes": 1 << 20, "upload_limit_bytes": 1 << 20}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return orjson.loads(self.body)["error"]["code"]


class Line:
    """A connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def send(self, *pieces: bytes) -> bool:
        """Send until the server hangs up; returns whether it took everything."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answer(self) -> Answer:
        """The next answer, of a connection that may stay open."""
        raw = b""
        while piece := self.socket.recv(1 << 16):
            raw += piece
            if b"\r\n\r\n" in raw:
                first, *_ = _answers(raw)
                if len(first.body) == int(first.headers["content-length"]):
                    return first
        raise AssertionError(raw)

    def answers(self) -> list[Answer]:
        """All answers until the server hangs up."""
        raw = b""
        try:
            while piece := self.socket.recv(1 << 16):
                raw += piece
        except ConnectionResetError:
            pass  # it hung up on what was still being sent
        return _answers(raw)

    def drip(self, piece: bytes) -> list[Answer]:
        """All answers until the server hangs up, while a few bytes are sent again and again."""
        self.socket.settimeout(0.05)
        raw = b""
        for _ in range(PATIENCE_S * 20):
            try:
                if not self.send(piece) or not (got := self.socket.recv(1 << 16)):
                    return _answers(raw)
                raw += got
            except TimeoutError:
                continue
            except ConnectionResetError:
                return _answers(raw)
        raise AssertionError("the server waits without end")


@dataclass
class Server:
    """A server in a thread of this process."""

    uvicorn: uvicorn.Server
    app: FastAPI
    home: Path
    port: int

    @contextmanager
    def connect(self) -> Iterator[Line]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            yield Line(connection)

    def ask(self, *pieces: bytes) -> list[Answer]:
        """All answers of the server to these bytes until it hangs up."""
        with self.connect() as line:
            line.send(*pieces)
            return line.answers()

    def wait_until_free(self) -> None:
        """Wait until no connection is left; fails if the server keeps one."""
        for _ in range(PATIENCE_S * 100):
            if not self.uvicorn.server_state.connections:
                return
            time.sleep(0.01)
        raise AssertionError("a connection is still open")


@contextmanager
def _serving(home: Path, **changes: object) -> Iterator[Server]:
    settings = replace(Settings(home=home), **(_LIMITS | _BYTES | changes))
    app = create_app(Library(home), settings)
    _add_routes(app)
    with serving(app, http=protocol_for(settings)) as (server, port):
        try:
            yield Server(server, app, home, port)
        finally:
            app.state.is_over = True


def _add_routes(app: FastAPI) -> None:
    """A route that waits for its client to leave, and one with a large answer."""
    app.state.left, app.state.is_over = threading.Event(), False

    @app.post("/wait")
    async def wait(request: Request) -> None:
        await request.body()
        cancellation_of(request).when_cancelled(app.state.left.set)
        while not cancellation_of(request).is_cancelled and not app.state.is_over:
            await request.is_disconnected()

    @app.get("/large")
    async def large() -> Response:
        return Response(b"x" * LARGE_BYTES)


@pytest.fixture(scope="session")
def serve() -> Callable[..., object]:
    """Serve a home with some settings changed."""
    return _serving


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with _serving(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_traceback(caplog) -> Iterator[None]:
    yield
    loud = [one for one in caplog.records if one.exc_info or one.levelno >= logging.ERROR]
    assert not loud, loud[0].getMessage()


def _answers(raw: bytes) -> list[Answer]:
    found = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        found.append(Answer(int(first.split()[1]), headers, raw[:length]))
        raw = raw[length:]
    return found
