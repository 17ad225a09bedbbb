"""The file store: what was kept is found by every later process, whatever its name or content."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindery.errors import FileTooLarge, InvalidValue, StorageError, UnknownFile
from bindery.store import FileStore, StoredFile

LIMIT = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "files"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder)


def put(store: FileStore, content: bytes, name: str = "a.txt", pieces: int = 1) -> StoredFile:
    size = max(1, -(-len(content) // pieces))
    with store.receive(limit_bytes=LIMIT) as incoming:
        for start in range(0, len(content), size):
            incoming.write(content[start : start + size])
        return incoming.keep(name)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@given(contents=st.lists(st.binary(max_size=300), max_size=5), pieces=st.integers(1, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_file_is_found_by_a_store_opened_later(
    contents: list[bytes], pieces: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    kept = [put(FileStore(folder), content, f"{i}", pieces) for i, content in enumerate(contents)]

    later = FileStore(folder)

    assert {file.id for file in later} == {file.id for file in kept}
    for content, file in zip(contents, kept, strict=True):
        assert file.id == hashlib.sha256(content).hexdigest()
        assert file.size_bytes == len(content)
        assert later.path(file.id).read_bytes() == content
    newest = {file.id: file for file in kept}
    assert {file.id: file for file in later} == newest


def test_files_are_listed_oldest_first(store: FileStore) -> None:
    kept = [put(store, bytes([number])) for number in range(5)]

    assert list(store) == kept
    assert kept == sorted(kept, key=lambda file: file.uploaded_at)
    assert abs(kept[0].uploaded_at - time.time()) < 3600


def test_an_empty_store_has_no_files(store: FileStore) -> None:
    assert list(store) == []


# Names

HOSTILE_NAMES = {
    "up and out": "../../../outside",
    "absolute": "/outside",
    "another system's": "..\\..\\outside",
    "a drive": "C:\\outside",
    "a zero byte": "out\x00side",
    "slashes": "a/b/c.txt",
    "this folder": ".",
    "the folder above": "..",
    "nothing": "",
    "as long as allowed": "x" * 1024,
    "right to left": "\u202etxt.exe",
    "control characters": "a\r\n\x1b[2Jb",
    "the store's own": "incoming",
    "quotes": "\"'`$(touch outside)",
    "many bytes each": "𝔘" * 256,
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_names_are_data_and_never_paths(
    name: str, store: FileStore, folder: Path, tmp_path: Path
) -> None:
    file = put(store, b"content", name)

    assert FileStore(folder).get(file.id).name == name
    expected = {f"home/files/{file.id}", f"home/files/{file.id}.json", "home/files/incoming"}
    assert tree(tmp_path) == expected | {"home", "home/files"}


@given(name=st.text(max_size=200))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_unicode_name_comes_back(name: str, store: FileStore, folder: Path) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        with pytest.raises(InvalidValue, match="not Unicode"):
            put(store, b"content", name)
    else:
        assert store.get(put(store, b"content", name).id).name == name
    assert list((folder / "incoming").iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 1025, "é" * 513, "a\udcff"])
def test_names_too_long_or_not_unicode_are_refused(
    name: str, store: FileStore, folder: Path
) -> None:
    with pytest.raises(InvalidValue, match="file's name") as caught:
        put(store, b"content", name)
    assert caught.value.param == "filename"
    assert tree(folder) == {"incoming"}


# Ids


@pytest.mark.parametrize(
    "file_id",
    ["", "a", "../x", "0" * 63, "0" * 65, "0" * 64 + "\n", "A" * 64, "g" * 64, "٠" * 64, "\x00",
     "incoming", "0" * 64 + ".json", "../" * 20 + "etc", "x" * 10_000, "a\udcff"],
)  # fmt: skip
def test_what_is_no_id_is_an_unknown_file(file_id: str, store: FileStore, folder: Path) -> None:
    put(store, b"content")
    before = tree(folder)

    for ask in (store.get, store.path, store.delete):
        with pytest.raises(UnknownFile, match="no file") as caught:
            ask(file_id)
        assert caught.value.param == "file_id"
        assert len(caught.value.message) < 500
    assert tree(folder) == before


def test_an_id_of_nothing_is_unknown(store: FileStore) -> None:
    for ask in (store.get, store.path, store.delete):
        with pytest.raises(UnknownFile, match="no file '0000"):
            ask("0" * 64)


# What is not kept leaves nothing


def test_a_file_over_the_limit_is_refused_and_gone(store: FileStore, folder: Path) -> None:
    with store.receive(limit_bytes=10) as incoming:
        incoming.write(b"0123456789")
        exactly = incoming.keep("a")
    before = tree(folder)

    with store.receive(limit_bytes=10) as incoming:
        incoming.write(b"01234")
        with pytest.raises(FileTooLarge, match=r"larger than .* MB") as caught:
            incoming.write(b"567890")
    assert "BINDERY_UPLOAD_LIMIT_MB" in caught.value.remedy
    assert tree(folder) == before
    assert list(store) == [exactly]


def test_an_exception_within_leaves_nothing(store: FileStore, folder: Path) -> None:
    def interrupted() -> None:
        with store.receive(limit_bytes=LIMIT) as incoming:
            incoming.write(b"half of it")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()

    assert tree(folder) == {"incoming"}


def test_what_was_not_kept_is_gone(store: FileStore, folder: Path) -> None:
    with store.receive(limit_bytes=LIMIT) as incoming:
        incoming.write(b"content")

    assert tree(folder) == {"incoming"}
    assert list(store) == []


def test_an_upload_that_a_dead_process_left_is_swept_and_a_running_one_is_not(
    store: FileStore, folder: Path
) -> None:
    abandoned = folder / "incoming" / "abandoned"
    abandoned.write_bytes(b"half of it")
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(abandoned, (long_ago, long_ago))

    with store.receive(limit_bytes=LIMIT) as incoming:
        incoming.write(b"still coming")
        later = FileStore(folder)
        assert not abandoned.exists()
        file = incoming.keep("a")

    assert list(later) == [file]


# The same again


def test_the_same_content_is_kept_once_under_its_last_name(store: FileStore, folder: Path) -> None:
    first, second = put(store, b"content", "first"), put(store, b"content", "second")

    assert first.id == second.id
    assert list(store) == [second]
    assert tree(folder) == {"incoming", second.id, f"{second.id}.json"}


def test_a_deleted_file_is_gone_and_may_come_again(store: FileStore, folder: Path) -> None:
    file, other = put(store, b"content"), put(store, b"other")

    store.delete(file.id)

    assert list(store) == [other]
    assert tree(folder) == {"incoming", other.id, f"{other.id}.json"}
    with pytest.raises(UnknownFile):
        store.delete(file.id)
    assert store.get(put(store, b"content").id).size_bytes == 7


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"{}", b'"x"', b'{"name": "a"}', b"\xff"])
def test_a_corrupt_record_is_named_and_can_be_deleted(
    record: bytes, store: FileStore, folder: Path
) -> None:
    file = put(store, b"content")
    (folder / f"{file.id}.json").write_bytes(record)

    for ask in (store.get, store.path, lambda _: list(store)):
        with pytest.raises(StorageError, match=f"{file.id}.json is not a file's record"):
            ask(file.id)
    store.delete(file.id)
    assert tree(folder) == {"incoming"}


# Several at once


def test_uploads_at_once_do_not_mix(store: FileStore, folder: Path) -> None:
    contents = [bytes([number]) * (10_000 + number) for number in range(24)]
    shared = contents + contents[:8]

    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda content: put(store, content, pieces=20), shared))

    assert [file.id for file in files] == [hashlib.sha256(one).hexdigest() for one in shared]
    assert {file.id for file in store} == {file.id for file in files}
    assert all(store.path(file.id).read_bytes() == shared[i] for i, file in enumerate(files))
    assert list((folder / "incoming").iterdir()) == []


@pytest.fixture
def _busy(folder: Path) -> Iterator[None]:
    """Files that come and go all the time."""
    stop = threading.Event()

    def come_and_go(number: int) -> None:
        store = FileStore(folder)
        while not stop.is_set():
            store.delete(put(store, bytes([number])).id)

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(come_and_go, number) for number in range(2)]
        yield
        stop.set()
    for worker in workers:
        worker.result()


@pytest.mark.usefixtures("_busy")
def test_stores_are_opened_and_listed_while_files_come_and_go(folder: Path) -> None:
    """A file that is there for the listing and gone a moment later is no error."""
    for _ in range(300):
        for file in FileStore(folder):
            assert file.size_bytes == 1


# The disk

_FULL_DISK = """
import resource, sys
from pathlib import Path
from bindery.errors import StorageError
from bindery.store import FileStore

folder = Path(sys.argv[1])
store = FileStore(folder)
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
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True
    )

    assert done.stdout == "storage_error ['incoming']\n", done.stderr


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match="file/files cannot be written") as caught:
        FileStore(tmp_path / "file" / "files")
    assert "BINDERY_HOME" in caught.value.remedy
