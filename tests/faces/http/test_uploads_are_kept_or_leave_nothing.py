"""Files are streamed to disk under the hash of their content, whatever their name."""

import hashlib
import socket
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bindery.errors import InvalidValue
from bindery.faces.http.app import create_app
from bindery.faces.http.routes.transfers import UploadParser
from bindery.library import Library
from bindery.settings import Settings

LIMIT = 2 << 20
MULTIPART = {"content-type": "multipart/form-data; boundary=XyZ"}


def multipart(*parts: tuple[bytes, bytes], end: bytes = b"--XyZ--\r\n") -> bytes:
    body = b"".join(
        b"--XyZ\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    return body + end


def file_part(name: bytes, data: bytes = b"content") -> tuple[bytes, bytes]:
    return (b'name="file"; filename="' + name + b'"', data)


def kept(home) -> set[str]:
    return {path.name for path in (home / "files").rglob("*") if path.is_file()}


def test_a_file_is_kept_described_listed_and_deleted(bare, bare_home):
    content = bytes(range(256)) * 1000
    digest = hashlib.sha256(content).hexdigest()
    answer = bare.post("/files/upload", files={"file": ('Bücher & "Papier".bin', content)})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/files/{digest}"
    file = answer.json()
    assert (file["file_id"], file["size_bytes"]) == (digest, len(content))
    assert file["uploaded_at"].endswith("Z")
    assert (bare_home / "files" / digest).read_bytes() == content
    assert bare.get(f"/files/{digest}").json() == file
    assert bare.get("/files").json() == {"total_files": 1, "files": [file]}

    assert bare.delete(f"/files/{digest}").json() == {"file_id": digest, "deleted": True}
    assert kept(bare_home) == set()
    for gone in (bare.get(f"/files/{digest}"), bare.delete(f"/files/{digest}")):
        assert gone.status_code == 404
        assert gone.json()["error"]["code"] == "unknown_file"


def test_files_are_found_again_after_a_restart(bare, bare_home):
    file = bare.post("/files/upload", files={"file": ("a.txt", b"loose paper")}).json()
    settings = Settings(home=bare_home)
    app = create_app(Library(bare_home), settings)
    with TestClient(app, base_url="http://127.0.0.1") as second:
        assert second.get("/files").json()["files"] == [file]


def test_the_same_content_is_one_file(bare):
    first = bare.post("/files/upload", files={"file": ("a.txt", b"same")}).json()
    second = bare.post("/files/upload", files={"file": ("b.txt", b"same")}).json()
    assert first["file_id"] == second["file_id"]
    assert bare.get("/files").json()["files"] == [second]


@pytest.mark.parametrize(
    "name",
    [
        b"../../etc/passwd",
        b"/etc/passwd",
        b"..\\..\\boot.ini",
        b"CON",
        b".",
        b"..",
        b"%2e%2e%2f",
        b"a\x00b",
        "\u202egpj.exe".encode(),
        b"\xff\xfe\xed\xa0\x80",
        b"x" * 1000,
        b"; name=other",
        b"incoming",
        b"<script>alert(1)</script>.html",
    ],
)
def test_names_are_data_and_never_paths(bare, bare_home, name):
    before = {path for path in bare_home.parent.rglob("*") if path.is_file()}
    answer = bare.post("/files/upload", content=multipart(file_part(name)), headers=MULTIPART)
    assert answer.status_code == 201, answer.text
    digest = hashlib.sha256(b"content").hexdigest()
    new = {path for path in bare_home.parent.rglob("*") if path.is_file()} - before
    names = {path.relative_to(bare_home).as_posix() for path in new}
    assert names - {"ballast", "bindery.db", "bindery.db-journal"} == {f"files/{digest}"}
    assert bare.get(f"/files/{digest}").json()["filename"]


@pytest.mark.parametrize("file_id", ["x", "A" * 64, "0" * 63, "0" * 64, "incoming", "..%5c", "%00"])
def test_an_id_that_is_no_digest_is_unknown(bare, file_id):
    for answer in (bare.get(f"/files/{file_id}"), bare.delete(f"/files/{file_id}")):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "unknown_file"


def test_a_body_without_length_is_taken(bare):
    body = multipart(file_part(b"a.txt", b"x" * 100_000))

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 777):
            yield body[start : start + 777]

    answer = bare.post("/files/upload", content=pieces(), headers=MULTIPART)
    assert answer.status_code == 201
    assert answer.json()["size_bytes"] == 100_000


