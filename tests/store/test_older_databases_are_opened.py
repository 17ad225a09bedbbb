"""An older database becomes one of today, whole or not at all; a newer one is left alone."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from bindery.errors import StorageError
from bindery.store.blobs import open_blobs
from bindery.store.collections import list_collections
from bindery.store.database import Database, opening
from bindery.store.database.tables import REVISION, metadata
from bindery.store.files import FileStore
from bindery.store.generations import list_generations

ARCHIVES = Path(__file__).parent / "archives"

OpenDatabase = Callable[[], Database]


def test_a_new_database_has_the_tables_that_the_program_uses(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_program_knows_its_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(opening.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_a_newer_database_is_refused_and_left_as_it_is(open_database: OpenDatabase) -> None:
    with open_database().writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    for _ in range(2):
        with pytest.raises(
            StorageError, match=r"newer Bindery: it is at revision '9999'"
        ) as caught:
            open_database()
    assert "Install" in caught.value.remedy


# Every revision that was ever released, as a database of it with one file.


def test_a_collection_of_before_generations_were_compared_is_kept(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "bindery.db")
    old.executescript((ARCHIVES / "0002.sql").read_text())
    old.execute("INSERT INTO generations VALUES (1, 'col-1', '{\"model\": \"vanilla\"}', 7.5)")
    old.execute("INSERT INTO collections VALUES ('col-1', x'6d61', '{}', '{}', 1, 4, 7.5)")
    old.commit()
    old.close()

    database = Database.open(f"sqlite:///{tmp_path / 'bindery.db'}")
    with database.reading() as connection:
        (collection,) = list_collections(connection)
        (generation,) = list_generations(connection, "col-1")
    database.close()
    assert (collection.name, collection.generation, collection.state) == ("ma", 1, 4)
    assert generation.recipe == {"model": "vanilla"}
    assert (generation.switched_at, generation.report) == (7.5, None)


def test_every_released_revision_has_an_archive() -> None:
    assert REVISION in {path.stem for path in ARCHIVES.glob("*.sql")}


@pytest.mark.parametrize("archive", sorted(ARCHIVES.glob("*.sql")), ids=lambda path: path.stem)
def test_archived_databases_are_opened(archive: Path, tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "bindery.db")
    old.executescript(archive.read_text())
    old.close()

    database = Database.open(f"sqlite:///{tmp_path / 'bindery.db'}")
    folder = tmp_path / "files"
    (file,) = FileStore(database, open_blobs("", folder), folder)
    assert (file.name, file.purpose, file.size_bytes) == ("old\x00.txt", "batch", 7)
    with database.reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    database.close()


def _layout(path: Path) -> list[object]:
    database = sqlite3.connect(path)
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    indexes = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' ORDER BY name"
    found: list[object] = database.execute(indexes).fetchall()
    for (name,) in database.execute(tables).fetchall():
        found.append((name, database.execute(f"PRAGMA table_info({name})").fetchall()))
    database.close()
    return found


def test_a_new_database_is_as_the_migrations_would_have_made_it(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "old.db")
    old.executescript((ARCHIVES / "0001.sql").read_text())
    old.close()
    for name in ("old.db", "new.db"):
        Database.open(f"sqlite:///{tmp_path / name}").close()
    assert _layout(tmp_path / "new.db") == _layout(tmp_path / "old.db")


# A migration that is killed

_KILLED = """
import os, sys
from bindery.store.database import Database
from sqlalchemy import event
from sqlalchemy.engine import Engine

left = int(sys.argv[2])

@event.listens_for(Engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    global left
    if statement.lstrip().startswith(("CREATE", "INSERT", "UPDATE")):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)

Database.open(sys.argv[1])
print("opened")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a POSIX signal")
@pytest.mark.parametrize("statement", [0, 3, 9])
def test_a_migration_that_is_killed_never_was(
    statement: int, database_url: str, open_database: OpenDatabase
) -> None:
    arguments = [sys.executable, "-c", _KILLED, database_url, str(statement)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-9, ""), done.stderr

    with open_database().reading() as connection:
        assert {"files", "jobs"} <= set(inspect(connection).get_table_names())
