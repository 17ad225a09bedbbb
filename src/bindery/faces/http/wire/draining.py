"""How connections end when the server does, so that nobody who asked is left without an answer.

Every answer says ``connection: close`` from then on. What remains are connections on which nothing
is asked just now. A request may be on its way on any of them, and closing would lose it; so they
are told 408, by which HTTP has a server take leave of an idle client (RFC 9110, 15.5.9: what is "in
transit" may be sent again), are closed on our side alone, and read on for a moment, lest a reset
overtake the words.
"""

import asyncio
import contextlib
import ctypes
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bindery.faces.http.errors import Busy, RequestTimeout, error_answer

# A client that has just connected, or read an answer, has so long to ask before it is taken leave
# of; a request that is on its way then, so long to arrive.
_QUIET_S = 0.5
_LINGER_S = 0.5
_TICK_S = 0.01

_CLOSE = (b"connection", b"close")
_OF_BODIES = {b"content-length", b"transfer-encoding"}


class DrainMiddleware:
    """Sees to it, around the app, that a server that ends answers.

    Once ``is_ending()``, each answer tells its client to connect anew for the next request; and a
    request that is cancelled, because time is up, is told 503.
    """

    def __init__(self, app: ASGIApp, is_ending: Callable[[], bool]) -> None:
        self._app = app
        self._is_ending = is_ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False
        # A connection that is closed over an unread body is reset, and its answer may be lost.
        is_read = not any(name in _OF_BODIES and value != b"0" for name, value in scope["headers"])

        async def receive_noting() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or not message.get("more_body", False)
            return message

        async def send_closing(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                if is_read and self._is_ending():
                    message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        try:
            await self._app(scope, receive_noting, send_closing)
        except asyncio.CancelledError:
            if has_started:
                raise  # too late for an answer; the server cuts the connection
            is_read = True  # as much as it will be
            error = Busy("The server is ending.", remedy="Send it again, in a moment.")
            await error_answer(error, scope["path"])(scope, receive, send_closing)


async def accept_queued(listener: socket.socket, until: float) -> None:
    """Return once everybody is taken in whom the kernel let connect; on Linux it lets in no more.

    Closing a listening socket resets the connections that still wait in it, on which requests may
    have been sent. At ``until`` it gives up, as where the process may open no more files.
    """
    _turn_away(listener)
    while _is_readable(listener.fileno()) and time.monotonic() < until:
        await asyncio.sleep(0)
    for _ in range(10):  # rounds of the loop: what is accepted becomes a connection in the third
        await asyncio.sleep(0)


def _turn_away(listener: socket.socket) -> None:
    """Have the kernel drop who begins to connect: they try again, and are refused by then."""
    if sys.platform != "linux":
        return  # between the last look and the closing somebody may slip in, and is reset
    # Classic BPF on the TCP header (man 7 socket): drop packets that bear SYN, take all others.
    program = b"".join(struct.pack("=HBBI", *line) for line in _DROP_SYN)
    kept = ctypes.create_string_buffer(program)
    # Where it may not (Linux 6.18 asks for CAP_NET_ADMIN), we are where other systems are.
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HP", len(_DROP_SYN), ctypes.addressof(kept)),
        )


_SO_ATTACH_FILTER = 26
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x45, 0, 1, 0x02),  # SYN set: go on, else skip one
    (0x06, 0, 0, 0),  # take none of it
    (0x06, 0, 0, 0xFFFF),  # take it
)


class Drain:
    """Takes leave of connections as they fall quiet."""

    def __init__(self, connections: set[Any]) -> None:
        self._connections = cast("set[HttpToolsProtocol]", connections)
        self._quiet_since: dict[tuple[int, int], float] = {}
        self._lingering: set[asyncio.Transport] = set()

    async def watch(self, until: float) -> None:
        """Note which are quiet, until a time of :func:`time.monotonic`."""
        while (left_s := until - time.monotonic()) > 0:
            self._quiet()
            await asyncio.sleep(min(_TICK_S, left_s))

    async def take(self, until: float) -> bool:
        """Have them all closed, each once it has been answered; whether that was done in time."""
        while self._connections or self._lingering:
            if time.monotonic() >= until:
                return False
            for connection in self._quiet():
                self._part(connection)
            self._lingering = {one for one in self._lingering if not one.is_closing()}
            await asyncio.sleep(_TICK_S)
        return True

    def _quiet(self) -> Iterable[HttpToolsProtocol]:
        """Those that have been quiet for long enough."""
        now = time.monotonic()
        # A connection answers one request after the other: each time the silence begins anew.
        quiet = {(id(one), id(one.cycle)): one for one in self._connections if _is_quiet(one)}
        self._quiet_since = {key: self._quiet_since.get(key, now) for key in quiet}
        return [one for key, one in quiet.items() if now - self._quiet_since[key] >= _QUIET_S]

    def _part(self, connection: HttpToolsProtocol) -> None:
        transport = connection.transport
        descriptor = transport.get_extra_info("socket").fileno()
        if descriptor < 0 or _is_readable(descriptor):
            return  # it asks for something, or has left by itself
        self._connections.discard(connection)
        self._lingering.add(transport)
        transport.set_protocol(_Rest(transport))
        transport.write(_farewell())
        transport.write_eof()


class _Rest(asyncio.Protocol):
    """Throws away what still comes, for a moment."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._end = asyncio.get_running_loop().call_later(_LINGER_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()


def _is_quiet(connection: HttpToolsProtocol) -> bool:
    cycle = cast(RequestResponseCycle | None, connection.cycle)
    # uvicorn makes a scope with the first byte of a request, and a cycle once its head is there.
    is_asked = connection.scope is not (cycle.scope if cycle else None)
    is_answered = cycle is None or cycle.response_complete
    return is_answered and not is_asked and not connection.transport.is_closing()


def _is_readable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()  # select.select knows no descriptor beyond 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _farewell() -> bytes:
    error = RequestTimeout("The server is ending.", remedy="Send it again, in a moment.")
    answer = error_answer(error, "", headers={"connection": "close"})
    status = HTTPStatus(answer.status_code)
    lines = [f"HTTP/1.1 {status} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
