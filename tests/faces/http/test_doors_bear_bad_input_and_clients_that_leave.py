"""Each door's bad input is refused in its own format, and a client that leaves harms nobody."""

import json
import logging
import socket
import struct
import time

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import finish

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.settings import Settings
from bindery.store.keys import KeyStore, Scope

NAME = "doors"
LONG = "x" * 1_000_000
MCP = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}

# The path of each door's search, and its body for a collection, a query and an unknown attribute.
DOORS = {
    "own": lambda name, query, attribute: (
        f"/collections/{name}/search",
        {"query": query, "filter": f"{attribute} = 1" if attribute else None},
    ),
    "openai": lambda name, query, attribute: (
        f"/v1/vector_stores/{name}/search",
        {"query": query, "filters": {"type": "eq", "key": attribute, "value": 1}}
        if attribute
        else {"query": query},
    ),
    "dify": lambda name, query, attribute: (
        "/retrieval",
        {
            "knowledge_id": name,
            "query": query,
            "retrieval_setting": {"top_k": 2, "score_threshold": 0.0},
            "metadata_condition": {
                "conditions": [{"name": attribute, "comparison_operator": "=", "value": 1}]
            }
            if attribute
            else None,
        },
    ),
    "open-webui": lambda name, query, _: (f"/open-webui/{name}", {"query": query, "count": 2}),
    "librechat": lambda name, query, _: ("/librechat/query", {"file_id": name, "query": query}),
    "mcp": lambda name, query, attribute: (
        "/mcp",
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": "search_documents",
                "arguments": {
                    "query": query,
                    "collection": name,
                    "filter": f"{attribute} = 1" if attribute else "",
                },
            },
        },
    ),
}


def message_of(door: str, answer: httpx.Response) -> tuple[int, str]:
    """The status of an error and what it says, where a client of the door looks for it."""
    told = answer.json()
    if door == "mcp" and "result" in told:
        assert told["result"]["isError"]
        return 400, told["result"]["content"][0]["text"]
    if door == "dify":
        return answer.status_code, told["error_msg"]
    if door == "librechat":
        return answer.status_code, told["detail"]
    error = told["error"]
    return answer.status_code, f"{error['message']} {error.get('remedy', '')}"


@pytest.fixture(scope="module")
def doors(client: TestClient) -> TestClient:
    client.post("/collections", json={"name": NAME})
    added = client.post(f"/collections/{NAME}/files", files={"file": ("oak.txt", b"Oak lasts.")})
    assert finish(client, added.json()["job_id"])["state"] == "done"
    return client


def ask(client: TestClient, door: str, name: str, query: str, attribute: str = "", **headers: str):
    path, body = DOORS[door](name, query, attribute)
    return client.post(path, json=body, headers=(MCP if door == "mcp" else {}) | headers)


@pytest.mark.parametrize("door", DOORS)
def test_an_unknown_collection_and_a_query_that_is_too_long(doors, door):
    status, says = message_of(door, ask(doors, door, "nowhere", "oak"))
    assert (status, "nowhere" in says) == (400 if door == "mcp" else 404, True)
    status, says = message_of(door, ask(doors, door, NAME, LONG))
    assert status in (400, 404)
    assert len(says) < 500


@pytest.mark.parametrize("query", [0, -1.5, True, {"a": 1}, [1], [["oak"]], [], ""])
@pytest.mark.parametrize("door", ["own", "openai"])
def test_a_query_that_is_no_text(doors, door, query):
    status, says = message_of(door, ask(doors, door, NAME, query))
    assert (status, "quer" in says) == (400, True)


def test_a_number_out_of_range_is_named(doors):
    answer = doors.post(f"/collections/{NAME}/search", json={"query": "oak", "top": 1001})
    assert answer.json()["error"]["message"].endswith("less than or equal to 1000, got 1001.")


