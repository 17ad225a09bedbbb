"""Where a run puts what it makes, and where it finds what was made before."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from bindery.jobs.parts import Landed, RunCounts
from bindery.jobs.sources import Content
from bindery.store.values import ChunkSet, JobFileRow
from bindery.types import Chunk


class VectorsDeleted(Exception):
    """Vectors that were there are not any more: the model has to make them again."""


class Sink(Protocol):
    """Where a run puts what it makes.

    ``reading_threads`` is 1 if parts must come in the order of the files. Chunks and vectors that
    were made before are found by the keys of :class:`bindery.jobs.recipe.Recipe`.
    """

    reading_threads: int

    def begin(self) -> tuple[Sequence[JobFileRow], Mapping[str, Any]]:
        """The files of the job, and the progress of earlier runs."""
        ...

    def count_attempts(self, places: Sequence[int], step: int) -> None:
        """Count an attempt at these files, or take one back."""
        ...

    def look_up(self, content: Content) -> tuple[bytes, ChunkSet | None]:
        """The key under which the chunks of a content are kept, and those that are there."""
        ...

    def read_parts(self, kept: ChunkSet) -> Iterator[Sequence[Chunk]]:
        """The chunks of a set, in order, some at a time."""
        ...

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these vectors are there."""
        ...

    def keep(self, landed: Landed, counts: RunCounts) -> Landed:
        """Keep a batch, all of it or nothing.

        Files that were deleted meanwhile have failed in the answer. Raises VectorsDeleted.
        """
        ...
