"""Server-Sent Events: what a job tells while it runs, in the form that browsers and curl read.

::

    id: 7
    event: progress
    data: {"chunks_done": 300, ...}

No thread waits with a listener: each looks for what is new twice a second, which takes a thread
for a millisecond and finds what another process did, too. Who was cut off sends the last id that
it saw as ``Last-Event-ID``, as browsers do by themselves, and misses nothing.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

import orjson

from bindery.errors import InvalidValue
from bindery.faces.http.errors import Busy
from bindery.faces.http.pools import Pool

_LOOK_S = 0.5
# Proxies close connections on which nothing comes for 30 or 60 seconds.
_HEARTBEAT_S = 15.0
# Each looks twice a second, and a look takes about a millisecond: a tenth of a thread's time.
_MOST_LISTENERS = 100
# Beyond this no number of an event is: SQL's integers have 64 bits.
_MOST_DIGITS = 18
_RETRY_MS = 2000

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""nginx would keep events back until it has a page of them."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a listener is told. Several may have one ``number``: they happened together."""

    number: int
    kind: str
    data: object


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What is new since the last look; ``is_last`` says that nothing will follow."""

    events: Sequence[Event]
    is_last: bool


def written(events: Sequence[Event]) -> bytes:
    """The events as they are sent.

    Of those that happened together the last alone has the id, so that who is cut off among them is
    told all of them again.
    """
    last = {event.number: event for event in events}
    return b"".join(
        (b"id: %d\n" % event.number if last[event.number] is event else b"")
        # JSON as orjson writes it has no line breaks, which would end the field.
        + b"event: %s\ndata: %s\n\n" % (event.kind.encode(), orjson.dumps(event.data))
        for event in events
    )


class Listeners:
    """Counts who listens, since each holds a connection and looks again and again."""

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
        self._count = 0  # changed on the event loop alone

    def check_room(self) -> None:
        """Raise Busy where one more would be too many, or the server ends."""
        if self._is_ending():
            raise Busy("The server is stopping.", remedy="Try again in a moment.")
        if self._count >= _MOST_LISTENERS:
            raise Busy(
                f"{self._count} listeners follow jobs.", remedy="Ask for the job's state instead."
            )

    async def follow(self, look: Callable[[int], EventBatch], after: int) -> AsyncGenerator[bytes]:
        """The events after a number as they come, and comments in the silence between them.

        Ends with the last one, or with the server: who comes back then is told the rest.
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
    """The number in ``Last-Event-ID``, 0 where there is none. Raises InvalidValue."""
    if not given:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS):
        raise InvalidValue(
            f"Last-Event-ID is {given[:40]!r}, and no number of an event.",
            remedy="Send the last id that came, or leave it out for all events.",
            param="Last-Event-ID",
        )
    return int(given)
