"""Durability switched off, to see that the harness notices."""

import os
import sqlite3
import time
from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.engine import Engine

KINDS = ("no_sync", "early_acknowledgement", "no_tombstones")

_BEHIND_S = 0.05


def become(kind: str) -> None:
    """Make this process careless in one way."""
    _KINDS[kind]()


def _no_sync() -> None:
    """Write, and never wait for the disk."""

    def nothing(descriptor: int) -> None:
        del descriptor

    os.fsync = os.fdatasync = nothing

    @event.listens_for(Engine, "begin")
    def no_sync(connection: object) -> None:
        raw = connection.connection.dbapi_connection  # type: ignore[attr-defined]
        if isinstance(raw, sqlite3.Connection) and not raw.in_transaction:
            raw.execute("PRAGMA synchronous=OFF")


def _early_acknowledgement() -> None:
    """Say what is done before it is, as who writes behind."""
    import __main__ as writer  # by its own name it would be imported once more

    say = writer.say

    def early(what: str, value: object) -> None:
        say(what, value)
        if what.endswith("?") and what != "submit?":
            say(what[:-1], value)
            time.sleep(_BEHIND_S)

    writer.say = early


def _no_tombstones() -> None:
    """Take every row of a segment for a living one."""
    from bindery.search.segments import Segment

    Segment.of_files = lambda self, files: self  # type: ignore[method-assign]


_KINDS: dict[str, Callable[[], None]] = {
    "no_sync": _no_sync,
    "early_acknowledgement": _early_acknowledgement,
    "no_tombstones": _no_tombstones,
}
