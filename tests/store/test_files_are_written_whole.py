"""A file is written whole and durably, or stays as it was: whatever fails, at whatever step."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bindery.disk import whole_file
from bindery.errors import StorageError, StorageFull

STEPS = ("open", "write", "fsync", "replace", "fsync folder")
"""What writing a file asks of the system, in this order."""


class Stopped(BaseException):
    """Like Ctrl-C: nothing catches it by name."""


def stop_at(step: str, monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Have the system call ``action`` in place of a step."""
    syncs = 0

    def fsync(descriptor: int, fsync: Any = os.fsync) -> None:
        nonlocal syncs
        syncs += 1
        if step == ("fsync" if syncs == 1 else "fsync folder"):
            action()
        fsync(descriptor)

    def other(*_: object, **__: object) -> None:
        action()

    monkeypatch.setattr(os, "fsync", fsync)
    if step == "open":
        monkeypatch.setattr(os, "open", other)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", other)


def write(path: Path, step: str, action: Any) -> None:
    with whole_file(path) as file:
        file.write(b"new")
        if step == "write":
            action()


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("failure", [OSError(errno.EIO, "disk error"), Stopped()])
def test_a_step_that_fails_leaves_the_file_as_it_was(
    step: str,
    failure: BaseException,
    before: bytes | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)

    def fail() -> None:
        raise failure

    with monkeypatch.context() as patched:
        stop_at(step, patched, fail)
        with pytest.raises((StorageError, type(failure))) as caught:
            write(path, step, fail)

    if isinstance(failure, OSError) and step != "write":  # the caller's own errors are its own
        assert isinstance(caught.value, StorageError)
        assert "disk error" in caught.value.message
    after = path.read_bytes() if path.exists() else None
    assert after == (b"new" if step == "fsync folder" else before)
    assert {one.name for one in tmp_path.iterdir()} == ({"file"} if after else set())


_KILLED = """
import os, sys
from pathlib import Path

import pytest
from tests.store.test_files_are_written_whole import stop_at, write

step = sys.argv[1]
stop_at(step, pytest.MonkeyPatch(), lambda: os._exit(9))
write(Path(sys.argv[2]), step, lambda: os._exit(9))
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_ends_midway_leaves_a_whole_file(step: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    done = subprocess.run([sys.executable, "-c", _KILLED, step, str(path)])

    assert done.returncode == 9
    assert path.read_bytes() == (b"new" if step == "fsync folder" else b"old")


def test_the_file_and_then_its_folder_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bool]] = []
    path = tmp_path / "file"

    def fsync(descriptor: int, fsync: Any = os.fsync) -> None:
        synced.append((os.fstat(descriptor).st_size == 3, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(path, "", None)

    assert synced[0] == (True, False)
    assert [exists for _, exists in synced[1:]] == ([] if sys.platform == "win32" else [True])


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
@pytest.mark.parametrize(("mode", "umask", "expected"), [(0o666, 0o027, 0o640), (0o600, 0, 0o600)])
def test_permissions_follow_the_umask(mode: int, umask: int, expected: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "file", mode=mode) as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == expected


def test_long_names_are_written(tmp_path: Path) -> None:
    write(path := tmp_path / ("é" * 127), "", None)
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is full")
def test_a_full_disk_is_told_from_other_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        return os_open("/dev/full", os.O_WRONLY)

    os_open = os.open
    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StorageFull, match="No space left"):
        write(tmp_path / "file", "", None)
