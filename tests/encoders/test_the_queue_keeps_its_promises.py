"""The state machine of the queue, driven by hypothesis: no threads, no clock but a number."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bindery.encoders.scheduling.calls import Batch, Call, Text, Vectors, batch_size, padded_length
from bindery.encoders.scheduling.queue import Queue
from bindery.encoders.tokeniser import Tokens
from bindery.errors import (
    Abandoned,
    BinderyError,
    DeadlineExceeded,
    EngineError,
    Overloaded,
    TextFailed,
)

BATCH = 256
MOST = 1500
SMALL = BATCH // 4


def one(*_: object) -> list[Vectors]:
    return []


def other(*_: object) -> list[Vectors]:
    return []


def call(*lengths: int, readout: object = one, deadline: float | None = None) -> Call:
    texts = [Tokens(np.zeros(length, np.int32), 0, 0, (0, length)) for length in lengths]
    return Call(texts, readout, deadline=deadline)  # type: ignore[arg-type]


def made_of(text: Text) -> Vectors:
    """A result that tells whose it is."""
    return (np.array([id(text.call), text.index]),)


def is_small(one: Call) -> bool:
    return one.padded_tokens <= SMALL


class Callers(RuleBasedStateMachine):
    """Callers, workers and faults in any order; what each call must come to is known beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(batch_tokens=BATCH, most_tokens=MOST)
        self.now = 0.0
        self.calls: list[Call] = []
        self.lengths: dict[Call, tuple[int, ...]] = {}
        self.poison: dict[Call, frozenset[int]] = {}
        self.asked_to_end: dict[Call, type[BinderyError]] = {}
        self.over: Counter[Call] = Counter()
        self.running: list[Batch] = []
        self.ahead_of_bulk = 0
        self.tried: set[Text] = set()
        self.took_again = False

    # What callers do

    @rule(
        lengths=st.lists(st.integers(1, 70), min_size=1, max_size=24),
        poison=st.sets(st.integers(0, 23), max_size=3),
        readout=st.sampled_from([one, other]),
        timeout=st.none() | st.integers(1, 9),
    )
    def come(
        self, lengths: list[int], poison: set[int], readout: object, timeout: int | None
    ) -> None:
        deadline = None if timeout is None else self.now + timeout
        new = call(*lengths, readout=readout, deadline=deadline)
        was_full = self.queue.figures.queue_tokens >= MOST
        assert self.queue.is_full == was_full
        if was_full:
            with pytest.raises(Overloaded):
                self.queue.admit(new)
            return
        self.queue.admit(new)
        self.calls.append(new)
        self.lengths[new] = tuple(lengths)
        self.poison[new] = frozenset(place for place in poison if place < len(lengths))

    @rule(length=st.integers(1, SMALL))
    def come_alone(self, length: int) -> None:
        new = call(length)
        if self.queue.is_full:
            return
        self.running.append(self.queue.admit_alone(new, padded_length(length), self.now))
        self.calls.append(new)
        self.lengths[new], self.poison[new] = (length,), frozenset()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(self.calls))
        self.expect([gone], Abandoned)
        self.end(self.queue.cancel(gone))

    @rule(seconds=st.integers(0, 4))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        late = [
            one
            for one in self.live()
            if one.deadline is not None and one.deadline <= self.now and self.waiting(one)
        ]
        self.expect(late, DeadlineExceeded)
        ended = self.queue.expire(self.now)
        assert set(ended) == set(late)
        self.end(ended)
        assert self.queue.next_deadline() > self.now

    # What workers do

    @rule()
    def take(self) -> None:
        bulk_waits = any(not is_small(call) and call.waiting for call in self.live())
        new_waits = any(call.waiting for call in self.live())
        batch = self.queue.take(self.now)
        if batch is None:
            assert not any(self.waiting(call) for call in self.live())
            return
        self.check(batch)
        self.running.append(batch)
        is_again = bool(set(batch.texts) & self.tried)
        assert not (is_again and self.took_again and new_waits), "what fails holds all up"
        self.took_again = is_again
        if not bulk_waits or not is_small(batch.texts[0].call):
            self.ahead_of_bulk = 0
        elif not is_again:
            self.ahead_of_bulk += batch.padded_tokens
        assert self.ahead_of_bulk < 4 * BATCH, "bulk is starved"

    @precondition(lambda self: self.running)
    @rule(data=st.data(), hangs=st.booleans())
    def run(self, data: st.DataObject, hangs: bool) -> None:
        self.ended(data.draw(st.sampled_from(self.running)), hangs=hangs)

    @precondition(lambda self: any(len(batch.texts) > 1 for batch in self.running))
    @rule(data=st.data(), hangs=st.booleans())
    def hiccup(self, data: st.DataObject, hangs: bool) -> None:
        """A batch fails though no text of it is at fault."""
        batch = data.draw(st.sampled_from([b for b in self.running if len(b.texts) > 1]))
        self.running.remove(batch)
        self.fail(batch, "a hiccup", hangs=hangs)

    @precondition(lambda self: any(not batch.texts[0].failures for batch in self.running))
    @rule(data=st.data())
    def hiccup_once(self, data: st.DataObject) -> None:
        """Even of one text, which has not failed alone before."""
        batch = data.draw(st.sampled_from([b for b in self.running if not b.texts[0].failures]))
        self.running.remove(batch)
        self.fail(batch, "a hiccup")

    @rule()
    def stop(self) -> None:
        self.expect([call for call in self.live() if self.waiting(call)], EngineError)
        self.end(self.queue.drain(EngineError("stopped")))

    # What is expected

    def ended(self, batch: Batch, *, hangs: bool = False) -> None:
        self.running.remove(batch)
        bad = [text for text in batch.texts if text.index in self.poison[text.call]]
        if bad and batch.length % 16:  # some raise
            self.fail(batch, "poison", hangs=hangs)
            return
        self.end(  # others give what is not finite
            self.queue.settle(
                batch,
                [EngineError("nan") if text in bad else made_of(text) for text in batch.texts],
            )
        )

    def fail(self, batch: Batch, reason: str, *, hangs: bool = False) -> None:
        self.tried |= set(batch.texts)
        fail = self.queue.give_up if hangs else self.queue.fail
        self.end(fail(batch, EngineError(reason)))

    def check(self, batch: Batch) -> None:
        assert batch.texts
        assert not any(text.call.is_over for text in batch.texts), "nobody waits for it"
        assert {text.call.readout for text in batch.texts} == {batch.readout}
        assert {padded_length(len(text.tokens)) for text in batch.texts} == {batch.length}
        assert len(batch.texts) <= batch_size(batch.length, 10_000, BATCH)

    def expect(self, calls: list[Call], error: type[BinderyError]) -> None:
        for one in calls:
            if not one.is_over:
                self.asked_to_end[one] = error

    def end(self, calls: list[Call]) -> None:
        for one in calls:
            self.over[one] += 1
            assert self.over[one] == 1, "answered twice"
            assert one.is_over
            bad = self.poison[one]
            if expected := self.asked_to_end.get(one):
                assert type(one.error) is expected
            elif bad:
                assert isinstance(one.error, TextFailed)
                assert one.error.indices == tuple(sorted(bad))
            else:
                assert one.error is None
                places = range(len(self.lengths[one]))
                assert [tuple(result[0]) for result in one.results] == [
                    (id(one), place) for place in places
                ]

    def live(self) -> list[Call]:
        return [call for call in self.calls if not call.is_over]

    def places(self, one: Call) -> list[int]:
        return [text.index for batch in self.running for text in batch.texts if text.call is one]

    def waiting(self, one: Call) -> list[int]:
        """The places of its texts that neither run nor are done."""
        running = self.places(one)
        return [
            place
            for place, result in enumerate(one.results)
            if result is None and place not in one.bad and place not in running
        ]

    @invariant()
    def every_text_is_counted_once(self) -> None:
        texts = tokens = 0
        for one in self.live():
            running = self.places(one)
            assert len(running) == len(set(running)), "run twice at once"
            places = self.waiting(one)
            assert one.queued == len(places)
            texts += len(places)
            tokens += sum(self.lengths[one][place] for place in places)
        assert (self.queue.figures.queue_texts, self.queue.figures.queue_tokens) == (texts, tokens)
        assert self.queue.figures.running_texts == sum(len(batch.texts) for batch in self.running)

    @invariant()
    def the_bound_is_held(self) -> None:
        most_of_a_call = 24 * 70
        assert self.queue.figures.queue_tokens < MOST + most_of_a_call + 24 * BATCH

    @invariant()
    def whoever_has_left_is_over(self) -> None:
        assert all(call.is_over for call in self.asked_to_end)

    def teardown(self) -> None:
        """Everything comes to an end, and soon."""
        texts = sum(len(call.results) for call in self.calls)
        batches = 0
        while self.running or self.queue.figures.queue_texts:
            if batch := self.queue.take(self.now):
                self.check(batch)
                self.running.append(batch)
            self.ended(self.running[0])
            batches += 1
            assert batches <= 4 * texts
        assert all(self.over[call] == 1 for call in self.calls)
        assert self.queue.next_deadline() == math.inf


