"""A server's jobs: taken on at any time, worked on from when its models are there to its end."""

import logging
import threading

from bindery.errors import BinderyError
from bindery.faces.http.warmup import Warmup
from bindery.jobs import Jobs
from bindery.library import Library

_log = logging.getLogger(__name__)

_RETRY_S = 5.0


class LongWork:
    """The jobs of a library, which :meth:`start` has worked on until :meth:`stop`."""

    def __init__(self, library: Library, warmup: Warmup, *, parse_timeout_s: float) -> None:
        self._library = library
        self._warmup = warmup
        self._parse_timeout_s = parse_timeout_s
        self._opening = threading.Lock()
        self._ending = threading.Lock()
        self._is_stopping = threading.Event()
        self._jobs: Jobs | None = None
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> Jobs:
        """The door to them. Raises StorageError where their database cannot be opened."""
        with self._opening:
            if self._jobs is None:
                self._jobs = Jobs(self._library, parse_timeout_s=self._parse_timeout_s)
            return self._jobs

    def start(self) -> None:
        """Begin once the models are loaded: what was cut off last time, then what waits."""
        self._thread = threading.Thread(target=self._begin, name="bindery-begin", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End soon, in order: every job goes on another time. Called again it changes nothing."""
        self._is_stopping.set()
        with self._ending:
            if self._thread is not None:
                self._thread.join()
                self._thread = None
                if self._jobs is not None:
                    self._jobs.stop()

    def _begin(self) -> None:
        self._warmup.wait()
        while not self._is_stopping.is_set():
            try:
                self.jobs.start()
            except BinderyError as error:
                _log.warning("No job is worked on: %s", error)
                self._is_stopping.wait(_RETRY_S)
            else:
                return
