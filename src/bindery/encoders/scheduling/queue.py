"""The queue of a model, and its order: a state machine without threads or a clock."""

import math
from collections import deque
from collections.abc import Iterable, Sequence

from bindery.encoders.figures import EncoderFigures
from bindery.encoders.scheduling.calls import Batch, Call, Text, Vectors, batch_size
from bindery.errors import Abandoned, BinderyError, DeadlineExceeded, Overloaded

# A call of at most a quarter of a batch goes ahead of bulk work: a query, or a chunk or two. It
# delays the others by no more than that.
_SMALL = 4

# While both wait, small calls get at most three quarters of the work.
_SMALL_BATCHES = 3

# The shortest batch costs about as much as a sixteenth of a full one.
_LEAST = 16


class FairQueue:
    """Calls, in the order in which they would finish if all ran at once with equal shares.

    So a short call does not wait for ten thousand chunks, and of equal calls the first finishes
    first; if they really ran side by side, all would finish at the end, and too late. The clock
    says how far each share has come; it advances with every batch, so no call waits forever,
    however many join after it.

    Demers et al., 1989, Analysis and Simulation of a Fair Queueing Algorithm, section 2.
    """

    def __init__(self, batch_tokens: int) -> None:
        self.calls: list[Call] = []
        self._batch_tokens = batch_tokens
        self._clock = 0.0

    def add(self, call: Call) -> None:
        """Add a call."""
        call.turn = self._clock + call.padded_tokens
        self.calls.append(call)

    def remove(self, call: Call) -> None:
        """Remove a call, if it is there."""
        if call in self.calls:
            self.calls.remove(call)

    def take(self) -> Batch:
        """The next batch: the longest texts of the call whose turn it is, and others like them.

        Long texts run first, so that the last batches are short and the workers finish together.
        The queue must not be empty.
        """
        first = min(self.calls, key=_turn)
        length = max(first.waiting)
        alike = [
            call
            for call in self.calls
            if length in call.waiting and call is not first and call.readout == first.readout
        ]
        alike.sort(key=_turn)
        waiting = sum(len(call.waiting[length]) for call in (first, *alike))
        size = batch_size(length, waiting, self._batch_tokens)
        self._clock += length * size / len(self.calls)
        texts: list[Text] = []
        for call in (first, *alike):
            texts += self._texts(call, length, size - len(texts))
        return Batch(tuple(texts), length, first.readout)

    def _texts(self, call: Call, length: int, most: int) -> list[Text]:
        waiting = call.waiting[length]
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        if not waiting:
            del call.waiting[length]
        if not call.waiting:
            self.calls.remove(call)
        return taken


