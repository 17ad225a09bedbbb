"""Dify's external knowledge and Open WebUI's external search, as their sources send them."""

import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import finish

NAME = "apps"


@pytest.fixture(scope="module")
def shelf(client: TestClient) -> TestClient:
    client.post("/collections", json={"name": NAME})
    for n, text in enumerate(("Oak lasts for centuries.", "Rain fell on the harbour.")):
        sent = {"file": (f"{n}.txt", text)}
        given = {"attributes": f'{{"year": {2020 + n}, "team": "red"}}'}
        added = client.post(f"/collections/{NAME}/files", files=sent, data=given)
        assert finish(client, added.json()["job_id"])["state"] == "done"
    return client


def dify(client: TestClient, **fields: object):
    body = {
        "knowledge_id": NAME, "query": "How long does oak last?",
        "retrieval_setting": {"top_k": 2, "score_threshold": 0.0}, "metadata_condition": None,
    }  # fmt: skip
    return client.post("/retrieval", json=body | fields)


def condition(name: object, operator: str, value: object) -> dict:
    one = {"name": name, "comparison_operator": operator, "value": value}
    return {"logical_operator": "and", "conditions": [one]}


def test_dify_gets_records(shelf):
    records = dify(shelf).json()["records"]
    assert [record["title"] for record in records] == ["0.txt", "1.txt"]
    first = records[0]
    assert first["content"] == "Oak lasts for centuries."
    assert 0 < first["score"] <= 1
    assert first["metadata"]["year"] == 2020
    assert first["metadata"]["url"].startswith("http")
    store = shelf.get(f"/v1/vector_stores/{NAME}").json()["id"]
    assert dify(shelf, knowledge_id=store).json()["records"] == records


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (condition(["year"], "≥", "2021"), ["1.txt"]),
        (condition("year", "=", 2020), ["0.txt"]),
        (condition(["team"], "is", "red"), ["0.txt", "1.txt"]),
        (condition(["team"], "not contains", "re"), []),
        (condition(["team"], "empty", None), []),
        (condition(["team", "file"], "start with", "1"), ["1.txt"]),
        (condition(["added_at"], "after", "2020-01-01"), ["0.txt", "1.txt"]),
        ({"logical_operator": "and", "conditions": []}, ["0.txt", "1.txt"]),
    ],
)
def test_dify_filters(shelf, asked, found):
    answer = dify(shelf, metadata_condition=asked)
    assert [record["title"] for record in answer.json()["records"]] == found, answer.text


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"knowledge_id": "nowhere"}, 404, 2001),
        ({"query": ""}, 400, 400),
        ({"query": "x" * 1_000_000}, 400, 400),
        ({"retrieval_setting": {"top_k": 0}}, 400, 400),
        ({"metadata_condition": condition("nothing", "is", "x")}, 400, 400),
        ({"metadata_condition": condition("team", "like", "x")}, 400, 400),
        ({"metadata_condition": condition("year", ">", "x")}, 400, 400),
        ({"metadata_condition": condition(["team"] * 1001, "is", "red")}, 400, 400),
    ],
)
def test_dify_is_told_what_is_wrong(shelf, fields, status, code):
    answer = dify(shelf, **fields)
    assert answer.status_code == status, answer.text
    assert answer.json()["error_code"] == code
    assert answer.json()["error_msg"]


