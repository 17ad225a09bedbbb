"""``Jobs``: submit, follow, cancel and run jobs, and read their results."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from bindery.disk import whole_file
from bindery.errors import (
    IdempotencyConflict,
    JobUnfinished,
    UnknownJob,
)
from bindery.jobs.into_collection import WhenFilled
from bindery.jobs.parts import progress_of
from bindery.jobs.queues import Signal
from bindery.jobs.recipe import Recipe, check_request
from bindery.jobs.results import Results, stored_rows, table_of
from bindery.jobs.sources import FileSource, StoredFiles
from bindery.jobs.values import (
    Failure,
    Job,
    JobEvent,
    JobFile,
    JobRequest,
    JobState,
    file_of,
    request_of,
)
from bindery.jobs.worker import Worker
from bindery.jobs.writers import writer_of
from bindery.library import Library
from bindery.store import derived
from bindery.store import jobs as rows
from bindery.store.database import Database, Transaction
from bindery.store.values import JobFileRow, JobRow
from bindery.vectors import Form

_LOOK_S = 0.5
_BEGINS_WITHIN_S = 60.0
_MOST_EVENTS = 1000


class Jobs:
    """Jobs on the files of a library or of another ``source``, stored in a ``database``.

    Safe to use from several threads and processes: one of them at a time runs a job. ``is_alone``
    means that the caller has locked the database: leases of other processes then do not count.
    ``when_filled`` ends the rebuild of a collection; without it rebuilds are left to others.
    """

    def __init__(
        self,
        library: Library,
        *,
        database: Database | None = None,
        source: FileSource | None = None,
        parse_timeout_s: float = 30.0,
        is_alone: bool = False,
        when_filled: WhenFilled | None = None,
    ) -> None:
        self._library = library
        self._database = database or library.database
        self._source = source or StoredFiles(library, timeout_s=parse_timeout_s)
        self._changed = Signal()
        self._worker = Worker(
            library,
            self._database,
            self._source,
            self._changed,
            parse_timeout_s=parse_timeout_s,
            is_alone=is_alone,
            when_filled=when_filled,
        )

    def submit(
        self,
        request: JobRequest,
        *,
        owner: str = "",
        idempotency_key: str | None = None,
        known: Mapping[str, bytes] | None = None,
        names: Mapping[str, str] | None = None,
        also: Callable[[Transaction, str], None] | None = None,
    ) -> Job:
        """Submit a job. It is durably stored when this returns.

        The same request with the same key returns the existing job. ``known`` are the keys of the
        chunk sets that files had: those that still have them are done at once. ``names`` are those
        under which the caller sees files, by their ids. ``also`` writes,
        given the id of the job, in the transaction that adds it. Raises
        IdempotencyConflict for another request with the key; UnknownFile, UnknownModel,
        UnknownStrategy, UnknownRotation and InvalidValue for a request that cannot be carried out.
        """
        key = idempotency_key
        with self._database.reading() as connection:
            if job := _of_key(connection, owner, key, request):
                return job
        check_request(self._library, request)
        sets, shown = known or {}, names or {}
        source = self._worker.source_of(request.into)
        files = [
            replace(new, chunk_set=sets.get(one), name=shown.get(one, new.name))
            for place, one in enumerate(request.files)
            for new in (_new(source, place, one),)
        ]
        job_id = f"job-{secrets.token_hex(12)}"
        with self._database.writing() as connection:
            # Another request with the same key may have been faster.
            if job := _of_key(connection, owner, key, request):
                return job
            rows.add_job(
                connection, job_id, request.facts(), files, owner=owner, idempotency_key=key
            )
            if also is not None:
                also(connection, job_id)
        self._changed.send()
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """The current state of a job. Raises UnknownJob."""
        with self._database.reading() as connection:
            return _job(connection, _found(rows.find_job(connection, job_id), job_id))

    def list(
        self, owner: str | None = None, *, after: str | None = None, most: int | None = None
    ) -> "list[Job]":
        """Jobs, newest first: those of an owner, those ``after`` a job, at most ``most``."""
        with self._database.reading() as connection:
            found = rows.list_jobs(connection, owner, after=after, most=most)
            return [_job(connection, row) for row in found]

    def counts(self) -> dict[str, int]:
        """The number of jobs in each state."""
        with self._database.reading() as connection:
            return dict.fromkeys(JobState, 0) | rows.count_jobs(connection)

    def files(self, job_id: str) -> "list[JobFile]":
        """The files of a job in order, with their states. Raises UnknownJob."""
        with self._database.reading() as connection:
            _found(rows.find_job(connection, job_id), job_id)
            return [file_of(row) for row in rows.list_files(connection, job_id)]

    def about(self, job_id: str) -> dict[str, Any]:
        """The recipe of a job's chunks and vectors, empty before its first run.

        Raises UnknownJob.
        """
        with self._database.reading() as connection:
            row = _found(rows.find_job(connection, job_id), job_id)
        return dict(row.maker or {})

    def cancel(self, job_id: str) -> Job:
        """Cancel a job unless it is over. Its results so far are kept. Raises UnknownJob.

        A running job ends within a second, or after its current batch.
        """
        with self._database.writing() as connection:
            _found(rows.find_job(connection, job_id), job_id)
            rows.ask_to_cancel(connection, job_id)
        self._changed.send()
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Delete a job that is over. Raises UnknownJob, and JobUnfinished if it is not over."""
        with self._database.freeing() as connection:
            _check_over(_found(rows.find_job(connection, job_id), job_id))
            rows.delete_job(connection, job_id)
        self._changed.send()

    def delete_stopped(self, owner: str) -> None:
        """Delete the jobs of an owner that no process works on.

        Jobs that are less than a minute old are kept: they may be about to begin.
        """
        with self._database.freeing() as connection:
            for row in rows.list_jobs(connection, owner):
                if row.created_at < time.time() - _BEGINS_WITHIN_S and self._worker.is_free(row):
                    rows.delete_job(connection, row.id)

    def changes(self, job_id: str, after: int = 0, timeout_s: float = 0.0) -> "list[JobEvent]":
        """The events since the one numbered ``after``, waiting for them; empty after the timeout.

        Raises UnknownJob.
        """
        until = time.monotonic() + timeout_s
        while True:
            if events := self._events(job_id, after):
                return events
            left = until - time.monotonic()
            if left <= 0:
                return []
            # Other processes cannot wake this one.
            self._changed.wait(min(left, _LOOK_S))

    def results(self, job_id: str, **about: object) -> Results:
        """The results of a job; ``about`` is added to the metadata of the table.

        Raises UnknownJob, JobUnfinished.
        """
        with self._database.reading() as connection:
            row = _found(rows.find_job(connection, job_id), job_id)
            _check_over(row)
            # The chunks of files that were deleted since are deleted too.
            files = [
                one
                for one in rows.list_files(connection, job_id)
                if one.chunk_set and derived.find_chunks(connection, one.chunk_set)
            ]
        if row.maker is None:
            raise JobUnfinished(
                f"The job {job_id} ended before its first run.", remedy="See the job's error."
            )
        recipe, form = Recipe.from_facts(row.maker), Form(request_of(row).vectors.form)
        return Results(
            table_of(recipe, form, **about), stored_rows(self._database, files, recipe, form)
        )

    def write_results(self, job_id: str, sink: Path | IO[bytes], format: str = "parquet") -> int:
        """Write the results of a job, and return the number of rows.

        ``format`` is a key of :data:`bindery.jobs.writers.FORMATS`. The file at a path appears
        only when it is complete. Raises UnknownJob, JobUnfinished.
        """
        write = writer_of(format)
        results = self.results(job_id)
        if not isinstance(sink, Path):
            return results.write(write, sink)
        with whole_file(sink) as file:
            return results.write(write, file)

    def renew(self, job_id: str, request: JobRequest) -> Job:
        """Queue a job again with a new request; files that have not changed are not embedded again.

        Raises UnknownJob, and JobUnfinished while another process works on it.
        """
        check_request(self._library, request)
        with self._database.writing() as connection:
            row = _found(rows.find_job(connection, job_id), job_id)
            if not self._worker.is_free(row):
                raise _busy(job_id)
            before = {one.file_id: one for one in rows.list_files(connection, job_id)}
            new = (_new(self._source, place, one) for place, one in enumerate(request.files))
            rows.renew_job(
                connection,
                job_id,
                request=request.facts(),
                progress={} if row.state.is_over else row.progress,
                files=[_again(one, before.get(one.file_id)) for one in new],
            )
        self._changed.send()
        return self.get(job_id)

    def tidy(self) -> None:
        """Delete chunks and vectors that no job uses."""
        with self._database.freeing() as connection:
            derived.forget_unused(connection)

    def run(self, job_id: str) -> Job:
        """Run a job in this thread, unless it is over.

        Raises JobUnfinished if another process runs it, Abandoned if it is cancelled or stopped,
        and the error that fails the job, which is also stored with it.
        """
        with self._database.reading() as connection:
            _found(rows.find_job(connection, job_id), job_id)
        if not self._worker.run(job_id):
            raise _busy(job_id)
        return self.get(job_id)

    def finish(self, job_id: str) -> Job:
        """Run a job in this thread, or wait for the process that runs it, until it is over.

        Raises what :meth:`run` does for a run of this process.
        """
        while not (job := self.get(job_id)).state.is_over:
            if not self._worker.run(job_id):
                self._changed.wait(_LOOK_S)
        return job

    def start(self) -> None:
        """Start a thread that runs queued jobs, oldest first, and those of ended processes."""
        self._worker.start()

    def stop(self) -> None:
        """Stop the thread and its run cleanly; the job can be resumed."""
        self._worker.stop()

    def _events(self, job_id: str, after: int) -> "list[JobEvent]":
        with self._database.reading() as connection:
            row = _found(rows.find_job(connection, job_id), job_id)
            if row.changes <= after:
                return []
            job = _job(connection, row)
            changed = rows.changed_files(connection, job_id, after, most=_MOST_EVENTS)
        events = [JobEvent(one.changed, "file", asdict(file_of(one))) for one in changed]
        if len(events) < _MOST_EVENTS:
            why = None if job.error is None else asdict(job.error)
            data = {"state": job.state, "progress": asdict(job.progress), "error": why}
            events.append(JobEvent(row.changes, "job", data))
        return events


