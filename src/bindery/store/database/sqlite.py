"""SQLite: opened so that what was acknowledged survives a loss of power, and deleting is deleting.

The journal is a write-ahead log only where SQLite is 3.51.3 or newer: from 3.7.0 on, two
connections at once can lose a checkpoint's pages and with that corrupt the file
(https://sqlite.org/wal.html#walresetbug). Elsewhere it is a rollback journal, which that cannot
happen to; writing then waits until those who read have done so.
"""

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event

from bindery.errors import StorageError
from bindery.store.database.faults import RESTORE

BUSY_TIMEOUT_S = 30.0
# Checking reads every page: about 0.2 s at this size.
_CHECKED_BYTES = 64 << 20
_SAFE_WAL = (3, 51, 3)
JOURNAL = "WAL" if sqlite3.sqlite_version_info >= _SAFE_WAL else "TRUNCATE"

_PRAGMAS = (
    f"journal_mode={JOURNAL}",
    "synchronous=FULL",
    "fullfsync=ON",  # macOS: fsync alone does not reach the disk there
    "checkpoint_fullfsync=ON",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "secure_delete=ON",  # what is deleted is overwritten with zeros
    "mmap_size=0",
    "temp_store=MEMORY",  # no text in a file outside the home
    "journal_size_limit=8388608",
)


def open_engine(path: Path) -> Engine:
    """Connections to the database in a file."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        # Without an isolation level the driver begins nothing by itself: what is within a
        # transaction, tables being made too, is ours to say.
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
        hide_parameters=True,
        pool_size=4,
        max_overflow=28,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def check(connection: Connection, name: str) -> None:
    """Look whether the file is whole, where it is small enough for that not to be felt."""
    pages, page_bytes = (
        connection.exec_driver_sql(f"PRAGMA {one}").scalar_one()
        for one in ("page_count", "page_size")
    )
    if pages * page_bytes > _CHECKED_BYTES:
        return
    if (found := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()) != "ok":
        raise StorageError(f"The database {name} is damaged: {found}.", remedy=RESTORE)


def truncate_log(engine: Engine) -> None:
    """Empty the write-ahead log of what was deleted."""
    connection = engine.raw_connection()  # within a transaction nothing can be emptied
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    # Who is to write takes the lock at once: a reader who turns writer may be refused midway.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
