"""The file store of a home, whatever it was before."""

from pathlib import Path

from bindery.store.blobs import open_blobs
from bindery.store.database import Database
from bindery.store.files import FileStore
from bindery.store.older_homes import take_over


def open_files(database: Database, blobs_url: str, folder: Path) -> FileStore:
    """The files of a database; those that lie in ``folder`` since before there was one, too.

    Raises InvalidValue for a ``blobs_url`` that is none, StorageError.
    """
    files = FileStore(database, open_blobs(blobs_url, folder), folder)
    take_over(folder, files)
    return files
