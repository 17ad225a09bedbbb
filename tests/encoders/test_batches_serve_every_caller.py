"""The queue between callers and the engine, with a run function that anyone can follow."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.encoders import batching
from bindery.encoders.batching import Batcher, batch_size, padded_length
from bindery.encoders.tokeniser import Tokens
from bindery.errors import EngineError

POISON = -1
# How large a batch may be is a matter of measuring, so the figures are not repeated here.
MOST_TOKENS = batching._BATCH_TOKENS
MOST_TEXTS = MOST_TOKENS // batching._SHORTEST


def text(number: int, length: int) -> Tokens:
    """A text of ``length`` tokens that begins with its number."""
    return Tokens(np.array([number, *[0] * (length - 1)], dtype=np.int32), 0, 0, (0, length))


def row(tokens: Tokens) -> list[float]:
    """What the engine below makes of a text."""
    return [float(tokens.ids[0]), float(len(tokens))]


@dataclass
class Machine:
    """Runs batches and remembers them; ``open`` lets it go on, ``busy`` says that it has begun."""

    open: threading.Event = field(default_factory=threading.Event)
    busy: threading.Event = field(default_factory=threading.Event)
    batches: list[tuple[int, list[Tokens]]] = field(default_factory=list)

    def __call__(self, texts: list[Tokens], length: int) -> np.ndarray:
        self.batches.append((length, texts))
        self.busy.set()
        assert self.open.wait(30)
        if any(one.ids[0] == POISON for one in texts):
            raise EngineError("poisoned")
        return np.array([row(one) for one in texts], dtype=np.float32)

    def numbers(self) -> list[list[int]]:
        """The numbers of the texts in each batch."""
        return [[int(one.ids[0]) for one in texts] for _, texts in self.batches]


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.open.set()


def until(condition: Callable[[], bool]) -> None:
    """Wait for other threads to get somewhere; how long it takes is not what is tested."""
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)


class Queue:
    """A batcher of one worker that is held up by a first text, and callers that line up behind."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.batcher = Batcher(machine, workers=1)
        self._threads = ThreadPoolExecutor(16)
        self.first = self._threads.submit(self.batcher.run, [text(0, 300)])
        assert machine.busy.wait(30)

    def call(self, *texts: Tokens) -> Future[list[np.ndarray]]:
        """A further caller, in line when this returns."""
        before = self.batcher.waiting
        call = self._threads.submit(self.batcher.run, texts)
        until(lambda: self.batcher.waiting == before + len(texts))
        return call

    def finish(self) -> list[list[int]]:
        """Let everything run; the batches after the first."""
        self.machine.open.set()
        self._threads.shutdown()
        self.batcher.close()
        return self.machine.numbers()[1:]


@given(
    calls=st.lists(st.lists(st.integers(1, 400), max_size=40), max_size=8),
    workers=st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_every_caller_gets_its_own_in_order(calls: list[list[int]], workers: int) -> None:
    machine = Machine()
    machine.open.set()
    batcher = Batcher(machine, workers=workers)
    texts = [
        [text(1000 * number + place, length) for place, length in enumerate(call)]
        for number, call in enumerate(calls)
    ]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(batcher.run, texts))
    batcher.close()

    for call, answer in zip(texts, answers, strict=True):
        assert [vector.tolist() for vector in answer] == [row(one) for one in call]
    seen = sorted(number for batch in machine.numbers() for number in batch)
    assert seen == sorted(int(one.ids[0]) for call in texts for one in call)
    for length, batch in machine.batches:
        assert {padded_length(len(one)) for one in batch} == {length}
        assert len(batch) == 1 or len(batch) * length <= MOST_TOKENS
        assert len(batch) <= MOST_TEXTS


def test_callers_at_the_same_time_share_batches(machine: Machine) -> None:
    queue = Queue(machine)
    one = queue.call(text(11, 7), text(12, 30))
    two = queue.call(text(21, 8))
    three = queue.call(text(31, 29), text(32, 5), text(33, 6))

    batches = queue.finish()

    assert [sorted(batch) for batch in batches] == [[12, 31], [11, 21, 32, 33]]
    assert [vector[0] for vector in one.result()] == [11, 12]
    assert [vector[0] for vector in two.result()] == [21]
    assert [vector[0] for vector in three.result()] == [31, 32, 33]
    assert [vector.tolist() for vector in queue.first.result()] == [[0, 300]]


def test_a_caller_with_one_text_does_not_wait_for_one_with_many(machine: Machine) -> None:
    queue = Queue(machine)
    queue.call(*(text(number, 100) for number in range(100, 200)))
    queue.call(text(1, 7))
    queue.call(text(2, 100))

    batches = queue.finish()

    assert batches[1] == [1]
    assert batches[2][0] == 2
    assert sorted(number for batch in batches for number in batch) == [1, 2, *range(100, 200)]


def test_who_was_served_least_is_next_and_its_longest_text_before_others(
    machine: Machine,
) -> None:
    queue = Queue(machine)
    queue.call(text(11, 5), text(12, 100))
    queue.call(text(21, 200))
    queue.call(text(31, 100), text(32, 100))

    assert queue.finish() == [[12, 31], [21], [11], [32]]


def test_a_failure_is_told_to_exactly_those_who_had_a_text_in_it(machine: Machine) -> None:
    queue = Queue(machine)
    healthy = queue.call(text(11, 100))
    poisoned = queue.call(text(21, 100), text(POISON, 5), text(22, 20))
    beside_it = queue.call(text(31, 6))
    after = queue.call(text(41, 20))

    batches = queue.finish()

    for call in (poisoned, beside_it):
        with pytest.raises(EngineError, match="poisoned"):
            call.result()
    assert [vector[0] for vector in healthy.result()] == [11]
    assert [vector[0] for vector in after.result()] == [41]
    assert batches == [[11, 21], [31, POISON], [41]]


