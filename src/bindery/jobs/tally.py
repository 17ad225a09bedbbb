"""How far a run is, from what was kept: nothing is counted that a crash would take back."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bindery.jobs.embedding import Batch
from bindery.jobs.reading import Piece, Unchanged
from bindery.jobs.values import FileState, Progress, Stage
from bindery.store.values import JobFileRow, KeptVectors


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a job; ``run_tokens``, ``run_bytes`` and ``started`` are of this run.

    Bytes are those of files, which are known before any is read: what is left is told by them.
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
    def resume(cls, files: Sequence[JobFileRow], kept: Mapping[str, Any]) -> "Tally":
        """That of a job as its rows have it."""
        done = sum(row.chunks for row in files if row.state == FileState.DONE)
        left = sum(row.size_bytes for row in files if row.state == FileState.WAITING)
        tokens = int(kept.get("tokens", 0))
        return cls(done, done, tokens, left, time.monotonic())

    def after(
        self,
        batch: Batch,
        pieces: Sequence[Piece],
        made: Mapping[bytes, KeptVectors],
    ) -> "Tally":
        """The same once a batch is kept, of which these ``pieces`` were good."""
        size = float(sum(one.file.size_bytes for one in batch.others))
        for piece in pieces:
            share = len(piece.chunks) / piece.chunk_set.chunks if piece.chunks else 1.0
            size += piece.file.size_bytes * share
        same = sum(one.file.chunks for one in batch.others if isinstance(one, Unchanged))
        tokens = sum(max(0, one.tokens_used) for one in made.values())
        return replace(
            self,
            chunks_done=self.chunks_done + same + sum(len(piece.chunks) for piece in pieces),
            chunks_total=self.chunks_total
            + same
            + sum(piece.chunk_set.chunks for piece in pieces if piece.part == 0),
            tokens=self.tokens + tokens,
            run_tokens=self.run_tokens + tokens,
            run_bytes=self.run_bytes + size,
            bytes_left=max(0.0, self.bytes_left - size),
        )

    def facts(self) -> dict[str, Any]:
        """What is kept of it, by the names that :class:`Progress` has."""
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


def progress(kept: Mapping[str, Any], files: Mapping[str, int]) -> Progress:
    """How far a job is, from what was kept of it and the counts of its files by state."""
    stage = kept.get("stage")
    fields: dict[str, Any] = {**kept, "stage": None if stage is None else Stage(stage)}
    return Progress(
        files_total=sum(files.values()),
        files_done=files.get(FileState.DONE, 0),
        files_failed=files.get(FileState.FAILED, 0),
        **fields,
    )
