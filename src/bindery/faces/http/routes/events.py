"""Server-Sent Events: the progress of a job, in the format that browsers and curl read.

::

    id: 7
    event: progress
    data: {"chunks_done": 300, ...}

Listeners do not block a thread. Twice a second each looks for new events, which takes a thread for
a millisecond and also finds those of other processes. A client that reconnects sends the last id
that it saw as ``Last-Event-ID``, as browsers do, and misses nothing.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

import orjson

from bindery.errors import InvalidValue
from bindery.faces.http.background import Pool
from bindery.faces.http.errors import Busy

_LOOK_S = 0.5
# Proxies close connections that are silent for 30 or 60 seconds.
_HEARTBEAT_S = 15.0
# Two looks per second of about a millisecond each: together a fifth of one thread.
_MOST_LISTENERS = 100
# Event numbers are 64-bit integers in SQL, so they have at most this many digits.
_MOST_DIGITS = 18
_RETRY_MS = 2000

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""Without the second header, nginx would buffer events."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Events that happened together have the same ``number``."""

    number: int
    kind: str
    data: object


@dataclass(frozen=True, slots=True)
class EventBatch:
    """The events since the last look; ``is_last`` means that none will follow."""

    events: Sequence[Event]
    is_last: bool


def written(events: Sequence[Event]) -> bytes:
    """The events as they are sent.

    Only the last of those that happened together has the id, so that a client that was cut off
    between them gets all of them again.
    """
    last = {event.number: event for event in events}
    return b"".join(
        (b"id: %d\n" % event.number if last[event.number] is event else b"")
        # orjson writes no line breaks, which would end the field.
        + b"event: %s\ndata: %s\n\n" % (event.kind.encode(), orjson.dumps(event.data))
        for event in events
    )


class Listeners:
    """Limits the number of listeners, because each polls and keeps a connection open."""

    def __init__(
        self,
        pool: Pool,
        is_ending: Callable[[], bool],
        *,
        look_s: float = _LOOK_S,
        heartbeat_s: float = _HEARTBEAT_S,
    ) -> None:
        self._pool = pool
        self._is_ending = is_ending
        self._look_s = look_s
        self._heartbeat_s = heartbeat_s
        self._count = 0  # changed only on the event loop

    def check_room(self) -> None:
        """Raise Busy if there are too many listeners, or if the server is stopping."""
        if self._is_ending():
            raise Busy("The server is stopping.", remedy="Try again in a moment.")
        if self._count >= _MOST_LISTENERS:
            raise Busy(
                f"{self._count} clients already follow jobs, which is the limit.",
                remedy="Use GET /jobs/{job_id} instead.",
            )

    async def follow(self, look: Callable[[int], EventBatch], after: int) -> AsyncGenerator[bytes]:
        """The events after number ``after`` as they happen, with comments to keep the line open.

        Ends with the last event, or with the server; a client that reconnects gets the rest.
        """
        self._count += 1
        try:
            yield b"retry: %d\n\n" % _RETRY_MS
            spoke = time.monotonic()
            while not self._is_ending():
                news = await self._pool.run(look, after)
                if news.events:
                    yield written(news.events)
                    after = news.events[-1].number
                    spoke = time.monotonic()
                if news.is_last:
                    return
                if time.monotonic() - spoke > self._heartbeat_s:
                    yield b": still here\n\n"
                    spoke = time.monotonic()
                await asyncio.sleep(self._look_s)
        finally:
            self._count -= 1


def last_event_id(given: str | None) -> int:
    """The number in ``Last-Event-ID``, 0 without one. Raises InvalidValue."""
    if not given:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS):
        raise InvalidValue(
            f"Last-Event-ID must be the id of an event, got {given[:40]!r}.",
            remedy="Send the last id that you received, or leave it out to get all events.",
            param="Last-Event-ID",
        )
    return int(given)
