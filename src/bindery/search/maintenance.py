"""The segments of an index: sealed from the tail, merged, written again without their dead rows.

Publishing is: write the file beside, wait for the disk, rename, wait for the folder, then one
transaction that moves the placements of files that have not changed meanwhile. So a reader in any
process sees whole segments only, and a file that nobody has published is nobody's.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bindery.errors import BinderyError
from bindery.library import Library
from bindery.search.index import ChangedMeanwhile, CollectionIndex
from bindery.search.segment_files import files_of, remove_files, size_of, sweep, sweep_folders
from bindery.search.segments import Segment, merged
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

_BATCH_ROWS = 16_384
# A segment is merged with what is at least a quarter of its size: each row is written again a
# logarithmic number of times, and few segments are left.
_MERGE_FACTOR = 4
# Merging takes about four times this in memory. At 384 dimensions 1 GB is about 600,000 rows.
_LARGEST_BYTES = 1 << 30
_SHARE_OF_MEMORY = 1 / 16
# A file that nobody has published for this long belongs to a process that has ended.
_UNPUBLISHED_S = 3600.0
_ATTEMPTS = 20
_LOOK_S = 1.0
_MINUTE_S = 60.0
_WAITS = 4  # times as long as the last look took
_PAUSE_S = 5.0
_IDLE_S = 30.0

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
    """Where the rows of an index lie now."""
    with index.database.reading() as connection:
        rows = placements.segment_rows(connection, index.generation)
        living = placements.living_rows(connection, index.generation)
    sizes = [
        SegmentSize(name, count, living.get(name, 0), size_of(index.folder, name))
        for name, count in rows.items()
    ]
    return IndexState(living.get(None, 0), sizes)


def _sealed_rows(index: CollectionIndex) -> int:
    return SEALED_LATE_ROWS if index.recipe.has_many_vectors else SEALED_ROWS


def seal(index: CollectionIndex, *, least_rows: int | None = None) -> str | None:
    """Write the tail as segments, merged with those of their size; the name of the last.

    None if the tail has fewer rows. What is added or removed meanwhile stays right. Raises
    StorageError.
    """
    name = None
    least_rows = _sealed_rows(index) if least_rows is None else least_rows
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


def erase(index: CollectionIndex) -> None:
    """Leave no dead row in any file of an index, nor in memory. Raises StorageError."""
    rewrite(index, most_dead=0)
    with index.database.freeing() as connection:
        placements.drop_dead_segments(connection, index.generation)
    # Another process that is about to publish one of these files writes it again.
    sweep_index(index, age_s=0)
    index.close()


def sweep_index(index: CollectionIndex, *, age_s: float = _UNPUBLISHED_S) -> None:
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
    found = state_of(index)
    if found.tail_rows < max(1, least_rows):
        return None
    batch: list[Placement] = []
    rows = 0
    for one in _placed(index, None):
        batch.append(one)
        rows += one.chunks
        if rows >= _BATCH_ROWS:
            break
    return _merge(index, batch, choose(rows, found.segments, largest_bytes()))


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


@dataclass(slots=True)
class _Seen:
    """A collection as a maintainer last saw it; ``dead_since`` is by generation and segment."""

    state: int = -1
    since: float = 0.0
    dead_since: dict[tuple[int, str], float] = field(default_factory=dict[tuple[int, str], float])
    is_settled: bool = False


class Indexed(Protocol):
    """A collection, as a maintainer needs it."""

    @property
    def id(self) -> str:
        """What the catalog calls it."""
        ...

    def indexes(self) -> Sequence[CollectionIndex]:
        """The indexes of its generations."""
        ...


class Maintainer:
    """Keeps the indexes of ``collections`` small in a thread of its own, also while jobs add.

    Long tails are sealed at once and short ones when nothing has changed for half a minute; dead
    rows are written out within ``rewritten_within_s``. ``each_minute`` is called before, at first
    at once.
    """

    def __init__(
        self,
        library: Library,
        collections: Callable[[], Iterable[Indexed]],
        *,
        rewritten_within_s: float = REWRITTEN_WITHIN_S,
        each_minute: Callable[[], None] = lambda: None,
    ) -> None:
        self._library = library
        self._collections = collections
        self._within_s = rewritten_within_s
        self._seen: dict[str, _Seen] = {}
        self._swept = time.monotonic()
        self._each_minute = each_minute
        self._minute = -math.inf
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._serve, name="bindery-index", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current write."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> "Maintainer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self) -> None:
        took_s = 0.0
        while not self._stopped.wait(max(_LOOK_S, _WAITS * took_s)):
            started = time.monotonic()
            try:
                self.run_once()
                took_s = time.monotonic() - started
            except BinderyError as error:
                _log.warning("The index is not maintained: %s", error)
                self._stopped.wait(_PAUSE_S)

    def run_once(self) -> None:
        """Look at every collection that has changed, and do the work that is due."""
        now = time.monotonic()
        if now - self._minute >= _MINUTE_S:
            self._each_minute()
            self._minute = now
        with self._library.database.reading() as connection:
            states = catalog.states(connection)
        is_sweeping = now - self._swept >= _UNPUBLISHED_S
        for one in self._collections():
            state = states.get(one.id)
            seen = self._seen.setdefault(one.id, _Seen())
            if state is not None and seen.state != state:
                seen.state, seen.since, seen.is_settled = state, now, False
            if state is None or (seen.is_settled and not is_sweeping):
                continue
            indexes = one.indexes()
            if not seen.is_settled:
                left = [one for one in indexes if not self._maintain(one, seen, now)]
                seen.is_settled = not left
            if is_sweeping:
                for index in indexes:
                    sweep_index(index)
            if self._stopped.is_set():
                return
        if is_sweeping:
            sweep_folders(self._library.home / "indexes", states, age_s=_UNPUBLISHED_S)
            self._library.files.sweep()
            self._swept = now

    def _maintain(self, index: CollectionIndex, seen: _Seen, now: float) -> bool:
        """Do the work that is due; whether nothing is left to do until the next change."""
        found = state_of(index)
        is_idle = now - seen.since >= _IDLE_S
        least = FEW_ROWS if is_idle else _sealed_rows(index)
        if found.tail_rows >= least:
            seal(index, least_rows=least)
            return False
        dead = {one.name for one in found.segments if one.living < one.rows}
        since = [seen.dead_since.setdefault((index.generation, name), now) for name in dead]
        is_late = any(now - one >= self._within_s for one in since)
        if is_late or any(one.is_over(MOST_DEAD) for one in found.segments):
            rewrite(index, most_dead=0.0 if is_late else MOST_DEAD)
            return False
        return is_idle and not dead
