"""The models that are loaded, within a budget of memory."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bindery.encoders import Encoder
from bindery.encoders.pending import Cancellation, Pending
from bindery.errors import InvalidValue, ModelTooLarge, Overloaded

_T = TypeVar("_T")

# Longer than most requests take, and shorter than most callers wait.
_PATIENCE_S = 10.0


@dataclass(slots=True, eq=False)
class _Slot:
    """A model's slot; ``encoder`` is None while the model is being loaded or unloaded."""

    leases: int = 0
    held_bytes: int = 0
    encoder: Encoder | None = None


class ModelLease:
    """A model that is not unloaded before it is given back.

    In a ``with`` statement it stands for the model, and is given back at the end.
    """

    def __init__(self, encoder: Encoder, slot: _Slot, changed: threading.Condition) -> None:
        self.encoder = encoder
        self._slot = slot
        self._changed = changed
        self._is_back = False
        slot.leases += 1

    def give_back(self) -> None:
        """Say that the model is not needed any more; a second time changes nothing."""
        with self._changed:
            if not self._is_back:
                self._is_back = True
                self._slot.leases -= 1
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


class LoadedModels:
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
        self._slots: OrderedDict[str, _Slot] = OrderedDict()  # the last used at the end
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
            slots = self._slots.items()
            return {name: slot.encoder for name, slot in slots if slot.encoder is not None}

    def lend(self, model_id: str, cancellation: Cancellation | None = None) -> ModelLease:
        """A model; it is loaded first if necessary.

        Raises what loading raises; ModelTooLarge if the model exceeds the whole budget; Overloaded
        if the models in use leave no room; DeadlineExceeded if the deadline passes while waiting.
        """
        with self._changed:
            while (slot := self._slots.get(model_id)) is not None:
                if slot.encoder is not None:
                    self._slots.move_to_end(model_id)
                    return ModelLease(slot.encoder, slot, self._changed)
                self._wait(cancellation)
            slot = self._slots[model_id] = _Slot()
        try:
            self._make_room(model_id, slot, cancellation)
            encoder = self._load(model_id)
        except BaseException:
            # Who waited for it tries by itself, and is told the reason too.
            self._remove([model_id])
            raise
        with self._changed:
            slot.encoder = encoder
            self._unloaded.discard(model_id)
            self._changed.notify_all()
            return ModelLease(encoder, slot, self._changed)

    def close(self) -> None:
        """Unload all models, whoever uses them. One that is asked for afterwards is loaded anew."""
        with self._changed:
            self._changed.wait_for(
                lambda: all(slot.encoder is not None for slot in self._slots.values())
            )
            encoders = [slot.encoder for slot in self._slots.values()]
            self._slots.clear()
            self._unloaded.clear()
        for encoder in encoders:
            if encoder is not None:
                encoder.close()

    def _make_room(self, model_id: str, slot: _Slot, cancellation: Cancellation | None) -> None:
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
            leaving = self._wait_for_room(model_id, size, cancellation)
            slot.held_bytes = size
            encoders: list[Encoder] = []
            for name in leaving:
                leaver = self._slots[name]
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

    def _wait_for_room(
        self, model_id: str, size: int, cancellation: Cancellation | None
    ) -> list[str]:
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
            self._wait(cancellation, left_s)
        return leaving

    def _wait(
        self, cancellation: Cancellation | None, most_s: float = threading.TIMEOUT_MAX
    ) -> None:
        """Wait for any change, at most until the deadline; the lock is held."""
        if cancellation is not None:
            cancellation.check()
            if cancellation.deadline is not None:
                most_s = min(most_s, cancellation.deadline - time.monotonic())
        self._changed.wait(max(most_s, 0))

    def _in_the_way(self, size: int) -> list[str] | None:
        """What must go to make room, least recently used first; None while too much is in use."""
        if self._budget_bytes is None:
            return []
        room = self._budget_bytes - self._held_bytes()
        leaving: list[str] = []
        for name, slot in self._slots.items():
            if room >= size:
                break
            if slot.encoder is not None and slot.held_bytes and not slot.leases:
                leaving.append(name)
                room += slot.held_bytes
        return leaving if room >= size else None

    def _held_bytes(self) -> int:
        return sum(slot.held_bytes for slot in self._slots.values())

    def _remove(self, model_ids: Iterable[str]) -> None:
        with self._changed:
            for model_id in model_ids:
                del self._slots[model_id]
            self._changed.notify_all()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
