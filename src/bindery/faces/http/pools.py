"""Threads for work that would block the event loop, one pool for each kind of work."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from bindery.faces.http.errors import Busy

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Pool:
    """Threads for one kind of work, with a limit on how many calls may wait."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self.threads = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"bindery-{name}")
        self._most = threads + waiting
        self._taken = 0  # counted on the event loop alone, so without a lock

    async def run(self, work: Callable[_P, _T], /, *arguments: _P.args, **named: _P.kwargs) -> _T:
        """The result of ``work(*arguments)``. Raises Busy if too many calls are waiting."""
        if self._taken >= self._most:
            raise Busy(
                f"The server is busy with {self._most} requests.", remedy="Try again in a moment."
            )
        self._taken += 1
        try:
            loop = asyncio.get_running_loop()
            context = copy_context()  # so that log lines carry the request id
            return await loop.run_in_executor(
                self._threads, lambda: context.run(work, *arguments, **named)
            )
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Finish running calls and drop waiting ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)
