"""Receives the body of a request within its limits, and notices if the client leaves."""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from starlette.types import Message, Receive

from bindery.encoders.pending import Cancellation
from bindery.errors import BinderyError, InvalidValue
from bindery.faces.http.errors import Busy, RequestTimeout, UnsupportedEncoding

# A client may pause, but must be faster than this on average.
_SLOWEST_BYTES_PER_S = 16_000
# Small bodies are always accepted: they are most requests and little memory.
_SMALL_BYTES = 64 << 10


_GZIP = ("gzip", "x-gzip")
_KNOWN_ENCODINGS = ("", "identity", *_GZIP)
_DECODED_AT_ONCE_BYTES = 1 << 20


class Gunzip:
    """Decodes gzip some at a time."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._is_full = False

    @property
    def has_more(self) -> bool:
        """Whether there is more to decode of what was fed."""
        return bool(self._stream.unconsumed_tail) or self._is_full

    def feed(self, piece: bytes) -> bytes:
        """At most 1 MB of the content. Raises InvalidValue for bytes that are not gzip."""
        try:
            given = self._stream.unconsumed_tail + piece
            found = self._stream.decompress(given, _DECODED_AT_ONCE_BYTES)
        except zlib.error:
            raise _broken() from None
        # With as much as was asked for, more may be left in the decoder.
        self._is_full = len(found) == _DECODED_AT_ONCE_BYTES
        if self._stream.unused_data:
            raise _broken()
        return found

    def end(self) -> None:
        """Raise InvalidValue if the content is cut."""
        if not self._stream.eof:
            raise _broken()


def _broken() -> InvalidValue:
    return InvalidValue(
        "The body is not gzip, or it is cut.",
        remedy="Compress it as one gzip stream, or send it without Content-Encoding.",
        param="body",
    )


@dataclass(slots=True)
class Load:
    """The open requests and their size; changed only on the event loop."""

    requests: int = 0
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The limits of a body; ``too_large`` makes the error for a longer one.

    ``held_bytes`` limits all bodies in memory together; None for bodies that are not kept there.
    """

    body_bytes: int
    held_bytes: int | None
    timeout_s: float
    too_large: Callable[[], BinderyError]


class Intake:
    """The app's ``receive``.

    Problems with the body are raised there and kept as ``failure``, because a framework may turn
    them into other errors. After the body, a watcher waits for the client to leave and then
    triggers the cancellation.
    """

    def __init__(
        self,
        receive: Receive,
        cancellation: Cancellation,
        limits: BodyLimits,
        load: Load,
        *,
        announced_bytes: int | None,
        encoding: str = "",
    ) -> None:
        self.failure: BinderyError | None = None
        self._receive = receive
        self._cancellation = cancellation
        self._limits = limits
        self._load = load
        self._received_bytes = 0
        self._decoded_bytes = 0
        self._is_incomplete = True
        self._waited_s = 0.0
        self._watcher: asyncio.Task[None] | None = None
        self._held_bytes = 0
        self._announced_bytes = announced_bytes
        self._encoding = encoding.strip().lower()
        self._gunzip = Gunzip() if self._encoding in _GZIP else None
        # The watcher consumes the empty body of a request without one, so the app gets another.
        self._owes_empty_body = announced_bytes == 0

    def open(self) -> None:
        """Start if the announced body is within the limits. Raises as ``receive`` does.

        Raises UnsupportedEncoding for a ``Content-Encoding`` other than gzip.
        """
        if self._encoding not in _KNOWN_ENCODINGS:
            self._fail(
                UnsupportedEncoding(
                    f"The Content-Encoding {self._encoding[:80]!r} is not supported.",
                    remedy="Send the body compressed with gzip, or as it is.",
                )
            )
        if self._announced_bytes is None:
            return
        if self._announced_bytes > self._limits.body_bytes:
            self._fail(self._limits.too_large())
        if self._gunzip is None or self._announced_bytes == 0:
            # Reserve all of it at once: of many that start together, some then arrive whole.
            self._hold(self._announced_bytes)
        if self._announced_bytes == 0:
            self._watch()

    async def receive(self) -> Message:
        """See ASGI. Raises RequestTimeout, Busy and the error of ``BodyLimits.too_large``."""
        self.check()
        if self._owes_empty_body:
            self._owes_empty_body = False
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._watcher is not None:
            # Routes await this for a moment, to learn whether the client is still connected.
            await asyncio.shield(self._watcher)
            return {"type": "http.disconnect"}
        if self._gunzip is not None and self._gunzip.has_more:
            return self._decoded(b"", more_body=self._is_incomplete)
        message = await self._next()
        if message["type"] == "http.disconnect":
            self._cancellation.cancel()
            return message
        body, more_body = message.get("body", b""), message.get("more_body", False)
        if self._gunzip is not None:
            self._received_bytes += len(body)
            return self._decoded(body, more_body=more_body)
        self._count(len(body))
        if not more_body:
            self._watch()
        return message

    def _decoded(self, body: bytes, *, more_body: bool) -> Message:
        """The next part of a compressed body; a small body can become a large one."""
        assert self._gunzip is not None
        self._is_incomplete = more_body
        try:
            found = self._gunzip.feed(body)
            ends = not more_body and not self._gunzip.has_more
            if ends:
                self._gunzip.end()
        except InvalidValue as error:
            self._fail(error)
        self._decoded_bytes += len(found)
        if self._decoded_bytes > self._limits.body_bytes:
            self._fail(self._limits.too_large())
        self._hold(len(found))
        if ends:
            self._watch()
        return {"type": "http.request", "body": found, "more_body": not ends}

    def check(self) -> None:
        """Raise the problem with the body, if the app has hidden it."""
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Release what the request held, after its answer."""
        if self._watcher is not None:
            self._watcher.cancel()
        self._load.body_bytes -= self._held_bytes

    def _watch(self) -> None:
        self._watcher = asyncio.create_task(self._wait_for_the_end())

    async def _wait_for_the_end(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancellation.cancel()

    async def _next(self) -> Message:
        # Only waiting for the client counts. While we are busy, its bytes wait for us.
        limit_s = self._limits.timeout_s
        earned_s = self._received_bytes / _SLOWEST_BYTES_PER_S
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(min(limit_s, limit_s + earned_s - self._waited_s)):
                return await self._receive()
        except TimeoutError:
            self._fail(
                RequestTimeout(
                    f"The body arrived too slowly: nothing for {limit_s:g} s, or less than "
                    f"{_SLOWEST_BYTES_PER_S // 1000} kB/s.",
                    remedy="Send it without pauses.",
                )
            )
        finally:
            self._waited_s += clock() - started

    def _count(self, size_bytes: int) -> None:
        self._received_bytes += size_bytes
        if self._received_bytes > self._limits.body_bytes:
            self._fail(self._limits.too_large())
        if self._announced_bytes is None:
            self._hold(size_bytes)

    def _hold(self, size_bytes: int) -> None:
        most_bytes = self._limits.held_bytes
        if most_bytes is None:
            return
        held_bytes = self._held_bytes + size_bytes
        if held_bytes > _SMALL_BYTES and self._load.body_bytes + size_bytes > most_bytes:
            self._fail(Busy("Too many large requests at once.", remedy="Try again in a moment."))
        self._held_bytes = held_bytes
        self._load.body_bytes += size_bytes

    def _fail(self, error: BinderyError) -> NoReturn:
        self.failure = error
        raise error
