"""The rows of jobs and their files.

::

    queued ──> running ──> done | failed | cancelled
       ^          │
       └──────────┘  its process ended: the lease was returned, or expired

A running job is leased to one process. Every change that the run makes names the holder of the
lease, and fails if another process has taken it (:class:`LeaseLost`), so only one works on a job.

Changes of a job are numbered; the row of a file has the number of its last change. Every function
runs in the caller's transaction.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, case, delete, func, insert, or_, select, update

from bindery.store.database.tables import job_files, jobs
from bindery.store.values import OPEN_STATES, FileState, JobFileRow, JobRow, JobState

LEASE_S = 30.0


class LeaseLost(Exception):
    """Another process has taken over the job, or it was deleted."""


def add_job(
    connection: Connection,
    job_id: str,
    request: Mapping[str, Any],
    files: Iterable[JobFileRow],
    *,
    owner: str = "",
    idempotency_key: str | None = None,
) -> None:
    """Add a queued job with its files."""
    now = time.time()
    job = JobRow(
        id=job_id,
        owner=owner,
        idempotency_key=idempotency_key,
        request=request,
        state=JobState.QUEUED,
        is_cancelled=False,
        error=None,
        progress={},
        maker=None,
        created_at=now,
        updated_at=now,
        changes=1,
        lease_holder=None,
        lease_until=None,
    )
    connection.execute(insert(jobs), [asdict(job)])
    add_files(connection, job_id, files)


def find_job(connection: Connection, job_id: str) -> JobRow | None:
    """The job with an id."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one_or_none()
    return None if row is None else _job(row)


def find_by_key(connection: Connection, owner: str, idempotency_key: str) -> JobRow | None:
    """The job of an owner with an idempotency key."""
    mine = (jobs.c.owner == owner, jobs.c.idempotency_key == idempotency_key)
    row = connection.execute(select(jobs).where(*mine)).mappings().one_or_none()
    return None if row is None else _job(row)


def list_jobs(
    connection: Connection, owner: str | None, *, after: str | None = None, most: int | None = None
) -> list[JobRow]:
    """Jobs, newest first: those of an owner, those ``after`` a job, at most ``most``."""
    found = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(most)
    if owner is not None:
        found = found.where(jobs.c.owner == owner)
    if after is not None and (last := find_job(connection, after)) is not None:
        older = jobs.c.created_at < last.created_at
        same = and_(jobs.c.created_at == last.created_at, jobs.c.id > last.id)
        found = found.where(or_(older, same))
    return [_job(row) for row in connection.execute(found).mappings()]


def count_jobs(connection: Connection) -> dict[str, int]:
    """The number of jobs by state."""
    counts = select(jobs.c.state, func.count()).group_by(jobs.c.state)
    return {state: int(count) for state, count in connection.execute(counts)}


def list_files(connection: Connection, job_id: str) -> list[JobFileRow]:
    """The files of a job, in order."""
    files = _FILES.where(job_files.c.job_id == job_id).order_by(job_files.c.place)
    return [_file(row) for row in connection.execute(files).mappings()]


def changed_files(
    connection: Connection, job_id: str, after: int, *, most: int
) -> list[JobFileRow]:
    """The files of a job that changed since the change ``after``, ordered by change."""
    mine = (job_files.c.job_id == job_id, job_files.c.changed > after)
    files = _FILES.where(*mine).order_by(job_files.c.changed).limit(most)
    return [_file(row) for row in connection.execute(files).mappings()]


def renew_job(
    connection: Connection,
    job_id: str,
    *,
    request: Mapping[str, Any],
    progress: Mapping[str, Any],
    files: Iterable[JobFileRow],
) -> None:
    """Queue a job again that is not running, with a new request and new files."""
    connection.execute(delete(job_files).where(job_files.c.job_id == job_id))
    add_files(connection, job_id, files)
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(
            request=request,
            progress=progress,
            state=JobState.QUEUED,
            is_cancelled=False,
            error=None,
            lease_holder=None,
            updated_at=time.time(),
            changes=jobs.c.changes + 1,
        )
    )


def count_files(connection: Connection, job_id: str) -> dict[str, int]:
    """The number of files of a job by state."""
    counts = select(job_files.c.state, func.count()).where(job_files.c.job_id == job_id)
    rows = connection.execute(counts.group_by(job_files.c.state))
    return {state: int(count) for state, count in rows}


def open_jobs(connection: Connection) -> list[JobRow]:
    """The jobs that are not over, oldest first."""
    found = select(jobs).where(jobs.c.state.in_(OPEN_STATES)).order_by(jobs.c.created_at, jobs.c.id)
    return [_job(row) for row in connection.execute(found).mappings()]


