"""An engine that raises, panics, hangs, gives nonsense and kills its threads."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from tests.encoders.faults import (
    FAULTS,
    FIRST_NUMBER,
    HANGS,
    WIDTH,
    FaultyEngine,
    Storm,
    ends,
    of_another_shape,
    text,
    too_few,
    too_many,
    too_wide,
)

from bindery.encoders.scheduling import BatchRunner, Scheduler
from bindery.errors import EngineError, TextFailed

GOOD = [text(FIRST_NUMBER, 90), text(FIRST_NUMBER, 20), text(FIRST_NUMBER, 9)]
HANG_S = 1.0


def until(condition: Callable[[], object]) -> None:
    """Wait for other threads to get somewhere; how long it takes is not what is tested."""
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.fixture
def engine() -> Iterator[FaultyEngine]:
    engine = FaultyEngine()
    yield engine
    engine.released.set()


@pytest.fixture
def scheduler(engine: FaultyEngine) -> Iterator[Scheduler]:
    before = set(threading.enumerate())
    scheduler = Scheduler(BatchRunner(engine, WIDTH), hang_s=HANG_S)
    yield scheduler
    engine.released.set()
    scheduler.close()
    assert engine.is_closed
    until(lambda: set(threading.enumerate()) <= before)


# A thread that is killed is what pytest warns of.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_every_request_is_answered_and_only_bad_texts_fail() -> None:
    """A twentieth of the batches fail, and one text in a hundred; some callers leave."""
    before = set(threading.enumerate())
    storm = Storm(batches=4000, hangs=1)

    storm.blow()

    assert not storm.wrong
    assert storm.engine.runs >= 4000
    assert all(count > 0 for count in storm.asked.values()), storm.asked
    assert {fault.__name__ for fault in FAULTS} <= storm.engine.faults.keys()
    until(lambda: not storm.scheduler.figures().workers_hung)
    until(lambda: storm.scheduler.fault is None)
    figures = storm.scheduler.figures()
    assert (figures.queue_texts, figures.queue_tokens, figures.running_texts) == (0, 0, 0)
    assert figures.workers_alive == 3
    assert figures.workers_replaced >= storm.engine.faults["kills_its_thread"]
    storm.scheduler.close()
    until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.parametrize("fault", [of_another_shape, too_few, too_many, too_wide])
def test_hidden_states_of_another_shape_are_an_error(
    engine: FaultyEngine, fault: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Even where all that is looked at would be there."""
    right = engine.hidden_states
    engine.hidden_states = lambda ids, mask: fault(right(ids, mask))  # type: ignore[method-assign]
    scheduler = Scheduler(BatchRunner(engine, WIDTH))

    with pytest.raises(EngineError, match=r"states of shape \(.*\), not \(.*, 3\)"):
        scheduler.submit(GOOD, lambda hidden, mask, texts: [(np.zeros(1),)] * len(texts)).result(30)
    scheduler.close()


def test_an_engine_that_fails_on_everything_is_spared(
    scheduler: Scheduler, engine: FaultyEngine
) -> None:
    scheduler.submit(GOOD, ends).result(30)
    engine.broken, runs = RuntimeError("the device is gone"), engine.runs

    with pytest.raises(EngineError, match=r"on every text: .*the device is gone"):
        scheduler.submit([text(FIRST_NUMBER + n, n % 200 + 1) for n in range(2000)], ends).result(
            30
        )

    assert scheduler.fault is not None
    assert "the device is gone" in scheduler.fault
    assert engine.runs - runs < 40, "not every text by itself"
    runs = engine.runs
    for _ in range(200):
        with pytest.raises(EngineError, match="the device is gone"):
            scheduler.submit(GOOD, ends)
    assert engine.runs - runs < 10


def test_an_engine_that_recovers_is_found_without_any_request(
    scheduler: Scheduler, engine: FaultyEngine
) -> None:
    engine.broken = MemoryError()
    with pytest.raises(EngineError):
        scheduler.submit(GOOD * 20, ends).result(30)
    assert scheduler.fault is not None

    engine.broken = None

    until(lambda: scheduler.fault is None)
    scheduler.submit(GOOD, ends).result(30)


