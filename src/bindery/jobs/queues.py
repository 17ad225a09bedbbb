"""How the threads of a job communicate: a bounded queue, and a signal to all of them."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Closed(Exception):
    """The queue was closed by its reader."""


class BoundedQueue(Generic[_T]):
    """A queue whose items have weights. A writer waits while their sum is ``capacity`` or more.

    The queue is over when all its ``writers`` have left and all items are taken.
    """

    def __init__(self, *, capacity: int, writers: int) -> None:
        self._capacity = capacity
        self._writers = writers
        self._items: deque[tuple[_T, int]] = deque()
        self._weight = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, item: _T, weight: int) -> None:
        """Add an item when there is room; an empty queue has room for any item. Raises Closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._weight < self._capacity)
            if self._is_closed:
                raise Closed
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()

    def leave(self) -> None:
        """Declare that one writer is done."""
        with self._changed:
            self._writers -= 1
            self._changed.notify_all()

    def take(self) -> _T | None:
        """The next item, or None if the queue is empty."""
        with self._changed:
            if not self._items:
                return None
            item, weight = self._items.popleft()
            self._weight -= weight
            self._changed.notify_all()
            return item

    @property
    def is_over(self) -> bool:
        """Whether the queue is empty and no writer is left."""
        with self._changed:
            return not self._items and self._writers <= 0

    def __iter__(self) -> Iterator[_T]:
        """Take every item, waiting for the next one until the queue is over."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._writers <= 0)
            if (item := self.take()) is None:
                return
            yield item

    def wait(self, timeout_s: float) -> None:
        """Wait for an item, for a writer to leave, or for :meth:`wake`."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout_s)

    def wake(self) -> None:
        """End every :meth:`wait`."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Drop all items, and raise Closed in every writer."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()


class Signal:
    """Wakes all threads that wait for it. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def send(self) -> None:
        """End all waits."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait for the next :meth:`send`, for at most this long."""
        with self._condition:
            self._condition.wait(timeout_s)
