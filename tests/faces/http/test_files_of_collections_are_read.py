"""A file of a collection over HTTP: its passages, its original, and pictures of its pages."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.documents.samples import pdf_sample
from tests.faces.http.jobs_asked import finish

from bindery.jobs import JobRequest
from bindery.library import Library
from bindery.search.adding import Addition, AddOptions, add_local
from bindery.search.collection import Collections

NOTE = """# Oak 🌳

It lasts for centuries in ships, in roofs and in barrels of wine.

# Pine

It grows quickly, in sand and on slopes."""


@pytest.fixture(scope="module")
def shelf(client: TestClient) -> Iterator[dict[str, str]]:
    """A collection with a note, a PDF and a web page; their ids by name."""
    client.post("/collections", json={"name": "shelf", "size": 16})
    files = {
        "oak.md": NOTE.encode(),
        "page.pdf": pdf_sample(),
        "<b>bad</b>.html": b"<title>Bad</title><script>alert(1)</script><p>Just words.</p>",
    }
    sent = [("file", (name, data)) for name, data in files.items()]
    job = client.post("/collections/shelf/files", files=sent).json()["job_id"]
    assert finish(client, job)["state"] == "done"
    listed = client.get("/collections/shelf/files").json()["files"]
    yield {one["file"]: one["file_id"] for one in listed}
    client.delete("/collections/shelf")


def test_the_passages_of_a_file_are_its_text(client: TestClient, shelf: dict[str, str]) -> None:
    found = client.get(f"/collections/shelf/files/{shelf['oak.md']}/passages").json()
    assert (found["file"], found["kind"], found["pages"]) == ("oak.md", "markdown", None)
    assert len(found["passages"]) > 1
    end = 0
    for one in found["passages"]:
        assert NOTE[one["start"] : one["end"]] == one["text"]
        assert not NOTE[end : one["start"]].strip()
        end = one["end"]
    assert end == len(NOTE)
    hits = client.post("/collections/shelf/search", json={"query": "how fast does pine grow"})
    hit = hits.json()["hits"][0]
    assert (hit["start"], hit["end"]) in [(one["start"], one["end"]) for one in found["passages"]]


def test_originals_are_downloads_and_never_pages(client: TestClient, shelf: dict[str, str]) -> None:
    answer = client.get(f"/collections/shelf/files/{shelf['<b>bad</b>.html']}/original")
    assert answer.content.startswith(b"<title>Bad</title><script>")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_pages_of_pdfs_are_drawn(client: TestClient, shelf: dict[str, str]) -> None:
    base = f"/collections/shelf/files/{shelf['page.pdf']}/pages"
    answer = client.get(f"{base}/1?width=300")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", answer.content[16:24])
    assert width in (299, 300, 301)
    assert height > 100
    beyond = client.get(f"{base}/999")
    assert beyond.status_code == 400
    assert beyond.json()["error"]["param"] == "page"
    assert client.get(f"{base}/1?width=99999").status_code == 400
    note = client.get(f"/collections/shelf/files/{shelf['oak.md']}/pages/1")
    assert note.json()["error"]["code"] == "unsupported_kind"


def test_a_map_has_a_place_for_every_chunk_and_for_other_vectors(
    client: TestClient, shelf: dict[str, str]
) -> None:
    found = client.get("/collections/shelf/map").json()
    assert (
        found["total"] == len(found["points"]) == client.get("/collections/shelf").json()["chunks"]
    )
    assert 0 < found["explained"] <= 1
    points = {(one["file_id"], one["start"]): one for one in found["points"]}
    read = client.get(f"/collections/shelf/files/{shelf['oak.md']}/passages").json()
    chunk = read["passages"][-1]
    point = points[shelf["oak.md"], chunk["start"]]
    assert point["headings"] == chunk["headings"]
    answer = client.post("/embedding/vanilla/generate", json={"chunks": [chunk["text"]]}).json()
    place = np.array(found["axes"]) @ (np.array(answer["embeddings"][0]) - found["mean"])
    assert place == pytest.approx([point["x"], point["y"]], abs=0.01)
    assert max(max(abs(one["x"]), abs(one["y"])) for one in found["points"]) == pytest.approx(1)
    client.post("/collections", json={"name": "bare shelf"})
    empty = client.get("/collections/bare shelf/map").json()
    assert (empty["total"], empty["points"], empty["explained"]) == (0, [], 0)
    client.delete("/collections/bare shelf")


@pytest.mark.parametrize("file_id", ["nothing", "local-7", "local-x", "local-" + "9" * 40])
def test_unknown_files_are_refused(client: TestClient, shelf: dict[str, str], file_id: str) -> None:
    for part in ("passages", "original", "pages/1"):
        answer = client.get(f"/collections/shelf/files/{file_id}/{part}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_file")


def test_a_file_of_this_machine_is_only_given_as_it_was_added(
    client: TestClient, library: Library, tmp_path: Path
) -> None:
    path = tmp_path / "note.md"
    path.write_text(NOTE)
    collections = Collections(library)
    request = JobRequest(("-",), "vanilla")
    add_local(collections, Addition("local", [str(path)], request, AddOptions(), None))
    [file] = client.get("/collections/local/files").json()["files"]
    assert file["file_id"].startswith("local-")
    base = f"/collections/local/files/{file['file_id']}"
    assert client.get(f"{base}/original").text == NOTE
    assert client.get(f"/view/local/{file['file_id']}").status_code == 200
    path.write_text(NOTE.replace("Oak", "Ash"))
    assert client.get(f"{base}/original").json()["error"]["code"] == "unknown_file"
    path.unlink()
    assert client.get(f"{base}/original").json()["error"]["code"] == "unknown_file"
    assert client.get(f"{base}/passages").status_code == 200
    client.delete("/collections/local")


@pytest.mark.parametrize("name", ["..", ".", " ", "a/../b.txt", "a\0b", "a\nb", "?#%2e", "oak "])
def test_every_name_can_be_read_changed_and_removed(client: TestClient, name: str) -> None:
    client.post("/collections", json={"name": "named"})
    disposition = b'form-data; name="file"; filename="' + name.encode() + b'"'
    body = b"--x\r\ncontent-disposition: " + disposition + b"\r\n\r\nOak lasts.\r\n--x--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=x"}
    added = client.post("/collections/named/files", content=body, headers=headers)
    assert added.status_code == 202, added.text
    assert finish(client, added.json()["job_id"])["state"] == "done"
    (file,) = client.get("/collections/named/files").json()["files"]
    base = f"/collections/named/files/{file['file_id']}"
    assert client.get(f"{base}/passages").json()["file"] == file["file"]
    assert client.get(f"/view/named/{file['file_id']}").status_code == 200
    changed = client.patch(base, json={"attributes": {"year": 2024}})
    assert (changed.json()["file"], changed.json()["attributes"]) == (file["file"], {"year": 2024})
    removed = client.delete(base).json()
    assert removed["receipt"]["files"] == [file["file"]]
    assert client.get("/collections/named/files").json()["total_files"] == 0
    client.delete("/collections/named")
