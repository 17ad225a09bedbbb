"""Folders that are watched: which of their files have changed, once these have settled.

The system's notifications only wake us up. What has changed is found by comparing what the folders
hold, so that no order of events, no lost event and no renaming editor can mislead us.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from watchfiles import watch

from bindery.search.local_files import files_of, find_paths

_SETTLE_S = 1.0
_POLL_S = 5.0
# Also with notifications: a folder that is made again, or is on another machine, sends none.
_LOOK_S = 30.0

_State: TypeAlias = Mapping[str, tuple[int, int, int]]


class FolderWatch:
    """Tells which files of folders are new, changed or gone since it was made.

    A file counts as changed once it has stayed the same for ``settle_s``, so that files are not
    read while they are written or replaced. ``polls_because`` is why the system's notifications
    are not used, and ``""`` if they are.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        takes_hidden: bool = False,
        settle_s: float = _SETTLE_S,
        poll_s: float = _POLL_S,
        stopped: threading.Event | None = None,
    ) -> None:
        self._paths = [Path(path).expanduser().absolute() for path in paths]
        self._takes_hidden = takes_hidden
        self._settle_s = settle_s
        self.poll_s = poll_s
        self._stopped = stopped or threading.Event()
        self._known = dict(self._look())
        self.polls_because = ""
        self._wakes = self._notified()
        try:
            next(self._wakes)  # begins to listen
        except Exception as error:  # noqa: BLE001 - whatever the system refuses, looking works
            self.polls_because = f"{error}".strip() or type(error).__name__
            self._wakes = self._polled()

    def changes(self) -> Iterator[frozenset[str]]:
        """The absolute paths that have changed, each time some have, until it is stopped."""
        is_moving = True  # something may have changed since the first look
        while not self._stopped.is_set():
            if not is_moving and next(self._wakes, None) is None:
                return
            before = self._look()
            changed = _differing(self._known, before)
            is_moving = bool(changed) and not self._stopped.wait(self._settle_s)
            if not is_moving:
                continue
            now = self._look()
            moving = _differing(before, now)
            if settled := changed - moving:
                self._known = {
                    path: state for path, state in self._known.items() if path not in settled
                } | {path: now[path] for path in settled if path in now}
                yield settled
            is_moving = bool(_differing(self._known, now))

    def _look(self) -> _State:
        found: dict[str, tuple[int, int, int]] = {}
        for path in find_paths(self._paths)[0]:
            for file in files_of(path, takes_hidden=self._takes_hidden).values():
                try:
                    status = file.stat()
                except OSError:  # it is gone since
                    continue
                found[str(file)] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found

    def _notified(self) -> Iterator[bool]:
        folders = [path for path in self._paths if path.is_dir()]
        if not folders:
            raise ValueError("only files were named")
        # An editor puts another file in the place of one, which nobody notifies us of.
        look_s = _LOOK_S if len(folders) == len(self._paths) else self.poll_s
        looked = -look_s
        for changes in watch(
            *folders,
            watch_filter=None,
            debounce=200,
            rust_timeout=500,
            stop_event=self._stopped,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            if changes or time.monotonic() - looked >= look_s:
                looked = time.monotonic()
                yield True

    def _polled(self) -> Iterator[bool]:
        while not self._stopped.wait(self.poll_s):
            yield True


def _differing(before: _State, now: _State) -> frozenset[str]:
    """The paths that are in one only, or in another state."""
    return frozenset(path for path in {*before, *now} if before.get(path) != now.get(path))
