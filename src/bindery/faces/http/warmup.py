"""Loads the models once the server has started, so that no request has to wait for one."""

import gc
import logging
import threading

from bindery.errors import BinderyError
from bindery.library import Library, ModelState

_log = logging.getLogger(__name__)


class Warmup:
    """Loads the models that are on this machine, one after the other, in a thread of its own."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._tried: set[str] = set()

    @property
    def is_running(self) -> bool:
        """Whether models are being loaded."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Load what is there and was not tried yet; called on the event loop only."""
        if not self.is_running and not self._is_stopping.is_set():
            self._thread = threading.Thread(target=self._load, name="bindery-warmup", daemon=True)
            self._thread.start()

    def has_tried(self, model_id: str) -> bool:
        """Whether loading the model was tried, whatever came of it."""
        return model_id in self._tried

    def wait(self) -> None:
        """Return once what was begun is over."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """End after the model that is being loaded."""
        self._is_stopping.set()
        self.wait()

    def _load(self) -> None:
        # The first of the catalog last: where the budget of memory does not hold all, those stay.
        for status in reversed(self._library.statuses()):
            model_id = status.card.id
            if self._is_stopping.is_set():
                return
            if status.state is not ModelState.PRESENT or model_id in self._tried:
                continue
            try:
                self._library.load(model_id)
            except BinderyError as error:
                _log.warning("Model %s is refused: %s", model_id, error)
            except Exception:  # noqa: BLE001 - a fault with one must not keep the others from loading
                _log.exception("Model %s cannot be loaded.", model_id)
            self._tried.add(model_id)
        # What is there now stays: a full collection would look through all of it, and hold up every
        # request for 50 to 100 ms while it does.
        gc.collect()
        gc.freeze()