def test_texts_that_all_fail_do_not_pass_for_the_engine(scheduler: Scheduler) -> None:
    """It is proven on a text that went well, and others are served."""
    scheduler.submit(GOOD, ends).result(30)

    for number in range(1, 6):
        with pytest.raises(TextFailed) as caught:
            scheduler.submit([text(number, 40)] * 50, ends).result(30)
        assert caught.value.indices == tuple(range(50))
        assert scheduler.fault is None
        scheduler.submit(GOOD, ends).result(30)


def test_a_text_that_hangs_fails_alone_and_is_left_behind(
    scheduler: Scheduler, engine: FaultyEngine
) -> None:
    scheduler.submit(GOOD, ends).result(30)
    beside_it = [text(FIRST_NUMBER + number, 80) for number in range(3)]
    asked = scheduler.submit([text(HANGS, 80), *beside_it], ends)
    other = scheduler.submit(beside_it, ends)

    with pytest.raises(TextFailed, match=f"ran for more than {HANG_S:g} s") as caught:
        asked.result(30)
    assert caught.value.indices == (0,)
    assert len(other.result(30)) == 3
    figures = scheduler.figures()
    assert figures.workers_alive == 3
    assert figures.workers_hung == figures.workers_replaced == engine.faults["hung"] > 0
    assert len(scheduler.submit(GOOD, ends).result(30)) == 3

    engine.released.set()

    until(lambda: not scheduler.figures().workers_hung)
    assert len(scheduler.submit(GOOD, ends).result(30)) == 3


def test_it_is_told_that_nothing_goes_on_and_that_it_does_again(engine: FaultyEngine) -> None:
    scheduler = Scheduler(BatchRunner(engine, WIDTH), hang_s=600.0)
    for _ in range(3):
        scheduler.submit(GOOD, ends).result(30)
    engine.hanging = True
    calls = [scheduler.submit(GOOD, ends) for _ in range(4)]

    until(lambda: scheduler.fault)
    assert not scheduler.figures().workers_hung, "before a worker is given up"
    engine.hanging = False
    engine.released.set()

    assert [len(call.result(30)) for call in calls] == [3] * 4
    until(lambda: scheduler.fault is None)
    scheduler.close()


@pytest.mark.slow
def test_threads_are_not_lost_without_end(scheduler: Scheduler, engine: FaultyEngine) -> None:
    engine.hanging = True
    calls = [scheduler.submit(GOOD, ends) for _ in range(4)]

    for call in calls:
        with pytest.raises(EngineError):
            call.result(60)
    until(lambda: "hang" in (scheduler.fault or ""))
    until(lambda: scheduler.figures().workers_alive == 1)  # that for a query
    # Those that hang at the same moment may exceed the limit, if the one for queries hung before.
    assert 4 * engine.streams <= scheduler.figures().workers_hung < 5 * engine.streams
    with pytest.raises(EngineError, match="hang"):
        scheduler.submit(GOOD, ends)

    engine.hanging = False
    engine.released.set()

    until(lambda: scheduler.fault is None)
    assert len(scheduler.submit(GOOD, ends).result(30)) == 3
    assert not scheduler.figures().workers_hung


def test_closing_waits_for_no_worker_that_hangs(engine: FaultyEngine) -> None:
    scheduler = Scheduler(BatchRunner(engine, WIDTH), hang_s=HANG_S)
    engine.hanging = True
    asked = scheduler.submit(GOOD, ends)
    until(lambda: engine.faults["hung"])

    scheduler.close()

    assert not engine.released.is_set()
    with pytest.raises(EngineError):
        asked.result(30)


def test_what_a_caller_does_with_its_answer_harms_nobody(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    def burst(_: object) -> None:
        raise SystemExit

    for _ in range(5):
        scheduler.submit(GOOD, ends).add_done_callback(burst)
    assert len(scheduler.submit(GOOD, ends).result(30)) == 3
    until(lambda: not scheduler.figures().running_texts)
    assert scheduler.figures().workers_replaced == 0
    del caplog
