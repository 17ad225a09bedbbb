"""The database: one transaction at a time that writes, kept or never made; no fault is hidden."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, insert, select, update
from sqlalchemy.engine import Engine

from bindery.errors import InvalidValue, StorageError, StorageFull
from bindery.store.database import Conflict, Database
from bindery.store.database.tables import contents, files

OpenDatabase = Callable[[], Database]


def put(connection: Connection, number: int) -> None:
    connection.execute(insert(contents).values(sha256=f"{number:064x}", size_bytes=number))


def numbers(database: Database) -> list[int]:
    with database.reading() as connection:
        return sorted(connection.scalars(select(contents.c.size_bytes)))


def write(database: Database, values: Iterable[int]) -> None:
    with database.writing() as connection:
        for number in values:
            put(connection, number)


def put_and_fail(connection: Connection) -> None:
    put(connection, 0)
    raise ZeroDivisionError


# Transactions


def test_what_was_written_is_there_for_who_opens_it_later(open_database: OpenDatabase) -> None:
    with open_database().writing() as connection:
        put(connection, 1)
        put(connection, 2)

    assert numbers(open_database()) == [1, 2]


def test_a_transaction_is_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        put_and_fail(connection)
    write(database, [1])
    with pytest.raises(Conflict):
        write(database, [2, 1])

    assert numbers(database) == [1]
    write(database, [3])
    assert numbers(database) == [1, 3]


def test_a_file_needs_its_content(database: Database) -> None:
    row = {"id": "a", "sha256": "b", "name": "c", "purpose": "", "uploaded_at": 1.5}
    with pytest.raises(Conflict), database.writing() as connection:
        connection.execute(insert(files).values(row))


@pytest.mark.parametrize("name", ["", "plain", "a\x00b", "\u202e𝔘é", "'; DROP TABLE files; --"])
def test_any_text_comes_back(name: str, database: Database) -> None:
    row = {"id": "a", "sha256": f"{1:064x}", "name": name, "purpose": "", "uploaded_at": 0.1}
    row["owner"] = ""
    with database.writing() as connection:
        put(connection, 1)
        connection.execute(insert(files).values(row))
    with database.reading() as connection:
        assert dict(connection.execute(select(files)).one()._mapping) == row


def test_writers_take_turns_whoever_they_are(open_database: OpenDatabase) -> None:
    """Each adds one to what it read: were two to read at once, one addition would be lost."""
    databases = [open_database() for _ in range(3)]
    with databases[0].writing() as connection:
        put(connection, 0)

    def count(database: Database) -> None:
        for _ in range(10):
            with database.writing() as connection:
                value = connection.scalar(select(contents.c.size_bytes))
                connection.execute(update(contents).values(size_bytes=value + 1))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count, databases * 2))

    assert numbers(databases[0]) == [60]


def test_who_writes_keeps_others_from_beginning(open_database: OpenDatabase) -> None:
    first, second = open_database(), open_database()
    began = threading.Event()

    def write_too() -> None:
        with second.writing():
            began.set()

    other = threading.Thread(target=write_too)
    with first.writing():
        other.start()
        assert not began.wait(0.3)
    other.join()
    assert began.is_set()


def test_a_reader_sees_one_moment(open_database: OpenDatabase) -> None:
    database, other = open_database(), open_database()
    started, ended = threading.Event(), threading.Event()

    def write() -> None:
        started.wait(30)
        with other.writing() as connection:
            put(connection, 1)
            ended.set()  # SQLite's rollback journal lets it end after the reader only

    writer = threading.Thread(target=write)
    writer.start()
    with database.reading() as connection:
        first = connection.scalar(select(func.count()).select_from(contents))
        started.set()
        assert ended.wait(30)
        writer.join(0.5)
        assert connection.scalar(select(func.count()).select_from(contents)) == first == 0
    writer.join()
    assert numbers(database) == [1]


# Opening


def test_several_may_make_it_at_once(open_database: OpenDatabase) -> None:
    with ThreadPoolExecutor(6) as pool:
        databases = list(pool.map(lambda _: open_database(), range(6)))

    assert [numbers(database) for database in databases] == [[]] * 6


@pytest.mark.parametrize(
    "url",
    ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://a/b", "bindery.db", "://",
     "postgres://hidden@a/b", "postgresql://a:notaport/b"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidValue, match="Invalid database URL") as caught:
        Database.open(url)
    assert "hidden" not in str(caught.value)
    assert caught.value.param == "database_url"


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        Database.open("postgresql://me:secret@127.0.0.1:1/books")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in caught.value.message


def test_a_home_may_be_called_anything(tmp_path: Path) -> None:
    home = tmp_path / "h?o#me %2f&x=1"
    database = Database.open(f"sqlite:///{home / 'bindery.db'}")
    database.close()

    assert [path.name for path in tmp_path.iterdir()] == [home.name]
    assert (home / "bindery.db").stat().st_size > 0


# SQLite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bindery.db"


def test_sqlite_is_opened_to_keep_and_to_forget(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    wanted = {
        "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "cell_size_check": 1,
        "secure_delete": 1, "temp_store": 2, "busy_timeout": 30_000, "fullfsync": 1,
    }  # fmt: skip
    with database.reading() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted}
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    database.close()

    assert found == wanted
    assert journal == ("wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "truncate")


_KILLED = """
import os, sys
from sqlalchemy import insert
from bindery.store.database import Conflict, Database
from bindery.store.database.tables import contents
database = Database.open(f"sqlite:///{sys.argv[1]}")
for number in range(3):
    with database.writing() as connection:
        connection.execute(insert(contents).values(sha256=str(number), size_bytes=number))
        if number == 2:
            os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a POSIX signal")
