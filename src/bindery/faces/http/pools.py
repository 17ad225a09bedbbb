"""Threads for the work that would hold up the event loop, each kind in a pool of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from bindery.faces.http.errors import Busy

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Pool:
    """A number of threads for one kind of work, and a bound on how much may wait for one."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self.threads = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"bindery-{name}")
        self._most = threads + waiting
        self._taken = 0  # counted on the event loop alone, so without a lock

    async def run(self, work: Callable[_P, _T], /, *arguments: _P.args, **named: _P.kwargs) -> _T:
        """What ``work(*arguments)`` returns. Raises Busy where too much is waiting already."""
        if self._taken >= self._most:
            raise Busy(
                f"{self._most} requests are being worked on.", remedy="Try again in a moment."
            )
        self._taken += 1
        try:
            loop = asyncio.get_running_loop()
            context = copy_context()  # so that what is logged there bears the request's id
            return await loop.run_in_executor(
                self._threads, lambda: context.run(work, *arguments, **named)
            )
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Finish what is running; what still waits is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)
