"""No model is unloaded while it is in use, and together they stay within the budget."""

import random
import threading
import time
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bindery.encoders.pending import Cancellation
from bindery.errors import (
    DeadlineExceeded,
    InvalidValue,
    ModelBroken,
    ModelTooLarge,
    Overloaded,
)
from bindery.library.loaded import LoadedModels, ModelLease

SIZES = {"small": 1, "also small": 1, "middling": 2, "large": 4, "also large": 4}
SIZES |= {"too large": 7, "remote": 0}
BUDGET = 6


class Model:
    """What LoadedModels knows of an encoder: it can be closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_closed = False
        self.loaded_models: LoadedModels | None = None

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True
        assert self.loaded_models is None or self.loaded_models.held_bytes <= BUDGET


class Stock:
    """Loads models, and remembers all that it loaded."""

    def __init__(self) -> None:
        self.models: list[Model] = []
        self.loading: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.loaded_models: LoadedModels | None = None

    def load(self, name: str) -> Model:
        with self.lock:
            self.loading[name] += 1
            assert self.loading[name] == 1, "two load it at a time"
        time.sleep(0.0005)
        with self.lock:
            self.loading[name] -= 1
            self.models.append(Model(name))
            self.models[-1].loaded_models = self.loaded_models
            assert sum(SIZES[model.name] for model in self.models if not model.is_closed) <= BUDGET
            return self.models[-1]


def open_models(stock: Stock, budget: int | None = BUDGET, patience_s: float = 0.0) -> LoadedModels:
    stock.loaded_models = LoadedModels(
        weigh=SIZES.__getitem__, load=stock.load, budget_bytes=budget, patience_s=patience_s
    )
    return stock.loaded_models


class LendingAndGivingBack(RuleBasedStateMachine):
    """One caller after the other, beside a list of who should be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.stock = Stock()
        self.loaded_models = open_models(self.stock)
        self.leases: list[tuple[str, ModelLease]] = []
        self.expected: OrderedDict[str, None] = OrderedDict()

    def must_go(self, name: str) -> list[str] | None:
        room = BUDGET - sum(SIZES[other] for other in self.expected)
        lent = {other for other, _ in self.leases}
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
                    self.loaded_models.lend(name)
                return
            if (going := self.must_go(name)) is None:
                with pytest.raises(Overloaded):
                    self.loaded_models.lend(name)
                return
            for other in going:
                del self.expected[other]
        else:
            going = []
        lease = self.loaded_models.lend(name)
        assert all(self.loaded_models.has_unloaded(other) for other in going)
        assert lease.encoder.name == name
        self.leases.append((name, lease))
        self.expected[name] = None
        self.expected.move_to_end(name)
        assert not self.loaded_models.has_unloaded(name)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), twice=st.booleans())
    def give_back(self, data: st.DataObject, twice: bool) -> None:
        place = data.draw(st.integers(0, len(self.leases) - 1))
        _, lease = self.leases.pop(place)
        lease.give_back()
        if twice:
            lease.give_back()

    @rule()
    def close(self) -> None:
        self.loaded_models.close()
        self.leases.clear()
        self.expected.clear()
        assert all(model.is_closed for model in self.stock.models)

    @invariant()
    def nobody_holds_what_is_closed(self) -> None:
        assert not any(lease.encoder.is_closed for _, lease in self.leases)

    @invariant()
    def the_shelf_holds_what_it_may(self) -> None:
        assert list(self.loaded_models.loaded()) == list(self.expected)
        opened = [model.name for model in self.stock.models if not model.is_closed]
        assert sorted(opened) == sorted(self.expected)
        assert self.loaded_models.held_bytes == sum(SIZES[name] for name in opened) <= BUDGET


TestLendingAndGivingBack = LendingAndGivingBack.TestCase
TestLendingAndGivingBack.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_many_threads_never_see_a_model_go() -> None:
    stock = Stock()
    loaded_models = open_models(stock, patience_s=60)
    names = [name for name in SIZES if name != "too large"]

    def use(seed: int) -> int:
        chance = random.Random(seed)
        for _ in range(60):
            with loaded_models.lend(chance.choice(names)) as model:
                time.sleep(chance.random() / 2000)
                assert not model.is_closed
        return seed

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))) == list(range(8))
    assert loaded_models.unloadings == len(stock.models) - len(loaded_models.loaded()) > 10
    loaded_models.close()
    assert all(model.is_closed for model in stock.models)


def test_without_a_budget_nothing_is_unloaded() -> None:
    stock = Stock()
    loaded_models = LoadedModels(weigh=SIZES.__getitem__, load=Model)
    for name in (*SIZES, *SIZES):
        loaded_models.lend(name).give_back()

    assert list(loaded_models.loaded()) == list(SIZES)
    assert loaded_models.held_bytes == sum(SIZES.values())
    assert not stock.models
    with pytest.raises(InvalidValue):
        LoadedModels(weigh=SIZES.__getitem__, load=Model, budget_bytes=0)


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
    loaded_models = LoadedModels(weigh=SIZES.__getitem__, load=gate.load, budget_bytes=BUDGET)
    loaded_models.lend("small").give_back()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(loaded_models.lend, "large") for _ in range(4)]
        assert gate.is_loading.wait(30)

        with loaded_models.lend("small") as small:
            assert not small.is_closed
        assert list(loaded_models.loaded()) == ["small"]
        with pytest.raises(DeadlineExceeded):
            loaded_models.lend("large", Cancellation.within(0.01))
        gate.may_load.set()
        leases = [one.result(30) for one in waiting]

    assert len({id(lease.encoder) for lease in leases}) == 1
    assert gate.loaded == 2


def test_everyone_who_waited_is_told_why_it_cannot_be_loaded() -> None:
    gate = Gate()
    gate.error = ModelBroken("It is torn.")
    loaded_models = LoadedModels(weigh=SIZES.__getitem__, load=gate.load, budget_bytes=BUDGET)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(loaded_models.lend, "large") for _ in range(3)]
        gate.may_load.set()
        assert all(isinstance(one.exception(30), ModelBroken) for one in waiting)

    assert loaded_models.held_bytes == 0
    gate.error = None
    with loaded_models.lend("large") as model:
        assert model.name == "large"


def test_room_is_waited_for_as_long_as_patience_and_cancellation_last() -> None:
    loaded_models = open_models(Stock(), patience_s=30)
    lease = loaded_models.lend("large")
    with pytest.raises(DeadlineExceeded):
        loaded_models.lend("also large", Cancellation.within(0.01))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(loaded_models.lend, "also large")
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        lease.give_back()
        with waiting.result(30) as model:
            assert model.name == "also large"
            assert lease.encoder.is_closed
    hasty = open_models(Stock(), patience_s=0.01)
    with hasty.lend("large"), pytest.raises(Overloaded, match="'also large'"):
        hasty.lend("also large")


def test_closing_waits_for_what_is_being_loaded_and_closes_it() -> None:
    gate = Gate()
    loaded_models = LoadedModels(weigh=SIZES.__getitem__, load=gate.load)
    with ThreadPoolExecutor(2) as pool:
        loading = pool.submit(loaded_models.lend, "large")
        assert gate.is_loading.wait(30)
        closing = pool.submit(loaded_models.close)
        with pytest.raises(TimeoutError):
            closing.result(0.05)
        gate.may_load.set()
        closing.result(30)
        assert loading.result(30).encoder.is_closed
    assert not loaded_models.loaded()
    loading.result().give_back()
    assert loaded_models.lend("large").encoder is not loading.result().encoder
