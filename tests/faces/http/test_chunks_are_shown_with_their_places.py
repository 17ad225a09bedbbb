"""`GET /chunk/{strategy}/file/{file_id}` over documents of several kinds."""

import pytest
from starlette.testclient import TestClient
from tests.documents.samples import FIRST, HEADING, SAMPLES, SECOND

from bindery.chunking import CHUNKERS

NAMES = {"text": "a.txt", "markdown": "a.md", "html": "a.html", "pdf": "a.pdf", "docx": "a.docx"}
PROSE = " ".join(f"Sentence number {n} stands in a row of many." for n in range(200)).encode()


def upload(client: TestClient, name: str, content: bytes) -> str:
    answer = client.post("/files/upload", files={"file": (name, content)})
    assert answer.status_code == 201
    return answer.json()["file_id"]


@pytest.mark.parametrize("kind", NAMES)
def test_every_kind_of_document(client, kind):
    file_id = upload(client, NAMES[kind], SAMPLES[kind]())
    answer = client.get(f"/chunk/recursive/file/{file_id}")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["file_id"], shown["filename"], shown["kind"]) == (file_id, NAMES[kind], kind)
    assert (shown["strategy"], shown["model"]) == ("recursive", "vanilla")
    assert (shown["size"], shown["overlap"]) == (254, 0)
    text = " ".join(chunk["text"] for chunk in shown["chunks"])
    assert all(part in text for part in (HEADING, FIRST, SECOND))
    assert shown["chunks"][0]["page"] == (1 if kind == "pdf" else None)
    if kind in {"markdown", "html", "docx"}:
        assert shown["chunks"][0]["heading"] == HEADING


def test_pages_and_headings_are_those_a_chunk_begins_under(client):
    pages = client.get(
        f"/chunk/recursive/file/{upload(client, 'a.pdf', SAMPLES['pdf']())}?size=5"
    ).json()["chunks"]
    assert [pages[0]["page"], pages[-1]["page"]] == [1, 2]
    marked = b"before\n\n# One #\n\ntext\n\n## Two\n\nmore"
    file_id = upload(client, "headings.md", marked)
    chunks = client.get(f"/chunk/sentence/file/{file_id}?size=3").json()["chunks"]
    assert chunks[0]["heading"] is None
    assert {chunk["heading"] for chunk in chunks} == {None, "One", "Two"}


@pytest.mark.parametrize("strategy", CHUNKERS)
def test_chunks_keep_to_size_and_say_what_would_be_cut(client, strategy):
    file_id = upload(client, "prose.txt", PROSE)
    shown = client.get(f"/chunk/{strategy}/file/{file_id}?size=300&overlap=20").json()
    assert shown["total_chunks"] == len(shown["chunks"]) > 1
    assert shown["total_characters"] == len(PROSE)
    text = PROSE.decode()
    for index, chunk in enumerate(shown["chunks"]):
        assert chunk["index"] == index
        assert text[chunk["start"] : chunk["end"]] == chunk["text"]
        assert chunk["tokens"] <= 300
        assert chunk["truncated_tokens"] == max(0, chunk["tokens"] - 254)

    body = {"chunks": shown["chunks"], "truncate": "end"}
    answer = client.post("/embedding/vanilla/generate?preview=1", json=body)
    cut = answer.json()["tokens_cut"]
    assert cut == [chunk["truncated_tokens"] for chunk in shown["chunks"]]
    assert any(cut)


def test_a_preview_limits_what_is_shown_and_not_what_is_counted(client):
    file_id = upload(client, "prose.txt", PROSE)
    whole = client.get(f"/chunk/recursive/file/{file_id}").json()
    shown = client.get(f"/chunk/recursive/file/{file_id}?preview=2").json()
    assert shown["chunks"] == whole["chunks"][:2]
    assert {**shown, "chunks": None} == {**whole, "chunks": None}


@pytest.mark.parametrize(
    ("address", "status", "code", "param"),
    [
        ("/chunk/semantic/file/{id}", 404, "unknown_strategy", "strategy"),
        ("/chunk/fixed/file/{id}?model=vanila", 404, "unknown_model", "model"),
        ("/chunk/fixed/file/{id}?model=colbert", 424, "model_missing", None),
        ("/chunk/fixed/file/" + "0" * 64, 404, "unknown_file", "file_id"),
        ("/chunk/fixed/file/{id}?size=0", 400, "invalid_value", "size"),
        ("/chunk/fixed/file/{id}?size=many", 400, "invalid_value", "size"),
        ("/chunk/fixed/file/{id}?size=" + "9" * 5000, 400, "invalid_value", "size"),
        ("/chunk/fixed/file/{id}?size=10&overlap=10", 400, "invalid_value", "overlap"),
        ("/chunk/fixed/file/{id}?preview=-1", 400, "invalid_value", "preview"),
    ],
)
def test_what_cannot_be_done_is_told(client, address, status, code, param):
    file_id = upload(client, "prose.txt", PROSE)
    answer = client.get(address.format(id=file_id))
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.pdf", b"%PDF-1.7 broken", 422, "broken_document"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100), 415, "unsupported_kind"),
    ],
)
def test_documents_that_cannot_be_read_are_refused(client, name, content, status, code):
    answer = client.get(f"/chunk/fixed/file/{upload(client, name, content)}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
