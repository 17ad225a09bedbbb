"""One queue per model: texts of all callers, run in small batches of like length.

Small batches of equal length beat large ones on a processor, because the activations stay in its
cache; and the first run of every new shape costs milliseconds, so lengths are rounded up to a few
and batches are filled to powers of two.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.encoders.tokeniser import Tokens
from bindery.errors import EngineError

Vectors: TypeAlias = npt.NDArray[np.float32]
Run: TypeAlias = Callable[[list[Tokens], int], Vectors]
"""Tokens of several texts and the length to pad them to, in; one row of vectors for each, out."""

_BATCH_TOKENS = 2048
_LARGEST_BATCH = 16


def padded_length(tokens: int) -> int:
    """The length a text is padded to: steps of 8 up to 64, of 16 up to 256, of 64 beyond."""
    step = 8 if tokens <= 64 else 16 if tokens <= 256 else 64
    return -(-tokens // step) * step


def batch_size(length: int, waiting: int) -> int:
    """How many of the waiting texts of one length go into a batch: a power of two."""
    most = max(1, min(waiting, _LARGEST_BATCH, _BATCH_TOKENS // length))
    return 1 << (most.bit_length() - 1)


@dataclass(slots=True, eq=False)
class _Call:
    """One caller's texts: where their vectors go, how many are still to come."""

    number: int
    vectors: list[Vectors | None]
    missing: int
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    call: _Call
    place: int
    tokens: Tokens


class Batcher:
    """Worker threads over one queue. Callers wait; a caller's texts come back in its order."""

    def __init__(self, run: Run, *, workers: int) -> None:
        self._run = run
        self._changed = threading.Condition()
        self._waiting: dict[int, deque[_Item]] = {}
        self._calls = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"bindery-batch-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, texts: Sequence[Tokens]) -> list[Vectors]:
        """The vectors of each text, in order. Raises whatever the batch of any of them raised."""
        if not texts:
            return []
        call = self._enqueue(texts)
        call.done.wait()
        if call.error is not None:
            raise call.error
        return [vectors for vectors in call.vectors if vectors is not None]

    def close(self) -> None:
        """Stop the workers after the batch they are at; callers still waiting get EngineError."""
        with self._changed:
            self._closed = True
            left = {id(item.call): item.call for items in self._waiting.values() for item in items}
            self._waiting.clear()
            self._changed.notify_all()
        for call in left.values():
            self._fail(call, _closed())
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _enqueue(self, texts: Sequence[Tokens]) -> _Call:
        with self._changed:
            if self._closed:
                raise _closed()
            self._calls += 1
            call = _Call(self._calls, [None] * len(texts), len(texts))
            for place, tokens in enumerate(texts):
                length = padded_length(len(tokens))
                self._waiting.setdefault(length, deque()).append(_Item(call, place, tokens))
            self._changed.notify_all()
        return call

    def _work(self) -> None:
        while batch := self._next():
            length, items = batch
            try:
                vectors = self._run([item.tokens for item in items], length)
            except BaseException as error:  # noqa: BLE001 - every caller in it must hear of it
                for item in items:
                    self._fail(item.call, error)
                continue
            self._deliver(items, vectors)

    def _next(self) -> tuple[int, list[_Item]] | None:
        """The next batch, of the caller that has waited longest; its longest texts first.

        Long ones first, so that the last batches are short ones and the workers end together.
        """
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            length = min(self._waiting, key=lambda key: (self._waiting[key][0].call.number, -key))
            items = self._waiting[length]
            batch = [items.popleft() for _ in range(batch_size(length, len(items)))]
            if not items:
                del self._waiting[length]
            return length, batch

    def _deliver(self, items: list[_Item], vectors: Vectors) -> None:
        with self._changed:
            for item, row in zip(items, vectors, strict=True):
                item.call.vectors[item.place] = row
                item.call.missing -= 1
                if not item.call.missing:
                    item.call.done.set()

    def _fail(self, call: _Call, error: BaseException) -> None:
        with self._changed:
            call.error = error
            for length in list(self._waiting):
                kept = deque(item for item in self._waiting[length] if item.call is not call)
                if kept:
                    self._waiting[length] = kept
                else:
                    del self._waiting[length]
        call.done.set()


def _closed() -> EngineError:
    return EngineError("The model was closed.", remedy="Load it again.")
