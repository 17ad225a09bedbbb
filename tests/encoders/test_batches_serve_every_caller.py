"""The queue between callers and the engine, with an engine that anyone can follow."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.encoders.scheduling import BatchRunner, Scheduler, Vectors, padded_length
from bindery.encoders.scheduling.calls import _SHORTEST, batch_size
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Precision
from bindery.errors import EngineError, TextFailed

POISON = 999
MOST_TOKENS = 1024
# How short texts are counted is a matter of measuring, so the figure is not repeated here.
MOST_TEXTS = MOST_TOKENS // _SHORTEST


def text(number: int, length: int) -> Tokens:
    """A text of ``length`` tokens that begins with its number."""
    return Tokens(np.array([number, *[0] * (length - 1)], dtype=np.int32), 0, 0, (0, length))


def vectors(hidden: np.ndarray, mask: np.ndarray, texts: list[Tokens]) -> list[Vectors]:
    """The vector of a text: what the engine made of its first token, and how many it has."""
    return [(np.append(row[0], ones.sum()),) for row, ones in zip(hidden, mask, strict=True)]


def tokens(hidden: np.ndarray, mask: np.ndarray, texts: list[Tokens]) -> list[Vectors]:
    """The vectors of a text's tokens, and the one above."""
    pairs = zip(hidden, vectors(hidden, mask, texts), texts, strict=True)
    return [(rows[: len(one)], vector) for rows, (vector,), one in pairs]


