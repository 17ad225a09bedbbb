"""Long work: files in, chunks and vectors kept; it goes on where it was, whenever it stops.

::

    values.py      what a job is, and what is told of it
    jobs.py        ``Jobs``: submit, look, cancel, run
    running.py     one run: batches across files, each kept in one transaction
    reading.py     the threads that read and cut ahead of the model, into inbox.py
    embedding.py   batches, and what of them the model is asked for
    recipe.py      the keys by which nothing is made twice
    sources.py     where files are: the store, or a folder
    lease.py       one process at a time runs a job
    tally.py       how far it is
    results.py     chunks with their vectors, as Parquet, Arrow or JSON lines
"""

from bindery.jobs.jobs import Jobs
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
