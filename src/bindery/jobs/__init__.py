"""Long work: files in, chunks with vectors out. A job that stops goes on where it was.

::

    values.py         requests, jobs, their files, progress and events
    jobs.py           ``Jobs``: submit, follow, cancel and run jobs that are kept in a database
    stream.py         ``ResultStream``: the same job with nothing kept
    worker.py         runs the jobs of a database, one at a time, under a lease (lease.py)
    running.py        one run: batches across files, each kept in one transaction
    sources.py        where the files are: the store, this machine, standard input
    reading.py        threads that read and cut ahead of the model, into a bounded queue
    parts.py          what flows through a run, and how far it is
    embedding.py      what the model is asked for
    sinks.py          where results go: database_sink.py keeps them, stream.py passes them on
    recipe.py         what chunks and vectors depend on, as keys: nothing is made twice
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
