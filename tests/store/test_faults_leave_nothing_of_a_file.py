"""A process that ends midway, a full disk, a folder that is none: nothing is left of the file."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.store.conftest import OpenStore
from tests.store.test_files_are_kept_and_found_again import put, tree

from bindery.errors import StorageError
from bindery.store.blobs import open_blobs

# A process that ends midway

_ENDS = """
import os, sys
from pathlib import Path
from bindery.store.blobs import open_blobs
from bindery.store.database import Database
from bindery.store.files import FileStore
from bindery.store.blobs import LocalBlobs

step, home = sys.argv[1], Path(sys.argv[2])

class Ends(LocalBlobs):
    def place(self, path, sha256):
        if step == "before placing":
            os._exit(9)
        super().place(path, sha256)
        if step == "after placing":
            os._exit(9)
    def delete(self, sha256):
        if step == "before deleting":
            os._exit(9)
        super().delete(sha256)
        if step == "after deleting":
            os._exit(9)

database = Database.open(f"sqlite:///{home / 'bindery.db'}")
store = FileStore(database, Ends(home / "files"), home / "files")
with store.receive(limit_bytes=100) as incoming:
    incoming.write(b"content")
    file = incoming.keep("a")
store.delete(file.id)
"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "step", ["before placing", "after placing", "before deleting", "after deleting"]
)
def test_what_a_process_left_midway_is_cleared(
    step: str, open_store: OpenStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.run([sys.executable, "-c", _ENDS, step, folder.parent])
    assert ended.returncode == 9

    assert list(open_store()) == []
    if "placing" in step:  # it may be running: only a day tells
        later = time.time() + 2 * 24 * 3600
        monkeypatch.setattr(time, "time", lambda: later)
        open_store()
    assert tree(folder) == {"incoming"}
    assert put(open_store(), b"content").size_bytes == 7


# The disk

_FULL_DISK = """
import resource, sys
from pathlib import Path
from bindery.errors import StorageError
from bindery.store.blobs import open_blobs
from bindery.store.database import Database
from bindery.store.files import FileStore

folder = Path(sys.argv[1])
database = Database.open(f"sqlite:///{folder.parent / 'bindery.db'}")
store = FileStore(database, open_blobs("", folder), folder)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with store.receive(limit_bytes=1 << 30) as incoming:
        for _ in range(30):
            incoming.write(b"x" * 8000)
        incoming.keep("a")
except StorageError as error:
    print(error.code, [path.name for path in folder.rglob("*")])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are set by POSIX means")
def test_a_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path / "files")], capture_output=True, text=True
    )

    assert done.stdout == "storage_error ['incoming']\n", done.stderr


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match=r"file/files.* cannot be used"):
        open_blobs("", tmp_path / "file" / "files")
