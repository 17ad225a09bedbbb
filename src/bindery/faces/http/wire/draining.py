"""How connections end when the server stops, so that every request gets an answer.

From then on every answer says ``connection: close``. That leaves the connections that are idle. A
request may be on its way on any of them, and closing the connection would lose it. So they get a
408, which HTTP defines for closing an idle connection (RFC 9110, 15.5.9: the client may repeat a
request "in transit"). Only our side is closed, and we read on for a moment, because a TCP reset
could overtake the answer.
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
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bindery.faces.http.errors import Busy, RequestTimeout, error_answer
from bindery.faces.http.wire.protocol import closing_answer

# How long a connection must be idle before it gets a 408, and how long we read on afterwards.
_IDLE_S = 0.5
_LINGER_S = 0.5
_TICK_S = 0.01

_CLOSE = (b"connection", b"close")
_OF_BODIES = {b"content-length", b"transfer-encoding"}


class DrainMiddleware:
    """ASGI middleware for a server that is stopping.

    Once ``is_ending()``, every answer closes its connection. A request that is cancelled because
    the time is up is answered with 503.
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
        # Closing a connection with an unread body resets it, and its answer may be lost.
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
                raise  # too late for an answer: the server closes the connection
            is_read = True  # nothing more will be read
            error = Busy("The server is stopping.", remedy="Try again in a moment.")
            await error_answer(error, scope["path"])(scope, receive, send_closing)


async def accept_queued(listener: socket.socket, until: float) -> None:
    """Return when every queued connection is accepted. On Linux, no new ones are queued.

    Closing a listening socket resets the connections that wait in its queue, and clients may
    already have sent requests on them. Gives up at ``until``, for example if the process has too
    many open files.
    """
    _drop_new_connections(listener)
    while _is_readable(listener.fileno()) and time.monotonic() < until:
        await asyncio.sleep(0)
    for _ in range(10):  # an accepted socket becomes a connection in the third round of the loop
        await asyncio.sleep(0)


def _drop_new_connections(listener: socket.socket) -> None:
    """Have the kernel drop new connection attempts; clients repeat them and are then refused."""
    if sys.platform != "linux":
        return  # a client that connects just before the socket closes is reset
    # Classic BPF on the TCP header (man 7 socket): drop packets with SYN set, accept all others.
    # tests/faces/http/test_closing_loses_no_request.py measures what this saves.
    program = b"".join(struct.pack("=HBBI", *line) for line in _DROP_SYN)
    kept = ctypes.create_string_buffer(program)
    # Without the right to (Linux 6.18 requires CAP_NET_ADMIN) it is as on other systems.
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HP", len(_DROP_SYN), ctypes.addressof(kept)),
        )


_SO_ATTACH_FILTER = 26
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the flags
    (0x45, 0, 1, 0x02),  # if SYN is set continue, else skip one
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF),  # accept
)


class Drain:
    """Closes connections once they are idle."""

    def __init__(self, connections: set[Any]) -> None:
        self._connections = cast("set[HttpToolsProtocol]", connections)
        self._idle_since: dict[tuple[int, int], float] = {}
        self._lingering: set[asyncio.Transport] = set()

    async def watch(self, until: float) -> None:
        """Note since when connections are idle. Returns at ``until`` (``time.monotonic``)."""
        while (left_s := until - time.monotonic()) > 0:
            self._idle()
            await asyncio.sleep(min(_TICK_S, left_s))

    async def close_all(self, until: float) -> bool:
        """Close each connection when it is idle. False if some were left at ``until``."""
        while self._connections or self._lingering:
            if time.monotonic() >= until:
                return False
            for connection in self._idle():
                self._close(connection)
            self._lingering = {one for one in self._lingering if not one.is_closing()}
            await asyncio.sleep(_TICK_S)
        return True

    def _idle(self) -> Iterable[HttpToolsProtocol]:
        """The connections that have been idle for long enough."""
        now = time.monotonic()
        # The time starts again with each request of a connection.
        idle = {(id(one), id(one.cycle)): one for one in self._connections if _is_idle(one)}
        self._idle_since = {key: self._idle_since.get(key, now) for key in idle}
        return [one for key, one in idle.items() if now - self._idle_since[key] >= _IDLE_S]

    def _close(self, connection: HttpToolsProtocol) -> None:
        transport = connection.transport
        descriptor = transport.get_extra_info("socket").fileno()
        if descriptor < 0 or _is_readable(descriptor):
            return  # it sends a request, or was closed by the client
        self._connections.discard(connection)
        self._lingering.add(transport)
        transport.set_protocol(_Discarding(transport))
        error = RequestTimeout("The server is stopping.", remedy="Try again in a moment.")
        transport.write(closing_answer(error))
        transport.write_eof()


class _Discarding(asyncio.Protocol):
    """Reads on and discards what arrives, for a moment."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._end = asyncio.get_running_loop().call_later(_LINGER_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()


def _is_idle(connection: HttpToolsProtocol) -> bool:
    cycle = cast(RequestResponseCycle | None, connection.cycle)
    # uvicorn creates a scope at the first byte of a request, and a cycle after its headers.
    is_asked = connection.scope is not (cycle.scope if cycle else None)
    is_answered = cycle is None or cycle.response_complete
    return is_answered and not is_asked and not connection.transport.is_closing()


def _is_readable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()  # select.select fails for descriptors above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