Callers.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestCallers = Callers.TestCase


@given(
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=8),
    arriving=st.integers(1, 200),
    there=st.integers(0, 5),
)
@settings(deadline=None)
def test_nobody_waits_for_ever_behind_those_who_come_later(
    lengths: list[int], arriving: int, there: int
) -> None:
    """Each batch one more call of the same queue joins, and would be served first for ever."""
    queue = Queue(batch_tokens=BATCH)
    for _ in range(there):
        queue.admit(call(arriving))
    patient = call(*lengths)
    queue.admit(patient)
    is_same_lane = is_small(patient) == is_small(call(arriving))

    batches = 0
    while not patient.is_over:
        queue.admit(call(arriving))
        batch = queue.take(0.0)
        assert batch is not None
        queue.settle(batch, [made_of(text) for text in batch.texts])
        batches += 1
        # Of the tokens run, it gets its share; of what is small beside bulk, a quarter.
        share = patient.padded_tokens / padded_length(arriving) * (there + 3)
        assert batches <= 8 * (share + len(lengths) + there + 1) * (1 if is_same_lane else 64)


@given(bad=st.sets(st.integers(0, 15), max_size=16), hangs=st.booleans())
def test_a_bad_text_among_many_costs_few_batches(bad: set[int], *, hangs: bool) -> None:
    queue = Queue(batch_tokens=1024)
    asked = call(*[60] * 16)
    queue.admit(asked)
    runs = 0
    while batch := queue.take(0.0):
        runs += 1
        if bad & {text.index for text in batch.texts}:
            (queue.give_up if hangs else queue.fail)(batch, EngineError("bad"))
        else:
            queue.settle(batch, [made_of(text) for text in batch.texts])

    assert asked.is_over
    assert (asked.error.indices if asked.error else ()) == tuple(sorted(bad))
    steps = 1 + 16 * bool(bad) if hangs else 1 + len(bad) * (2 * math.log2(16) + 1)
    assert runs <= steps


def test_a_refusal_says_how_long_the_queue_needs_to_have_room_again() -> None:
    queue = Queue(batch_tokens=1024, most_tokens=100, streams=2)
    queue.admit(call(*[300] * 30))
    queue.figures.batch_tokens, pace_s = 1000, 0.01
    queue.figures.batch_seconds.add(1000 * pace_s)
    with pytest.raises(Overloaded) as caught:
        queue.check_room()
    assert caught.value.retry_after_s == math.ceil((30 * 300 - 100 + 1) * pace_s / 2)
