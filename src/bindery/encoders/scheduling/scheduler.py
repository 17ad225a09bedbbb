"""The queue and the threads of one model: batches across all callers, and recovery from faults."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import cast

from bindery.encoders.figures import EncoderFigures
from bindery.encoders.pending import Cancellation
from bindery.encoders.scheduling.calls import (
    Batch,
    BatchRunner,
    Call,
    Outcome,
    Readout,
    Vectors,
    described,
    padded_length,
)
from bindery.encoders.scheduling.health import BatchWorker, Health
from bindery.encoders.scheduling.queue import Queue
from bindery.encoders.tokeniser import Tokens
from bindery.errors import EngineError

_LOG = logging.getLogger(__name__)

# A single text up to this length is fastest on all cores at once; a longer one, or several, keep
# the cores busy by themselves.
_QUICK_TOKENS = 64

# How often workers are checked while there is work, and a failing engine is tested.
_LOOK_S = 0.2
_PROBE_S = 1.0

# Hanging threads cannot be ended, so this is the most that an engine gets for each stream.
_MOST_HUNG = 4


class Scheduler:
    """Texts in, vectors out. Thread-safe.

    Threads start with the first text: a worker for each stream of the engine, one for short texts
    that come alone, and a supervisor. ``queue_tokens`` is how many tokens may wait, None for any
    number; ``quick_length`` gives the padded length of a short text; ``hang_s`` is how long a full
    batch may run before its worker is given up.
    """

    def __init__(
        self,
        runner: BatchRunner,
        *,
        queue_tokens: int | None = None,
        quick_length: Callable[[int], int] = padded_length,
        hang_s: float = 60.0,
    ) -> None:
        self._runner = runner
        self._quick_length = quick_length
        self._queue = Queue(
            batch_tokens=runner.batch_tokens, most_tokens=queue_tokens, streams=runner.streams
        )
        self._health = Health(hang_s, runner.batch_tokens)
        # Reentrant: the last reference to an encoder may be dropped while the lock is held.
        self._lock = threading.RLock()
        self._work_came = threading.Condition(self._lock)
        self._look = threading.Condition(self._lock)
        self._looks_at = math.inf
        self._workers: list[BatchWorker] = []
        self._hired = self._hung = 0
        self._supervisor: threading.Thread | None = None
        self._probe: Call | None = None
        self._probe_at = 0.0
        self._is_closed = False
        self._ended = threading.Event()

    @property
    def until_room_s(self) -> int:
        """0 if a call would be accepted now; otherwise the seconds until there is room."""
        return self._queue.until_room_s

    @property
    def fault(self) -> str | None:
        """Why there are no answers at the moment; None if there are."""
        return self._health.fault

    def check(self, cancellation: Cancellation | None = None) -> None:
        """Raise what :meth:`submit` would raise, before any work is done for it."""
        if cancellation is not None:
            cancellation.check()
        with self._lock:
            if self._is_closed:
                raise _closed()
            if self._health.failing is not None:
                raise _failing(self._health.failing)
            self._queue.check_room()

    def submit(
        self, texts: Sequence[Tokens], readout: Readout, cancellation: Cancellation | None = None
    ) -> "Future[list[Vectors]]":
        """What ``readout`` makes of each text, in order.

        Raises Overloaded, and EngineError if the scheduler is closed or the engine fails on
        everything. The future raises TextFailed, Abandoned, DeadlineExceeded and EngineError.
        """
        now = time.monotonic()
        call = Call(
            texts, readout, entered=now, deadline=cancellation.deadline if cancellation else None
        )
        with self._lock:
            self.check(cancellation)
            if not texts:
                call.future.set_result([])
                return call.future
            self._start()
            self._admit(call, now)
        if cancellation is not None:
            cancellation.when_cancelled(partial(self._cancel, call))
        return call.future

    def figures(self) -> EncoderFigures:
        """A snapshot of the counters."""
        with self._lock:
            self._queue.figures.workers_alive = len(self._workers)
            self._queue.figures.workers_hung = self._hung
            return self._queue.figures.snapshot()

    def close(self) -> None:
        """End the workers after their current batch, then the engine.

        Waiting calls get EngineError. Waits for the workers, except for those that hang.
        """
        with self._lock:
            is_first, self._is_closed = not self._is_closed, True
            over = self._queue.drain(_closed())
            self._work_came.notify_all()
            self._look.notify()
            for worker in self._workers:
                worker.inbox.put(None)
            supervisor = self._supervisor
            threads = [worker.thread for worker in self._workers]
        _answer(over)
        if supervisor is None:
            if is_first:
                self._runner.close()
            return
        # The last reference to an encoder may be dropped in one of its own threads.
        if threading.current_thread() in (supervisor, *threads):
            return
        while supervisor.is_alive() and not self._ended.wait(_LOOK_S):
            continue
        for thread in threads:
            thread.join(_LOOK_S)

    # Callers

    def _admit(self, call: Call, now: float) -> None:
        """Queue a call, or run it at once, and wake the threads that it concerns."""
        quick = self._quick_for(call)
        if quick is None:
            self._queue.admit(call)
            batches = call.padded_tokens // self._runner.batch_tokens + len(call.waiting)
            self._work_came.notify(batches)
        else:
            [[text]] = call.waiting.values()
            length = self._quick_length(len(text.tokens))
            batch = self._queue.admit_alone(call, length, now)
            quick.begin(batch, now)
            quick.inbox.put(batch)
        if min(now + _LOOK_S, call.deadline or math.inf) < self._looks_at:
            self._look.notify()

    def _quick_for(self, call: Call) -> BatchWorker | None:
        """The idle quick worker, if the call is a single short text."""
        if call.queued > 1 or call.padded_tokens > _QUICK_TOKENS:
            return None
        # A second query at the same time is batched with others instead.
        return next((one for one in self._workers if one.is_quick and one.batch is None), None)

    def _cancel(self, call: Call) -> None:
        with self._lock:
            over = self._queue.cancel(call)
        _answer(over)

    # Workers

    def _start(self) -> None:
        """Start the threads if there are none."""
        if self._supervisor is None or not self._supervisor.is_alive():
            self._hire()
            self._supervisor = threading.Thread(
                target=self._supervise, name="bindery-supervisor", daemon=True
            )
            self._supervisor.start()

    def _hire(self) -> None:
        """Start missing workers, unless too many hang or the scheduler is closed."""
        if self._is_closed or self._hung >= _MOST_HUNG * self._runner.streams:
            return
        for is_quick, number in ((False, self._runner.streams), (True, 1)):
            there = sum(worker.is_quick == is_quick for worker in self._workers)
            for _ in range(number - there):
                self._hired += 1
                worker = BatchWorker(self._work, f"bindery-batch-{self._hired}", is_quick=is_quick)
                try:
                    worker.thread.start()
                except RuntimeError as error:
                    self._health.stalled = f"No thread can be started: {error}."
                    return  # tried again at the next check
                self._workers.append(worker)

    def _work(self, worker: BatchWorker) -> None:
        while (batch := self._next(worker)) is not None:
            outcome = self._runner.run(batch, quickly=worker.is_quick)
            if not self._deliver(worker, batch, outcome):
                return
            del batch, outcome  # otherwise they stay in memory until the next batch

    def _next(self, worker: BatchWorker) -> Batch | None:
        """The next batch; None when the worker must end."""
        batch = worker.inbox.get() if worker.is_quick else None
        with self._lock:
            while batch is None and not (self._is_closed or worker.is_quick):
                now = time.monotonic()
                batch = self._queue.take(now)
                if batch is None:
                    self._work_came.wait()
                else:
                    worker.begin(batch, now)
            if batch is None:
                self._workers.remove(worker)
                self._look.notify()
        return batch

    def _deliver(self, worker: BatchWorker, batch: Batch, outcome: Outcome) -> bool:
        """Answer the callers; returns whether the worker is still needed."""
        with self._lock:
            if worker.is_lost:
                # Others ran its texts long ago.
                self._hung -= 1
                self._look.notify()
                return False
            seconds = time.monotonic() - worker.began
            worker.over = self._settled(batch, outcome, seconds)
            worker.batch = None
        _answer(worker.over)
        worker.over = []
        return True

    def _settled(self, batch: Batch, outcome: Outcome, seconds: float) -> list[Call]:
        """Record the outcome of a batch; returns the calls that are over."""
        self._queue.figures.batch_seconds.add(seconds)
        if isinstance(outcome, BaseException):
            over = self._queue.fail(batch, outcome)
            self._work_came.notify(2)
            good = None
        else:
            over = self._queue.settle(batch, outcome)
            pairs = zip(batch.texts, outcome, strict=True)
            good = next((one for one, made in pairs if not isinstance(made, BaseException)), None)
        if good is None:
            self._health.went_wrong(batch)
        else:
            self._health.went_well(batch, good, seconds)
        return over + self._judged()

    # Health

    def _judged(self) -> list[Call]:
        """Test a suspicious engine, and refuse all if it fails; returns the calls that are over."""
        health = self._health
        if self._is_closed:
            return self._queue.drain(_closed())
        if self._probe is not None and self._probe.is_over:
            error, self._probe = self._probe.error, None
            if error is not None:
                reason = described(error.__cause__ or error)
                health.failing = f"The engine fails on every text: {reason}"
        elif health.is_suspicious and health.fault is None and self._probe is None:
            self._prove()
        return [] if health.failing is None else self._refuse(health.failing)

    def _prove(self) -> None:
        """Run one text alone, before all others."""
        now = time.monotonic()
        self._probe = self._health.probe(now)
        self._probe_at = now + _PROBE_S
        self._queue.admit_first(self._probe)
        self._work_came.notify()

    def _supervise(self) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                over = self._looked_after(now)
                if self._is_closed and not self._workers:
                    break
                if not over:
                    self._looks_at = min(self._next_look(now), self._queue.next_deadline())
                    wait_s = self._looks_at - now
                    self._look.wait(None if wait_s == math.inf else max(0.0, wait_s))
            _answer(over)
        _answer(over)
        if self._hung:
            self._ended.set()  # an engine that hangs may also hang in its close
        try:
            self._runner.close()
        finally:
            self._ended.set()

    def _next_look(self, now: float) -> float:
        """When to check the workers again, if nothing happens before."""
        busy = (
            self._queue.figures.queue_texts
            or self._queue.figures.running_texts
            or self._health.fault
            or any(worker.over for worker in self._workers)
        )
        return now + _LOOK_S if busy else math.inf

    def _looked_after(self, now: float) -> list[Call]:
        """Replace dead and hanging workers, and judge progress; returns the calls that are over."""
        over = self._queue.expire(now)
        for worker in list(self._workers):
            if not worker.thread.is_alive():
                over += self._bury(worker)
            else:
                over += self._give_up(worker, now)
        self._hire()
        bulk = [worker for worker in self._workers if not worker.is_quick]
        if self._hung and not bulk:
            over += self._refuse(f"All {self._hung} threads of the engine hang.")
        elif bulk and all(self._seems_stuck(worker, now) for worker in bulk):
            self._health.stalled = "The engine takes unusually long for the same texts."
        if self._health.fault and self._probe is None and now >= self._probe_at:
            self._prove()
        return over + self._judged()

    def _seems_stuck(self, worker: BatchWorker, now: float) -> bool:
        batch = worker.batch
        return batch is not None and now - worker.began > self._health.patience_s(batch)

    def _bury(self, worker: BatchWorker) -> list[Call]:
        """A thread ended unexpectedly; others run its batch again."""
        self._workers.remove(worker)
        self._queue.figures.workers_replaced += 1
        self._work_came.notify_all()
        if worker.batch is None:
            return worker.over
        return worker.over + self._queue.fail(worker.batch, EngineError("its thread ended."))

    def _give_up(self, worker: BatchWorker, now: float) -> list[Call]:
        """Replace a worker that hangs; its thread ends if the engine ever returns."""
        batch = worker.batch
        if batch is None or now - worker.began <= (limit_s := self._health.limit_s(batch)):
            return []
        worker.is_lost = True
        self._workers.remove(worker)
        self._hung += 1
        self._queue.figures.workers_replaced += 1
        self._health.went_missing(batch)
        self._work_came.notify_all()
        return self._queue.give_up(batch, EngineError(f"it ran for more than {limit_s:g} s."))

    def _refuse(self, reason: str) -> list[Call]:
        """Refuse everything, because the engine answers nothing."""
        self._health.failing = reason
        return self._queue.drain(_failing(reason), but=self._probe)


def _answer(calls: Iterable[Call]) -> None:
    """Set the callers' futures; without the lock, because callbacks may do anything."""
    for call in calls:
        if call.future.done():  # by a thread that died in a callback
            continue
        try:
            if call.error is None:
                call.future.set_result(cast("list[Vectors]", call.results))
            else:
                call.future.set_exception(call.error)
        except BaseException:  # noqa: BLE001
            # An error in one caller's callback must not affect the others.
            _LOG.exception("A callback failed.")


def _closed() -> EngineError:
    return EngineError("The model was closed.", remedy="Load it again.")


def _failing(reason: str) -> EngineError:
    return EngineError(reason, remedy="Try again later; if that does not help, restart.")
