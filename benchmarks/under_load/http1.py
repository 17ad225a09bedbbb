"""As much of HTTP/1.1 as a load generator needs, so that it measures the server and not itself.

Requests are bytes prepared in advance; responses are delimited by their Content-Length. Anything
else (chunked encoding, no length) is an error here.
"""
# pyright: basic

import asyncio
import json
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HOST = "127.0.0.1"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *\d+\r\n", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


class BrokenAnswer(OSError):
    """The connection was closed, or sent something invalid, before a response was complete."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; ``head`` runs up to the empty line and includes it."""

    status: int
    head: bytes
    body: bytes

    @property
    def says_when_to_retry(self) -> bool:
        """Whether there is a Retry-After in seconds."""
        return _RETRY_AFTER.search(self.head) is not None

    @property
    def closes(self) -> bool:
        """Whether the server closes the connection after it."""
        return _CLOSES.search(self.head) is not None


def get(path: str) -> bytes:
    """The bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()


def post(path: str, value: Mapping[str, object]) -> bytes:
    """The bytes of a POST request with a JSON body."""
    body = json.dumps(value).encode()
    return (
        f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


def embeddings(texts: Sequence[str], path: str = "/v1/embeddings") -> bytes:
    """OpenAI's request, for base64 as its own client sends it; long texts may be cut."""
    wish = {"model": "vanilla", "encoding_format": "base64", "truncate": "end"}
    return post(path, {"input": list(texts), **wish})


class Reader:
    """Parses responses from bytes as they arrive. Does no I/O."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: bytes | None = None
        self._length = 0

    @property
    def is_within_an_answer(self) -> bool:
        """Whether part of a response has arrived."""
        return bool(self._buffer) or self._head is not None

    def feed(self, data: bytes) -> Answer | None:
        """The response, if ``data`` completes one."""
        self._buffer += data
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = bytes(self._buffer[: end + 4])
            length = _LENGTH.search(head)
            if length is None:
                raise BrokenAnswer(f"No Content-Length in {head[:200]!r}")
            self._head, self._length = head, int(length[1])
            del self._buffer[: end + 4]
        if len(self._buffer) < self._length:
            return None
        answer = Answer(int(self._head[9:12]), self._head, bytes(self._buffer[: self._length]))
        del self._buffer[: self._length]
        self._head = None
        return answer


class Connection:
    """A persistent connection for one request at a time; blocks the calling thread."""

    def __init__(self, port: int, *, timeout_s: float = 60.0) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Reader()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, request: bytes) -> Answer:
        """Send and wait. Raises OSError if no complete response arrives."""
        self._socket.sendall(request)
        while True:
            data = self._socket.recv(1 << 18)
            if not data:
                raise BrokenAnswer("The connection was closed before the answer was complete.")
            if answer := self._reader.feed(data):
                return answer

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class AsyncConnection(asyncio.Protocol):
    """The same on an event loop; create it with :func:`connect`."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        try:
            answer = self._reader.feed(data)
        except BrokenAnswer as error:
            self._end(error)
            return
        if answer and answer.closes:
            self.close()
        if answer and self._waiting and not self._waiting.done():
            self._waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        where = "within an answer" if self._reader.is_within_an_answer else "before an answer"
        self._end(BrokenAnswer(f"closed {where}{f' ({exc})' if exc else ''}"))

    async def ask(self, request: bytes) -> Answer:
        """Send and wait. Raises OSError if no complete response arrives."""
        if self.is_closed:
            raise BrokenAnswer("closed before a request")
        assert self._transport
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Close the connection."""
        self.is_closed = True
        if self._transport:
            self._transport.abort()

    def _end(self, error: BrokenAnswer) -> None:
        self.close()
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)


async def connect(port: int) -> AsyncConnection:
    """Open a connection. Raises OSError if it is refused."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(AsyncConnection, HOST, port)
    return connection