def test_dify_registers_an_endpoint(shelf):
    """It sends an empty body, and refuses an endpoint that answers 403, 404 or 502."""
    answer = shelf.post("/retrieval", headers={"authorization": "Bearer any"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, 400)


def test_open_webui_sends_what_its_source_does(shelf):
    """As ``open_webui/retrieval/web/external.py`` of 0.12.4, without a key, about its user."""
    headers = {
        "User-Agent": "Open WebUI (https://github.com/open-webui/open-webui) RAG Bot",
        "Authorization": "Bearer ",
        "X-OpenWebUI-User-Name": "Jane%20Doe",
        "X-OpenWebUI-Chat-Id": "chat-1",
    }
    body = {"query": "oak", "count": 3}
    results = shelf.post(f"/open-webui/{NAME}", headers=headers, json=body).json()
    assert len({one["link"] for one in results}) == len(results) == 2
    assert all(one["snippet"] and one["title"] for one in results)


def test_open_webui_gets_links(shelf):
    answer = shelf.post(f"/open-webui/{NAME}", json={"query": "oak", "count": 1})
    (result,) = answer.json()
    assert set(result) == {"link", "title", "snippet"}
    assert "/view/apps/" in result["link"]
    assert result["snippet"] == "Oak lasts for centuries."
    missing = shelf.post("/open-webui/nowhere", json={"query": "oak", "count": 1})
    assert missing.json()["error"]["code"] == "unknown_collection"


def embed(client: TestClient, file_id: str, name: str, text: bytes):
    sent = {"file": (name, text, "text/plain")}
    return client.post("/librechat/embed", files=sent, data={"file_id": file_id})


LONG = " ".join(
    f"Oak number {n} lasts for {n + 100} years, and pine {n} for less." for n in range(30)
)


def test_librechat_gets_the_text_of_a_document_once(client):
    """Chunks overlap; the text of the document has no part twice."""
    made = {"name": "librechat", "size": 48, "overlap": 24}
    assert client.post("/collections", json=made).status_code == 201
    assert embed(client, "long", "long.txt", LONG.encode()).status_code == 200
    assert client.get("/collections/librechat").json()["chunks"] > 10
    assert client.get("/librechat/documents/long/context").json() == LONG
    file = client.get("/v1/vector_stores/librechat/files").json()["data"][0]["id"]
    content = client.get(f"/v1/vector_stores/librechat/files/{file}/content").json()["data"]
    assert [part["text"] for part in content] == [LONG]
    client.delete("/collections/librechat")
    client.delete(f"/v1/files/{file}")


def test_librechat_sends_what_its_source_does(client):
    """``uploadVectors``, ``parseText`` and ``deleteVectors``: a token of its own, more fields."""
    token = {"authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "accept": "application/json"}
    before = len(client.get("/v1/files").json()["data"])
    given = {
        "file_id": (None, "a-1"),
        "file": ("a-1__oak.txt", b"Oak lasts for centuries.", "text/plain"),
        "entity_id": (None, "agent_1"),
        "storage_metadata": (None, "{" + " " * 2000 + "}"),
    }
    added = client.post("/librechat/embed", files=given, headers=token)
    assert added.json()["known_type"] is True, added.text
    body = {"file_id": "a-1", "query": "oak", "k": 5, "entity_id": "agent_1"}
    ((document, distance),) = client.post("/librechat/query", json=body, headers=token).json()
    assert document["metadata"]["source"].split("/")[-1] == "a-1__oak.txt"
    assert (document["metadata"]["page"] or None, 0 <= distance <= 1) == (None, True)

    text = {name: given[name] for name in ("file_id", "file")}
    read = client.post("/librechat/text", files=text, headers=token)
    assert read.json() == {
        "text": "Oak lasts for centuries.", "file_id": "a-1", "filename": "a-1__oak.txt",
        "known_type": True,
    }  # fmt: skip
    broken = {"file_id": (None, "b-2"), "file": ("b.pdf", b"%PDF-1.4 no")}
    assert client.post("/librechat/text", files=broken).status_code == 422
    lacking = client.post("/librechat/text", files={"file": ("a.txt", b"a")})
    assert (lacking.status_code, lacking.json()["code"]) == (400, "invalid_value")
    removed = client.request("DELETE", "/librechat/documents", json=["a-1"], headers=token)
    assert removed.status_code == 200
    assert len(client.get("/v1/files").json()["data"]) == before
    client.delete("/collections/librechat")


def test_librechat_keeps_searches_and_removes_files(client):
    assert client.get("/librechat/health").json() == {"status": "UP"}
    before = len(client.get("/v1/files").json()["data"])
    for file_id, text in {"a-1": b"Oak lasts for centuries.", "b-2": b"Rain fell."}.items():
        answer = embed(client, file_id, "paper.txt", text)
        told = answer.json()
        assert (told["status"], told["known_type"], told["filename"]) == (True, True, "paper.txt")
    (found,) = client.post(
        "/librechat/query", json={"file_id": "a-1", "query": "oak", "k": 5}
    ).json()
    document, distance = found
    assert document["page_content"] == "Oak lasts for centuries."
    assert document["metadata"]["source"].split("/")[-1].startswith("paper")
    assert 0 <= distance < 1
    both = {"file_ids": ["a-1", "b-2"], "query": "rain", "k": 4}
    several = client.post("/librechat/query_multiple", json=both).json()
    assert len(several) == 2
    assert client.get("/librechat/documents/b-2/context").json() == "Rain fell."
    embed(client, "b-2", "paper.txt", b"Snow fell.")
    assert client.get("/librechat/documents/b-2/context").json() == "Snow fell."
    for wrong in (client.get("/librechat/documents/c-3/context"),
                  client.post("/librechat/query", json={"file_id": "c-3", "query": "x"}),
                  client.request("DELETE", "/librechat/documents", json=["c-3"])):  # fmt: skip
        assert (wrong.status_code, bool(wrong.json()["detail"])) == (404, True)
    assert embed(client, "d-4", "broken.pdf", b"%PDF-1.4 no").status_code == 400
    gone = client.request("DELETE", "/librechat/documents", json=["a-1", "b-2"])
    assert gone.json()["message"] == "Documents for 2 files deleted"
    assert client.request("DELETE", "/librechat/documents", json={}).status_code == 400
    assert len(client.get("/v1/files").json()["data"]) == before
    client.delete("/collections/librechat")


def test_librechat_keeps_the_former_file_until_the_new_one_is_found(client):
    before = len(client.get("/v1/files").json()["data"])
    assert embed(client, "e-5", "oak.txt", b"Oak lasts for centuries.").status_code == 200
    assert embed(client, "e-5", "oak.pdf", b"%PDF-1.4 no").status_code == 400
    assert client.get("/librechat/documents/e-5/context").json() == "Oak lasts for centuries."
    assert embed(client, "e-5", "oak.txt", b"Oak rots.").status_code == 200
    assert client.get("/librechat/documents/e-5/context").json() == "Oak rots."
    assert len(client.get("/v1/files").json()["data"]) == before + 1
    client.request("DELETE", "/librechat/documents", json=["e-5"])
    assert len(client.get("/v1/files").json()["data"]) == before
    client.delete("/collections/librechat")


@pytest.mark.parametrize("file_id", ["a\0b", "a\nb", "x" * 201])
def test_librechat_ids_are_printable_and_short(client, file_id):
    answer = embed(client, file_id, "oak.txt", b"Oak.")
    assert (answer.status_code, answer.json()["param"]) == (400, "file_id"), answer.text
    assert "1 to 200 printable characters" in answer.json()["detail"]
