"""A result that is still being computed, and how to cancel it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from bindery.errors import Abandoned, DeadlineExceeded

_T = TypeVar("_T")
_U = TypeVar("_U")


class Pending(Generic[_T]):
    """A value that another thread is computing, and the short work that remains after that.

    That work (``finish``) runs in the thread that asks for the result, each time it asks: never in
    the thread that computes, which others wait for.
    """

    def __init__(self, future: "Future[Any]", finish: Callable[[Any], _T]) -> None:
        self._future = future
        self._finish = finish

    @classmethod
    def done(cls, value: _T) -> "Pending[_T]":
        """A value that is already known."""
        future: Future[_T] = Future()
        future.set_result(value)
        return cls(future, lambda found: found)

    @property
    def is_done(self) -> bool:
        """Whether :meth:`result` returns, or raises, without waiting."""
        return self._future.done()

    def result(self) -> _T:
        """Wait for the value. Raises whatever computing it raised."""
        return self._finish(self._future.result())

    def finished(self, computed: Any) -> _T:  # noqa: ANN401 - as the future's own
        """What the result would be if the other thread had computed this."""
        return self._finish(computed)

    def then(self, step: Callable[[_T], _U]) -> "Pending[_U]":
        """The value with a further step done to it."""
        finish = self._finish
        return Pending(self._future, lambda found: step(finish(found)))

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back once the value, or its error, is there; at once if it is.

        The callback may run in a thread that others wait for, so it must be short.
        """
        self._future.add_done_callback(lambda _: callback())


class Cancellation:
    """Lets a caller cancel a request, or limit how long it may wait. Thread-safe.

    ``deadline`` is a time of :func:`time.monotonic` in seconds; None means no limit. Work that has
    not begun when the deadline passes, or when :meth:`cancel` is called, never runs.
    """

    def __init__(self, *, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    @classmethod
    def within(cls, timeout_s: float) -> "Cancellation":
        """With a deadline ``timeout_s`` seconds from now."""
        return cls(deadline=time.monotonic() + timeout_s)

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Cancel the request. Calling it again changes nothing."""
        with self._lock:
            self._is_cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def when_cancelled(self, callback: Callable[[], None]) -> None:
        """Call back in the thread that cancels; at once if the request is already cancelled."""
        with self._lock:
            if not self._is_cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def check(self) -> None:
        """Raise Abandoned if the request is cancelled, DeadlineExceeded if its time is up."""
        if self._is_cancelled:
            raise Abandoned("The request was cancelled.")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise DeadlineExceeded(
                "The deadline of this request has passed.",
                remedy="Try again later, or with fewer texts.",
            )