def take_lease(connection: Connection, job_id: str, holder: str, *, dead: Iterable[str]) -> bool:
    """Lease an open job if it has no lease, an expired lease or a lease of one of the ``dead``."""
    now = time.time()
    free = or_(
        jobs.c.lease_holder.is_(None), jobs.c.lease_until < now, jobs.c.lease_holder.in_(list(dead))
    )
    taken = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(OPEN_STATES), free)
        .values(
            state=JobState.RUNNING,
            lease_holder=holder,
            lease_until=now + LEASE_S,
            updated_at=now,
            changes=jobs.c.changes + 1,
        )
    )
    return taken.rowcount == 1


def hold(
    connection: Connection,
    job_id: str,
    holder: str,
    *,
    changes: int = 1,
    **changed: Any,  # noqa: ANN401
) -> int:
    """Renew the lease, write columns of the job, and add ``changes`` to its number of changes.

    Returns the new number. Raises LeaseLost.
    """
    now = time.time()
    mine = (jobs.c.id == job_id, jobs.c.lease_holder == holder)
    values = {"lease_until": now + LEASE_S, "updated_at": now, "changes": jobs.c.changes + changes}
    held = connection.execute(update(jobs).where(*mine).values({**values, **changed}))
    if held.rowcount != 1:
        raise LeaseLost(job_id)
    return connection.execute(select(jobs.c.changes).where(jobs.c.id == job_id)).scalar_one()


def renew_lease(connection: Connection, job_id: str, holder: str) -> bool:
    """Renew the lease; False if it was lost."""
    mine = (jobs.c.id == job_id, jobs.c.lease_holder == holder)
    renewed = update(jobs).where(*mine).values(lease_until=time.time() + LEASE_S)
    return connection.execute(renewed).rowcount == 1


def give_back(connection: Connection, job_id: str, holder: str, state: str, **changed: Any) -> None:  # noqa: ANN401
    """End a run: set the state of the job and remove the lease. Raises LeaseLost."""
    values = {**changed, "lease_holder": None, "lease_until": None}
    hold(connection, job_id, holder, changes=1, state=state, **values)


def ask_to_cancel(connection: Connection, job_id: str) -> None:
    """Cancel a job that is not running; mark a running one for its holder to cancel."""
    open_job = (jobs.c.id == job_id, jobs.c.state.in_(OPEN_STATES))
    idle = jobs.c.lease_holder.is_(None)
    connection.execute(
        update(jobs)
        .where(*open_job)
        .values(
            is_cancelled=True,
            state=case((idle, JobState.CANCELLED.value), else_=jobs.c.state),
            updated_at=time.time(),
            changes=jobs.c.changes + 1,
        )
    )


def delete_job(connection: Connection, job_id: str) -> None:
    """Delete a job and the rows of its files, but not their chunks and vectors."""
    connection.execute(delete(job_files).where(job_files.c.job_id == job_id))
    connection.execute(delete(jobs).where(jobs.c.id == job_id))


def change_file(connection: Connection, job_id: str, place: int, **changed: Any) -> None:  # noqa: ANN401
    """Write columns of a file's row."""
    mine = (job_files.c.job_id == job_id, job_files.c.place == place)
    connection.execute(update(job_files).where(*mine).values(**changed))


def count_attempt(connection: Connection, job_id: str, places: Sequence[int], step: int) -> None:
    """Add ``step`` to the number of attempts at these files."""
    mine = (job_files.c.job_id == job_id, job_files.c.place.in_(places))
    attempts = job_files.c.attempts + step
    connection.execute(update(job_files).where(*mine).values(attempts=attempts))


def start_over(connection: Connection, job_id: str) -> None:
    """Set all files to waiting, because the recipe has changed."""
    done = job_files.c.state == FileState.DONE
    state = case((done, FileState.WAITING.value), else_=job_files.c.state)
    mine = job_files.c.job_id == job_id
    connection.execute(update(job_files).where(mine).values(state=state, chunk_set=None))


def add_files(connection: Connection, job_id: str, files: Iterable[JobFileRow]) -> None:
    """Add files to a job."""
    rows = [{"job_id": job_id, **asdict(file)} for file in files]
    if rows:
        connection.execute(insert(job_files), rows)


_FILES = select(*(column for column in job_files.c if column is not job_files.c.job_id))


def _job(row: RowMapping) -> JobRow:
    values: dict[str, Any] = {**row, "state": JobState(row["state"])}
    return JobRow(**values)


def _file(row: RowMapping) -> JobFileRow:
    values: dict[str, Any] = {
        **row,
        "state": FileState(row["state"]),
        "warnings": tuple(row["warnings"]),
    }
    return JobFileRow(**values)
