"""The database: SQLite in the home folder, or PostgreSQL by its URL.

::

    tables.py       the tables
    migrations/     how an older database is brought up to date
    opening.py      ``Database``: transactions that write, and steady views to read
    connections.py  how SQLite and PostgreSQL are opened so that no committed write is lost
    faults.py       the database's errors as ours
"""

from bindery.store.database.faults import Conflict
from bindery.store.database.opening import Database, Transaction

__all__ = ["Conflict", "Database", "Transaction"]
