"""Connections to SQLite and PostgreSQL that keep every committed write, one writer at a time.

SQLite uses a write-ahead log only from version 3.51.3 on: from 3.7.0 to 3.51.2, two connections at
once can lose the pages of a checkpoint and so corrupt the file
(https://sqlite.org/wal.html#walresetbug). Older versions use a rollback journal, which does not
have this bug; a writer then waits for readers.
"""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from bindery.errors import StorageError
from bindery.store.database.faults import RESTORE

_WAIT_S = 30
# Connections that a server with many threads may open beyond the few that stay open.
_POOL: dict[str, Any] = {"pool_size": 4, "max_overflow": 28}

_SAFE_WAL = (3, 51, 3)
JOURNAL = "WAL" if sqlite3.sqlite_version_info >= _SAFE_WAL else "TRUNCATE"
# Checking reads every page: about 0.2 s at this size.
_CHECKED_BYTES = 64 << 20
_PRAGMAS = (
    f"journal_mode={JOURNAL}",
    "synchronous=FULL",
    "fullfsync=ON",  # macOS: fsync alone does not reach the disk there
    "checkpoint_fullfsync=ON",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "secure_delete=ON",  # overwrite deleted data with zeros
    "mmap_size=0",
    "temp_store=MEMORY",  # no text in a file outside the home
    "journal_size_limit=8388608",
)

# Any number will do, as long as every process uses the same one.
_WRITER = 0x42494E44
_SETTINGS = (
    # A server can be configured to acknowledge a commit before it is written.
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
    f"SET lock_timeout = '{_WAIT_S}s'",
    "SET idle_in_transaction_session_timeout = '10min'",
)


def open_sqlite(path: Path) -> Engine:
    """Connections to a SQLite database in a file."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        # Without an isolation level the driver starts no transactions itself: we decide what is
        # in one, including the creation of tables.
        connect_args={"timeout": float(_WAIT_S), "isolation_level": None},
        hide_parameters=True,
        **_POOL,
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def open_postgresql(url: URL) -> Engine:
    """Connections to a PostgreSQL database. Raises ImportError if its client is not installed."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": _WAIT_S},
        hide_parameters=True,
        pool_pre_ping=True,
        **_POOL,
    )
    event.listen(engine, "connect", _set_session)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def check_sqlite(connection: Connection, name: str) -> None:
    """Check a SQLite file for damage, if it is small enough. Raises StorageError."""
    pages, page_bytes = (
        connection.exec_driver_sql(f"PRAGMA {one}").scalar_one()
        for one in ("page_count", "page_size")
    )
    if pages * page_bytes > _CHECKED_BYTES:
        return
    if (found := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()) != "ok":
        raise StorageError(f"The database {name} is damaged: {found}.", remedy=RESTORE)


def truncate_log(engine: Engine) -> None:
    """Empty SQLite's write-ahead log, so that it no longer holds deleted data."""
    connection = engine.raw_connection()  # a log cannot be emptied within a transaction
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        connection.close()


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: a reader that becomes a writer may be refused midway.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _set_session(connection: Any, _record: object) -> None:  # noqa: ANN401 (psycopg may be absent)
    for statement in _SETTINGS:
        connection.execute(statement)
    connection.commit()


def _begin_postgresql(connection: Connection) -> None:
    if _writes(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("writes", False))
