"""Contents by their digest: a folder and a bucket keep the same promises."""

import hashlib
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.servers import s3

from bindery.errors import InvalidValue, StorageError
from bindery.store.blobs import Blobs, open_blobs
from bindery.store.database import Database
from bindery.store.files import FileStore

# Larger than two parts, so that it comes and goes in several.
LARGE = b"0123456789abcdef" * (20 << 16)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server is not on the path (make test-s3)")
    with s3(program) as address:
        yield address


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The address of a prefix in a bucket of its own, and the variables that open it."""
    variables = {
        "AWS_ENDPOINT_URL": s3_server, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    name = f"b{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]}"
    making = urllib.request.Request(f"{s3_server}/{name}", method="PUT")
    urllib.request.urlopen(making, timeout=30).close()
    return f"s3://{name}/some/prefix"


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("bucket") if request.param == "s3" else ""


@pytest.fixture
def blobs(url: str, folder: Path) -> Blobs:
    (folder / "incoming").mkdir(parents=True)
    return open_blobs(url, folder)


def put(blobs: Blobs, content: bytes, folder: Path) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / "incoming" / "one"
    path.write_bytes(content)
    blobs.prepare(path, sha256)
    blobs.place(path, sha256)
    path.unlink(missing_ok=True)
    return sha256


def is_there(blobs: Blobs, sha256: str) -> bool:
    try:
        blobs.open(sha256).close()
    except StorageError:
        return False
    return True


@pytest.mark.parametrize("content", [b"", b"a", LARGE], ids=["empty", "small", "large"])
def test_what_was_put_is_read_whole_and_in_pieces(
    content: bytes, blobs: Blobs, folder: Path
) -> None:
    sha256 = put(blobs, content, folder)

    with blobs.open(sha256) as file:
        assert file.read() == content
    with blobs.open(sha256) as file:
        assert b"".join(iter(lambda: file.read(1 << 18), b"")) == content
    with blobs.as_path(sha256) as path:
        assert path.read_bytes() == content
    assert list((folder / "incoming").iterdir()) == []
    assert put(blobs, content, folder) == sha256


def test_what_was_deleted_is_gone_and_may_come_again(blobs: Blobs, folder: Path) -> None:
    first, other = put(blobs, b"first", folder), put(blobs, b"other", folder)

    for _ in range(2):
        blobs.delete(first)
        assert not is_there(blobs, first)
        assert is_there(blobs, other)
    put(blobs, b"first", folder)
    assert is_there(blobs, first)


def test_what_was_deleted_while_it_came_is_put_again(blobs: Blobs, folder: Path) -> None:
    sha256 = hashlib.sha256(b"content").hexdigest()
    path = folder / "incoming" / "one"
    path.write_bytes(b"content")

    blobs.prepare(path, sha256)
    blobs.delete(sha256)
    blobs.place(path, sha256)

    assert is_there(blobs, sha256)


def test_a_file_comes_and_goes_with_its_content(url: str, folder: Path) -> None:
    database = Database.open(f"sqlite:///{folder.parent / 'bindery.db'}")
    blobs = open_blobs(url, folder)
    store = FileStore(database, blobs, folder)
    with store.receive(limit_bytes=len(LARGE)) as incoming:
        for start in range(0, len(LARGE), 1 << 20):
            incoming.write(LARGE[start : start + (1 << 20)])
        file = incoming.keep("large")

    with store.open(file.id) as opened:
        assert opened.read() == LARGE
    store.delete(file.id)
    assert not is_there(blobs, file.sha256)
    assert list((folder / "incoming").iterdir()) == []
    database.close()


def test_a_content_that_was_altered_in_the_bucket_is_not_used(bucket: str, folder: Path) -> None:
    (folder / "incoming").mkdir(parents=True)
    blobs = open_blobs(bucket, folder)
    sha256 = put(blobs, b"content", folder)
    other = folder / "other"
    other.write_bytes(b"altered")
    blobs.prepare(other, sha256)

    with pytest.raises(StorageError, match="was altered in the bucket"), blobs.as_path(sha256):
        pass
    assert list((folder / "incoming").iterdir()) == []


def test_a_bucket_that_is_not_there_is_a_storage_error(bucket: str, folder: Path) -> None:
    (folder / "incoming").mkdir(parents=True)
    blobs = open_blobs("s3://nobody-has-this-one", folder)

    with pytest.raises(StorageError, match="bucket s3://nobody-has-this-one cannot be used") as e:
        put(blobs, b"content", folder)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] in e.value.remedy or "AWS_ACCESS" in e.value.remedy


@pytest.mark.parametrize(
    "url", ["s3:", "s3://", "s3:///prefix", "http://host/bucket", "/folder", "s3://b?x=1", "gs://b"]
)
def test_what_is_no_address_of_a_bucket_is_refused(url: str, folder: Path) -> None:
    with pytest.raises(InvalidValue, match="Invalid URL for the contents") as caught:
        open_blobs(url, folder)
    assert caught.value.param == "blobs_url"
