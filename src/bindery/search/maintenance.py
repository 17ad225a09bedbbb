"""The segments of an index: sealed from the tail, merged, written again without their dead rows.

Publishing is: write the file beside, wait for the disk, rename, wait for the folder, then one
transaction that moves the placements of files that have not changed meanwhile. So a reader in any
process sees whole segments only, and a file that nobody has published is nobody's.
"""

import logging
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bindery.search.index import ChangedMeanwhile, CollectionIndex
from bindery.search.segment_files import (
    DamagedSegment,
    files_of,
    read_about,
    remove_files,
    size_of,
    sweep,
)
from bindery.search.segments import TERMS_VERSION, Segment, merged
from bindery.store import collections as catalog
from bindery.store import placements
from bindery.store.placements import Placement

SEALED_ROWS = 4096
"""A tail with this many rows becomes a segment, because each process builds its own tail."""

SEALED_LATE_ROWS = 1024
"""The same for rows with a vector for each token, all of which are compared in a tail."""

FEW_ROWS = 64
"""A tail of fewer rows stays one: reading it takes less time than opening a segment."""

MOST_DEAD = 1 / 3
"""The share of dead rows from which on a segment is written again: files stay within 1.5 times."""

REWRITTEN_WITHIN_S = 3600.0
"""How long a server leaves dead rows in a segment, so that many deletions are one rewrite."""

UNPUBLISHED_S = 3600.0
"""A file that nobody has published for this long belongs to a process that has ended."""

_BATCH_ROWS = 16_384
# A segment is merged with what is at least a quarter of its size: each row is written again a
# logarithmic number of times, and few segments are left.
_MERGE_FACTOR = 4
# Merging takes about four times this in memory. At 384 dimensions 1 GB is about 600,000 rows.
_LARGEST_BYTES = 1 << 30
_SHARE_OF_MEMORY = 1 / 16
_ATTEMPTS = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """How many rows a segment has, how many of them live, and the bytes of its files."""

    name: str
    rows: int
    living: int
    size_bytes: int

    @property
    def living_bytes(self) -> int:
        """About how many bytes the living rows take alone."""
        return self.size_bytes * self.living // max(1, self.rows)

    def is_over(self, most_dead: float) -> bool:
        """Whether a larger share of its rows is dead."""
        return self.rows - self.living > most_dead * self.rows


@dataclass(frozen=True, slots=True)
class IndexState:
    """How many rows of an index lie in the tail, and the sizes of its segments."""

    tail_rows: int
    segments: Sequence[SegmentSize]


def state_of(index: CollectionIndex) -> IndexState:
    """Where the rows of an index lie now, without the segments that are in another home."""
    with index.database.reading() as connection:
        rows = placements.segment_rows(connection, index.generation)
        living = placements.living_rows(connection, index.generation)
    sizes = [
        SegmentSize(name, count, living.get(name, 0), size_of(index.folder, name))
        for name, count in rows.items()
        if name not in index.elsewhere
    ]
    return IndexState(living.get(None, 0), sizes)


def sealed_rows(index: CollectionIndex) -> int:
    """A tail with this many rows becomes a segment."""
    return SEALED_LATE_ROWS if index.recipe.has_many_vectors else SEALED_ROWS


def seal(index: CollectionIndex, *, least_rows: int | None = None) -> str | None:
    """Write the tail as segments, merged with those of their size; the name of the last.

    None if the tail has fewer rows. What is added or removed meanwhile stays right. Raises
    StorageError.
    """
    name = None
    least_rows = sealed_rows(index) if least_rows is None else least_rows
    with index.writing:
        while made := _again(index, lambda: _seal_some(index, least_rows)):
            name = made
    return name


def rewrite(index: CollectionIndex, *, most_dead: float = MOST_DEAD) -> int:
    """Write segments with a larger share of dead rows again without these; how many.

    Raises StorageError.
    """
    with index.writing:
        names = [one.name for one in state_of(index).segments if one.is_over(most_dead)]
        for name in names:
            _again(index, lambda name=name: _merge(index, [], [name]))
    return len(names)


def renew(index: CollectionIndex) -> int:
    """Make the segments again whose terms are of an older version; how many there were.

    They are searched until then. Raises StorageError.
    """
    with index.writing:
        names = outdated(index)
        for name in names:
            while _again(index, lambda name=name: _seal_batch(index, name)):
                pass
    return len(names)


def outdated(index: CollectionIndex) -> list[str]:
    """The segments of an index whose terms are of an older version."""
    found: list[str] = []
    for one in state_of(index).segments:
        with suppress(DamagedSegment):  # it is made again when it is opened
            if int(read_about(index.folder, one.name).get("terms", 1)) < TERMS_VERSION:
                found.append(one.name)
    return found


