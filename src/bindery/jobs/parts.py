"""What flows through a run: parts of files, batches of them, their results and the sink."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from bindery.errors import BinderyError, Quarantined
from bindery.jobs.sources import Content
from bindery.jobs.values import FileState, Progress, Stage
from bindery.store.values import ChunkSet, JobFileRow, KeptVectors
from bindery.types import Chunk, Document

# At least half a second of work on two cores; two of them leave room in a server's queue.
BATCH_TOKENS = 16_384
BATCH_PARTS = 256


@dataclass(frozen=True, slots=True, eq=False)
class FilePart:
    """Some chunks of a file, with the keys of their vectors.

    ``part`` numbers the parts of a file from 0, and ``first`` is the index of the part's first
    chunk in the file. ``chunk_set.chunks`` is the number of chunks in the file, or in the lines
    read so far; this part adds ``found`` to it. ``size_bytes`` is the part's share of the file's
    size. ``is_kept`` means that the chunks are stored already. ``document`` is only set for late
    chunking, which puts all chunks of a file into one part.
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
        """The tokens of the chunks, estimated as a quarter of the characters if not counted."""
        return sum(one.tokens if one.tokens >= 0 else len(one.text) // 4 for one in self.chunks)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file that was embedded before and has not changed."""

    file: JobFileRow


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that cannot be read or cut."""

    file: JobFileRow
    error: BinderyError


@dataclass(slots=True, eq=False)
class JobBatch:
    """Parts that are embedded and stored together, and files that failed or are unchanged."""

    parts: list[FilePart] = field(default_factory=list[FilePart])
    others: list[Unchanged | Failed] = field(default_factory=list[Unchanged | Failed])
    tokens: int = 0

    def __len__(self) -> int:
        return len(self.parts) + len(self.others)

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be added. Late chunking takes one document at a time."""
        is_late = bool(self.parts) and self.parts[-1].document is not None
        return is_late or self.tokens >= BATCH_TOKENS or len(self) >= BATCH_PARTS

    def add(self, item: FilePart | Unchanged | Failed) -> None:
        """Add an item."""
        if isinstance(item, FilePart):
            self.parts.append(item)
            self.tokens += item.tokens
        else:
            self.others.append(item)

    def vector_keys(self) -> list[bytes]:
        """The keys of all vectors of the batch, in order and without duplicates."""
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
    """The results of a batch.

    ``vectors`` are those that the model computed; the other vectors of ``parts`` are stored
    already. ``failed`` has the files that failed in this batch, by ``file.place``.
    """

    parts: Sequence[FilePart]
    vectors: Mapping[bytes, KeptVectors]
    unchanged: Sequence[JobFileRow]
    failed: Mapping[int, Failed]

    def without(self, gone: Iterable[Failed]) -> "Landed":
        """The same with more files failed, and without their parts."""
        failed = {one.file.place: one for one in gone}
        parts = [part for part in self.parts if part.file.place not in failed]
        return replace(self, parts=parts, failed={**self.failed, **failed})

    def ended(self) -> list[JobFileRow]:
        """The files that are done or have failed, with their new state."""
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
        # A quarantined file stays quarantined until it changes.
        attempts=file.attempts if isinstance(error, Quarantined) else 0,
        chunk_set=None,
        chunks=0,
        error_code=error.code,
        error_message=error.message,
        remedy=error.remedy,
    )


