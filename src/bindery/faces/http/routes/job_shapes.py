"""What goes in and out of ``/jobs``, as /docs shows it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, create_model

from bindery.faces.http.bodies import RequestBody, fields_of
from bindery.faces.http.routes.shapes import ErrorFacts
from bindery.library import DEFAULT_MODEL
from bindery.options import ChunkOptions, VectorOptions

MOST_FILES = 10_000
"""In one job: as many ids as a body holds in a megabyte, and rows that a page can show."""


_LINES = "Embed each line of a text file as it is; nothing is cut."
_OPTIONS = {**fields_of(ChunkOptions), **fields_of(VectorOptions)}


class JobBody(create_model("JobOptions", __base__=RequestBody, **_OPTIONS)):
    """What is to be done: these files, cut and embedded like this."""

    refuses_unknown = True

    files: list[str] = Field(
        min_length=1, max_length=MOST_FILES, description="Ids, as uploads gave them."
    )
    model: str = Field(DEFAULT_MODEL, max_length=200)
    lines: bool = Field(default=False, description=_LINES)


class JobSettings(create_model("JobSettings", __base__=BaseModel, **_OPTIONS)):
    """What was asked for, but for the files: those are at ``/jobs/{job_id}/files``."""

    model: str
    lines: bool = Field(default=False, description=_LINES)


class ProgressAnswer(BaseModel):
    """How far it is; ``chunks_total`` counts those of the files that were cut so far.

    ``tokens_per_s`` and ``seconds_left`` are null while there is nothing to go by.
    """

    stage: str | None
    files_done: int
    files_failed: int
    files_total: int
    chunks_done: int
    chunks_total: int
    tokens: int
    tokens_per_s: float | None
    seconds_left: float | None


class JobAnswer(BaseModel):
    """A job; ``error`` says why one failed as a whole. A file that fails does so by itself."""

    job_id: str
    state: str
    created_at: datetime
    updated_at: datetime
    progress: ProgressAnswer
    request: JobSettings
    error: ErrorFacts | None


class JobsAnswer(BaseModel):
    """The jobs of the key that asks, newest first; ``has_more`` than the limit."""

    jobs: list[JobAnswer]
    has_more: bool


class JobFileAnswer(BaseModel):
    """One file of a job; where it failed, why. ``warnings`` are its reader's."""

    file_id: str
    filename: str
    state: str
    chunks: int
    warnings: list[str]
    error: ErrorFacts | None


class JobFilesAnswer(BaseModel):
    """The files of a job, in the order that they were given in."""

    job_id: str
    total_files: int
    files: list[JobFileAnswer]


class JobDeletedAnswer(BaseModel):
    """What is gone."""

    job_id: str
    deleted: Literal[True] = True
