"""The database's errors as ours."""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bindery.errors import StorageError, StorageFull

RESTORE = "Restore a backup of it; docs/storage.md says how."
_FREE_SPACE = "Delete files that are not needed, or free some space on its disk."
_RETRY = "Try again. If this persists, look for a process that holds a transaction open."
_PERMISSIONS = "Check its owner and permissions."
_REACH = "Check that its server is running and that BINDERY_DATABASE_URL is right."

# By SQLite's primary result code: https://sqlite.org/rescode.html
_SQLITE: Mapping[int, tuple[type[StorageError], str, str]] = {
    5: (StorageError, "is locked by another process", _RETRY),
    6: (StorageError, "is locked by another transaction", _RETRY),
    8: (StorageError, "is read-only", _PERMISSIONS),
    10: (StorageError, "met a disk error", "Check the disk, then restart Bindery."),
    11: (StorageError, "is damaged", RESTORE),
    13: (StorageFull, "has no room left", _FREE_SPACE),
    14: (StorageError, "cannot be opened", _PERMISSIONS),
    26: (StorageError, "is not a SQLite database", RESTORE),
}

# By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL: Mapping[str, tuple[type[StorageError], str, str]] = {
    "40001": (StorageError, "rolled back in favour of another transaction", _RETRY),
    "40P01": (StorageError, "rolled back in favour of another transaction", _RETRY),
    "53100": (StorageFull, "has no room left", _FREE_SPACE),
    "55P03": (StorageError, "is locked by another process", _RETRY),
    "58030": (StorageError, "met a disk error", "Check its server's log."),
}

# SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC: it is unknown what reached the disk, and a retry
# may wrongly succeed (https://wiki.postgresql.org/wiki/Fsync_Errors).
_FSYNC_FAILED = frozenset({1034, 1290})


class Conflict(Exception):
    """A row already exists, or refers to one that does not."""


@contextmanager
def storage_faults(name: str) -> Generator[None]:
    """Raise the errors of the database called ``name`` as StorageError or Conflict.

    ProgrammingError passes: it is a bug of ours.
    """
    try:
        yield
    except ProgrammingError:
        raise
    except IntegrityError as error:
        raise Conflict(str(error)) from error
    except PoolTimeout as error:
        raise StorageError(f"The database {name} is busy.", remedy=_RETRY) from error
    except DBAPIError as error:
        kind, what, remedy = _meaning(error.orig)
        raise kind(f"The database {name} {what}.", remedy=remedy) from error


@contextmanager
def sqlite_errors(name: str) -> Generator[None]:
    """The same for errors of Python's own SQLite driver."""
    try:
        yield
    except sqlite3.Error as error:
        kind, what, remedy = _meaning(error)
        raise kind(f"The database {name} {what}.", remedy=remedy) from error


def is_fsync_failure(error: BaseException) -> bool:
    """Whether the database failed to flush its writes to the disk."""
    cause = error.__cause__
    origin = cause.orig if isinstance(cause, DBAPIError) else None
    return getattr(origin, "sqlite_errorcode", None) in _FSYNC_FAILED


def _meaning(origin: BaseException | None) -> tuple[type[StorageError], str, str]:
    if isinstance(origin, sqlite3.Error):
        code = getattr(origin, "sqlite_errorcode", 0)  # absent if Python's own driver refuses
        return _SQLITE.get(code & 0xFF, (StorageError, f"failed: {origin}", RESTORE))
    state = str(getattr(origin, "sqlstate", None))
    return _POSTGRESQL.get(state, (StorageError, "cannot be reached or failed", _REACH))
