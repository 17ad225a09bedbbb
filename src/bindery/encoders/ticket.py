"""How long a caller waits for its texts, and whether it still does."""

import threading
import time
from collections.abc import Callable

from bindery.errors import Abandoned, DeadlineExceeded


class Ticket:
    """A caller's hold on what it asked for. Safe to use from several threads.

    ``deadline`` is a time of :func:`time.monotonic` in seconds, None to wait without end. What has
    not begun to run by then, or by the time the ticket is cancelled, never does.
    """

    def __init__(self, *, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    @classmethod
    def within(cls, timeout_s: float) -> "Ticket":
        """A ticket that runs out so many seconds from now."""
        return cls(deadline=time.monotonic() + timeout_s)

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller has left."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Say that nobody waits any more; a second time changes nothing."""
        with self._lock:
            self._is_cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def when_cancelled(self, callback: Callable[[], None]) -> None:
        """Call back when the caller leaves, at once if it has; from the thread that cancels."""
        with self._lock:
            if not self._is_cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def check(self) -> None:
        """Raise Abandoned where the caller has left, DeadlineExceeded where time is up."""
        if self._is_cancelled:
            raise Abandoned("Nobody waits for this any more.")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise DeadlineExceeded(
                "The time for this request is up.", remedy="Try again later, or with fewer texts."
            )
