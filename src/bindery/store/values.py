"""What the store returns, as frozen values: jobs, their files, and the chunks and vectors of files.

Nothing here needs SQLAlchemy, which takes a quarter of a second to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bindery.options import options_of


class JobState(StrEnum):
    """The state of a job. A queued or running job resumes after a crash."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self not in OPEN_STATES


OPEN_STATES = (JobState.QUEUED, JobState.RUNNING)


class FileState(StrEnum):
    """The state of a file in a job."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it is stored; times are seconds since 1970.

    ``request``, ``progress``, ``maker`` (everything that its vectors depend on) and ``error`` are
    values that JSON can hold. ``changes`` counts the changes so far; ``lease_holder`` names the
    process that works on the job.
    """

    id: str
    owner: str
    idempotency_key: str | None
    request: Mapping[str, Any]
    state: JobState
    is_cancelled: bool
    error: Mapping[str, Any] | None
    progress: Mapping[str, Any]
    maker: Mapping[str, Any] | None
    created_at: float
    updated_at: float
    changes: int
    lease_holder: str | None
    lease_until: float | None


@dataclass(frozen=True, slots=True)
class JobFileRow:
    """A file of a job as it is stored.

    ``place`` is its index in the job and ``changed`` the number of its last change. ``attempts``
    counts those during which the process ended. ``content`` is the SHA-256 of the file, and
    ``chunk_set`` the key of its chunks when it was last done.
    """

    place: int
    file_id: str
    name: str
    size_bytes: int
    state: FileState = FileState.WAITING
    attempts: int = 0
    content: str | None = None
    chunk_set: bytes | None = None
    chunks: int = 0
    warnings: Sequence[str] = ()
    error_code: str | None = None
    error_message: str | None = None
    remedy: str | None = None
    changed: int = 0


@dataclass(frozen=True, slots=True)
class KeptVectors:
    """The vectors of one text: ``rows`` are little-endian float32, one row after the other.

    ``tokens_used`` and ``tokens_cut`` are as :class:`bindery.encoders.Encoded` has them.
    """

    rows: bytes
    dimensions: int
    tokens_used: int
    tokens_cut: int


@dataclass(frozen=True, slots=True)
class ChunkSet:
    """All chunks of one content, cut in one way.

    ``content`` is the SHA-256 of the file, ``document`` that of its text: late chunking needs it.
    """

    key: bytes
    content: str
    document: str
    chunks: int
    warnings: tuple[str, ...]
    kind: str = ""
    title: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """What a collection has chosen for its searches; None for what Bindery chooses.

    Raises InvalidValue for a value that is out of range.
    """

    weight: float | None = field(
        default=None,
        metadata={"help": "The weight of meaning in hybrid, 0 to 1.", "least": 0, "most": 1},
    )

    def __post_init__(self) -> None:
        for option in options_of(CollectionSettings):
            option.check(getattr(self, option.name))


LOCAL = "local-"
IMPORTED = "import:"
"""The source of files whose chunks and vectors were imported without their content."""


def file_id_of(source: str, number: int) -> str:
    """What names a file of a collection in addresses: see :class:`.collections.CollectionFile`."""
    is_stored = source != IMPORTED and not Path(source).is_absolute()
    return source if is_stored else f"{LOCAL}{number}"
