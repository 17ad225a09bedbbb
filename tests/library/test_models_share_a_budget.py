"""The shelf: no model is unloaded under those who use it, and together they hold what they may."""

import random
import threading
import time
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bindery.encoders.ticket import Ticket
from bindery.errors import (
    DeadlineExceeded,
    InvalidValue,
    ModelBroken,
    ModelTooLarge,
    Overloaded,
)
from bindery.library.loaded import Loan, Shelf

SIZES = {"small": 1, "also small": 1, "middling": 2, "large": 4, "also large": 4}
SIZES |= {"too large": 7, "remote": 0}
BUDGET = 6


class Model:
    """What the shelf knows of an encoder: it can be closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_closed = False
        self.shelf: Shelf | None = None

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True
        assert self.shelf is None or self.shelf.held_bytes <= BUDGET


class Stock:
    """Loads models, and remembers all that it loaded."""

    def __init__(self) -> None:
        self.models: list[Model] = []
        self.loading: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.shelf: Shelf | None = None

    def load(self, name: str) -> Model:
        with self.lock:
            self.loading[name] += 1
            assert self.loading[name] == 1, "two load it at a time"
        time.sleep(0.0005)
        with self.lock:
            self.loading[name] -= 1
            self.models.append(Model(name))
            self.models[-1].shelf = self.shelf
            assert sum(SIZES[model.name] for model in self.models if not model.is_closed) <= BUDGET
            return self.models[-1]


def open_shelf(stock: Stock, budget: int | None = BUDGET, patience_s: float = 0.0) -> Shelf:
    stock.shelf = Shelf(
        weigh=SIZES.__getitem__, load=stock.load, budget_bytes=budget, patience_s=patience_s
    )
    return stock.shelf


class LendingAndGivingBack(RuleBasedStateMachine):
    """One caller after the other, beside a list of who should be on the shelf."""

    def __init__(self) -> None:
        super().__init__()
        self.stock = Stock()
        self.shelf = open_shelf(self.stock)
        self.loans: list[tuple[str, Loan]] = []
        self.expected: OrderedDict[str, None] = OrderedDict()

    def must_go(self, name: str) -> list[str] | None:
        room = BUDGET - sum(SIZES[other] for other in self.expected)
        lent = {other for other, _ in self.loans}
        going = []
        for other in self.expected:
            if room >= SIZES[name]:
                break
            if other not in lent and SIZES[other]:
                going.append(other)
                room += SIZES[other]
        return going if room >= SIZES[name] else None

    @rule(name=st.sampled_from(sorted(SIZES)))
    def lend(self, name: str) -> None:
        if name not in self.expected:
            if SIZES[name] > BUDGET:
                with pytest.raises(ModelTooLarge, match="'too large'"):
                    self.shelf.lend(name)
                return
            if (going := self.must_go(name)) is None:
                with pytest.raises(Overloaded):
                    self.shelf.lend(name)
                return
            for other in going:
                del self.expected[other]
        else:
            going = []
        loan = self.shelf.lend(name)
        assert all(self.shelf.has_unloaded(other) for other in going)
        assert loan.encoder.name == name
        self.loans.append((name, loan))
        self.expected[name] = None
        self.expected.move_to_end(name)
        assert not self.shelf.has_unloaded(name)

    @precondition(lambda self: self.loans)
    @rule(data=st.data(), twice=st.booleans())
    def give_back(self, data: st.DataObject, twice: bool) -> None:
        place = data.draw(st.integers(0, len(self.loans) - 1))
        _, loan = self.loans.pop(place)
        loan.give_back()
        if twice:
            loan.give_back()

    @rule()
    def close(self) -> None:
        self.shelf.close()
        self.loans.clear()
        self.expected.clear()
        assert all(model.is_closed for model in self.stock.models)

    @invariant()
    def nobody_holds_what_is_closed(self) -> None:
        assert not any(loan.encoder.is_closed for _, loan in self.loans)

    @invariant()
    def the_shelf_holds_what_it_may(self) -> None:
        assert list(self.shelf.loaded()) == list(self.expected)
        opened = [model.name for model in self.stock.models if not model.is_closed]
        assert sorted(opened) == sorted(self.expected)
        assert self.shelf.held_bytes == sum(SIZES[name] for name in opened) <= BUDGET


TestLendingAndGivingBack = LendingAndGivingBack.TestCase
TestLendingAndGivingBack.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_many_threads_never_see_a_model_go() -> None:
    stock = Stock()
    shelf = open_shelf(stock, patience_s=60)
    names = [name for name in SIZES if name != "too large"]

    def use(seed: int) -> int:
        chance = random.Random(seed)
        for _ in range(60):
            with shelf.lend(chance.choice(names)) as model:
                time.sleep(chance.random() / 2000)
                assert not model.is_closed
        return seed

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))) == list(range(8))
    assert shelf.unloadings == len(stock.models) - len(shelf.loaded()) > 10
    shelf.close()
    assert all(model.is_closed for model in stock.models)


def test_without_a_budget_nothing_is_unloaded() -> None:
    stock = Stock()
    shelf = Shelf(weigh=SIZES.__getitem__, load=Model)
    for name in (*SIZES, *SIZES):
        shelf.lend(name).give_back()

    assert list(shelf.loaded()) == list(SIZES)
    assert shelf.held_bytes == sum(SIZES.values())
    assert not stock.models
    with pytest.raises(InvalidValue):
        Shelf(weigh=SIZES.__getitem__, load=Model, budget_bytes=0)


class Gate:
    """Loads a model when it is let."""

    def __init__(self) -> None:
        self.is_loading = threading.Event()
        self.may_load = threading.Event()
        self.error: Exception | None = None
        self.loaded = 0

    def load(self, name: str) -> Model:
        if name != "small":
            self.is_loading.set()
            assert self.may_load.wait(30)
            if self.error is not None:
                raise self.error
        self.loaded += 1
        return Model(name)


def test_a_model_that_is_loading_holds_up_its_own_callers_alone() -> None:
    gate = Gate()
    shelf = Shelf(weigh=SIZES.__getitem__, load=gate.load, budget_bytes=BUDGET)
    shelf.lend("small").give_back()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(shelf.lend, "large") for _ in range(4)]
        assert gate.is_loading.wait(30)

        with shelf.lend("small") as small:
            assert not small.is_closed
        assert list(shelf.loaded()) == ["small"]
        with pytest.raises(DeadlineExceeded):
            shelf.lend("large", Ticket.within(0.01))
        gate.may_load.set()
        loans = [one.result(30) for one in waiting]

    assert len({id(loan.encoder) for loan in loans}) == 1
    assert gate.loaded == 2


def test_everyone_who_waited_is_told_why_it_cannot_be_loaded() -> None:
    gate = Gate()
    gate.error = ModelBroken("It is torn.")
    shelf = Shelf(weigh=SIZES.__getitem__, load=gate.load, budget_bytes=BUDGET)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(shelf.lend, "large") for _ in range(3)]
        gate.may_load.set()
        assert all(isinstance(one.exception(30), ModelBroken) for one in waiting)

    assert shelf.held_bytes == 0
    gate.error = None
    with shelf.lend("large") as model:
        assert model.name == "large"


def test_room_is_waited_for_as_long_as_patience_and_ticket_last() -> None:
    shelf = open_shelf(Stock(), patience_s=30)
    loan = shelf.lend("large")
    with pytest.raises(DeadlineExceeded):
        shelf.lend("also large", Ticket.within(0.01))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shelf.lend, "also large")
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        loan.give_back()
        with waiting.result(30) as model:
            assert model.name == "also large"
            assert loan.encoder.is_closed
    hasty = open_shelf(Stock(), patience_s=0.01)
    with hasty.lend("large"), pytest.raises(Overloaded, match="'also large'"):
        hasty.lend("also large")


def test_closing_waits_for_what_is_being_loaded_and_closes_it() -> None:
    gate = Gate()
    shelf = Shelf(weigh=SIZES.__getitem__, load=gate.load)
    with ThreadPoolExecutor(2) as pool:
        loading = pool.submit(shelf.lend, "large")
        assert gate.is_loading.wait(30)
        closing = pool.submit(shelf.close)
        with pytest.raises(TimeoutError):
            closing.result(0.05)
        gate.may_load.set()
        closing.result(30)
        assert loading.result(30).encoder.is_closed
    assert not shelf.loaded()
    loading.result().give_back()
    assert shelf.lend("large").encoder is not loading.result().encoder
