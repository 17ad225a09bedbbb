"""The models that are loaded, within a budget of memory."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bindery.encoders import Encoder
from bindery.encoders.pending import Pending
from bindery.encoders.ticket import Ticket
from bindery.errors import InvalidValue, ModelTooLarge, Overloaded

_T = TypeVar("_T")

# Longer than most requests take, and shorter than most callers wait.
_PATIENCE_S = 10.0


@dataclass(slots=True, eq=False)
class _Place:
    """A model's place; ``encoder`` is None while the model is being loaded or unloaded."""

    loans: int = 0
    held_bytes: int = 0
    encoder: Encoder | None = None


class Loan:
    """A model that is not unloaded before it is given back.

    In a ``with`` statement it stands for the model, and is given back at the end.
    """

    def __init__(self, encoder: Encoder, place: _Place, changed: threading.Condition) -> None:
        self.encoder = encoder
        self._place = place
        self._changed = changed
        self._is_back = False
        place.loans += 1

    def give_back(self) -> None:
        """Say that the model is not needed any more; a second time changes nothing."""
        with self._changed:
            if not self._is_back:
                self._is_back = True
                self._place.loans -= 1
                self._changed.notify_all()

    def held_for(self, submit: Callable[[Encoder], Pending[_T]]) -> Pending[_T]:
        """What is submitted to the model, given back when that is done or was not taken."""
        try:
            pending = submit(self.encoder)
        except BaseException:  # also Ctrl-C: else the model could never be unloaded
            self.give_back()
            raise
        pending.when_done(self.give_back)
        return pending

    def __enter__(self) -> Encoder:
        return self.encoder

    def __exit__(self, *_: object) -> None:
        self.give_back()


class Shelf:
    """Loads models when they are asked for, and unloads those that nobody uses to make room.

    ``weigh`` tells how many bytes a model will hold, ``load`` loads it; both run in the thread of
    the first who asks for it, and only who asks for the same model waits for them. With
    ``budget_bytes`` all models together never hold more: those go that were not used for longest.
    Who needs room that others use waits ``patience_s`` for it. Safe to call from several threads.
    """

    def __init__(
        self,
        *,
        weigh: Callable[[str], int],
        load: Callable[[str], Encoder],
        budget_bytes: int | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        if budget_bytes is not None and budget_bytes < 1:
            raise InvalidValue(
                f"No model fits in {budget_bytes} bytes.", param="memory_budget_bytes"
            )
        self._weigh = weigh
        self._load = load
        self._budget_bytes = budget_bytes
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._places: OrderedDict[str, _Place] = OrderedDict()  # the last used at the end
        self._unloaded: set[str] = set()
        self._unloadings = 0

    @property
    def held_bytes(self) -> int:
        """What the models hold that are loaded or being loaded."""
        with self._changed:
            return self._held_bytes()

    @property
    def unloadings(self) -> int:
        """How often a model had to make room for another."""
        return self._unloadings

    def has_unloaded(self, model_id: str) -> bool:
        """Whether the model was loaded, and had to make room."""
        return model_id in self._unloaded

    def loaded(self) -> Mapping[str, Encoder]:
        """The models that are loaded, by id; to look at them is not to use them."""
        with self._changed:
            places = self._places.items()
            return {name: place.encoder for name, place in places if place.encoder is not None}

    def lend(self, model_id: str, ticket: Ticket | None = None) -> Loan:
        """A model, loaded first where it is not.

        Raises what loading raises; ModelTooLarge where it is beyond the whole budget; Overloaded
        where those in use leave no room; DeadlineExceeded where the ticket runs out over waiting.
        """
        with self._changed:
            while (place := self._places.get(model_id)) is not None:
                if place.encoder is not None:
                    self._places.move_to_end(model_id)
                    return Loan(place.encoder, place, self._changed)
                self._wait(ticket)
            place = self._places[model_id] = _Place()
        try:
            self._make_room(model_id, place, ticket)
            encoder = self._load(model_id)
        except BaseException:
            # Who waited for it tries by itself, and is told the reason too.
            self._remove([model_id])
            raise
        with self._changed:
            place.encoder = encoder
            self._unloaded.discard(model_id)
            self._changed.notify_all()
            return Loan(encoder, place, self._changed)

    def close(self) -> None:
        """Unload all models, whoever uses them. One that is asked for afterwards is loaded anew."""
        with self._changed:
            self._changed.wait_for(
                lambda: all(place.encoder is not None for place in self._places.values())
            )
            encoders = [place.encoder for place in self._places.values()]
            self._places.clear()
            self._unloaded.clear()
        for encoder in encoders:
            if encoder is not None:
                encoder.close()

    def _make_room(self, model_id: str, place: _Place, ticket: Ticket | None) -> None:
        """Reserve what the model will hold, and unload what is in its way."""
        size, budget = self._weigh(model_id), self._budget_bytes
        if budget is not None and size > budget:
            raise ModelTooLarge(
                f"Model {model_id!r} needs {_megabytes(size)} of memory; all models together "
                f"may hold {_megabytes(budget)}.",
                remedy="Raise the memory budget, or choose a lower precision or another model.",
                param="model",
            )
        with self._changed:
            leaving = self._wait_for_room(model_id, size, ticket)
            place.held_bytes = size
            encoders: list[Encoder] = []
            for name in leaving:
                leaver = self._places[name]
                if leaver.encoder is not None:
                    encoders.append(leaver.encoder)
                leaver.encoder, leaver.held_bytes = None, 0
            self._unloaded.update(leaving)
            self._unloadings += len(leaving)
        try:
            for encoder in encoders:
                encoder.close()
        finally:
            self._remove(leaving)

    def _wait_for_room(self, model_id: str, size: int, ticket: Ticket | None) -> list[str]:
        """Wait until enough is not in use, and tell what must go; the lock is held."""
        ends = time.monotonic() + self._patience_s
        while (leaving := self._in_the_way(size)) is None:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise Overloaded(
                    f"Model {model_id!r} needs {_megabytes(size)} of memory, and the models in "
                    "use leave less.",
                    remedy="Try again later, or raise the memory budget.",
                    param="model",
                )
            self._wait(ticket, left_s)
        return leaving

    def _wait(self, ticket: Ticket | None, most_s: float = threading.TIMEOUT_MAX) -> None:
        """Wait for any change, no longer than the ticket lasts; the lock is held."""
        if ticket is not None:
            ticket.check()
            if ticket.deadline is not None:
                most_s = min(most_s, ticket.deadline - time.monotonic())
        self._changed.wait(max(most_s, 0))

    def _in_the_way(self, size: int) -> list[str] | None:
        """What must go to make room, least recently used first; None while too much is in use."""
        if self._budget_bytes is None:
            return []
        room = self._budget_bytes - self._held_bytes()
        leaving: list[str] = []
        for name, place in self._places.items():
            if room >= size:
                break
            if place.encoder is not None and place.held_bytes and not place.loans:
                leaving.append(name)
                room += place.held_bytes
        return leaving if room >= size else None

    def _held_bytes(self) -> int:
        return sum(place.held_bytes for place in self._places.values())

    def _remove(self, model_ids: Iterable[str]) -> None:
        with self._changed:
            for model_id in model_ids:
                del self._places[model_id]
            self._changed.notify_all()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