def test_texts_of_a_caller_that_has_failed_are_not_run(machine: Machine) -> None:
    queue = Queue(machine)
    poisoned = queue.call(text(POISON, 100), text(21, 5), text(22, 20))
    healthy = queue.call(text(31, 20))

    assert queue.finish() == [[POISON], [31]]
    assert [vector[0] for vector in healthy.result()] == [31]
    with pytest.raises(EngineError, match="poisoned"):
        poisoned.result()


def test_the_next_call_works_after_a_failure(machine: Machine) -> None:
    machine.open.set()
    batcher = Batcher(machine, workers=2)

    for _ in range(3):
        with pytest.raises(EngineError, match="poisoned"):
            batcher.run([text(POISON, 3)])
        assert [vector.tolist() for vector in batcher.run([text(5, 3)])] == [[5, 3]]
    batcher.close()


def test_a_wrong_number_of_vectors_is_an_error_and_no_endless_wait() -> None:
    batcher = Batcher(lambda texts, length: np.zeros((length, 2), np.float32), workers=1)

    for _ in range(2):
        with pytest.raises(ValueError, match="zip"):
            batcher.run([text(1, 3), text(2, 4)])
    batcher.close()


def test_closing_tells_those_who_wait_and_leaves_no_thread(machine: Machine) -> None:
    before = set(threading.enumerate())
    queue = Queue(machine)
    callers = [queue.call(text(number, 10 * number)) for number in range(1, 6)]

    closing = threading.Thread(target=queue.batcher.close)
    closing.start()
    for caller in callers:  # although the batch under way has not ended
        with pytest.raises(EngineError, match="closed"):
            caller.result(30)
    with pytest.raises(EngineError, match="closed"):
        queue.batcher.run([text(9, 9)])
    machine.open.set()
    closing.join(30)

    assert [vector.tolist() for vector in queue.first.result(30)] == [[0, 300]]
    assert queue.finish() == []
    assert set(threading.enumerate()) == before


def test_no_texts_need_no_batch(machine: Machine) -> None:
    batcher = Batcher(machine, workers=1)

    assert batcher.run([]) == []
    batcher.close()
    batcher.close()
    assert machine.batches == []


@given(tokens=st.integers(0, 10_000))
@settings(deadline=None)
def test_lengths_are_rounded_up_to_a_few(tokens: int) -> None:
    length = padded_length(tokens)

    assert length >= max(1, tokens)
    assert padded_length(length) == length
    assert padded_length(tokens + 1) >= length
    assert length - tokens <= max(8, tokens // 4)


def test_there_are_few_lengths() -> None:
    """The first batch of a new shape costs more than the padding does."""
    assert len({padded_length(tokens) for tokens in range(513)}) <= 48


@given(tokens=st.integers(0, 10_000), waiting=st.integers(1, 100))
@settings(deadline=None)
def test_batches_are_powers_of_two_within_the_limits(tokens: int, waiting: int) -> None:
    length = padded_length(tokens)
    size = batch_size(length, waiting)

    assert size.bit_count() == 1
    assert size <= min(waiting, MOST_TEXTS)
    assert size == 1 or size * length <= MOST_TOKENS
    twice_fits = 2 * size <= min(waiting, MOST_TEXTS) and 2 * size * length <= MOST_TOKENS
    assert not twice_fits, "as large as it may be"


def test_a_small_call_does_not_wait_for_a_large_one(machine: Machine) -> None:
    queue = Queue(machine)
    large = queue.call(*(text(100 + number, 200) for number in range(40)))
    small = queue.call(text(7, 50))

    batches = queue.finish()

    assert len(large.result()) == 40
    assert len(small.result()) == 1
    assert [7] in batches[:2]


@pytest.mark.parametrize("batch_tokens", [64, 1024, 4096, 32_768])
def test_engines_say_how_large_their_batches_are(batch_tokens: int) -> None:
    for length, waiting in ((8, 10_000), (64, 10_000), (512, 10_000), (8192, 3)):
        size = batch_size(length, waiting, batch_tokens)
        assert size == 1 or size * max(length, 64) <= batch_tokens
        assert 2 * size > waiting or 2 * size * max(length, 64) > batch_tokens


def test_results_may_be_anything_and_keep_their_order() -> None:
    """A dense model's run gives a vector for each text, others a matrix or a pair."""

    def run(texts: list[Tokens], length: int) -> list[tuple[int, np.ndarray]]:
        return [(length, np.full((len(one), 2), one.ids[0])) for one in texts]

    batcher = Batcher(run, workers=2, batch_tokens=128)
    texts = [text(number, number % 40 + 1) for number in range(100)]

    found = batcher.run(texts)
    batcher.close()

    for number, (one, (length, rows)) in enumerate(zip(texts, found, strict=True)):
        assert length == padded_length(len(one))
        assert rows.shape == (len(one), 2)
        assert (rows == number).all()


def test_threads_start_with_the_first_text() -> None:
    before = set(threading.enumerate())
    batcher = Batcher(lambda texts, _: texts, workers=3)

    assert set(threading.enumerate()) == before
    batcher.run([text(1, 2)])
    assert len(set(threading.enumerate()) - before) == 3
    batcher.close()
    assert not any(thread.is_alive() for thread in set(threading.enumerate()) - before)
