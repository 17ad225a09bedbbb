"""Jobs turn files into chunks with vectors. A job that was stopped can be resumed.

::

    values.py         requests, jobs, their files, progress and events
    jobs.py           ``Jobs``: submit, follow, cancel and run jobs that are stored in a database
    stream.py         ``ResultStream``: the same job without storing anything
    worker.py         runs the jobs of a database, one at a time, under a lease (lease.py)
    running.py        one run: batches across files, each stored in one transaction
    sources.py        the files: in the store, on this machine, or standard input
    ignoring.py       which files of a folder are left out
    reading.py        threads that read and chunk ahead of the model, into a queue (queues.py)
    parts.py          what flows through a run: parts of files, batches, progress, and the sink
    embedding.py      computes the vectors of a batch
    database_sink.py  stores results, while stream.py passes them on
    recipe.py         what chunks and vectors depend on, and the keys under which they are stored
    results.py        the rows of the results, in one schema
    writers.py        Parquet, Arrow, JSON lines and .npz
"""

from typing import TYPE_CHECKING

from bindery.jobs.values import (
    Failure,
    FileState,
    Job,
    JobEvent,
    JobFile,
    JobRequest,
    JobState,
    Progress,
    Stage,
)

if TYPE_CHECKING:
    from bindery.jobs.jobs import Jobs

__all__ = [
    "Failure",
    "FileState",
    "Job",
    "JobEvent",
    "JobFile",
    "JobRequest",
    "JobState",
    "Jobs",
    "Progress",
    "Stage",
]


def __getattr__(name: str) -> object:
    # SQLAlchemy takes a quarter of a second to import, and a stream of results does not need it.
    if name != "Jobs":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bindery.jobs.jobs import Jobs

    return Jobs
