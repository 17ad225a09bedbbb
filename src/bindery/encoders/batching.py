"""One queue per model: texts of all callers, run in small batches of like length.

Small batches of equal length beat large ones on a processor, because the activations stay in its
cache; and the first run of every new shape costs milliseconds, so lengths are rounded up to a few
and batches are filled to powers of two.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from bindery.encoders.tokeniser import Tokens
from bindery.errors import EngineError

Ids: TypeAlias = npt.NDArray[np.int32]
Result = TypeVar("Result")
Run: TypeAlias = Callable[[list[Tokens], int], Iterable[Result]]
"""Tokens of several texts and the length to pad them to, in; one result for each, in order, out.

A result is whatever the encoder makes of a text: a vector, a matrix of its tokens' vectors.
"""

# What OpenVINO on a processor wants; other engines say what they do.
_BATCH_TOKENS = 1024

# However short the texts, a batch holds no more of them than of texts of this many tokens.
_SHORTEST = 64


def padded_length(tokens: int) -> int:
    """The length a text is padded to: steps of 8 up to 256, of 64 beyond.

    Never 0: a model without special tokens makes none of an empty text.
    """
    step = 8 if tokens <= 256 else 64
    return max(1, -(-tokens // step)) * step


def padded(
    texts: Sequence[Tokens], length: int, *, attends_to_expansion: bool = False
) -> tuple[Ids, Ids]:
    """Ids and mask of a batch, (b, length) int32, padded on the right.

    Padding is masked, so its id only has to be one that every table has. What fills a query up is
    masked too, unless the model was trained otherwise; it attends to the other tokens all the same,
    and that is what makes it mean something.
    """
    ids = np.zeros((len(texts), length), dtype=np.int32)
    mask = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text.ids
        mask[row, : len(text) - (0 if attends_to_expansion else text.expansion)] = 1
    return ids, mask


def batch_size(length: int, waiting: int, batch_tokens: int = _BATCH_TOKENS) -> int:
    """How many of the waiting texts of one length go into a batch: a power of two."""
    most = max(1, min(waiting, batch_tokens // max(length, _SHORTEST)))
    return 1 << (most.bit_length() - 1)


@dataclass(slots=True, eq=False)
class _Call(Generic[Result]):
    """One caller's texts: what is still to run, by padded length, and the results by place.

    ``turn`` counts the tokens run for it, from the turn of the callers it joined: the caller with
    the least is served next, so that a query does not wait for ten thousand chunks.
    """

    turn: int
    waiting: dict[int, deque["_Item[Result]"]]
    results: dict[int, Result]
    missing: int
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Item(Generic[Result]):
    call: _Call[Result]
    place: int
    tokens: Tokens


class Batcher(Generic[Result]):
    """Worker threads over one queue. Callers wait; a caller's texts come back in its order.

    The threads start with the first text. ``batch_tokens`` is how many tokens a batch holds at
    most, padding included; a single text may be longer.
    """

    def __init__(
        self, run: Run[Result], *, workers: int, batch_tokens: int = _BATCH_TOKENS
    ) -> None:
        self._run = run
        self._batch_tokens = batch_tokens
        self._workers = workers
        self._changed = threading.Condition()
        self._calls: list[_Call[Result]] = []
        self._closed = False
        self._threads: list[threading.Thread] = []

    @property
    def waiting(self) -> int:
        """How many texts are in line."""
        with self._changed:
            return sum(len(items) for call in self._calls for items in call.waiting.values())

    def run(self, texts: Sequence[Tokens]) -> list[Result]:
        """The result of each text, in order. Raises whatever the batch of any of them raised."""
        if not texts:
            return []
        call = self._enqueue(texts)
        call.done.wait()
        if call.error is not None:
            raise call.error
        return [call.results[place] for place in range(len(texts))]

    def close(self) -> None:
        """Stop the workers after the batch they are at; callers still waiting get EngineError."""
        with self._changed:
            self._closed = True
            for call in list(self._calls):
                self._fail(call, _closed())
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _enqueue(self, texts: Sequence[Tokens]) -> _Call[Result]:
        call = _Call[Result](0, {}, {}, len(texts))
        for place, tokens in enumerate(texts):
            length = padded_length(len(tokens))
            call.waiting.setdefault(length, deque()).append(_Item(call, place, tokens))
        with self._changed:
            if self._closed:
                raise _closed()
            self._start()
            call.turn = min((other.turn for other in self._calls), default=0)
            self._calls.append(call)
            self._changed.notify_all()
        return call

    def _start(self) -> None:
        """Start the threads, once; the lock is held."""
        for number in range(len(self._threads), self._workers):
            thread = threading.Thread(
                target=self._work, name=f"bindery-batch-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while batch := self._next():
            length, items = batch
            try:
                results = self._run([item.tokens for item in items], length)
                self._deliver(items, results)
            except BaseException as error:  # noqa: BLE001 - every caller in it must hear of it
                with self._changed:
                    for item in items:
                        self._fail(item.call, error)

    def _next(self) -> tuple[int, list[_Item[Result]]] | None:
        """The next batch: the longest texts of the caller whose turn it is, and others like them.

        Long ones first, so that the last batches are short ones and the workers end together.
        """
        with self._changed:
            while not self._calls and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            first = min(self._calls, key=lambda call: call.turn)
            length = max(first.waiting)
            alike = [call for call in self._calls if call is not first and length in call.waiting]
            waiting = sum(len(call.waiting[length]) for call in (first, *alike))
            size = batch_size(length, waiting, self._batch_tokens)
            items: list[_Item[Result]] = []
            for call in (first, *alike):
                items += self._take(call, length, size - len(items))
            return length, items

    def _take(self, call: _Call[Result], length: int, most: int) -> list[_Item[Result]]:
        waiting = call.waiting[length]
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        call.turn += length * len(taken)
        if not waiting:
            del call.waiting[length]
        if not call.waiting:
            self._calls.remove(call)
        return taken

    def _deliver(self, items: list[_Item[Result]], results: Iterable[Result]) -> None:
        """Put each result in its place. Raises ValueError where there are not as many as texts."""
        found = list(zip(items, results, strict=True))  # before any caller is woken
        with self._changed:
            for item, result in found:
                item.call.results[item.place] = result
                item.call.missing -= 1
                if not item.call.missing:
                    item.call.done.set()

    def _fail(self, call: _Call[Result], error: BaseException) -> None:
        """Wake the caller with an error and run no more of its texts; the lock is held."""
        call.error = error
        call.waiting.clear()
        if call in self._calls:
            self._calls.remove(call)
        call.done.set()


def _closed() -> EngineError:
    return EngineError("The model was closed.", remedy="Load it again.")
