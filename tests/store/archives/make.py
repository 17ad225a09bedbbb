"""Writes the archive of the newest revision, once it is released."""

import sqlite3
import tempfile
from pathlib import Path

from bindery.store.blobs import open_blobs
from bindery.store.database import Database
from bindery.store.database.tables import REVISION
from bindery.store.files import FileStore

with tempfile.TemporaryDirectory() as name:
    home = Path(name)
    database = Database.open(f"sqlite:///{home / 'bindery.db'}")
    store = FileStore(database, open_blobs("", home / "files"), home / "files")
    with store.receive(limit_bytes=7) as incoming:
        incoming.write(b"content")
        incoming.keep("old\x00.txt", purpose="batch")
    database.close()
    connection = sqlite3.connect(home / "bindery.db")
    dump = "\n".join(connection.iterdump()) + "\n"
    connection.close()
(Path(__file__).parent / f"{REVISION}.sql").write_text(dump)