def erase(index: CollectionIndex) -> None:
    """Leave no dead row in any file of an index, nor in memory. Raises StorageError."""
    rewrite(index, most_dead=0)
    with index.database.freeing() as connection:
        placements.drop_dead_segments(connection, index.generation)
    # Another process that is about to publish one of these files writes it again.
    sweep_index(index, age_s=0)
    index.close()


def sweep_index(index: CollectionIndex, *, age_s: float = UNPUBLISHED_S) -> None:
    """Delete files of an index that are of no segment, and older than what may be unpublished."""
    # In a transaction that writes, so that nobody publishes meanwhile.
    with index.database.freeing() as connection:
        sweep(index.folder, placements.segment_names(connection, index.collection), age_s=age_s)


def _again(index: CollectionIndex, work: Callable[[], str | None]) -> str | None:
    for _ in range(_ATTEMPTS):
        try:
            return work()
        except ChangedMeanwhile:
            continue
    _log.info("The collection %s changes too fast: its index is sealed later.", index.collection)
    return None


def _seal_some(index: CollectionIndex, least_rows: int) -> str | None:
    if state_of(index).tail_rows < max(1, least_rows):
        return None
    return _seal_batch(index, None)


def _seal_batch(index: CollectionIndex, name: str | None) -> str | None:
    """Make rows of the tail, or of an outdated segment, from the catalog into a segment.

    None if there are none.
    """
    # Before the rows: a segment that another process makes of them is not to be merged with them.
    found, old = state_of(index), set(outdated(index))
    batch: list[Placement] = []
    rows = 0
    for one in _placed(index, name):
        batch.append(one)
        rows += one.chunks
        if rows >= _BATCH_ROWS:
            break
    if not batch:
        return None
    segments = [one for one in found.segments if one.name not in old]
    return _merge(index, batch, choose(rows, segments, largest_bytes()))


def largest_bytes() -> int:
    """How large a segment may become by merging."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        return _LARGEST_BYTES // 4
    return min(_LARGEST_BYTES, int(memory * _SHARE_OF_MEMORY))


def choose(
    rows: int, segments: Sequence[SegmentSize], most_bytes: int = _LARGEST_BYTES
) -> list[str]:
    """The segments to merge with this many new rows: small ones, and those mostly dead."""
    chosen: list[str] = []
    size_bytes = 0
    for one in sorted(segments, key=lambda one: (one.living, one.name)):
        fits = size_bytes + one.living_bytes <= most_bytes
        if fits and (one.living <= _MERGE_FACTOR * rows or one.is_over(MOST_DEAD)):
            chosen.append(one.name)
            rows += one.living
            size_bytes += one.living_bytes
    return chosen


def _merge(
    index: CollectionIndex,
    tail: Sequence[Placement],
    names: Sequence[str],
    *,
    is_again: bool = False,
) -> str | None:
    """One segment of tail files and of segments, in their place; its name, None if it is not used.

    Raises ChangedMeanwhile.
    """
    moved = [*tail]
    parts: list[Segment] = []
    if tail:
        with index.database.reading() as connection:
            files = catalog.list_files(connection, index.collection, [one.file for one in tail])
        parts.append(index.tail_of(files, tail))
    for name in names:
        if inside := _placed(index, name):
            parts.append(index.segment(name, [one.file for one in inside]))
            moved += inside
    if not parts:
        return _publish(index, None, [], names, is_again=is_again)
    return _publish(index, merged(parts), moved, names, is_again=is_again)


def _placed(index: CollectionIndex, segment: str | None) -> list[Placement]:
    with index.database.reading() as connection:
        return placements.list_placements(connection, index.generation, segment)


def _publish(
    index: CollectionIndex,
    segment: Segment | None,
    moved: Sequence[Placement],
    former: Sequence[str],
    *,
    is_again: bool,
) -> str | None:
    moves = len(moved)
    name = None if segment is None else segment.write(index.folder)
    with index.database.writing() as connection:
        is_there = catalog.count_change(connection, index.collection)
        if is_there and segment is not None and name is not None:
            if not files_of(index.folder, name):  # swept: this process was stopped for long
                raise ChangedMeanwhile
            moves = placements.publish_segment(
                connection, index.generation, name, len(segment), moved
            )
        elif is_there:
            placements.drop_dead_segments(connection, index.generation)
        named = placements.segment_names(connection, index.collection)
    # A reader that has read the catalog before, and not yet opened them, reads it again.
    remove_unnamed(index, {*former, *([name] if name else [])} - named)
    if name in named and moves < len(moved) and not is_again:
        # Files were removed or changed meanwhile. Their rows are not to stay on the disk.
        return _merge(index, [], [name], is_again=True)
    return name if name in named else None


def remove_unnamed(index: CollectionIndex, names: Collection[str]) -> None:
    """Delete the files of those of these segments that the catalog does not name."""
    if not names:
        return
    # In a transaction that writes: another process may be about to publish the same content.
    with index.database.freeing() as connection:
        for name in set(names) - placements.segment_names(connection, index.collection):
            remove_files(index.folder, name)
