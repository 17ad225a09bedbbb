"""OpenAI's Files API: its unmodified client, over the store of our own routes."""

import hashlib
import io
from collections.abc import Iterator

import openai
import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import begin, finish, keep, rows_of

from bindery.faces.http.dialects.openai_files import PURPOSES

CONTENT = b"# Files\n\nLoose paper is lost."


@pytest.fixture(scope="module")
def ask(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_a_file_is_kept_described_listed_given_back_and_deleted(ask):
    file = ask.files.create(file=("notes.md", CONTENT), purpose="assistants")
    assert file.id.startswith("file-")
    assert (file.object, file.bytes, file.filename) == ("file", len(CONTENT), "notes.md")
    assert (file.purpose, file.status, file.expires_at) == ("assistants", "processed", None)
    assert ask.files.retrieve(file.id) == file
    assert ask.files.wait_for_processing(file.id) == file
    assert file in list(ask.files.list())
    content = ask.files.content(file.id)
    assert content.read() == CONTENT
    headers = content.response.headers
    assert headers["content-disposition"].startswith('attachment; filename="notes.md"')
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/octet-stream"

    gone = ask.files.delete(file.id)
    assert (gone.id, gone.deleted, gone.object) == (file.id, True, "file")
    for method in (ask.files.retrieve, ask.files.content, ask.files.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            method(file.id)
        assert caught.value.code == "unknown_file"


@pytest.mark.parametrize(
    "given",
    [CONTENT, io.BytesIO(CONTENT), ("Bücher 北京.md", CONTENT), ("x", CONTENT, "text/html")],
)
def test_a_file_may_be_given_in_every_way_of_the_client(ask, given):
    for purpose in PURPOSES:
        file = ask.files.create(file=given, purpose=purpose)
        assert (file.bytes, file.purpose) == (len(CONTENT), purpose)
        content = ask.files.content(file.id)
        assert content.read() == CONTENT
        assert content.response.headers["content-type"] == "application/octet-stream"
        ask.files.delete(file.id)
        if isinstance(given, io.BytesIO):
            break  # it has been read


def test_each_upload_is_a_file_of_its_own(ask):
    files = [ask.files.create(file=("a.md", CONTENT), purpose="evals") for _ in range(2)]
    assert files[0].id != files[1].id
    ask.files.delete(files[0].id)
    assert ask.files.content(files[1].id).read() == CONTENT
    ask.files.delete(files[1].id)


def test_nothing_expires_and_the_answer_says_so(ask):
    wish = {"anchor": "created_at", "seconds": 3600}
    file = ask.files.create(file=("a.md", CONTENT), purpose="batch", expires_after=wish)
    assert file.expires_at is None
    ask.files.delete(file.id)


def test_lists_go_by_age_purpose_and_page(ask):
    made = [
        ask.files.create(file=(f"{n}.md", CONTENT), purpose="vision" if n % 2 else "fine-tune")
        for n in range(5)
    ]
    ids = [file.id for file in made]

    def listed(**wishes: object) -> list[str]:
        return [file.id for file in ask.files.list(**wishes) if file.id in ids]

    assert listed() == ids[::-1]
    assert listed(order="asc") == listed(order="asc", limit=2) == ids
    assert listed(limit=1) == ids[::-1]
    assert listed(purpose="vision", limit=1) == [ids[3], ids[1]]
    assert listed(after=ids[2]) == [ids[1], ids[0]]
    page = ask.files.list(limit=2, purpose="fine-tune", order="asc")
    assert (page.has_more, [file.id for file in page.data]) == (True, [ids[0], ids[2]])
    for file_id in ids:
        ask.files.delete(file_id)
    for wishes in ({"limit": 0}, {"limit": 10_001}, {"order": "up"}, {"after": ids[0]}):
        with pytest.raises(openai.BadRequestError) as caught:
            ask.files.list(**wishes)
        assert [caught.value.param] == list(wishes)


def test_a_purpose_is_asked_for_and_a_wrong_one_told(ask):
    with pytest.raises(openai.BadRequestError) as caught:
        ask.files.create(file=("a.md", CONTENT), purpose="fun")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "purpose")
    assert "user_data" in caught.value.body["remedy"]
    before = len(list(ask.files.list()))
    for purpose in ("", "x" * 100_000):
        with pytest.raises(openai.BadRequestError) as caught:
            ask.files.create(file=("a.md", CONTENT), purpose=purpose)
        assert caught.value.param == "purpose"
    assert len(list(ask.files.list())) == before


def test_a_file_beyond_the_limit_is_refused(ask, settings):
    with pytest.raises(openai.APIStatusError) as caught:
        ask.files.create(file=("a", b"x" * (settings.upload_limit_bytes + 1)), purpose="evals")
    assert (caught.value.status_code, caught.value.code) == (413, "file_too_large")


def upload(client: TestClient, name: str = "notes.md", content: bytes = CONTENT) -> str:
    sent = {"file": (name, content)}
    answer = client.post("/v1/files", files=sent, data={"purpose": "user_data"})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def test_it_is_one_store_from_both_sides(client):
    own = keep(client, "Bound paper is kept.", "own.md")
    theirs = upload(client)
    for file_id, size in ((own, 20), (theirs, len(CONTENT))):
        assert client.get(f"/v1/files/{file_id}").json()["bytes"] == size
        assert client.get(f"/files/{file_id}").json()["size_bytes"] == size
    listed = {file["id"]: file for file in client.get("/v1/files").json()["data"]}
    assert {own, theirs} <= set(listed)
    assert listed[own]["purpose"] == "user_data"
    assert client.delete(f"/v1/files/{own}").json() == {
        "id": own,
        "object": "file",
        "deleted": True,
    }
    assert client.get(f"/files/{own}").status_code == 404
    assert client.delete(f"/files/{theirs}").status_code == 200
    assert client.get(f"/v1/files/{theirs}").status_code == 404


def test_a_file_of_theirs_is_chunked_and_embedded_like_any_other(client):
    file_id = upload(client)
    chunks = client.get(f"/chunk/recursive/file/{file_id}").json()
    assert (chunks["filename"], chunks["total_chunks"]) == ("notes.md", 1)
    job_id = begin(client, [file_id])
    assert finish(client, job_id)["state"] == "done"
    assert [row["file"] for row in rows_of(client, job_id)] == ["notes.md"]


def test_what_is_uploaded_never_runs_where_it_is_shown(client):
    page = b"<script>alert(1)</script>"
    file_id = upload(client, 'a"; filename=evil.html; x="\r\n.html', page)
    answer = client.get(f"/v1/files/{file_id}/content", headers={"accept": "text/html"})
    assert answer.content == page
    assert hashlib.sha256(answer.content).hexdigest() == hashlib.sha256(page).hexdigest()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "file_id", ["x", "file-", "file-..%2f..%2fkeys.json", "..%5c", "%00", "incoming"]
)
def test_an_id_that_is_none_is_unknown(client, file_id):
    for method, part in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = client.request(method, f"/v1/files/{file_id}{part}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] in ("unknown_file", "not_found")
