"""Backups of a home: its database, contents, API keys, rotations and settings.

::

    TARGET/bindery.db        a copy of the database at one moment
    TARGET/files/<sha256>    the contents, unless they are in S3
    TARGET/keys.json, rotations/, *.toml
    TARGET/backup.json       every file with its size and SHA-256

A backup has the layout of a home. Models and indexes are not in it: they are downloaded and made
again.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bindery.disk import storage_errors, sync_folder, whole_file
from bindery.errors import InvalidValue, StorageError
from bindery.store.database import Database
from bindery.store.database.faults import sqlite_errors

_VERSION = 1
_DATABASE = "bindery.db"
_MANIFEST = "backup.json"
_BLOCK_BYTES = 1 << 20
_ATTEMPTS = 10
_BESIDE = ("keys.json", "models.lock.json", "*.toml", "rotations/*")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup: its folder, the number of contents and their size, and when it was made.

    ``missing`` are digests of contents that files need and that are gone or damaged.
    """

    folder: Path
    contents: int
    size_bytes: int
    made_at: float
    missing: tuple[str, ...] = ()


def make_backup(home: Path, target: Path, *, database_url: str = "", blobs_url: str = "") -> Backup:
    """Back up a home into a new folder; servers and commands may use the home meanwhile.

    The database is copied first, by SQLite's online backup, and then the contents that it names.
    If some were deleted in between, it is copied again. ``target`` appears only when it is complete
    and checked. Raises InvalidValue if it exists, if the home has no
    database or if the database is PostgreSQL; StorageError.
    """
    source = _database_of(home, database_url)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidValue(
            f"{target} exists already.", remedy="Choose a new folder.", param="target"
        )
    draft = target.with_name(f".{target.name}.partial")
    with storage_errors(target):
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "files").mkdir(parents=True)
    try:
        copied, missing = _copy_data(source, None if blobs_url else home / "files", draft)
        for path in _beside(home):
            name = path.relative_to(home).as_posix()
            copied[name] = _copy(path, draft / name)
        made_at = time.time()
        manifest = {"version": _VERSION, "made_at": made_at, "blobs": blobs_url, "files": copied}
        with whole_file(draft / _MANIFEST) as file:
            file.write(json.dumps(manifest, indent=1).encode())
        with storage_errors(target):
            if target.is_dir():
                target.rmdir()
            draft.rename(target)
            sync_folder(target.parent)
    except BaseException:  # also Ctrl-C
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return _backup(target, manifest, missing)


def restore_backup(source: Path, home: Path, *, database_url: str = "") -> Backup:
    """Copy a backup into a home that has no data, checking each file against its digest.

    The database comes last, so that an interrupted restore leaves no home that looks complete.
    Settings that the home has are kept. Raises InvalidValue for a folder that is no backup, a home
    with data, and PostgreSQL; StorageError for a damaged backup.
    """
    if database_url:
        raise _postgresql("restore", "Load it with `psql`, or `pg_restore`")
    manifest = _manifest(source)
    names = sorted(manifest["files"], key=lambda name: name == _DATABASE)
    here = [name for name in names if not name.endswith(".toml") and (home / name).exists()]
    if (home / _DATABASE).exists() or here:
        raise InvalidValue(
            f"The home {home} has data already.",
            remedy="Set BINDERY_HOME to a new folder.",
            param="home",
        )
    draft = home / f".{_DATABASE}.restored"
    for name in names:
        path = draft if name == _DATABASE else home / name
        if path.suffix == ".toml" and path.exists():
            continue
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        if _copy(source / name, path) != manifest["files"][name]:
            path.unlink(missing_ok=True)
            raise StorageError(
                f"{source / name} is not what the backup was made of: it was altered or cut.",
                remedy="Restore another backup.",
            )
    _check_database(draft)
    with storage_errors(home):
        draft.rename(home / _DATABASE)
        sync_folder(home)
    Database.open(f"sqlite:///{home / _DATABASE}").close()  # brings an older one up to date
    return _backup(home, manifest, ())


def _database_of(home: Path, database_url: str) -> Path:
    if database_url.startswith("sqlite:///"):
        path = Path(database_url.removeprefix("sqlite:///"))
    elif database_url:
        raise _postgresql("back up", "Save it with `pg_dump --format=custom`")
    else:
        path = home / _DATABASE
    if not path.is_file():
        raise InvalidValue(
            f"There is no database {path}.",
            remedy="Set BINDERY_HOME to the home to back up: `bindery settings` shows it.",
            param="home",
        )
    return path


