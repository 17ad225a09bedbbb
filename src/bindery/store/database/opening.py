"""``Database``: transactions that write, and consistent snapshots to read."""

import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import URL, Column, Connection, Engine, MetaData, String, Table, inspect, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import CreateTable

from bindery.disk import Ballast, storage_errors
from bindery.errors import InvalidValue, StorageError
from bindery.store.database import connections
from bindery.store.database.faults import is_fsync_failure, storage_faults
from bindery.store.database.tables import REVISION, metadata

_SQLITE = "sqlite:///"
_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSIONS = Table(
    "alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)
)
"""As Alembic makes it."""

Transaction: TypeAlias = Connection
"""What the functions of :mod:`bindery.store` work within. Other packages only pass it on."""


class Database:
    """Transactions on the tables of :mod:`bindery.store.database.tables`.

    Safe to use from several threads and processes: only one transaction at a time writes. With
    SQLite's rollback journal a commit waits for readers, up to 30 s: keep reads short.
    """

    def __init__(self, engine: Engine, name: str, ballast: Ballast | None) -> None:
        self._name = name
        self._ballast = ballast
        self._reading = engine.execution_options(writes=False)
        self._writing = engine.execution_options(writes=True)
        self._turn = threading.Lock()
        self._failure: StorageError | None = None
        # Connections that nobody closed are closed with the database, not by garbage collection.
        self._close = weakref.finalize(self, engine.dispose)

    @classmethod
    def open(cls, url: str) -> "Database":
        """The database at ``sqlite:///PATH`` or ``postgresql://...``, brought up to date.

        Raises InvalidValue for any other URL, and StorageError if the database cannot be reached,
        is damaged or was written by a newer version.
        """
        address = _parsed(url)
        if isinstance(address, Path):
            with storage_errors(address):
                address.parent.mkdir(parents=True, exist_ok=True)
            ballast = Ballast(address.with_name("ballast"))
            database = cls(connections.open_sqlite(address), str(address), ballast)
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
        """One transaction. It is committed durably if the block ends without an exception.

        Do not nest. Raises StorageFull if the disk is full, StorageError, and Conflict if a row
        already exists or refers to one that does not.
        """
        with self._turn:
            if self._ballast:
                self._ballast.hold()
            with self._transaction() as connection:
                yield connection

    @contextmanager
    def freeing(self) -> Generator[Connection]:
        """Like :meth:`writing`, to delete: works on a full disk, and leaves no deleted data behind.

        The space reserved for this is reserved again as soon as there is some.
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
        """A consistent snapshot of the database. Raises StorageError."""
        with storage_faults(self._name), self._reading.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._close()

    @property
    def failure(self) -> StorageError | None:
        """The error of a failed flush, after which nothing is written; None if there was none."""
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
                connections.check_sqlite(connection, self._name)
            found = _revision(connection)
        if found == REVISION:
            return
        with self._transaction() as connection:
            # Another process may have done it since.
            found = _revision(connection)
            if found is None:
                _create(connection)
            else:
                _upgrade(connection, found, self._name)

    def _forget(self) -> None:
        if connections.JOURNAL == "WAL" and self._reading.dialect.name == "sqlite":
            with storage_faults(self._name):
                connections.truncate_log(self._reading)


def _create(connection: Connection) -> None:
    """Make the newest tables at once: the migrations and Alembic would take a third of a second."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(CreateTable(_VERSIONS))
    connection.execute(_VERSIONS.insert().values(version_num=REVISION))


def _upgrade(connection: Connection, found: str, name: str) -> None:
    """Run the migrations that a database at revision ``found`` lacks, in the caller's transaction.

    Raises StorageError for a revision of a newer version.
    """
    # Alembic takes a third of a second to import, and is needed once in a database's life.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        ScriptDirectory.from_config(config).get_revision(found)
    except CommandError as error:
        raise StorageError(
            f"The database {name} was written by a newer Bindery: it is at revision "
            f"{found[:40]!r}, which this version does not know.",
            remedy="Install the newer Bindery, or restore the backup from before it.",
        ) from error
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _parsed(url: str) -> Path | URL:
    if url.startswith(_SQLITE):
        # Verbatim: a folder's name may contain characters that mean something in a URL.
        path = url.removeprefix(_SQLITE)
        if path and path != ":memory:":
            return Path(path)
        raise _invalid_url()
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise _invalid_url() from None
    if address.get_backend_name() != "postgresql":
        raise _invalid_url()
    return address


def _server_engine(address: URL) -> Engine:
    try:
        return connections.open_postgresql(address)
    except ImportError as error:
        raise InvalidValue(
            "The client for PostgreSQL is not installed.",
            remedy="pip install 'bindery-search[postgres]'.",
            param="database_url",
        ) from error


def _invalid_url() -> InvalidValue:
    # It is not quoted: it may hold a password.
    return InvalidValue(
        "Invalid database URL.",
        remedy="Use sqlite:////folder/bindery.db or postgresql://user@host/database.",
        param="database_url",
    )
