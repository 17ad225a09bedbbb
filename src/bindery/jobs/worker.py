"""The worker that runs jobs: one at a time, under a lease."""

import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace

from bindery.errors import (
    Abandoned,
    BinderyError,
    InputError,
    QueueError,
    StorageError,
    UnknownCollection,
)
from bindery.jobs.database_sink import DatabaseSink
from bindery.jobs.into_collection import CollectionFiles, GenerationSwitched, WhenFilled
from bindery.jobs.lease import Watch, is_dead, new_holder
from bindery.jobs.parts import PartsDeleted
from bindery.jobs.queues import Signal
from bindery.jobs.recipe import Recipe, make_recipe, open_recipe
from bindery.jobs.running import Run
from bindery.jobs.sources import FileSource
from bindery.jobs.values import Failure, FileState, IntoCollection, JobState, request_of
from bindery.library import Library
from bindery.store import collections, generations
from bindery.store import jobs as rows
from bindery.store.database import Database
from bindery.store.jobs import LeaseLost
from bindery.store.values import JobFileRow, JobRow

_LOOK_S = 0.5
# If the disk fails or the models' memory is in use, waiting may help.
_PASSING = (StorageError, QueueError)
_PAUSE_S = 5.0


class Worker:
    """Runs jobs in its own threads between ``start`` and ``stop``.

    Rebuilds of collections have a thread for themselves, so that they delay no other job. They are
    only run if there is ``when_filled``.
    """

    def __init__(
        self,
        library: Library,
        database: Database,
        source: FileSource,
        changed: Signal,
        *,
        parse_timeout_s: float,
        is_alone: bool,
        when_filled: WhenFilled | None = None,
    ) -> None:
        self._library = library
        self._database = database
        self._source = source
        self._changed = changed
        self._parse_timeout_s = parse_timeout_s
        self._is_alone = is_alone
        self._when_filled = when_filled
        self._me = new_holder()
        self._running: dict[str, Run] = {}
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start threads that run queued jobs, and those of processes that have ended."""
        self._stopped.clear()
        for name, rebuilds in [("bindery-jobs", False), ("bindery-rebuilds", True)]:
            thread = threading.Thread(target=self._serve, args=(rebuilds,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop the threads and their runs cleanly; the jobs can be resumed."""
        self._stopped.set()
        for run in list(self._running.values()):
            run.stop()
        self._changed.send()
        while self._threads:
            self._threads.pop().join()

    def _serve(self, rebuilds: bool) -> None:  # noqa: FBT001 - the argument of a thread
        while not self._stopped.is_set():
            is_idle = False
            try:
                is_idle = not self._run_next(rebuilds)
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

    def source_of(self, into: IntoCollection | None) -> FileSource:
        """Where the files of a job are: a rebuild reads those of its collection."""
        if into is None or not into.is_rebuild:
            return self._source
        return CollectionFiles(self._library, into.collection, timeout_s=self._parse_timeout_s)

    def _run_next(self, rebuilds: bool) -> bool:  # noqa: FBT001
        with self._database.reading() as connection:
            waiting = rows.open_jobs(connection)
        for row in waiting:
            is_mine = self._can_run(request_of(row).into, rebuilds=rebuilds)
            if not self._stopped.is_set() and is_mine and self._take(row):
                return self._run(row)
        return False

    def _can_run(self, into: IntoCollection | None, *, rebuilds: bool) -> bool:
        """Whether a job is for us: the files of a folder are read by the command that names it."""
        is_rebuild = into is not None and into.is_rebuild
        if is_rebuild:
            return rebuilds and self._when_filled is not None
        return not rebuilds and not (self._source.is_store and into is not None and into.roots)

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
            with Watch(self._database, job_id, self._me, lambda: self._stop(job_id)) as watch:
                try:
                    while not self._go(row, watch):
                        continue
                    state, error = self._outcome(row)
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

    def _stop(self, job_id: str) -> None:
        if (run := self._running.get(job_id)) is not None:
            run.stop()

    def _go(self, row: JobRow, watch: Watch) -> bool:
        """Run a job once; False if it has to be run again, because what it had has changed."""
        run = self._running[row.id] = self._new_run(row)
        if self._stopped.is_set() or watch.is_cancelled or watch.is_lost:
            run.stop()
        try:
            run.go()
        except (GenerationSwitched, PartsDeleted):
            return False
        into = request_of(row).into
        if into is None or not into.is_rebuild or self._when_filled is None:
            return True
        with self._database.reading() as connection:
            files = rows.list_files(connection, row.id)
        failed = [file.file_id for file in files if file.state is FileState.FAILED]
        more = self._when_filled(into, failed)
        source = self.source_of(into)
        names = [(name, *source.look(name)) for name in more]
        with self._database.writing() as connection:
            rows.hold(connection, row.id, self._me)
            rows.add_files(
                connection,
                row.id,
                [JobFileRow(len(files) + n, *one) for n, one in enumerate(names)],
            )
        return not more

    def _new_run(self, row: JobRow) -> Run:
        request = request_of(row)
        into, source = request.into, self.source_of(request.into)
        if into is None:
            recipe = make_recipe(self._library, request, row.owner)
        else:
            into, recipe = self._target(into)
        sink = DatabaseSink(
            row.id,
            recipe,
            database=self._database,
            source=source,
            holder=self._me,
            when_changed=self._changed.send,
            into=into,
        )
        return Run(recipe, library=self._library, source=source, sink=sink)

    def _target(self, into: IntoCollection) -> tuple[IntoCollection, Recipe]:
        """The generation that files join now, and its recipe. Raises what open_recipe does."""
        with self._database.reading() as transaction:
            if not into.is_rebuild:
                active = generations.active_generation(transaction, into.collection)
                into = replace(into, generation=active or into.generation)
            facts = collections.recipe_of(transaction, into.generation)
        if facts is None:
            raise UnknownCollection("The collection of the job was deleted.")
        return into, open_recipe(self._library, Recipe.from_facts(facts))

    def _outcome(self, row: JobRow) -> tuple[JobState, Failure | None]:
        with self._database.reading() as connection:
            counts = rows.count_files(connection, row.id)
        into = request_of(row).into
        if FileState.DONE in counts or (into is not None and into.is_rebuild):
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
