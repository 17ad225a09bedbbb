"""A queue between those who read and the one who embeds, that holds so much and no more."""

import threading
from collections import deque
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Closed(Exception):
    """Nobody takes what is put in any more."""


class Inbox(Generic[_T]):
    """Items by weight: who puts one in waits while there is more than ``capacity``.

    So what is read ahead takes the same memory however much there is to read. ``writers`` put
    items in; once as many have left it is over.
    """

    def __init__(self, *, capacity: int, writers: int) -> None:
        self._capacity = capacity
        self._writers = writers
        self._items: deque[tuple[_T, int]] = deque()
        self._weight = 0
        self._is_closed = False
        self._news = threading.Condition()

    def put(self, item: _T, weight: int) -> None:
        """Add an item, once there is room; the first one always fits. Raises Closed."""
        with self._news:
            self._news.wait_for(lambda: self._is_closed or self._weight < self._capacity)
            if self._is_closed:
                raise Closed
            self._items.append((item, weight))
            self._weight += weight
            self._news.notify_all()

    def leave(self) -> None:
        """Say that a writer has put everything in."""
        with self._news:
            self._writers -= 1
            self._news.notify_all()

    def take(self) -> _T | None:
        """The next item, None where there is none just now."""
        with self._news:
            if not self._items:
                return None
            item, weight = self._items.popleft()
            self._weight -= weight
            self._news.notify_all()
            return item

    @property
    def is_over(self) -> bool:
        """Whether nothing is in it and nothing comes any more."""
        with self._news:
            return not self._items and self._writers <= 0

    def wait(self, timeout_s: float) -> None:
        """Wait for an item, for the end or for :meth:`wake`."""
        with self._news:
            if not self._items:
                self._news.wait(timeout_s)

    def wake(self) -> None:
        """End a :meth:`wait`: something else has happened."""
        with self._news:
            self._news.notify_all()

    def close(self) -> None:
        """Let those who put things in know that nobody takes them."""
        with self._news:
            self._is_closed = True
            self._items.clear()
            self._news.notify_all()
