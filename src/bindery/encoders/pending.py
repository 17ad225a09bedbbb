"""What was asked for and is not there yet."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
_U = TypeVar("_U")


class Pending(Generic[_T]):
    """A value that somebody else is computing, and the short work that remains once it is there.

    That work (``finish``) runs in the thread that asks for the result, each time it asks: never in
    the thread that computes, which others wait for.
    """

    def __init__(self, future: "Future[Any]", finish: Callable[[Any], _T]) -> None:
        self._future = future
        self._finish = finish

    @classmethod
    def done(cls, value: _T) -> "Pending[_T]":
        """A value that is there already."""
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

    def then(self, step: Callable[[_T], _U]) -> "Pending[_U]":
        """The value with a further step done to it."""
        finish = self._finish
        return Pending(self._future, lambda found: step(finish(found)))

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back once the value, or its error, is there; at once if it is.

        The callback may run in a thread that others wait for, so it must be short.
        """
        self._future.add_done_callback(lambda _: callback())
