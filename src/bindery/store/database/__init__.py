"""The catalog of what is kept, in SQL: SQLite in the home folder, or PostgreSQL by its URL.

::

    tables.py       what there is
    migrations/     how an older database becomes one of today
    opening.py      ``Database``: one transaction to write, or a steady view to read
    sqlite.py       how each of the two is opened so that what was acknowledged is not lost,
    postgresql.py   and that one transaction at a time writes
    ballast.py      room on a full disk for deleting
    faults.py       what a database says, as our errors
"""

from bindery.store.database.faults import Conflict
from bindery.store.database.opening import Database, Transaction

__all__ = ["Conflict", "Database", "Transaction"]
