"""The worker that runs jobs: one at a time, under a lease."""

import threading
import time
from contextlib import suppress
from dataclasses import asdict

from bindery.errors import (
    Abandoned,
    BinderyError,
    InputError,
    QueueError,
    StorageError,
    UnknownCollection,
)
from bindery.jobs.database_sink import DatabaseSink
from bindery.jobs.lease import Watch, is_dead, new_holder
from bindery.jobs.queues import Signal
from bindery.jobs.recipe import Recipe, make_recipe, open_recipe
from bindery.jobs.running import Run
from bindery.jobs.sources import FileSource
from bindery.jobs.values import Failure, FileState, IntoCollection, JobState, request_of
from bindery.library import Library
from bindery.store import collections
from bindery.store import jobs as rows
from bindery.store.database import Database
from bindery.store.jobs import LeaseLost
from bindery.store.values import JobRow

_LOOK_S = 0.5
# If the disk fails or the models' memory is in use, waiting may help.
_PASSING = (StorageError, QueueError)
_PAUSE_S = 5.0


class Worker:
    """Runs jobs, in a thread of its own between ``start`` and ``stop``."""

    def __init__(
        self,
        library: Library,
        database: Database,
        source: FileSource,
        changed: Signal,
        *,
        is_alone: bool,
    ) -> None:
        self._library = library
        self._database = database
        self._source = source
        self._changed = changed
        self._is_alone = is_alone
        self._me = new_holder()
        self._running: dict[str, Run] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start a thread that runs queued jobs, and those of processes that have ended."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._serve, name="bindery-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and its run cleanly; the job can be resumed."""
        self._stopped.set()
        for run in list(self._running.values()):
            run.stop()
        self._changed.send()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        while not self._stopped.is_set():
            is_idle = False
            try:
                is_idle = not self._run_next()
            except _PASSING:
                self._stopped.wait(_PAUSE_S)
            except (BinderyError, LeaseLost):
                continue  # the error is stored with the job, or another process has the job
            if is_idle:
                self._changed.wait(_LOOK_S)

    def run(self, job_id: str) -> bool:
        """Run a job in this thread unless it is over; False if another process runs it."""
        with self._database.reading() as connection:
            row = rows.find_job(connection, job_id)
        if row is None or row.state.is_over:
            return True
        try:
            return self._take(row) and self._run(row)
        except LeaseLost:
            return False

    def _run_next(self) -> bool:
        with self._database.reading() as connection:
            waiting = rows.open_jobs(connection)
        for row in waiting:
            if not self._stopped.is_set() and self._can_read(row) and self._take(row):
                return self._run(row)
        return False

    def _can_read(self, row: JobRow) -> bool:
        """Whether the files are ours: those of a folder are read by the command that names it."""
        into = request_of(row).into
        return not (self._source.is_store and into is not None and into.roots)

    def _take(self, row: JobRow) -> bool:
        if not self.is_free(row):
            return False
        dead = [row.lease_holder] if row.lease_holder is not None else []
        with self._database.writing() as connection:
            return rows.take_lease(connection, row.id, self._me, dead=dead)

    def is_free(self, row: JobRow) -> bool:
        """Whether no process is working on the job."""
        holder = row.lease_holder
        if holder is None or row.lease_until is None or row.lease_until < time.time():
            return True
        return holder != self._me and (self._is_alone or is_dead(holder, self._me))

    def _run(self, row: JobRow) -> bool:
        """Run a job that this process has leased, and return the lease."""
        job_id, state, error = row.id, JobState.QUEUED, None
        try:
            run = self._running[job_id] = self._new_run(row)
            if self._stopped.is_set():
                run.stop()
            with Watch(self._database, job_id, self._me, run.stop) as watch:
                try:
                    run.go()
                    state, error = self._outcome(job_id)
                except Abandoned:
                    if watch.is_lost:
                        raise LeaseLost(job_id) from None
                    state = JobState.CANCELLED if watch.is_cancelled else state
                    raise
        except (LeaseLost, *_PASSING):
            raise
        except Exception as failure:
            # It fails only this job, and its users see the error.
            state, error = JobState.FAILED, _failure(failure)
            raise
        finally:
            self._running.pop(job_id, None)
            self._give_back(job_id, state, error)
        return True

    def _new_run(self, row: JobRow) -> Run:
        request = request_of(row)
        if request.into is not None:
            recipe = self._recipe_of(request.into)
        else:
            recipe = make_recipe(self._library, request, row.owner)
        sink = DatabaseSink(
            row.id,
            recipe,
            database=self._database,
            source=self._source,
            holder=self._me,
            when_changed=self._changed.send,
            into=request.into,
        )
        return Run(recipe, library=self._library, source=self._source, sink=sink)

    def _recipe_of(self, into: IntoCollection) -> Recipe:
        """The recipe of a collection. Raises what :func:`open_recipe` does."""
        with self._database.reading() as transaction:
            facts = collections.recipe_of(transaction, into.generation)
        if facts is None:
            raise UnknownCollection("The collection of the job was deleted.")
        return open_recipe(self._library, Recipe.from_facts(facts))

    def _outcome(self, job_id: str) -> tuple[JobState, Failure | None]:
        with self._database.reading() as connection:
            counts = rows.count_files(connection, job_id)
        if FileState.DONE in counts:
            return JobState.DONE, None
        why = "None of the files could be embedded."
        return JobState.FAILED, Failure(InputError.code, why, "See the error of each file.")

    def _give_back(self, job_id: str, state: JobState, error: Failure | None) -> None:
        why = None if error is None else asdict(error)
        # A lost lease cannot be returned; on a failing disk it expires.
        with suppress(LeaseLost, StorageError), self._database.writing() as connection:
            rows.give_back(connection, job_id, self._me, state, error=why)
        self._changed.send()


def _failure(error: Exception) -> Failure:
    if isinstance(error, BinderyError):
        return Failure(error.code, error.message, error.remedy)
    what = f"{type(error).__name__}: {error}"
    return Failure(BinderyError.code, what, "This is a bug in Bindery. Please report it.")
