"""What a job is: the request, its files, how far it is, and what changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from bindery.errors import InvalidValue
from bindery.options import ChunkOptions, VectorOptions, names_of
from bindery.store.values import FileState as FileState
from bindery.store.values import JobRow
from bindery.store.values import JobState as JobState


class Stage(StrEnum):
    """What a job is doing just now."""

    READING = "reading"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job is to do: files by their ids, how they are cut, and what the vectors are to be.

    Raises InvalidValue for no file, and for one that is named twice.
    """

    files: tuple[str, ...]
    model: str = "vanilla"
    chunks: ChunkOptions = ChunkOptions()
    vectors: VectorOptions = VectorOptions()

    def __post_init__(self) -> None:
        if not self.files:
            raise InvalidValue("A job needs a file.", remedy="Name at least one.", param="files")
        if len(set(self.files)) != len(self.files):
            twice = next(one for n, one in enumerate(self.files) if one in self.files[:n])
            raise InvalidValue(
                f"The file {twice[:200]!r} is named twice.", remedy="Name it once.", param="files"
            )
        if self.chunks.is_late and self.vectors.title is not None:
            raise InvalidValue(
                "Late chunking takes no title.", remedy="Leave the title out.", param="title"
            )

    def facts(self) -> dict[str, Any]:
        """The same for JSON, every option by its name; :meth:`from_facts` reads it back."""
        named = {"files": self.files, "model": self.model}
        return {**named, **asdict(self.chunks), **asdict(self.vectors)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "JobRequest":
        """The request that these facts are of; options that they lack have their defaults."""
        rest = dict(facts)
        files, model = tuple(rest.pop("files")), rest.pop("model")
        names = names_of(ChunkOptions)
        chunks = ChunkOptions(**{name: rest.pop(name) for name in names if name in rest})
        return cls(files, model, chunks, VectorOptions(**rest))


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of a job: ``id`` is what the request calls it, ``name`` what its user does.

    Where it failed, ``error_code`` is that of :mod:`bindery.errors`.
    """

    id: str
    name: str
    state: FileState
    error_code: str | None = None
    error_message: str | None = None
    remedy: str | None = None
    chunks: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. ``chunks_total`` counts those of the files that were cut so far.

    ``tokens`` went through the model; chunks whose vectors were there already cost none.
    ``tokens_per_s`` and ``seconds_left`` are of this run, None while there is nothing to go by.
    """

    files_total: int
    files_done: int = 0
    files_failed: int = 0
    chunks_done: int = 0
    chunks_total: int = 0
    tokens: int = 0
    tokens_per_s: float | None = None
    seconds_left: float | None = None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a whole job failed, in the words of the error."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is just now; times are seconds since 1970."""

    id: str
    state: JobState
    request: JobRequest
    owner: str
    created_at: float
    updated_at: float
    progress: Progress
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that changed. Numbers rise within a job, over restarts too.

    Of what changed several times the last is told: ``kind`` ``"file"`` with a :class:`JobFile` as
    ``data``, ``"job"`` with the state, the progress and the error.
    """

    number: int
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


def request_of(row: JobRow) -> JobRequest:
    """The request in a job's row."""
    return JobRequest.from_facts(row.request)