@dataclass
class Machine:
    """An engine whose hidden states are the ids. It remembers its batches.

    ``open`` lets it go on, ``busy`` says that it has begun.
    """

    streams: int = 1
    batch_tokens: int = MOST_TOKENS
    precision: Precision = Precision.FLOAT32
    open: threading.Event = field(default_factory=threading.Event)
    busy: threading.Event = field(default_factory=threading.Event)
    batches: list[np.ndarray] = field(default_factory=list)
    quick: list[np.ndarray] = field(default_factory=list)

    def hidden_states(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        self.batches.append(ids)
        self.busy.set()
        assert self.open.wait(30)
        return self._hidden(ids)

    def hidden_states_quickly(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        self.quick.append(ids)
        return self._hidden(ids)

    def _hidden(self, ids: np.ndarray) -> np.ndarray:
        if (ids == POISON).any():
            raise EngineError("poisoned")
        return ids[:, :, None].astype(np.float32)

    def close(self) -> None:
        self.open.set()

    def numbers(self) -> list[list[int]]:
        """The numbers of the texts in each batch."""
        return [batch[:, 0].tolist() for batch in self.batches]


def scheduler(machine: Machine, **options: object) -> Scheduler:
    return Scheduler(BatchRunner(machine, 1), **options)  # type: ignore[arg-type]


def numbers(answer: list[Vectors]) -> list[int]:
    return [int(vector[0]) for (vector,) in answer]


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.open.set()


def until(condition: Callable[[], bool]) -> None:
    """Wait for other threads to get somewhere; how long it takes is not what is tested."""
    give_up = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)


class Line:
    """A scheduler of one worker that is held up by a first text, and callers that line up."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.scheduler = scheduler(machine)
        self.first = self.call(text(0, 300))
        assert machine.busy.wait(30)

    def call(self, *texts: Tokens) -> Future[list[Vectors]]:
        """A further caller, in line when this returns."""
        return self.scheduler.submit(texts, vectors)

    def finish(self) -> list[list[int]]:
        """Let everything run; the batches after the first."""
        self.machine.open.set()
        until(lambda: self._texts_there() == 0)
        self.scheduler.close()
        return self.machine.numbers()[1:]

    def _texts_there(self) -> int:
        figures = self.scheduler.figures()
        return figures.queue_texts + figures.running_texts


@given(
    calls=st.lists(st.lists(st.integers(1, 400), max_size=40), max_size=8),
    streams=st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_every_caller_gets_its_own_in_order(calls: list[list[int]], streams: int) -> None:
    machine = Machine(streams)
    machine.open.set()
    queue = scheduler(machine)
    texts = [
        [text(1000 * number + place, length) for place, length in enumerate(call, start=1000)]
        for number, call in enumerate(calls)
    ]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda call: queue.submit(call, vectors).result(30), texts))
    queue.close()

    for call, answer in zip(texts, answers, strict=True):
        expected = [[float(one.ids[0]), float(len(one))] for one in call]
        assert [vector.tolist() for (vector,) in answer] == expected
    batches = [*machine.batches, *machine.quick]
    seen = sorted(number for batch in batches for number in batch[:, 0])
    assert seen == sorted(int(one.ids[0]) for call in texts for one in call)
    for batch in batches:
        count, length = batch.shape
        assert padded_length(length) == length
        assert count == 1 or count * length <= MOST_TOKENS
        assert count <= MOST_TEXTS


def test_callers_at_the_same_time_share_batches(machine: Machine) -> None:
    line = Line(machine)
    one = line.call(text(11, 7), text(12, 30))
    two = line.call(text(21, 8), text(22, 9))
    three = line.call(text(31, 29), text(32, 5), text(33, 6))

    batches = line.finish()

    assert [sorted(batch) for batch in batches] == [[22], [11, 21, 32, 33], [12, 31]]
    assert numbers(one.result()) == [11, 12]
    assert numbers(two.result()) == [21, 22]
    assert numbers(three.result()) == [31, 32, 33]
    assert [vector.tolist() for (vector,) in line.first.result()] == [[0, 300]]


def test_vectors_and_token_vectors_share_one_queue_but_no_batch(machine: Machine) -> None:
    line = Line(machine)
    one = line.call(text(11, 7), text(12, 8))
    two = line.scheduler.submit([text(21, 7), text(22, 6)], tokens)
    three = line.scheduler.submit([text(31, 7), text(32, 8)], tokens)

    assert line.finish() == [[11, 12], [21, 22, 31, 32]]
    assert numbers(one.result()) == [11, 12]
    for call, expected in ((two, [(21, 7), (22, 6)]), (three, [(31, 7), (32, 8)])):
        for (rows, vector), (number, length) in zip(call.result(), expected, strict=True):
            assert rows[:, 0].tolist() == [number] + [0] * (length - 1)
            assert vector.tolist() == [number, length]


def test_a_caller_with_one_text_does_not_wait_for_one_with_many(machine: Machine) -> None:
    line = Line(machine)
    line.call(*(text(number, 100) for number in range(100, 200)))
    line.call(text(1, 70))
    line.call(text(2, 100))

    batches = line.finish()

    assert batches[:2] == [[1], [2]]
    assert sorted(number for batch in batches for number in batch) == [1, 2, *range(100, 200)]


def test_small_calls_without_end_leave_a_share_to_bulk(machine: Machine) -> None:
    line = Line(machine)
    line.call(*(text(100 + number, 256) for number in range(12)))
    for number in range(200, 300):
        line.call(text(number, 256))

    batches = line.finish()

    places = [place for place, batch in enumerate(batches) if batch[0] < 200]
    assert places == [3, 7, 11], "a batch of four, and no more than three of others between two"


def test_of_equal_bulk_callers_the_first_is_done_first(machine: Machine) -> None:
    line = Line(machine)
    for caller in (100, 200, 300):
        line.call(*(text(caller + number, 300 + 64 * (caller // 100)) for number in range(6)))

    callers = [batch[0] // 100 for batch in line.finish()]

    assert callers == sorted(callers), "side by side all would be done at the end"


def test_the_shortest_is_next_and_its_longest_text_before_others(machine: Machine) -> None:
    line = Line(machine)
    line.call(text(11, 5), text(12, 100))
    line.call(text(21, 200))
    line.call(text(31, 100), text(32, 100))

    assert line.finish() == [[12, 31], [11], [21], [32]]


def test_a_text_that_fails_is_found_and_touches_nobody_else(machine: Machine) -> None:
    line = Line(machine)
    healthy = line.call(text(11, 100), text(12, 6))
    poisoned = line.call(text(21, 100), text(POISON, 5), text(22, 20))
    beside_it = line.call(text(31, 6), text(32, 5), text(33, 5))
    twice = line.call(text(POISON, 7), text(41, 7), text(POISON, 7), text(POISON, 300))

    line.finish()

    assert numbers(healthy.result()) == [11, 12]
    assert numbers(beside_it.result()) == [31, 32, 33]
    with pytest.raises(TextFailed, match=r"on text 1 alone: poisoned") as caught:
        poisoned.result()
    assert caught.value.indices == (1,)
    with pytest.raises(TextFailed, match=r"on text 0 alone and on 2 more") as caught:
        twice.result()
    assert caught.value.indices == (0, 2, 3)
    figures = line.scheduler.figures()
    assert figures.failed_texts == 4
    assert figures.texts == 9 + 1, "the engine was proven on one"
    assert figures.failed_batches > 4


def test_the_next_call_works_after_a_failure(machine: Machine) -> None:
    machine.open.set()
    queue = scheduler(machine)

    for _ in range(9):
        for length in (3, 100):
            with pytest.raises(TextFailed, match="poisoned"):
                queue.submit([text(POISON, length)], vectors).result(30)
        [vector] = queue.submit([text(5, 3)], vectors).result(30)[0]
        assert vector.tolist() == [5, 3]
    assert queue.fault is None
    queue.close()


@pytest.mark.parametrize("quickly", [True, False])
@pytest.mark.parametrize(
    ("finish", "named"),
    [
        (lambda hidden, mask, texts: [], "gave 0 results"),
        (lambda hidden, mask, texts: vectors(hidden, mask, texts) * 2, "texts? gave"),
        (lambda hidden, mask, texts: 1 // 0, "ZeroDivisionError"),
    ],
)
def test_what_is_no_result_is_an_error_and_no_endless_wait(
    machine: Machine, finish: Callable[..., list[Vectors]], named: str, *, quickly: bool
) -> None:
    machine.open.set()
    queue = scheduler(machine)
    texts = [text(1, 3)] if quickly else [text(1, 3), text(2, 4)]

    for _ in range(2):
        with pytest.raises(EngineError, match=named):
            queue.submit(texts, finish).result(30)
    queue.close()


def test_a_short_text_alone_is_answered_while_all_workers_are_busy(machine: Machine) -> None:
    line = Line(machine)
    line.call(*(text(100 + number, 256) for number in range(12)))

    assert numbers(line.call(text(7, 40)).result(30)) == [7]
    assert [batch.shape for batch in machine.quick] == [(1, 40)]
    for texts in ([text(8, 65)], [text(9, 8), text(10, 8)]):
        assert not line.call(*texts).done()
    line.finish()
    assert len(machine.quick) == 1


def test_encoders_say_what_a_short_text_is_padded_to(machine: Machine) -> None:
    queue = scheduler(machine, quick_length=lambda tokens: tokens + 3)

    queue.submit([text(1, 9)], vectors).result(30)
    queue.close()

    assert [batch.shape for batch in machine.quick] == [(1, 12)]


def test_closing_tells_those_who_wait_and_leaves_no_thread(machine: Machine) -> None:
    before = set(threading.enumerate())
    line = Line(machine)
    callers = [line.call(text(number, 100 * number)) for number in range(1, 6)]

    closing = threading.Thread(target=line.scheduler.close)
    closing.start()
    for caller in callers:  # although the batch under way has not ended
        with pytest.raises(EngineError, match="closed"):
            caller.result(30)
    with pytest.raises(EngineError, match="closed"):
        line.call(text(9, 9))
    machine.open.set()
    closing.join(30)

    assert [vector.tolist() for (vector,) in line.first.result(30)] == [[0, 300]]
    assert line.finish() == []
    until(lambda: set(threading.enumerate()) == before)


def test_no_texts_need_no_batch(machine: Machine) -> None:
    before = set(threading.enumerate())
    queue = scheduler(machine)

    assert queue.submit([], vectors).result() == []
    assert set(threading.enumerate()) == before
    queue.close()
    queue.close()
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
    size = batch_size(length, waiting, MOST_TOKENS)

    assert size.bit_count() == 1
    assert size <= min(waiting, MOST_TEXTS)
    assert size == 1 or size * length <= MOST_TOKENS
    twice_fits = 2 * size <= min(waiting, MOST_TEXTS) and 2 * size * length <= MOST_TOKENS
    assert not twice_fits, "as large as it may be"


@pytest.mark.parametrize("batch_tokens", [64, 1024, 4096, 32_768])
def test_engines_say_how_large_their_batches_are(batch_tokens: int) -> None:
    machine = Machine(batch_tokens=batch_tokens)
    machine.open.set()
    queue = scheduler(machine)
    queue.submit([text(1, 64)] * 1024, vectors).result(30)
    queue.close()

    assert {batch.size for batch in machine.batches} == {batch_tokens}
    for length, waiting in ((8, 10_000), (64, 10_000), (512, 10_000), (8192, 3)):
        size = batch_size(length, waiting, batch_tokens)
        assert size == 1 or size * max(length, 64) <= batch_tokens
        assert 2 * size > waiting or 2 * size * max(length, 64) > batch_tokens


def test_threads_start_with_the_first_text() -> None:
    before = set(threading.enumerate())
    machine = Machine(streams=3)
    machine.open.set()
    queue = scheduler(machine)

    assert set(threading.enumerate()) == before
    queue.submit([text(1, 2)], vectors).result(30)
    started = set(threading.enumerate()) - before
    assert len(started) == 3 + 2, "one for each stream, for a query, and to look after them"
    queue.close()
    until(lambda: not any(thread.is_alive() for thread in started))
