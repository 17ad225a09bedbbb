"""The file store: what was kept is found by every later process, whatever its name or content."""

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from tests.store.conftest import OpenStore

from bindery.errors import FileTooLarge, InvalidValue, StorageError, UnknownFile
from bindery.store.database import Database
from bindery.store.database.tables import leftovers
from bindery.store.files import FileStore, StoredFile

LIMIT = 1 << 20


def put(
    store: FileStore, content: bytes, name: str = "a.txt", pieces: int = 1, purpose: str = ""
) -> StoredFile:
    size = max(1, -(-len(content) // pieces))
    with store.receive(limit_bytes=LIMIT) as incoming:
        for start in range(0, len(content), size):
            incoming.write(content[start : start + size])
        return incoming.keep(name, purpose=purpose)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def read(store: FileStore, file_id: str) -> bytes:
    with store.open(file_id) as file, store.as_path(file_id) as path:
        content = file.read()
        assert path.read_bytes() == content
    return content


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
    name: str, store: FileStore, open_store: OpenStore, tmp_path: Path
) -> None:
    file = put(store, b"content", name)

    assert open_store().get(file.id).name == name
    assert tree(tmp_path / "home" / "files") == {file.sha256, "incoming"}
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


@given(name=st.text(max_size=200))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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
    ["", "a", "../x", "file-", "file-" + "g" * 24, "file-" + "0" * 25,
     "0" * 63, "0" * 65, "0" * 64 + "\n", "A" * 64, "g" * 64, "٠" * 64, "\x00",
     "incoming", "0" * 64 + ".json", "../" * 20 + "etc", "x" * 10_000, "a\udcff"],
)  # fmt: skip
def test_what_is_no_id_is_an_unknown_file(file_id: str, store: FileStore, folder: Path) -> None:
    put(store, b"content")
    before = tree(folder)

    for ask in (store.get, store.open, lambda one: read(store, one), store.delete):
        with pytest.raises(UnknownFile, match="no file") as caught:
            ask(file_id)
        assert caught.value.param == "file_id"
        assert len(caught.value.message) < 500
    assert tree(folder) == before


def test_an_id_of_nothing_is_unknown(store: FileStore) -> None:
    for ask in (store.get, store.open, lambda one: read(store, one), store.delete):
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
    store: FileStore, open_store: OpenStore, folder: Path
) -> None:
    abandoned = folder / "incoming" / "abandoned"
    abandoned.write_bytes(b"half of it")
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(abandoned, (long_ago, long_ago))

    with store.receive(limit_bytes=LIMIT) as incoming:
        incoming.write(b"still coming")
        later = open_store()
        assert not abandoned.exists()
        file = incoming.keep("a")

    assert list(later) == [file]


# The same again


def test_the_same_content_is_kept_once_under_its_last_name(store: FileStore, folder: Path) -> None:
    first, second = put(store, b"content", "first"), put(store, b"content", "second")

    assert first.id == second.id
    assert list(store) == [second]
    assert tree(folder) == {"incoming", second.id}


def test_uploads_for_a_purpose_are_files_of_their_own(
    store: FileStore, open_store: OpenStore, folder: Path
) -> None:
    plain = put(store, b"content", "plain")
    first, second = (put(store, b"content", name, purpose="batch") for name in "ab")

    assert len({plain.id, first.id, second.id}) == 3
    assert list(open_store()) == [plain, first, second]
    assert {read(store, file.id) for file in store} == {b"content"}
    for last in (plain, second):
        assert tree(folder) == {"incoming", plain.sha256}
        store.delete(last.id)
    assert [file.purpose for file in store] == ["batch"]
    store.delete(first.id)
    assert tree(folder) == {"incoming"}


def test_a_deleted_file_is_gone_and_may_come_again(store: FileStore, folder: Path) -> None:
    file, other = put(store, b"content"), put(store, b"other")

    store.delete(file.id)

    assert list(store) == [other]
    assert tree(folder) == {"incoming", other.id}
    with pytest.raises(UnknownFile):
        store.delete(file.id)
    assert store.get(put(store, b"content").id).size_bytes == 7


def test_a_content_that_is_gone_is_told_and_comes_back_with_the_file(
    store: FileStore, folder: Path
) -> None:
    file = put(store, b"content")
    (folder / file.sha256).unlink()

    for ask in (store.open, lambda one: read(store, one)):
        with pytest.raises(StorageError, match="content of the file is missing"):
            ask(file.id)
    put(store, b"content")
    assert read(store, file.id) == b"content"
    (folder / file.sha256).unlink()
    store.delete(file.id)
    assert list(store) == []


# Several at once


def test_uploads_at_once_do_not_mix(store: FileStore, folder: Path) -> None:
    contents = [bytes([number]) * (10_000 + number) for number in range(9)]
    shared = contents + contents[:3]

    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda content: put(store, content, pieces=20), shared))

    assert [file.id for file in files] == [hashlib.sha256(one).hexdigest() for one in shared]
    assert {file.id for file in store} == {file.id for file in files}
    assert all(read(store, file.id) == shared[i] for i, file in enumerate(files))
    assert list((folder / "incoming").iterdir()) == []


def test_a_content_stays_while_it_comes_and_goes(open_store: OpenStore, folder: Path) -> None:
    """The same content is added and deleted at once: whoever has a file can read it."""
    stores = [open_store() for _ in range(3)]

    def come_and_go(store: FileStore) -> None:
        for _ in range(5):
            file = put(store, b"shared", purpose="batch")
            assert read(store, file.id) == b"shared"
            store.delete(file.id)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(come_and_go, stores))

    assert list(stores[0]) == []
    assert tree(folder) == {"incoming"}


def test_a_content_that_came_again_while_it_was_to_go_stays(
    open_store: OpenStore, database: Database
) -> None:
    file = put(open_store(), b"content")
    with database.writing() as connection:
        connection.execute(insert(leftovers).values(sha256=file.sha256, since=0))

    for _ in range(2):
        assert read(open_store(), file.id) == b"content"
    with database.reading() as connection:
        assert connection.execute(select(leftovers)).all() == []


def test_stores_are_opened_and_listed_while_files_come_and_go(open_store: OpenStore) -> None:
    """A file that is there for the listing and gone a moment later is no error."""
    store, stop = open_store(), threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            store.delete(put(store, b"1").id)

    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(come_and_go)
        for _ in range(8):
            assert [file.size_bytes for file in open_store()] in ([], [1])
        stop.set()
    worker.result()