def test_an_error_says_what_was_sent_and_the_way_out(doors):
    search, sent = f"/collections/{NAME}/search", {"query": "oak"}
    for answer, param, message, remedy in [
        (doors.post(search, json=sent | {"score_threshold": 2}), "score_threshold", "got 2", "out"),
        (doors.get(f"/collections/{NAME}/files?limit=soon"), "limit", "got 'soon'", "/docs"),
        (doors.get(f"/collections/{NAME}/files?after=-1"), "after", "got '-1'", "/docs"),
        (
            doors.post(
                f"/collections/{NAME}/files",
                files={"file": ("a.txt", b"a")},
                data={"attributes": '{"tags": ["a", 1]}'},
            ),
            "attributes",
            "a list may only contain text",
            "Change the value",
        ),
        (doors.post(search, json=sent | {"filter": []}), "filter", "a JSON object", "Write it"),
    ]:
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, param)
        assert message in error["message"]
        assert remedy in error["remedy"]


@pytest.mark.parametrize("door", ["own", "openai", "dify", "mcp"])
def test_an_unknown_attribute(doors, door):
    status, says = message_of(door, ask(doors, door, NAME, "oak", "colour"))
    assert (status, "colour" in says) == (400, True)


def test_a_batch_of_2001_files(doors):
    path = f"/v1/vector_stores/{NAME}/file_batches"
    ids = [f"file-{n:024x}" for n in range(2001)]
    for body in ({"file_ids": ids}, {"files": [{"file_id": one} for one in ids]}):
        answer = doors.post(path, json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] in ("file_ids", "files")
        assert "2000" in answer.json()["error"]["message"].replace(",", "")
    created = doors.post("/v1/vector_stores", json={"file_ids": ids})
    assert created.status_code == 400


def test_a_key_without_the_scope(tmp_path):
    """Refused before the body is read, in the format of the door."""
    key = KeyStore(tmp_path).create("embeds", [Scope.EMBED])[1].reveal()
    with TestClient(
        create_app(Library(tmp_path), Settings(home=tmp_path)), base_url="http://127.0.0.1"
    ) as client:
        for door in DOORS:
            wrong = message_of(door, ask(client, door, NAME, "oak", authorization="Bearer no"))
            lacking = ask(client, door, NAME, "oak", authorization=f"Bearer {key}")
            status, says = message_of(door, lacking)
            assert (wrong[0], status) == (401, 403), door
            assert "search" in says, door


def leave(port: int, path: str, body: object) -> None:
    """Send a request, and reset the connection."""
    raw = json.dumps(body).encode()
    head = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json"]
    head += [f"{name}: {value}" for name, value in MCP.items()] + [f"content-length: {len(raw)}"]
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall("\r\n".join([*head, "", ""]).encode() + raw)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_clients_that_leave_are_counted_and_harm_nobody(doors, server, caplog):
    """Also one that leaves after it has sent a batch, which goes on."""
    port = int(server.rpartition(":")[2])
    given = {"file": ("left.txt", b"Whoever leaves is not missed.")}
    file = doors.post("/v1/files", files=given, data={"purpose": "assistants"}).json()["id"]

    def requests() -> float:
        lines = httpx.get(f"{server}/metrics").text.splitlines()
        ours = [one for one in lines if one.startswith("bindery_http_requests_total{")]
        return sum(float(one.split()[-1]) for one in ours if 'dialect="health"' not in one)

    before, each = requests(), 5
    with caplog.at_level(logging.ERROR):
        for door in DOORS:
            for _ in range(each):
                leave(port, *DOORS[door](NAME, "How long does oak last?", ""))
        leave(port, f"/v1/vector_stores/{NAME}/file_batches", {"file_ids": [file]})
        until = time.monotonic() + 60
        while requests() < before + each * len(DOORS) + 1:
            assert time.monotonic() < until
            time.sleep(0.05)
        for door in DOORS:
            path, body = DOORS[door](NAME, "oak", "")
            answer = httpx.post(f"{server}{path}", json=body, headers=MCP)
            assert answer.status_code == (404 if door == "librechat" else 200), answer.text
        while doors.get(f"/v1/vector_stores/{NAME}").json()["file_counts"]["completed"] < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert caplog.records == []
