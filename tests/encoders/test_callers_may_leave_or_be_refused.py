"""Requests that are cancelled or run out, and a queue that is full."""

import threading
from collections.abc import Iterator

import pytest
from tests.encoders.test_batches_serve_every_caller import (
    Line,
    Machine,
    numbers,
    scheduler,
    text,
    until,
    vectors,
)

from bindery.encoders.figures import EncoderFigures
from bindery.encoders.pending import Cancellation
from bindery.errors import Abandoned, DeadlineExceeded, Overloaded


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.open.set()


def test_who_leaves_is_told_at_once_and_its_texts_never_run(machine: Machine) -> None:
    line = Line(machine)
    cancellation = Cancellation()
    gone = line.scheduler.submit([text(10 + n, 100) for n in range(9)], vectors, cancellation)
    stays = line.call(text(31, 100), text(32, 100))

    cancellation.cancel()

    with pytest.raises(Abandoned):  # although the worker is still at its first text
        gone.result(30)
    assert line.scheduler.figures().abandoned_texts == 9
    assert line.finish() == [[31, 32]]
    assert numbers(stays.result()) == [31, 32]


def test_who_leaves_during_its_batch_is_told_at_once(machine: Machine) -> None:
    queue = scheduler(machine)
    cancellation = Cancellation()
    gone = queue.submit([text(1, 300)], vectors, cancellation)
    assert machine.busy.wait(30)

    cancellation.cancel()

    with pytest.raises(Abandoned):
        gone.result(30)
    machine.open.set()
    assert numbers(queue.submit([text(2, 300)], vectors).result(30)) == [2]
    queue.close()


def test_who_has_left_is_not_even_let_in(machine: Machine) -> None:
    queue = scheduler(machine)
    left = Cancellation()
    left.cancel()

    with pytest.raises(Abandoned):
        queue.submit([text(1, 3)], vectors, left)
    with pytest.raises(DeadlineExceeded):
        queue.submit([text(1, 3)], vectors, Cancellation.within(0))
    queue.close()
    assert not machine.batches


def test_a_deadline_passes_although_every_worker_is_busy(machine: Machine) -> None:
    line = Line(machine)
    late = line.scheduler.submit(
        [text(10 + n, 100) for n in range(9)], vectors, Cancellation.within(0.05)
    )
    in_time = line.scheduler.submit([text(21, 100)], vectors, Cancellation.within(60))

    with pytest.raises(DeadlineExceeded):
        late.result(30)
    assert not in_time.done()
    assert line.scheduler.figures().expired_texts == 9
    assert line.finish() == [[21]]
    assert numbers(in_time.result()) == [21]


def test_what_has_begun_by_its_deadline_is_finished(machine: Machine) -> None:
    queue = scheduler(machine)
    asked = queue.submit([text(1, 300)], vectors, Cancellation.within(0.5))
    assert machine.busy.wait(30)
    other = queue.submit([text(2, 300)], vectors, Cancellation.within(0.5))

    with pytest.raises(DeadlineExceeded):
        other.result(30)
    machine.open.set()

    assert numbers(asked.result(30)) == [1]
    queue.close()


def test_a_full_queue_refuses_and_takes_the_next_when_there_is_room(machine: Machine) -> None:
    queue = scheduler(machine, queue_tokens=1000)
    queue.submit([text(0, 300)], vectors)
    assert machine.busy.wait(30)
    one = queue.submit([text(1, 900)], vectors)
    assert queue.until_room_s == 0
    # There is room for some of it, so it is let in whole.
    large = queue.submit([text(100 + n, 100) for n in range(50)], vectors)

    assert queue.until_room_s >= 1
    for texts in ([text(2, 3)], [text(2, 100)] * 9):
        with pytest.raises(Overloaded, match="5900 tokens are waiting already; at most 1000 may"):
            queue.submit(texts, vectors)
    assert queue.figures().refused_requests == 2
    machine.open.set()

    assert numbers(one.result(30)) == [1]
    assert numbers(large.result(30)) == list(range(100, 150))
    assert queue.until_room_s == 0
    assert numbers(queue.submit([text(3, 3)], vectors).result(30)) == [3]
    queue.close()


def test_a_library_has_no_bound_unless_it_wants_one(machine: Machine) -> None:
    line = Line(machine)
    for _ in range(10):
        line.call(*[text(1, 512)] * 100)

    assert line.scheduler.figures().queue_tokens == 512_000
    assert line.scheduler.until_room_s == 0
    line.machine.open.set()
    line.scheduler.close()


def test_figures_tell_what_was_done(machine: Machine) -> None:
    line = Line(machine)
    asked = line.call(*(text(10 + n, 100) for n in range(5)))
    waiting = line.scheduler.figures()
    line.finish()
    done = line.scheduler.figures()

    assert len(asked.result()) == 5
    assert (waiting.queue_texts, waiting.queue_tokens, waiting.running_texts) == (5, 500, 1)
    assert (waiting.workers_alive, waiting.workers_hung) == (2, 0)
    assert (waiting.texts, waiting.batches) == (0, 0)
    assert (done.queue_texts, done.queue_tokens, done.running_texts) == (0, 0, 0)
    # One of 300 tokens, then five of 100, padded to 104, as four and one.
    assert (done.texts, done.tokens, done.batches) == (6, 800, 3)
    assert (done.batch_tokens, done.padded_tokens) == (800, 320 + 5 * 104)
    assert done.budget_tokens == 3 * 1024
    assert failures(done) == (0, 0, 0, 0, 0, 0)
    for histogram, count in ((done.queue_seconds, 6), (done.batch_seconds, 3)):
        assert sum(histogram.counts) == count
        assert len(histogram.counts) == len(histogram.bounds) + 1
        assert list(histogram.bounds) == sorted(histogram.bounds)
        assert histogram.total >= 0


def failures(figures: EncoderFigures) -> tuple[int, ...]:
    return (
        figures.failed_texts,
        figures.failed_batches,
        figures.abandoned_texts,
        figures.expired_texts,
        figures.refused_requests,
        figures.workers_replaced,
    )


def test_many_come_and_go_at_once(machine: Machine) -> None:
    """Cancelling races with the batch that has the text: one of both wins, never both or none."""
    machine.open.set()
    queue = scheduler(machine)
    outcomes: list[str] = []

    def come_and_go() -> None:
        for number in range(60):
            cancellation = Cancellation()
            asked = queue.submit([text(5, 100)] * (number % 5 + 1), vectors, cancellation)
            cancellation.cancel()
            error = asked.exception(30)
            outcomes.append("answered" if error is None else type(error).__name__)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: not queue.figures().running_texts)
    figures = queue.figures()
    queue.close()

    assert len(outcomes) == 240
    assert set(outcomes) <= {"answered", "Abandoned"}
    assert (figures.queue_texts, figures.queue_tokens) == (0, 0)
