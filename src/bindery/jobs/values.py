"""Jobs as values: requests, files, progress and events."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from bindery.errors import InvalidValue
from bindery.options import ChunkOptions, VectorOptions, names_of
from bindery.store.values import FileState as FileState
from bindery.store.values import JobFileRow, JobRow
from bindery.store.values import JobState as JobState


class Stage(StrEnum):
    """What a running job is doing."""

    READING = "reading"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class IntoCollection:
    """The collection that a job adds its files to, by its id, and the generation that they join.

    ``attributes`` are given to every file; None leaves those of a former version. ``roots`` are
    the paths of local files and folders by their names, or the beginnings of these; there are none
    for stored files.

    Files that are added join the generation that is active by then. A rebuild fills ``generation``
    with files that the collection has, by their names in it, and then makes it the active one;
    ``accepts_loss`` if it may lack those that cannot be read any more.

    With ``is_attached`` names and attributes are in :mod:`bindery.store.vector_stores`, and files
    that are no longer attached are not added.
    """

    collection: str
    generation: int
    attributes: Mapping[str, Any] | None = None
    roots: Mapping[str, str] = field(default_factory=dict[str, str])
    is_rebuild: bool = False
    accepts_loss: bool = False
    is_attached: bool = False

    def source_of(self, file_id: str) -> str:
        """Where the content of a file is from: its path if it is a local file, or its id."""
        parts = file_id.split("/")
        for n in range(len(parts), 0, -1):
            root = self.roots.get("/".join(parts[:n]))
            if root is not None:
                return "/".join([root, *parts[n:]])
        return file_id


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request for a job: files by their ids, and the options of chunks and vectors.

    With ``lines`` each line of a text file is embedded as it is, and nothing is cut. Files that are
    done are added ``into`` a collection, whose recipe is used. Raises
    InvalidValue if there is no file, if a file is named twice, or if options exclude each other.
    """

    files: tuple[str, ...]
    model: str = "vanilla"
    chunks: ChunkOptions = ChunkOptions()
    vectors: VectorOptions = VectorOptions()
    lines: bool = False
    into: IntoCollection | None = None

    def __post_init__(self) -> None:
        if not self.files:
            raise InvalidValue("A job needs at least one file.", param="files")
        if len(set(self.files)) != len(self.files):
            twice = next(one for n, one in enumerate(self.files) if one in self.files[:n])
            raise InvalidValue(
                f"The file {twice[:200]!r} is listed twice.", remedy="List it once.", param="files"
            )
        if self.chunks.is_late and self.vectors.title is not None:
            raise InvalidValue(
                "Late chunking embeds the document as a whole and takes no title.",
                remedy="Leave the title out, or choose another strategy.",
                param="title",
            )
        if self.lines and self.chunks != ChunkOptions():
            name = next(n for n in names_of(ChunkOptions) if self._is_chosen(n))
            raise InvalidValue(
                f"Lines are not cut into chunks, got {name} {getattr(self.chunks, name)!r}.",
                remedy=f"Leave out {name}, or lines.",
                param=name,
            )

    def _is_chosen(self, name: str) -> bool:
        return getattr(self.chunks, name) != getattr(ChunkOptions(), name)

    def facts(self) -> dict[str, Any]:
        """The request for JSON, with each option by its name; :meth:`from_facts` is the inverse."""
        named = {"files": self.files, "model": self.model, "lines": self.lines}
        into = {} if self.into is None else {"into": asdict(self.into)}
        return {**named, **asdict(self.chunks), **asdict(self.vectors), **into}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "JobRequest":
        """The inverse of :meth:`facts`; missing options have their defaults."""
        rest = dict(facts)
        files, model = tuple(rest.pop("files")), rest.pop("model")
        lines, into = rest.pop("lines", False), rest.pop("into", None)
        names = names_of(ChunkOptions)
        chunks = ChunkOptions(**{name: rest.pop(name) for name in names if name in rest})
        wanted = None if into is None else IntoCollection(**into)
        return cls(files, model, chunks, VectorOptions(**rest), lines, wanted)


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of a job: ``id`` is from the request, and ``name`` is the name that users see.

    ``error_code`` is a code from :mod:`bindery.errors`, None unless the file has failed.
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
    """The progress of a job. ``chunks_total`` counts the chunks of all files read so far.

    ``tokens`` counts the tokens that the model processed, without those of stored vectors.
    ``tokens_per_s`` and ``seconds_left`` are of this run, None before its first results.
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
    """Why a whole job failed."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job at one moment; times are seconds since 1970."""

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
    """A change of a job. Its numbers increase, also across restarts.

    ``kind`` is ``"file"`` with the fields of a :class:`JobFile` as ``data``, or ``"job"`` with the
    state, progress and error. Of several changes of one thing, only the last is reported.
    """

    number: int
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


_DELETED = "The file was removed, and its results with it."


def request_of(row: JobRow) -> JobRequest:
    """The request of a job."""
    return JobRequest.from_facts(row.request)


def file_of(row: JobFileRow) -> JobFile:
    """A file of a job as users see it."""
    # Removing a file from a collection takes its results from the job that added it.
    was_deleted = row.state is FileState.DONE and row.chunk_set is None
    return JobFile(
        id=row.file_id,
        name=row.name,
        state=row.state,
        error_code=row.error_code,
        error_message=row.error_message,
        remedy=row.remedy,
        chunks=row.chunks,
        warnings=(*row.warnings, *([_DELETED] if was_deleted else ())),
    )