class Queue:
    """Calls in, batches out, results back in; each call that is over is returned exactly once.

    ``most_tokens`` is how many tokens may wait: once they do, calls are refused; until then a call
    is admitted whole. ``streams`` is how many batches run at once. The user holds a lock. Times are
    in seconds.
    """

    def __init__(
        self, *, batch_tokens: int, most_tokens: int | None = None, streams: int = 1
    ) -> None:
        self._batch_tokens = batch_tokens
        self._streams = streams
        self._most_tokens = math.inf if most_tokens is None else most_tokens
        self._small = FairQueue(batch_tokens)
        self._bulk = FairQueue(batch_tokens)
        self._again: deque[Batch] = deque()
        self._has_run_again = False
        self._ahead = 0  # tokens of small calls that ran since waiting bulk work had its turn
        self._calls: dict[Call, None] = {}
        self.figures = EncoderFigures()

    @property
    def is_full(self) -> bool:
        """Whether the next call would be refused."""
        return self.figures.queue_tokens >= self._most_tokens

    def check_room(self) -> None:
        """Raise Overloaded when the queue is full."""
        if not self.is_full:
            return
        self.figures.refused_requests += 1
        raise Overloaded(
            f"{self.figures.queue_tokens} tokens are waiting already; "
            f"at most {self._most_tokens} may.",
            remedy="Try again later.",
            retry_after_s=self.until_room_s,
        )

    def admit(self, call: Call) -> None:
        """Add a call of at least one text. Raises Overloaded."""
        self.check_room()
        is_small = call.padded_tokens * _SMALL <= self._batch_tokens
        (self._small if is_small else self._bulk).add(call)
        self._enter(call)

    def admit_first(self, call: Call) -> None:
        """Add a call of one text that runs before all others, even if the queue is full."""
        self._enter(call)
        self._again.appendleft(self._alone(call))

    def take(self, now: float) -> Batch | None:
        """The next batch to run; None if nothing waits."""
        queue = self._next_queue()
        if self._again and (queue is None or not self._has_run_again):
            # In turn with new texts, so that failing texts do not delay all others.
            self._has_run_again = True
            return self._begin(self._again.popleft())
        if queue is None:
            return None
        self._has_run_again = False
        batch = queue.take()
        is_ahead = queue is self._small and bool(self._bulk.calls)
        cost = max(batch.padded_tokens, self._batch_tokens // _LEAST)
        self._ahead = self._ahead + cost if is_ahead else 0
        return self._begin_first(batch, now)

    def admit_alone(self, call: Call, length: int, now: float) -> Batch:
        """Add a call of one text, and return its batch to run at once. Raises Overloaded."""
        self.check_room()
        self._enter(call)
        return self._begin_first(self._alone(call, length), now)

    def settle(self, batch: Batch, results: Sequence[Vectors | BaseException]) -> list[Call]:
        """Store each result or error; returns the calls that are over."""
        self._finish(batch)
        over: list[Call] = []
        for text, result in zip(batch.texts, results, strict=True):
            if isinstance(result, BaseException):
                over += self._spoil(text, result)
                continue
            self.figures.texts += 1
            self.figures.tokens += len(text.tokens)
            text.call.results[text.index] = result
            over += self._count(text)
        return over

    def fail(self, batch: Batch, error: BaseException) -> list[Call]:
        """Let both halves of a failed batch run again; returns the calls that are over.

        A text counts as failed once it failed twice alone: a batch may fail for other reasons.
        """
        middle = len(batch.texts) // 2
        return self._divide(batch, error, [batch.texts[:middle], batch.texts[middle:]], tries=2)

    def give_up(self, batch: Batch, error: BaseException) -> list[Call]:
        """Let each text of a batch that hangs run alone; returns the calls that are over.

        Not in halves, because each step costs a thread and the time until a hang is noticed.
        """
        return self._divide(batch, error, [(text,) for text in batch.texts], tries=1)

    def cancel(self, call: Call) -> list[Call]:
        """Run no more texts of a call; returns the calls that are over."""
        self.figures.abandoned_texts += 0 if call.is_over else call.queued
        return self._end(call, Abandoned("The request was cancelled."))

    def expire(self, now: float) -> list[Call]:
        """End the calls whose deadline passed before all their texts began to run."""
        late = [call for call in self._calls if call.queued and _deadline(call) <= now]
        self.figures.expired_texts += sum(call.queued for call in late)
        return [ended for call in late for ended in self._end(call, _expired(call))]

    def drain(self, error: BinderyError, *, but: Call | None = None) -> list[Call]:
        """End all calls that have waiting texts, except ``but``."""
        waiting = [call for call in self._calls if call.queued and call is not but]
        return self._end_all(waiting, error)

    def next_deadline(self) -> float:
        """When the next call expires; infinite if none does."""
        return min((_deadline(call) for call in self._calls if call.queued), default=math.inf)

    @property
    def until_room_s(self) -> int:
        """0 if there is room; else how long it takes to run the excess, at the pace so far."""
        if not self.is_full:
            return 0
        figures = self.figures
        too_much = figures.queue_tokens - self._most_tokens + 1
        token_s = figures.batch_seconds.total / max(figures.batch_tokens, 1) / self._streams
        return max(1, math.ceil(too_much * token_s))

    def _next_queue(self) -> FairQueue | None:
        is_owed = self._ahead >= _SMALL_BATCHES * self._batch_tokens
        if self._small.calls and not (self._bulk.calls and is_owed):
            return self._small
        return self._bulk if self._bulk.calls else None

    def _alone(self, call: Call, length: int | None = None) -> Batch:
        [(usual, texts)] = call.waiting.items()
        call.waiting = {}
        return Batch(tuple(texts), length or usual, call.readout)

    def _enter(self, call: Call) -> None:
        self._calls[call] = None
        self.figures.queue_texts += call.queued
        self.figures.queue_tokens += sum(_tokens(texts) for texts in call.waiting.values())

    def _begin_first(self, batch: Batch, now: float) -> Batch:
        for text in batch.texts:
            self.figures.queue_seconds.add(now - text.call.entered)
        return self._begin(batch)

    def _begin(self, batch: Batch) -> Batch:
        self.figures.queue_texts -= len(batch.texts)
        self.figures.queue_tokens -= batch.tokens
        self.figures.running_texts += len(batch.texts)
        for text in batch.texts:
            text.call.queued -= 1
        return batch

    def _finish(self, batch: Batch) -> None:
        figures = self.figures
        figures.batches += 1
        figures.batch_tokens += batch.tokens
        figures.padded_tokens += batch.padded_tokens
        figures.budget_tokens += max(self._batch_tokens, batch.padded_tokens)
        figures.running_texts -= len(batch.texts)

    def _divide(
        self, batch: Batch, error: BaseException, parts: Sequence[Sequence[Text]], *, tries: int
    ) -> list[Call]:
        self._finish(batch)
        self.figures.failed_batches += 1
        [first, *others] = batch.texts
        if not others:
            first.failures += 1
            if first.failures >= tries:
                return self._spoil(first, error)
        for part in parts:
            self._run_again([text for text in part if not text.call.is_over], batch)
        return []

    def _run_again(self, texts: Sequence[Text], batch: Batch) -> None:
        if not texts:
            return
        for text in texts:
            text.call.queued += 1
        self.figures.queue_texts += len(texts)
        self.figures.queue_tokens += _tokens(texts)
        self._again.append(Batch(tuple(texts), batch.length, batch.readout))

    def _spoil(self, text: Text, error: BaseException) -> list[Call]:
        self.figures.failed_texts += 1
        text.call.bad[text.index] = error
        return self._count(text)

    def _count(self, text: Text) -> list[Call]:
        """Count a finished text; returns its call if that was the last one."""
        call = text.call
        call.missing -= 1
        if call.missing:
            return []
        # Not earlier, so that the error names all texts that failed.
        return self._end(call, call.failure() if call.bad else None)

    def _end_all(self, calls: Iterable[Call], error: BinderyError) -> list[Call]:
        return [ended for call in calls for ended in self._end(call, error)]

    def _end(self, call: Call, error: BinderyError | None) -> list[Call]:
        if call.is_over:
            return []
        call.is_over = True
        call.error = error
        del self._calls[call]
        if call.queued:
            self._forget(call)
        return [call]

    def _forget(self, call: Call) -> None:
        """Remove all waiting texts of a call."""
        gone = [text for texts in call.waiting.values() for text in texts]
        call.waiting = {}
        self._small.remove(call)
        self._bulk.remove(call)
        again: deque[Batch] = deque()
        for batch in self._again:
            gone += [text for text in batch.texts if text.call is call]
            if kept := tuple(text for text in batch.texts if text.call is not call):
                again.append(Batch(kept, batch.length, batch.readout))
        self._again = again
        call.queued = 0
        self.figures.queue_texts -= len(gone)
        self.figures.queue_tokens -= _tokens(gone)


def _expired(call: Call) -> DeadlineExceeded:
    error = DeadlineExceeded(
        "The deadline of this request passed before its turn came.",
        remedy="Try again later, or with fewer texts.",
    )
    error.computed = call.results
    return error


def _turn(call: Call) -> float:
    return call.turn


def _tokens(texts: Iterable[Text]) -> int:
    return sum(len(text.tokens) for text in texts)


def _deadline(call: Call) -> float:
    return math.inf if call.deadline is None else call.deadline