def _of_key(
    connection: Transaction, owner: str, key: str | None, request: JobRequest
) -> Job | None:
    row = None if key is None else rows.find_by_key(connection, owner, key)
    if key is None or row is None:
        return None
    if request_of(row) != request:
        raise IdempotencyConflict(
            f"The idempotency key {key[:80]!r} was already used for a different request.",
            remedy="Choose a new key for a new request.",
            param="idempotency_key",
        )
    return _job(connection, row)


def _new(source: FileSource, place: int, file_id: str) -> JobFileRow:
    name, size_bytes = source.look(file_id)
    return JobFileRow(place, file_id, name, size_bytes)


def _again(new: JobFileRow, before: JobFileRow | None) -> JobFileRow:
    if before is None:
        return new
    return replace(
        new,
        chunk_set=before.chunk_set,
        chunks=before.chunks,
        warnings=before.warnings,
        attempts=before.attempts if before.size_bytes == new.size_bytes else 0,
    )


def _found(row: JobRow | None, job_id: str) -> JobRow:
    if row is None:
        raise UnknownJob(f"There is no job {job_id[:80]!r}.", remedy="GET /jobs lists your jobs.")
    return row


def _check_over(row: JobRow) -> None:
    if not row.state.is_over:
        raise JobUnfinished(
            f"The job {row.id} is {row.state}.", remedy="Wait until it is over, or cancel it."
        )


def _busy(job_id: str) -> JobUnfinished:
    return JobUnfinished(
        f"Another process works on the job {job_id}.", remedy="Wait for it, or stop it."
    )


def _job(connection: Transaction, row: JobRow) -> Job:
    return Job(
        id=row.id,
        state=row.state,
        request=request_of(row),
        owner=row.owner,
        created_at=row.created_at,
        updated_at=row.updated_at,
        progress=progress_of(row.progress, rows.count_files(connection, row.id)),
        error=None if row.error is None else Failure(**row.error),
    )
