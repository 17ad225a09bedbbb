"""`GET /chunk/{strategy}/file/{file_id}` over documents of several kinds."""

import pytest
from starlette.testclient import TestClient
from tests.chunking.strategies import STRATEGIES
from tests.documents.samples import FIRST, HEADING, SAMPLES, SECOND

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
    assert (shown["size"], shown["overlap"]) == (128, 0)
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


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_chunks_keep_to_size_and_say_what_would_be_cut(client, strategy):
    file_id = upload(client, "prose.py" if strategy == "code" else "prose.txt", PROSE)
    context = "none" if strategy == "late" else "title"
    query = f"size=300&overlap=20&context={context}"
    shown = client.get(f"/chunk/{strategy}/file/{file_id}?{query}").json()
    assert shown["total_chunks"] == len(shown["chunks"]) > 1
    assert shown["total_characters"] == len(PROSE)
    text = PROSE.decode()
    for index, chunk in enumerate(shown["chunks"]):
        assert chunk["index"] == index
        assert text[chunk["start"] : chunk["end"]] == chunk["text"]
        assert chunk["tokens"] <= 300
        assert chunk["tokens_cut"] == max(0, chunk["tokens"] - 254)
        assert chunk["context"] == ("prose\n\n" if context == "title" else "")
        if chunk["tokens_cut"]:
            assert chunk["start"] < chunk["cut_at"] < chunk["end"]
        else:
            assert chunk["cut_at"] is None
        parent = chunk["parent"]
        assert (parent is None) == (strategy != "parent-child")
        assert parent is None or parent["start"] <= chunk["start"] < chunk["end"] <= parent["end"]

    body = {"chunks": shown["chunks"], "truncate": "end"}
    answer = client.post("/embedding/vanilla/generate?preview=1", json=body)
    cut = answer.json()["tokens_cut"]
    assert cut == [chunk["tokens_cut"] for chunk in shown["chunks"]]
    assert any(cut)


def test_a_preview_limits_what_is_shown_and_not_what_is_counted(client):
    file_id = upload(client, "prose.txt", PROSE)
    whole = client.get(f"/chunk/recursive/file/{file_id}").json()
    shown = client.get(f"/chunk/recursive/file/{file_id}?preview=2").json()
    assert shown["chunks"] == whole["chunks"][:2]
    assert {**shown, "chunks": None} == {**whole, "chunks": None}


def test_what_a_strategy_spends_on_the_model_is_told(client):
    file_id = upload(client, "prose.txt", PROSE)
    plain = client.get(f"/chunk/sentence/file/{file_id}").json()
    assert plain["tokens_spent"] == 0
    shown = client.get(f"/chunk/semantic/file/{file_id}").json()
    sentences = PROSE.decode().count(". ") + 1
    tokens = sum(chunk["tokens"] for chunk in shown["chunks"])
    assert shown["tokens_spent"] == tokens + 2 * sentences


@pytest.mark.parametrize(
    ("address", "status", "code", "param"),
    [
        ("/chunk/magic/file/{id}", 404, "unknown_strategy", "strategy"),
        ("/chunk/fixed/file/{id}?model=vanila", 404, "unknown_model", "model"),
        ("/chunk/fixed/file/{id}?model=colbert", 424, "model_missing", None),
        ("/chunk/fixed/file/" + "0" * 64, 404, "unknown_file", "file_id"),
        ("/chunk/fixed/file/{id}?size=0", 400, "invalid_value", "size"),
        ("/chunk/fixed/file/{id}?size=many", 400, "invalid_value", "size"),
        ("/chunk/fixed/file/{id}?size=" + "9" * 5000, 400, "invalid_value", "size"),
        ("/chunk/fixed/file/{id}?size=10&overlap=10", 400, "invalid_value", "overlap"),
        ("/chunk/fixed/file/{id}?context=all", 400, "invalid_value", "context"),
        ("/chunk/late/file/{id}?context=title", 400, "invalid_value", "context"),
        ("/chunk/fixed/file/{id}?parent_size=512", 400, "invalid_value", "parent_size"),
        ("/chunk/parent-child/file/{id}?size=9&parent_size=5", 400, "invalid_value", "parent_size"),
        ("/chunk/fixed/file/{id}?preview=-1", 400, "invalid_value", "preview"),
    ],
)
def test_what_cannot_be_done_is_told(client, address, status, code, param):
    file_id = upload(client, "prose.txt", PROSE)
    answer = client.get(address.format(id=file_id))
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, param)


def test_headings_lead_to_a_chunk_and_may_go_before_it(client):
    text = b"# One\n\ntext\n\n## Two\n\nmore " + b"and more " * 30
    file_id = upload(client, "headings.md", text)
    query = "size=24&context=headings"
    shown = client.get(f"/chunk/fixed/file/{file_id}?{query}").json()
    last = shown["chunks"][-1]
    assert shown["context"] == "headings"
    assert (last["headings"], last["heading"]) == (["One", "Two"], "Two")
    assert last["context"] == "One > Two\n\n"

    # The context and the text together are what is embedded.
    answer = client.post("/embedding/vanilla/generate", json={"chunks": [last]}).json()
    whole = {"chunks": [last["context"] + last["text"]]}
    assert answer["tokens_used"] == [last["tokens"] + 2]
    same = client.post("/embedding/vanilla/generate", json=whole).json()
    assert answer["embeddings"] == same["embeddings"]
    bad = client.post("/embedding/vanilla/generate", json={"chunks": [{**last, "context": 1}]})
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "chunks")


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
