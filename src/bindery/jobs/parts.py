"""What flows through a run: parts of files, batches of them, and what batches come to."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bindery.errors import BinderyError, Quarantined
from bindery.jobs.sources import Content
from bindery.jobs.values import FileState, Progress, Stage
from bindery.store.values import ChunkSet, JobFileRow, KeptVectors
from bindery.types import Chunk, Document

# Half a second of work on two cores and more; two of them leave room in a server's queue.
BATCH_TOKENS = 16_384
BATCH_PARTS = 256


@dataclass(frozen=True, slots=True, eq=False)
class FilePart:
    """Some chunks of a file, with the keys of their vectors.

    ``part`` counts the parts of a file, and ``first`` is the index of the first chunk in the file.
    ``chunk_set.chunks`` is how many chunks the file has, or so far if it is read line by line;
    ``found`` of them are known since this part. ``size_bytes`` is the share of the file that the
    part stands for. ``is_kept`` says that the chunks are in the store. ``document`` is only there
    for late chunking, which puts all chunks of a file into one part.
    """

    file: JobFileRow
    content: Content
    chunk_set: ChunkSet
    part: int
    first: int
    chunks: Sequence[Chunk]
    keys: Sequence[bytes]
    found: int
    size_bytes: float
    is_last: bool
    is_kept: bool = False
    document: Document | None = None

    @property
    def tokens(self) -> int:
        """The tokens of the chunks; about four characters are one if nobody has counted them."""
        return sum(one.tokens if one.tokens >= 0 else len(one.text) // 4 for one in self.chunks)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file that was done before and has not changed."""

    file: JobFileRow


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that cannot be read or cut."""

    file: JobFileRow
    error: BinderyError


@dataclass(slots=True, eq=False)
class JobBatch:
    """Parts that are embedded and kept together, and what happened to other files meanwhile."""

    parts: list[FilePart] = field(default_factory=list[FilePart])
    others: list[Unchanged | Failed] = field(default_factory=list[Unchanged | Failed])
    tokens: int = 0

    def __len__(self) -> int:
        return len(self.parts) + len(self.others)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be added; late chunking takes one document at a time."""
        is_late = bool(self.parts) and self.parts[-1].document is not None
        return is_late or self.tokens >= BATCH_TOKENS or len(self) >= BATCH_PARTS

    def add(self, item: FilePart | Unchanged | Failed) -> None:
        """Add a part, or what happened to a file."""
        if isinstance(item, FilePart):
            self.parts.append(item)
            self.tokens += item.tokens
        else:
            self.others.append(item)

    def vector_keys(self) -> list[bytes]:
        """The keys of all vectors of the batch, each once, in order."""
        return list(dict.fromkeys(key for part in self.parts for key in part.keys))

    def chunks(self) -> dict[bytes, Chunk]:
        """A chunk for each vector, by its key."""
        return {
            key: chunk
            for part in self.parts
            for key, chunk in zip(part.keys, part.chunks, strict=True)
        }


@dataclass(frozen=True, slots=True, eq=False)
class Landed:
    """What a batch came to.

    ``vectors`` has those that the model made; the others of the ``parts`` were made before.
    ``unchanged`` files were done before. ``failed`` has the files that fail now, by their places.
    """

    parts: Sequence[FilePart]
    vectors: Mapping[bytes, KeptVectors]
    unchanged: Sequence[JobFileRow]
    failed: Mapping[int, Failed]

    def without(self, gone: Iterable[Failed]) -> "Landed":
        """The same if more files have failed."""
        failed = {one.file.place: one for one in gone}
        parts = [part for part in self.parts if part.file.place not in failed]
        return replace(self, parts=parts, failed={**self.failed, **failed})

    def ended(self) -> list[JobFileRow]:
        """The files that are done or have failed, as they are now."""
        return [
            *(_failed(one) for one in self.failed.values()),
            *(replace(file, **_DONE) for file in self.unchanged),
            *(_done(part) for part in self.parts if part.is_last),
        ]


_DONE: Mapping[str, Any] = {
    "state": FileState.DONE,
    "attempts": 0,
    "error_code": None,
    "error_message": None,
    "remedy": None,
}


def _done(part: FilePart) -> JobFileRow:
    made = part.chunk_set
    return replace(
        part.file,
        **_DONE,
        content=made.content,
        chunk_set=made.key,
        chunks=made.chunks,
        warnings=made.warnings,
    )


def _failed(failed: Failed) -> JobFileRow:
    file, error = failed.file, failed.error
    return replace(
        file,
        state=FileState.FAILED,
        # A quarantined file stays so until it changes.
        attempts=file.attempts if isinstance(error, Quarantined) else 0,
        chunk_set=None,
        chunks=0,
        error_code=error.code,
        error_message=error.message,
        remedy=error.remedy,
    )


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How far a job is: only what is kept counts, so a crash takes nothing back.

    ``run_tokens``, ``run_bytes`` and ``started`` are of this run. Sizes of files are known before
    any of them is read, so the time that is left is estimated from them.
    """

    chunks_done: int
    chunks_total: int
    tokens: int
    bytes_left: float
    started: float
    run_tokens: int = 0
    run_bytes: float = 0.0
    stage: Stage = Stage.READING

    @classmethod
    def resume(cls, files: Sequence[JobFileRow], kept: Mapping[str, Any]) -> "RunCounts":
        """The counts of a job when a run begins."""
        done = sum(row.chunks for row in files if row.state == FileState.DONE)
        left = sum(row.size_bytes for row in files if row.state == FileState.WAITING)
        return cls(done, done, int(kept.get("tokens", 0)), left, time.monotonic())

    def after(self, landed: Landed) -> "RunCounts":
        """The counts once this is kept."""
        others = [*landed.unchanged, *(one.file for one in landed.failed.values())]
        size = sum(one.size_bytes for one in others) + sum(one.size_bytes for one in landed.parts)
        same = sum(file.chunks for file in landed.unchanged)
        tokens = sum(max(0, one.tokens_used) for one in landed.vectors.values())
        return replace(
            self,
            chunks_done=self.chunks_done + same + sum(len(one.chunks) for one in landed.parts),
            chunks_total=self.chunks_total + same + sum(one.found for one in landed.parts),
            tokens=self.tokens + tokens,
            run_tokens=self.run_tokens + tokens,
            run_bytes=self.run_bytes + size,
            bytes_left=max(0.0, self.bytes_left - size),
        )

    def facts(self) -> dict[str, Any]:
        """What is kept of the counts, under the names that :class:`Progress` has."""
        seconds = time.monotonic() - self.started
        pace = self.run_bytes / seconds if seconds > 0 else 0.0
        return {
            "chunks_done": self.chunks_done,
            "chunks_total": self.chunks_total,
            "tokens": self.tokens,
            "tokens_per_s": round(self.run_tokens / seconds, 1) if self.run_tokens else None,
            "seconds_left": round(self.bytes_left / pace, 1) if pace else None,
            "stage": self.stage,
        }


def progress_of(kept: Mapping[str, Any], files: Mapping[str, int]) -> Progress:
    """How far a job is, from what was kept of its counts and its files by state."""
    stage = kept.get("stage")
    fields: dict[str, Any] = {**kept, "stage": None if stage is None else Stage(stage)}
    return Progress(
        files_total=sum(files.values()),
        files_done=files.get(FileState.DONE, 0),
        files_failed=files.get(FileState.FAILED, 0),
        **fields,
    )
