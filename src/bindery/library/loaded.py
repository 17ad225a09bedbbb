"""The loaded models, within a memory budget."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bindery.encoders import Encoder
from bindery.encoders.figures import EncoderFigures
from bindery.encoders.pending import Cancellation, Pending
from bindery.errors import InvalidValue, ModelTooLarge, Overloaded
from bindery.library.cache import CacheFigures

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
    """A model that stays loaded until it is given back.

    As a context manager it gives the encoder, and gives the model back at the end.
    """

    def __init__(self, encoder: Encoder, slot: _Slot, changed: threading.Condition) -> None:
        self.encoder = encoder
        self._slot = slot
        self._changed = changed
        self._is_back = False
        slot.leases += 1

    def give_back(self) -> None:
        """The model is no longer needed. Calling it again changes nothing."""
        with self._changed:
            if not self._is_back:
                self._is_back = True
                self._slot.leases -= 1
                self._changed.notify_all()

    def held_for(self, submit: Callable[[Encoder], Pending[_T]]) -> Pending[_T]:
        """Submit work to the model, and give it back when the work is done or refused."""
        try:
            pending = submit(self.encoder)
        except BaseException:  # also Ctrl-C: otherwise the model could never be unloaded
            self.give_back()
            raise
        pending.when_done(self.give_back)
        return pending

    def __enter__(self) -> Encoder:
        return self.encoder

    def __exit__(self, *_: object) -> None:
        self.give_back()


@dataclass(frozen=True, slots=True)
class LibraryFigures:
    """A snapshot of the counters of each loaded local model by id, of the cache, and of memory.

    ``loaded_bytes`` is the memory of all models now; ``unloadings`` is how often a model was
    unloaded to make room.
    """

    models: Mapping[str, EncoderFigures]
    cache: CacheFigures
    loaded_bytes: int
    unloadings: int


class LoadedModels:
    """Loads models on demand, and unloads unused ones to make room. Thread-safe.

    ``weigh`` gives the bytes that a model will need, ``load`` loads it; both run in the thread of
    the first caller, and only callers of the same model wait for them. All models together never
    need more than ``budget_bytes``: the least recently used are unloaded first. A caller waits
    ``patience_s`` for room that others use.
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
                f"memory_budget_bytes must be at least 1, got {budget_bytes}.",
                param="memory_budget_bytes",
            )
        self._weigh = weigh
        self._load = load
        self._budget_bytes = budget_bytes
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()  # most recently used last
        self._unloaded: set[str] = set()
        self._unloadings = 0

    @property
    def held_bytes(self) -> int:
        """The memory of all models that are loaded or being loaded."""
        with self._changed:
            return self._held_bytes()

    @property
    def unloadings(self) -> int:
        """How often a model was unloaded to make room for another."""
        return self._unloadings

    def has_unloaded(self, model_id: str) -> bool:
        """Whether the model was unloaded to make room."""
        return model_id in self._unloaded

    def loaded(self) -> Mapping[str, Encoder]:
        """The loaded models by id. Reading this does not count as using them."""
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
            # Callers that waited for it try themselves, and get the reason too.
            self._remove([model_id])
            raise
        with self._changed:
            slot.encoder = encoder
            self._unloaded.discard(model_id)
            self._changed.notify_all()
            return ModelLease(encoder, slot, self._changed)

    def close(self) -> None:
        """Unload all models, even if they are in use. They are loaded again on demand."""
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
        """Reserve memory for the model, and unload others if necessary."""
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
        """Wait until there can be enough room; returns what to unload. The lock is held."""
        ends = time.monotonic() + self._patience_s
        while (leaving := self._in_the_way(size)) is None:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise Overloaded(
                    f"Model {model_id!r} needs {_megabytes(size)} of memory, more than the models "
                    "in use leave free.",
                    remedy="Try again later, or raise the memory budget.",
                    param="model",
                )
            self._wait(cancellation, left_s)
        return leaving

    def _wait(
        self, cancellation: Cancellation | None, most_s: float = threading.TIMEOUT_MAX
    ) -> None:
        """Wait for any change, at most until the deadline. The lock is held."""
        if cancellation is not None:
            cancellation.check()
            if cancellation.deadline is not None:
                most_s = min(most_s, cancellation.deadline - time.monotonic())
        self._changed.wait(max(most_s, 0))

    def _in_the_way(self, size: int) -> list[str] | None:
        """What to unload to make room, least recently used first; None if too much is in use."""
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