def _postgresql(verb: str, how: str) -> InvalidValue:
    return InvalidValue(
        f"Bindery does not {verb} a PostgreSQL database.",
        remedy=f"{how}, and copy `files/`, `keys.json` and `rotations/` of the home after it.",
        param="database_url",
    )


def _copy_database(source: Path, target: Path) -> None:
    with (
        sqlite_errors(str(source)),
        closing(sqlite3.connect(source, timeout=30.0)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        # One file, without a log beside it.
        new.execute("PRAGMA journal_mode=DELETE").close()
    _check_database(target)
    with storage_errors(target), target.open("rb+") as file:
        os.fsync(file.fileno())


def _check_database(path: Path) -> None:
    with sqlite_errors(str(path)), closing(sqlite3.connect(path)) as copy:
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        broken = copy.execute("PRAGMA foreign_key_check").fetchone()
    if found != "ok" or broken is not None:
        raise StorageError(
            f"The database {path} is damaged: {found}.", remedy="Restore an earlier backup."
        )


def _copy_data(
    source: Path, folder: Path | None, target: Path
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Copy the database and the contents that it names.

    Gives the facts of each file, and the digests of contents that are gone or damaged.
    """
    contents: dict[str, dict[str, Any]] = {}
    absent, needed = set[str](), set[str]()
    for _ in range(_ATTEMPTS):
        _copy_database(source, target / _DATABASE)
        if folder is None:
            break
        absent = _copy_contents(folder, target, contents)
        needed = set(_digests(source)) if absent else needed
        if absent <= needed:  # none was deleted in between
            break
    return {_DATABASE: _facts(target / _DATABASE), **contents}, tuple(sorted(absent & needed))


def _copy_contents(folder: Path, target: Path, copied: dict[str, dict[str, Any]]) -> set[str]:
    """Copy the contents that the database in ``target`` names, unless they are ``copied``.

    Others go. Gives the digests of those that are gone or damaged.
    """
    named = {f"files/{sha256}": sha256 for sha256 in _digests(target / _DATABASE)}
    for name in copied.keys() - named:
        del copied[name]
        (target / name).unlink()
    absent: set[str] = set()
    for name in named.keys() - copied.keys():
        try:
            facts = _copy(folder / named[name], target / name)
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            facts = {}
        if facts.get("sha256") == named[name]:
            copied[name] = facts
        else:
            absent.add(named[name])
            (target / name).unlink(missing_ok=True)
    return absent


def _digests(path: Path) -> list[str]:
    """The digests of all stored files of a database."""
    with sqlite_errors(str(path)), closing(sqlite3.connect(path, timeout=30.0)) as connection:
        found = connection.execute("SELECT DISTINCT sha256 FROM files ORDER BY sha256").fetchall()
    return [sha256 for (sha256,) in found]


def _beside(home: Path) -> Iterator[Path]:
    for pattern in _BESIDE:
        yield from (path for path in sorted(home.glob(pattern)) if path.is_file())


def _copy(source: Path, target: Path) -> dict[str, Any]:
    with storage_errors(source), source.open("rb") as file:
        return _write(file, target, mode=source.stat().st_mode & 0o777)


def _write(source: BinaryIO, target: Path, *, mode: int = 0o600) -> dict[str, Any]:
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    digest, size_bytes = hashlib.sha256(), 0
    with whole_file(target, mode=mode) as file:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            file.write(block)
            size_bytes += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size_bytes}


def _facts(path: Path) -> dict[str, Any]:
    with storage_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}


def _manifest(source: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((source / _MANIFEST).read_bytes())
        if manifest["version"] == _VERSION and _DATABASE in manifest["files"]:
            names = [Path(name) for name in manifest["files"]]
            if not any(name.is_absolute() or ".." in name.parts for name in names):
                return manifest
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it is no manifest of ours
    raise InvalidValue(
        f"{source} is not a backup that `bindery backup` made: it has no valid {_MANIFEST}.",
        remedy="Choose the folder that was given to `bindery backup`.",
        param="source",
    )


def _backup(folder: Path, manifest: dict[str, Any], missing: tuple[str, ...]) -> Backup:
    files = manifest["files"]
    return Backup(
        folder,
        contents=sum(name.startswith("files/") for name in files),
        size_bytes=sum(facts["bytes"] for facts in files.values()),
        made_at=manifest["made_at"],
        missing=missing,
    )
