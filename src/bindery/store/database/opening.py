"""``Database``: the door to the tables."""

import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import URL, Connection, Engine, inspect, make_url
from sqlalchemy.exc import ArgumentError

from bindery.disk import storage_errors
from bindery.errors import InvalidValue, StorageError
from bindery.store.database import postgresql, sqlite
from bindery.store.database.ballast import Ballast
from bindery.store.database.faults import is_fsync_failure, storage_faults
from bindery.store.database.tables import REVISION

_SQLITE = "sqlite:///"

Transaction: TypeAlias = Connection
"""What the functions of :mod:`bindery.store` work within; only they know that it speaks SQL."""


class Database:
    """Transactions on the tables of :mod:`bindery.store.database.tables`.

    Safe to use from several threads and processes: one transaction at a time writes, wherever. On
    SQLite others must not read for long meanwhile: it waits for them, up to 30 s.
    """

    def __init__(self, engine: Engine, name: str, ballast: Ballast | None) -> None:
        self._name = name
        self._ballast = ballast
        self._reading = engine.execution_options(writes=False)
        self._writing = engine.execution_options(writes=True)
        self._turn = threading.Lock()
        self._failure: StorageError | None = None
        # Connections that nobody closed are closed with it, and not by the collector's leave.
        self._close = weakref.finalize(self, engine.dispose)

    @classmethod
    def open(cls, url: str) -> "Database":
        """The database at ``sqlite:///PATH`` or ``postgresql://...``, its tables those of today.

        Raises InvalidValue for an address of neither, StorageError for a database that cannot be
        reached, is damaged or is of a newer program.
        """
        address = _parsed(url)
        if isinstance(address, Path):
            with storage_errors(address):
                address.parent.mkdir(parents=True, exist_ok=True)
            ballast = Ballast(address.with_name("ballast"))
            database = cls(sqlite.open_engine(address), str(address), ballast)
        else:
            database = cls(_server_engine(address), address.render_as_string(), None)
        try:
            database._prepare()
        except BaseException:  # also Ctrl-C: nobody else would close it
            database.close()
            raise
        return database

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """One transaction: kept, whatever happens then, when the block ends without an exception.

        It is not to be entered within itself. Raises StorageFull where there is no room, and
        StorageError; Conflict if a row is there already or refers to one that is not.
        """
        with self._turn:
            if self._ballast:
                self._ballast.hold()
            with self._transaction() as connection:
                yield connection

    @contextmanager
    def freeing(self) -> Generator[Connection]:
        """As :meth:`writing`, to delete: on a full disk too, and nothing is left of what went.

        The room that is held back for this is taken again once there is some.
        """
        with self._turn:
            if self._ballast:
                self._ballast.release()
            try:
                with self._transaction() as connection:
                    yield connection
                self._forget()
            finally:
                if self._ballast:
                    self._ballast.hold_again()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A steady view of what is kept. Raises StorageError."""
        with storage_faults(self._name), self._reading.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._close()

    @property
    def failure(self) -> StorageError | None:
        """Why nothing is written any more, where the disk failed to keep what it was given."""
        return self._failure

    @contextmanager
    def _transaction(self) -> Generator[Connection]:
        if self._failure is not None:
            raise StorageError(self._failure.message, remedy=self._failure.remedy)
        try:
            with storage_faults(self._name), self._writing.begin() as connection:
                yield connection
        except StorageError as error:
            if is_fsync_failure(error):
                self._failure = error
            raise

    def _prepare(self) -> None:
        with self.reading() as connection:
            if connection.dialect.name == "sqlite":
                sqlite.check(connection, self._name)
            found = _revision(connection)
        if found == REVISION:
            return
        # Alembic takes a third of a second to import, and is needed once in a database's life.
        from bindery.store.database.upgrading import upgrade

        with self._transaction() as connection:
            # Another process may have done it since.
            upgrade(connection, _revision(connection), self._name)

    def _forget(self) -> None:
        if sqlite.JOURNAL == "WAL" and self._reading.dialect.name == "sqlite":
            with storage_faults(self._name):
                sqlite.truncate_log(self._reading)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _parsed(url: str) -> Path | URL:
    if url.startswith(_SQLITE):
        # Verbatim: a folder may be called what has a meaning in an address.
        path = url.removeprefix(_SQLITE)
        if path and path != ":memory:":
            return Path(path)
        raise _no_address()
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise _no_address() from None
    if address.get_backend_name() != "postgresql":
        raise _no_address()
    return address


def _server_engine(address: URL) -> Engine:
    try:
        return postgresql.open_engine(address)
    except ImportError as error:
        raise InvalidValue(
            "The database is a PostgreSQL, whose client is not installed.",
            remedy="pip install 'bindery[postgres]'.",
            param="database_url",
        ) from error


def _no_address() -> InvalidValue:
    # What it is stays untold: it may hold a password.
    return InvalidValue(
        "The address of the database is none.",
        remedy="Write sqlite:////folder/bindery.db or postgresql://user@host/database.",
        param="database_url",
    )
