"""A thread that keeps the indexes of collections small and up to date."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bindery.errors import BinderyError
from bindery.library import Library
from bindery.search.index import CollectionIndex
from bindery.search.maintenance import (
    FEW_ROWS,
    MOST_DEAD,
    REWRITTEN_WITHIN_S,
    UNPUBLISHED_S,
    outdated,
    renew,
    rewrite,
    seal,
    sealed_rows,
    state_of,
    sweep_index,
)
from bindery.search.segment_files import sweep_folders
from bindery.store import collections as catalog

_LOOK_S = 1.0
_MINUTE_S = 60.0
_WAITS = 4  # times as long as the last look took
_PAUSE_S = 5.0
_IDLE_S = 30.0

_log = logging.getLogger(__name__)


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
        is_sweeping = now - self._swept >= UNPUBLISHED_S
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
            sweep_folders(self._library.home / "indexes", states, age_s=UNPUBLISHED_S)
            sweep_folders(self._library.home / "evaluations", states, age_s=UNPUBLISHED_S)
            self._library.files.sweep()
            self._swept = now

    def _maintain(self, index: CollectionIndex, seen: _Seen, now: float) -> bool:
        """Do the work that is due; whether nothing is left to do until the next change."""
        found = state_of(index)
        is_idle = now - seen.since >= _IDLE_S
        least = FEW_ROWS if is_idle else sealed_rows(index)
        if found.tail_rows >= least:
            seal(index, least_rows=least)
            return False
        if is_idle and outdated(index):
            renew(index)
            return False
        dead = {one.name for one in found.segments if one.living < one.rows}
        since = [seen.dead_since.setdefault((index.generation, name), now) for name in dead]
        is_late = any(now - one >= self._within_s for one in since)
        if is_late or any(one.is_over(MOST_DEAD) for one in found.segments):
            rewrite(index, most_dead=0.0 if is_late else MOST_DEAD)
            return False
        return is_idle and not dead