@dataclass(frozen=True, slots=True)
class RunCounts:
    """The progress of a job. Only stored results count, so a crash takes nothing back.

    ``run_tokens`` and ``started`` are of this run. The pace is that since ``first_at``, when its
    first results were stored, because loading a model takes long. The time left is estimated from
    the sizes of files, which are known before any of them is read, times the usual share of text in
    files of their kind. What was stored before takes hardly any time, so it does not count.
    """

    chunks_done: int
    chunks_total: int
    tokens: int
    bytes_left: float
    started: float
    run_tokens: int = 0
    first_at: float = 0.0
    later_tokens: int = 0
    later_bytes: float = 0.0
    stage: Stage = Stage.READING

    @classmethod
    def resume(cls, files: Sequence[JobFileRow], kept: Mapping[str, Any]) -> "RunCounts":
        """The counts of a job at the start of a run."""
        done = sum(row.chunks for row in files if row.state == FileState.DONE)
        waiting = (row for row in files if row.state == FileState.WAITING)
        left = sum(row.size_bytes * _share_of_text(row.name) for row in waiting)
        return cls(done, done, int(kept.get("tokens", 0)), left, time.monotonic())

    def after(self, landed: Landed) -> "RunCounts":
        """The counts after these results are stored."""
        others = [*landed.unchanged, *(one.file for one in landed.failed.values())]
        sizes = [(one.size_bytes * _share_of_text(one.name), False) for one in others]
        sizes += [
            (one.size_bytes * _share_of_text(one.file.name), not one.is_kept)
            for one in landed.parts
        ]
        same = sum(file.chunks for file in landed.unchanged)
        tokens = sum(max(0, one.tokens_used) for one in landed.vectors.values())
        is_first = not self.run_tokens
        return replace(
            self,
            first_at=time.monotonic() if is_first else self.first_at,
            later_tokens=0 if is_first else self.later_tokens + tokens,
            later_bytes=0.0
            if is_first
            else self.later_bytes + sum(size for size, is_new in sizes if is_new),
            chunks_done=self.chunks_done + same + sum(len(one.chunks) for one in landed.parts),
            chunks_total=self.chunks_total + same + sum(one.found for one in landed.parts),
            tokens=self.tokens + tokens,
            run_tokens=self.run_tokens + tokens,
            bytes_left=max(0.0, self.bytes_left - sum(size for size, _ in sizes)),
        )

    def facts(self) -> dict[str, Any]:
        """The counts to store, under the names of the fields of :class:`Progress`."""
        now = time.monotonic()
        since, tokens = self.first_at, self.later_tokens
        if not tokens:
            since, tokens = self.started, self.run_tokens
        pace = self.later_bytes / (now - since) if self.later_tokens else 0.0
        return {
            "chunks_done": self.chunks_done,
            "chunks_total": self.chunks_total,
            "tokens": self.tokens,
            "tokens_per_s": round(tokens / (now - since), 1) if tokens else None,
            "seconds_left": round(self.bytes_left / pace, 1) if pace else None,
            "stage": self.stage,
        }


# Measured on 66 documents; the rest of such a file is layout, markup and pictures.
_SHARES_OF_TEXT = {
    **dict.fromkeys((".pdf", ".pptx", ".xlsx", ".xls"), 0.03),
    **dict.fromkeys((".html", ".htm", ".xhtml", ".odt", ".ipynb", ".eml", ".msg", ".rtf"), 0.2),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"), 0.005),
}


def _share_of_text(name: str) -> float:
    return _SHARES_OF_TEXT.get(PurePath(name).suffix.lower(), 1.0)


def progress_of(kept: Mapping[str, Any], files: Mapping[str, int]) -> Progress:
    """The progress of a job, from its stored counts and the number of its files by state."""
    stage = kept.get("stage")
    fields: dict[str, Any] = {**kept, "stage": None if stage is None else Stage(stage)}
    return Progress(
        files_total=sum(files.values()),
        files_done=files.get(FileState.DONE, 0),
        files_failed=files.get(FileState.FAILED, 0),
        **fields,
    )


class VectorsDeleted(Exception):
    """Vectors that a run found stored were deleted since: the model has to compute them again."""


class PartsDeleted(Exception):
    """Earlier parts of a file were deleted since, with another file: it has to be read again."""


class Sink(ABC):
    """Where a run puts its results, and where it finds chunks and vectors of earlier runs.

    Both are found by the keys of :class:`bindery.jobs.recipe.Recipe`; by default there are none.
    ``reading_threads`` is 1 if parts must come in the order of the files.
    """

    reading_threads = 1

    @abstractmethod
    def begin(self) -> tuple[Sequence[JobFileRow], Mapping[str, Any]]:
        """The files of the job, and the progress of earlier runs."""

    def count_attempts(self, places: Sequence[int], step: int) -> None:  # noqa: B027 - a default
        """Add ``step`` to the number of attempts at these files."""

    def look_up(self, content: Content) -> tuple[bytes, ChunkSet | None]:
        """The key of the chunks of this content, and the chunks if they are stored."""
        return b"", None

    def read_parts(self, kept: ChunkSet) -> Iterator[Sequence[Chunk]]:
        """The chunks of a set in order, part by part. Raises PartsDeleted."""
        return iter(())

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """The keys of those vectors that are stored."""
        return set()

    @abstractmethod
    def keep(self, landed: Landed, counts: RunCounts) -> Landed:
        """Store the results of a batch, all of them or none.

        In the returned value, files that were deleted since have failed. Raises VectorsDeleted,
        and PartsDeleted.
        """
