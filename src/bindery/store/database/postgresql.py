"""PostgreSQL: opened so that it keeps what SQLite keeps, one transaction at a time that writes."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

# Any number will do; it is the same in every process.
_WRITER = 0x42494E44
_WAIT_S = 30
_SETTINGS = (
    # A server may be told to acknowledge before it has written.
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
    f"SET lock_timeout = '{_WAIT_S}s'",
    "SET idle_in_transaction_session_timeout = '10min'",
)


def open_engine(url: URL) -> Engine:
    """Connections to a database of a server."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": _WAIT_S},
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=28,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 (psycopg may be absent)
    for statement in _SETTINGS:
        connection.execute(statement)
    connection.commit()


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
