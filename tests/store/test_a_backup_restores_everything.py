"""Backups: complete, checked, made while others write, and restored into another home."""

import json
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from bindery.errors import InvalidValue, StorageError
from bindery.library import Library
from bindery.store.backup import make_backup, restore_backup
from bindery.store.keys import KeyStore, Scope
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation


def keep(library: Library, content: bytes, name: str) -> str:
    with library.files.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(content)
        return incoming.keep(name).id


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with sqlite3.connect(path) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(database.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in names
        }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two files, a key, a rotation, settings and a collection."""
    home = tmp_path / "home"
    library = Library(home)
    for n in range(2):
        keep(library, b"%d" % n * 3000, f"{n}.txt")
    rows = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    rotation = Rotation.fit(Embeddings.dense(rows), model="vanilla", revision="1")
    library.rotations.save("shelf", rotation)
    library.close()
    KeyStore(home).create("laptop", [Scope.EMBED])
    (home / "bindery.toml").write_text("threads = 1\n")
    return home


def test_a_restored_home_has_every_row_and_file(home: Path, tmp_path: Path) -> None:
    made = make_backup(home, tmp_path / "backup")
    again = restore_backup(tmp_path / "backup", tmp_path / "other")

    assert (made.contents, made.missing, again.contents) == (2, (), 2)
    assert rows(tmp_path / "other" / "bindery.db") == rows(home / "bindery.db")
    names = ["keys.json", "bindery.toml"]
    for folder in ("files", "rotations"):
        names += [str(p.relative_to(home)) for p in (home / folder).glob("*") if p.is_file()]
    assert len(names) == 5
    for name in names:
        assert (tmp_path / "other" / name).read_bytes() == (home / name).read_bytes()
    assert (tmp_path / "other" / "keys.json").stat().st_mode & 0o777 == 0o600
    library = Library(tmp_path / "other")
    assert [file.name for file in library.files] == ["0.txt", "1.txt"]
    library.close()


def test_a_backup_under_load_is_of_one_moment(home: Path, tmp_path: Path) -> None:
    """Files are added and deleted meanwhile; each that the copy names has its content."""
    over = threading.Event()

    def write() -> None:
        library = Library(home)
        n = 0
        while not over.is_set():
            n += 1
            kept = keep(library, b"%d" % n * 5000, f"more {n}.txt")
            if n % 2:
                library.files.delete(kept)
        library.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(2):
            assert make_backup(home, tmp_path / f"backup {n}").missing == ()
    finally:
        over.set()
        writer.join()
    for n in range(2):
        restored = tmp_path / f"home {n}"
        restore_backup(tmp_path / f"backup {n}", restored)
        library = Library(restored)
        for file in library.files:
            with library.files.open(file.id) as content:
                assert content.read().isdigit()
        library.close()


def test_an_altered_backup_is_refused(home: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    make_backup(home, backup)
    [content, *_] = (backup / "files").iterdir()
    content.write_bytes(b"other")
    with pytest.raises(StorageError, match="altered"):
        restore_backup(backup, tmp_path / "other")
    assert not (tmp_path / "other" / "bindery.db").exists()


def test_a_backup_cannot_write_outside_of_its_home(home: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    make_backup(home, backup)
    manifest = json.loads((backup / "backup.json").read_bytes())
    manifest["files"]["../outside"] = manifest["files"]["keys.json"]
    (backup / "backup.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidValue, match="not a backup"):
        restore_backup(backup, tmp_path / "other")


def test_missing_contents_are_named(home: Path, tmp_path: Path) -> None:
    [first, second] = sorted(path for path in (home / "files").iterdir() if path.is_file())
    first.unlink()
    second.write_bytes(b"other")
    made = make_backup(home, tmp_path / "backup")
    assert made.missing == (first.name, second.name)


def test_nothing_is_overwritten(home: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    make_backup(home, backup)
    with pytest.raises(InvalidValue, match="exists already"):
        make_backup(home, backup)
    with pytest.raises(InvalidValue, match="has data already"):
        restore_backup(backup, home)


def test_a_backup_needs_a_database(home: Path, tmp_path: Path) -> None:
    """With BINDERY_HOME unset, a command used to make an empty copy and succeed."""
    with pytest.raises(InvalidValue, match="no database"):
        make_backup(tmp_path / "nowhere", tmp_path / "backup")
    with pytest.raises(InvalidValue) as refused:
        make_backup(home, tmp_path / "backup", database_url="postgresql://host/database")
    assert "pg_dump" in refused.value.remedy
    assert not (tmp_path / "backup").exists()
