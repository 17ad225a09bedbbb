"""Collections over HTTP: a name that is taken has an address that works."""

import json
import time
from dataclasses import replace

import pytest

from bindery.faces.http.routes.collections import FoundAnswer


@pytest.mark.parametrize("name", ["日本", "a?b#c", "two words"])
def test_a_new_collection_is_where_its_location_says(client, name):
    made = client.post("/collections", json={"name": name})
    assert made.status_code == 201, made.text
    assert client.get(made.headers["location"]).json()["name"] == name
    assert client.delete(made.headers["location"]).json()["deleted"] is True


def test_files_are_listed_to_the_end_while_some_go(client):
    client.post("/collections", json={"name": "listed"})
    ids = [
        client.post("/files/upload", files={"file": (f"{n}.txt", f"Paper {n}.")}).json()["file_id"]
        for n in range(7)
    ]
    job = client.post("/collections/listed/files", json={"file_ids": ids}).json()["job_id"]
    while client.get(f"/jobs/{job}").json()["state"] not in ("done", "failed"):
        time.sleep(0.05)

    seen, after = [], 0
    while after is not None:
        answer = client.get("/collections/listed/files", params={"after": after, "limit": 3}).json()
        seen += [file["file"] for file in answer["files"]]
        after = answer["next"]
        # The file that the next page begins after goes.
        client.delete(f"/collections/listed/files/{seen[-1]}")
    assert sorted(seen) == [f"{n}.txt" for n in range(7)]
    assert client.get("/collections/listed/files").json()["next"] is None
    for wrong in ({"limit": 0}, {"limit": 10_001}, {"after": -1}, {"after": "x"}):
        assert client.get("/collections/listed/files", params=wrong).status_code == 400
    client.delete("/collections/listed")


def test_wrong_attributes_leave_no_upload_behind(client):
    client.post("/collections", json={"name": "refused"})
    before = client.get("/files").json()["total_files"]
    for wrong in ("[1]", "{", '{"file": "x"}', '{"a": {"b": 1}}', '{"a": "' + "x" * 70_000 + '"}'):
        answer = client.post(
            "/collections/refused/files",
            files={"file": ("refused.txt", "It is not kept.")},
            data={"attributes": wrong},
        )
        assert answer.status_code == 400, wrong
    assert client.get("/files").json()["total_files"] == before
    long = {"note": "long " * 500}
    answer = client.post(
        "/collections/refused/files",
        files={"file": ("long.txt", "It is kept.")},
        data={"attributes": json.dumps(long)},
    )
    while client.get(answer.headers["location"]).json()["state"] not in ("done", "failed"):
        time.sleep(0.05)
    listed = client.get("/collections/refused/files").json()["files"]
    assert [one["attributes"] for one in listed] == [long]
    client.delete("/collections/refused")


def test_several_files_are_uploaded_in_one_call(client):
    client.post("/collections", json={"name": "uploaded"})
    texts = {"a.txt": "The heliotrope.", "same.txt": "The heliotrope.", "empty.txt": ""}
    answer = client.post(
        "/collections/uploaded/files",
        files=[("file", (name, text)) for name, text in texts.items()],
        data={"attributes": '{"year": 2024}'},
    )
    assert answer.status_code == 202, answer.text
    while client.get(answer.headers["location"]).json()["state"] not in ("done", "failed"):
        time.sleep(0.05)
    files = client.get("/collections/uploaded/files").json()["files"]
    assert {file["file"]: file["attributes"] for file in files} == {
        name: {"year": 2024}
        for name in ("a.txt", "same.txt")  # an empty file fails
    }
    where = "/collections/uploaded/files"
    many = [("file", (f"{n}.txt", "x")) for n in range(51)]
    for files, data in [
        (many, {}),
        ([("file", ("b.txt", "x"))], {"attributes": "no JSON"}),
        ([("file", ("b.txt", "x")), ("file", ("b.txt", "y"))], {}),
        ([("other", ("b.txt", "x"))], {}),
    ]:
        assert client.post(where, files=files, data=data).status_code == 400
    missing = client.post("/collections/nowhere/files", files=many[:1])
    assert missing.json()["error"]["code"] == "unknown_collection"
    client.delete("/collections/uploaded")


@pytest.mark.parametrize("name", [".", "..", " a", "a/b"])
def test_a_name_that_cannot_be_in_an_address_is_refused(client, name):
    answer = client.post("/collections", json={"name": name})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "name")


def test_deleting_answers_with_a_receipt(client):
    location = client.post("/collections", json={"name": "receipts"}).headers["location"]
    upload = client.post("/files/upload", files={"file": ("a.txt", b"The heliotrope turns.")})
    added = client.post(f"{location}/files", json={"file_ids": [upload.json()["file_id"]]})
    until = time.monotonic() + 60
    while client.get(f"{location}/files").json()["total_files"] == 0:
        assert time.monotonic() < until, client.get(added.headers["location"]).text
        time.sleep(0.05)

    removed = client.delete(f"{location}/files/a.txt", params={"now": True}).json()

    receipt = removed["receipt"]
    assert (removed["file"], receipt["files"]) == ("a.txt", ["a.txt"])
    assert receipt["entries"] == {"dense": 1, "lexical": 1}
    assert (receipt["segments_left"], receipt["rewritten_by"]) == (0, None)
    assert [one["kind"] for one in receipt["kept"]] == ["stored file"]
    gone = client.delete(location).json()
    assert (gone["name"], gone["receipt"]["files"]) == ("receipts", [])


def test_hits_have_addresses_that_open_them(client, settings, monkeypatch):
    client.post("/collections", json={"name": "two words"})
    file = client.post("/files/upload", files={"file": ("wood.txt", "Oak lasts for centuries.")})
    body = {"file_ids": [file.json()["file_id"]]}
    job = client.post("/collections/two words/files", json=body).json()["job_id"]
    while client.get(f"/jobs/{job}").json()["state"] not in ("done", "failed"):
        time.sleep(0.05)
    asked = {"query": "How long does oak last?"}
    found = client.post("/collections/two words/search", json={**asked, "explain": True}).json()
    assert FoundAnswer.model_validate(found).model_dump(mode="json") == found  # as documented
    (hit,) = client.post("/collections/two words/search", json=asked).json()["hits"]
    span = f"{hit['start']}-{hit['end']}"
    assert hit["url"] == f"http://127.0.0.1/view/two%20words/{hit['file_id']}?span={span}"
    page = client.get(hit["url"])
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]

    public = replace(settings, public_url="https://books.example/library")
    monkeypatch.setattr(client.app.state.services, "settings", public)
    (hit,) = client.post("/collections/two words/search", json=asked).json()["hits"]
    assert hit["url"].startswith("https://books.example/library/view/two%20words/")
    client.delete("/collections/two words")