def test_a_transaction_that_was_killed_never_was(path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, str(path)])

    database = Database.open(f"sqlite:///{path}")
    assert numbers(database) == [0, 1]
    database.close()


@pytest.mark.parametrize("at", [0, 20, -6000])
def test_a_damaged_file_is_told_when_it_is_opened(at: int, path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    with database.writing() as connection:
        for number in range(500):
            put(connection, number)
    database.close()
    content = bytearray(path.read_bytes())
    content[at:] = b"\xee" * 3000 + content[at:][3000:]
    path.write_bytes(content)

    with pytest.raises(StorageError, match=r"bindery\.db is (damaged|not a SQLite)") as caught:
        Database.open(f"sqlite:///{path}")
    assert "backup" in caught.value.remedy


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be used"):
        Database.open(f"sqlite:///{tmp_path / 'file' / 'bindery.db'}")


# A disk without room


def limit_pages(engine: Engine) -> None:
    """From now on no connection may make the file larger."""

    def limit(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "checkout", limit)


def test_without_room_nothing_is_acknowledged_and_all_else_goes_on(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    before = range(100)
    write(database, before)
    limit_pages(database._writing)
    with pytest.raises(StorageFull, match=r"bindery\.db has no room left") as caught:
        write(database, range(100, 2000))

    assert "Delete" in caught.value.remedy
    assert numbers(database) == list(before)
    with database.freeing() as connection:
        connection.execute(contents.delete().where(contents.c.size_bytes < 99))
    assert numbers(database) == [99]
    write(database, [100])
    assert numbers(database) == [99, 100]
    database.close()


def mounted(folder: Path, size: str) -> bool:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    return (
        sys.platform == "linux"
        and shutil.which("mount") is not None
        and subprocess.run(command, capture_output=True).returncode == 0
    )


@pytest.fixture
def small_disk(tmp_path: Path):
    folder = tmp_path / "disk"
    if not mounted(folder, "10m"):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_on_a_full_disk_reading_and_deleting_go_on(small_disk: Path) -> None:
    database = Database.open(f"sqlite:///{small_disk / 'bindery.db'}")
    write(database, range(2000))
    filler = (small_disk / "filler").open("wb", buffering=0)
    with suppress(OSError):
        while filler.write(bytes(1024)):
            pass
    with pytest.raises(StorageFull):
        write(database, range(2000, 4000))
    assert numbers(database) == list(range(2000))

    with database.freeing() as connection:
        connection.execute(contents.delete().where(contents.c.size_bytes >= 10))
    assert numbers(database) == list(range(10))
    filler.truncate(0)
    with database.writing() as connection:
        put(connection, 10)
    assert numbers(database) == list(range(11))
    filler.close()
    database.close()


def test_what_frees_room_is_not_used_up_by_writing(small_disk: Path) -> None:
    """Where others took the room that was held back, nothing is added: deleting would need it."""
    database = Database.open(f"sqlite:///{small_disk / 'bindery.db'}")
    with database.writing() as connection:
        put(connection, 1)
    (small_disk / "ballast").unlink()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(5 << 20))

    with pytest.raises(StorageFull, match="can be read and deleted"), database.writing():
        pass
    assert numbers(database) == [1]
    filler.unlink()
    with database.writing() as connection:
        put(connection, 2)
    assert numbers(database) == [1, 2]
    database.close()


# A disk that does not keep what it is given

_FSYNC_FAILS = """
import sys
from sqlalchemy import insert
from bindery.errors import StorageError
from bindery.store.database import Conflict, Database
from bindery.store.database.tables import contents

database = Database.open(f"sqlite:///{sys.argv[1]}")
open(sys.argv[2], "w").close()  # from here on strace counts
for number in range(int(sys.argv[3])):
    try:
        with database.writing() as connection:
            connection.execute(insert(contents).values(sha256=str(number), size_bytes=number))
        print("kept", flush=True)
    except StorageError as error:
        print("refused", database.failure is not None, flush=True)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace plants the fault")
def test_after_a_failed_fsync_nothing_more_is_acknowledged(path: Path, tmp_path: Path) -> None:
    times = 60  # a write-ahead log is synced once a transaction, a rollback journal three times
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", tmp_path / "trace", "-e", "trace=fdatasync,fsync",
         "-e", "inject=fdatasync,fsync:error=EIO:when=30",
         sys.executable, "-c", _FSYNC_FAILS, path, tmp_path / "begun", str(times)],
        capture_output=True, text=True,
    )  # fmt: skip
    if not (tmp_path / "begun").exists():
        pytest.skip(f"strace may not trace here: {done.stderr[-200:]}")

    said = done.stdout.split("\n")[:-1]
    kept = said.index("refused True")
    assert 0 < kept < times
    assert said == ["kept"] * kept + ["refused True"] * (times - kept)
    database = Database.open(f"sqlite:///{path}")
    assert set(range(kept)) <= set(numbers(database))
    database.close()
