"""Work beside the event loop: threads for routes, loading models, running jobs, and readiness."""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from bindery.disk import check_room
from bindery.errors import BinderyError, StorageError
from bindery.faces.http.errors import Busy, PathHider
from bindery.faces.http.routes.shapes import ModelReadiness, ReadyAnswer
from bindery.jobs import Jobs
from bindery.jobs.into_collection import WhenFilled
from bindery.library import DEFAULT_MODEL, Library, ModelState, ModelStatus

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_RETRY_S = 5.0
# With less free space, the next upload may fail.
_LEAST_BYTES = 64 << 20

# Models in these states are not on this machine or not supported, so /ready does not wait for them.
_NOT_HERE = {ModelState.MISSING, ModelState.UNSUPPORTED}
# Remote models count as ready without a test call, which could cost money.
_ANSWERS = {ModelState.LOADED, ModelState.REMOTE}


class Pool:
    """Threads for one kind of work, with a limit on how many calls may wait."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self.threads = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"bindery-{name}")
        self._most = threads + waiting
        self._taken = 0  # counted on the event loop alone, so without a lock

    async def run(self, work: Callable[_P, _T], /, *arguments: _P.args, **named: _P.kwargs) -> _T:
        """The result of ``work(*arguments)``. Raises Busy if too many calls are waiting."""
        if self._taken >= self._most:
            raise Busy(
                f"The server is busy with {self._most} requests.", remedy="Try again in a moment."
            )
        self._taken += 1
        try:
            loop = asyncio.get_running_loop()
            context = copy_context()  # so that log lines carry the request id
            return await loop.run_in_executor(
                self._threads, lambda: context.run(work, *arguments, **named)
            )
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Finish running calls and drop waiting ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class Warmup:
    """Loads the models that are on this machine, one at a time, in its own thread."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._tried: set[str] = set()

    @property
    def is_running(self) -> bool:
        """Whether models are loading."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Load the models that have not been tried yet. Call it on the event loop only."""
        if not self.is_running and not self._is_stopping.is_set():
            self._thread = threading.Thread(target=self._load, name="bindery-warmup", daemon=True)
            self._thread.start()

    def has_tried(self, model_id: str) -> bool:
        """Whether loading the model was tried, with or without success."""
        return model_id in self._tried

    def wait(self) -> None:
        """Return when the current run is over."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Stop after the model that is loading."""
        self._is_stopping.set()
        self.wait()

    def _load(self) -> None:
        # The first models of the catalog load last: if the memory budget is too small for all,
        # those stay loaded.
        for status in reversed(self._library.statuses()):
            model_id = status.card.id
            if self._is_stopping.is_set():
                return
            if status.state is not ModelState.PRESENT or model_id in self._tried:
                continue
            try:
                self._library.load(model_id)
            except BinderyError as error:
                _log.warning("Model %s was not loaded: %s", model_id, error)
            except Exception:  # noqa: BLE001 - a bug with one model must not stop the others
                _log.exception("Model %s failed to load.", model_id)
            self._tried.add(model_id)
        # These objects live as long as the server. Without freezing them, a full collection would
        # scan them all and pause every request for 50 to 100 ms.
        gc.collect()
        gc.freeze()


class BackgroundJobs:
    """The jobs of the library. They run from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        library: Library,
        warmup: Warmup,
        *,
        parse_timeout_s: float,
        when_filled: WhenFilled | None = None,
    ) -> None:
        self._when_filled = when_filled
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
        """Accepts jobs at any time. Raises StorageError if the database cannot be opened."""
        with self._opening:
            if self._jobs is None:
                self._jobs = Jobs(
                    self._library,
                    parse_timeout_s=self._parse_timeout_s,
                    when_filled=self._when_filled,
                )
            return self._jobs

    def start(self) -> None:
        """Once the models are loaded, run interrupted jobs and then queued ones."""
        self._thread = threading.Thread(target=self._begin, name="bindery-begin", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop soon; jobs resume when a server starts again. A second call does nothing."""
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
                _log.warning("Jobs cannot run: %s", error)
                self._is_stopping.wait(_RETRY_S)
            else:
                return


class Readiness:
    """Whether this server should receive requests. Has its own thread, so it always answers.

    ``is_ending`` is set when the server is told to stop; from then on it is not ready.
    """

    def __init__(self, library: Library, warmup: Warmup, hides: PathHider) -> None:
        self.is_ending = False
        self.hides = hides
        self._library = library
        self._warmup = warmup
        self._pool = Pool("probe", threads=1, waiting=1024)

    async def answer(self) -> ReadyAnswer:
        """The current state, with the reason if the server is not ready."""
        if self.is_ending:
            return ReadyAnswer(status="draining", models=[])
        if self._warmup.is_running:
            return ReadyAnswer(status="loading", models=[])
        statuses = await self._pool.run(self._library.statuses)
        here = [status for status in statuses if status.state not in _NOT_HERE]
        # Of the models that are not on this machine, only the usual one, and only if there is none.
        usual = [status for status in statuses if status.card.id == DEFAULT_MODEL]
        models = [_model(status, self.hides) for status in here or usual]
        if any(
            status.state is ModelState.PRESENT and not self._warmup.has_tried(status.card.id)
            for status in here
        ):
            self._warmup.start()  # a model was preloaded after the server started
            return ReadyAnswer(status="loading", models=models)
        # An unloaded model made room for another one and loads again when it is asked for.
        answers = bool(here) and all(one.state in _ANSWERS or one.unloaded for one in here)
        failure = self._library.storage_failure
        status = "ready" if answers and failure is None else "not_ready"
        storage = failure or await self._pool.run(_shortage, self._library.home)
        return ReadyAnswer(status=status, models=models, storage=storage and self.hides(storage))

    def close(self) -> None:
        """Stop the thread."""
        self._pool.close()


def _shortage(home: Path) -> str | None:
    """Why uploads are going to fail, although the models answer."""
    try:
        check_room(home, least_bytes=_LEAST_BYTES)
    except StorageError as error:
        return str(error) if home.exists() else None
    return None


def _model(status: ModelStatus, hides: PathHider) -> ModelReadiness:
    error = status.error
    return ModelReadiness(
        id=status.card.id,
        state=status.state.value,
        code=error.code if error else None,
        message=hides(error.message) if error else None,
        remedy=hides(error.remedy) if error else None,
    )