def test_a_file_of_exactly_the_limit_is_taken_and_a_byte_more_is_not(bare, bare_home):
    at_limit = bare.post("/files/upload", files={"file": ("a", b"x" * LIMIT)})
    assert at_limit.status_code == 201
    before = kept(bare_home)
    over = bare.post("/files/upload", files={"file": ("a", b"x" * (LIMIT + 1))})
    assert over.status_code == 413
    assert over.json()["error"]["code"] == "file_too_large"
    assert kept(bare_home) == before


def begin_upload(server: str, length: int, content: bytes) -> socket.socket:
    host, _, port = server.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=300)
    connection.sendall(
        f"POST /files/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n"
        f"Content-Type: {MULTIPART['content-type']}\r\n\r\n".encode()
    )
    connection.sendall(content)
    return connection


def test_too_large_an_upload_is_refused_before_it_is_read(server):
    with begin_upload(server, 10 * LIMIT, b"") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_leaves_leaves_nothing_behind(server, home):
    incoming = home / "files" / "incoming"

    def wait_for(count: int) -> None:
        while len(list(incoming.glob("*"))) != count:
            time.sleep(0.01)

    begin = multipart(file_part(b"a", b"x" * 1_000_000), end=b"")
    with begin_upload(server, LIMIT, begin):
        wait_for(1)
    wait_for(0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        multipart(),
        multipart((b'name="note"', b"x")),
        multipart((b'name="file"', b"no name")),
        multipart(file_part(b"")),
        multipart((b'name="document"; filename="a"', b"x")),
        multipart(file_part(b"a"), file_part(b"b")),
        multipart(file_part(b"a"), end=b""),
        multipart(file_part(b"a"), end=b"--XyZ"),
        multipart(file_part(b"a"))[:40],
        multipart((b"x" * 10_000, b"x")),
        multipart(file_part(b"x" * 1025)),
    ],
)
def test_other_bodies_are_refused_and_leave_nothing(bare, bare_home, body):
    answer = bare.post("/files/upload", content=body, headers=MULTIPART)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_value"
    assert kept(bare_home) == set()


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=" + "b" * 300],
)
def test_other_content_types_are_refused(bare, content_type):
    body = multipart(file_part(b"a"))
    headers = {"content-type": content_type}
    answer = bare.post("/files/upload", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["remedy"]


def test_other_fields_of_a_form_are_passed_over(bare):
    body = multipart((b'name="purpose"', b"x"), file_part(b"a.txt"), (b'name="user"', b"me"))
    answer = bare.post("/files/upload", content=body, headers=MULTIPART)
    assert (answer.status_code, answer.json()["size_bytes"]) == (201, 7)


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 500), max_size=20))
def test_however_a_body_is_cut_the_file_is_the_same(content, cuts):
    body = multipart((b'name="note"', b"--XyZ"), file_part(b"a.bin", content))
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    parser = UploadParser(MULTIPART["content-type"])
    found = b"".join(parser.feed(body[start:end]) for start, end in pairwise(places))
    # A line that begins with the boundary ends the part, in any client.
    if b"\r\n--XyZ" not in b"\r\n" + content:
        assert found == content
        assert parser.finish() == "a.bin"


@given(st.binary(max_size=200))
def test_no_body_is_an_error_of_ours(body):
    parser = UploadParser(MULTIPART["content-type"])
    try:
        parser.feed(body)
        parser.feed(b"--XyZ\r\n" + body)
        parser.finish()
    except InvalidValue:
        pass
