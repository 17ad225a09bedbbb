"""The bodies and answers of ``/jobs``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, create_model

from bindery.errors import InvalidValue
from bindery.faces.http.bodies import RequestBody, fields_of
from bindery.faces.http.routes.shapes import ErrorFacts
from bindery.jobs import Progress
from bindery.library import DEFAULT_MODEL
from bindery.options import ChunkOptions, VectorOptions

MOST_FILES = 10_000
"""Files per job: their ids fit in a body of a megabyte."""

_LINES = "Embed each line of a text file instead of cutting it into chunks."
_OPTIONS = {**fields_of(ChunkOptions), **fields_of(VectorOptions)}


class JobBody(create_model("JobOptions", __base__=RequestBody, **_OPTIONS)):
    """The files to embed, and the options."""

    refuses_unknown = True

    files: list[str] = Field(
        min_length=1, max_length=MOST_FILES, description="The ids that the uploads returned."
    )
    model: str = Field(DEFAULT_MODEL, max_length=200)
    lines: bool = Field(default=False, description=_LINES)


class JobSettings(create_model("JobSettings", __base__=BaseModel, **_OPTIONS)):
    """The options of a job. ``/jobs/{job_id}/files`` lists its files."""

    model: str
    lines: bool = Field(default=False, description=_LINES)


class JobAnswer(BaseModel):
    """A job; ``error`` says why it failed as a whole. Errors of single files are with the files.

    A job that has added files to a collection has ``warnings`` about it.
    """

    job_id: str
    state: str
    created_at: datetime
    updated_at: datetime
    progress: Progress
    request: JobSettings
    error: ErrorFacts | None
    warnings: list[str] = []


class JobsAnswer(BaseModel):
    """A page of jobs, newest first; ``has_more`` means that older ones follow."""

    jobs: list[JobAnswer]
    has_more: bool


class JobFileAnswer(BaseModel):
    """A file of a job, with its error if it failed, and the warnings of its reader."""

    file_id: str
    filename: str
    state: str
    chunks: int
    warnings: list[str]
    error: ErrorFacts | None


class JobFilesAnswer(BaseModel):
    """The files of a job, in the order of the request."""

    job_id: str
    total_files: int
    files: list[JobFileAnswer]


class JobDeletedAnswer(BaseModel):
    """The deleted job."""

    job_id: str
    deleted: Literal[True] = True


def check_names_are_unique(names: Sequence[str]) -> None:
    """Raise InvalidValue if two files would have one name, so that one would replace the other."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidValue(
                f"Two of the files are called {name[:200]!r}.",
                remedy="Add them to different collections, or rename one.",
                param="file_ids",
            )
        seen.add(name)
