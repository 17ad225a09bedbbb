"""Vector stores that expire, are deleted while they are searched, or lose a job of theirs."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from bindery.library import Library
from bindery.store import vector_stores as rows

STORES = "/v1/vector_stores"


def filled(client: TestClient, **fields: object) -> tuple[str, str]:
    """The ids of a new store and of a file in it."""
    sent = {"file": ("oak.txt", b"Oak lasts for centuries.")}
    file = client.post("/v1/files", files=sent, data={"purpose": "assistants"}).json()["id"]
    store = client.post(STORES, json={"file_ids": [file], **fields}).json()["id"]
    until = time.monotonic() + 60
    while client.get(f"{STORES}/{store}").json()["status"] == "in_progress":
        assert time.monotonic() < until
        time.sleep(0.05)
    return store, file


def search(client: TestClient, store: str):
    return client.post(f"{STORES}/{store}/search", json={"query": "How long does oak last?"})


def test_a_store_that_expires_is_emptied_and_can_be_used_again(client, library: Library):
    after = {"anchor": "last_active_at", "days": 1}
    store, file = filled(client, expires_after=after)
    assert len(search(client, store).json()["data"]) == 1
    collection = store.replace("vs_", "col-")
    with library.database.writing() as connection:
        facts = rows.find_facts(connection, collection)
        old = replace(facts, last_active_at=time.time() - 25 * 3600)
        rows.put_facts(connection, collection, old)

    refused = search(client, store)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "vector_store_id")
    told = client.get(f"{STORES}/{store}").json()
    assert (told["status"], told["file_counts"]["total"], told["usage_bytes"]) == ("expired", 0, 0)
    attach = client.post(f"{STORES}/{store}/files", json={"file_id": file})
    assert attach.status_code == 400
    assert client.get(f"/v1/files/{file}").status_code == 200

    revived = client.post(f"{STORES}/{store}", json={"expires_after": None}).json()
    assert (revived["status"], revived["expires_at"]) == ("completed", None)
    assert search(client, store).json()["data"] == []
    client.delete(f"{STORES}/{store}")
    client.delete(f"/v1/files/{file}")


def test_a_store_that_is_deleted_while_it_is_searched_is_never_empty(client):
    for _ in range(3):
        store, file = filled(client)
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(search, client, store) for _ in range(24)]
            client.delete(f"{STORES}/{store}")
            told = [answer.result() for answer in answers]
        for answer in told:
            if answer.status_code == 200:
                assert len(answer.json()["data"]) == 1
            else:
                assert answer.json()["error"]["code"] == "unknown_collection", answer.text
        client.delete(f"/v1/files/{file}")


@pytest.mark.parametrize("what", ["job", "file"])
def test_a_file_whose_job_or_content_is_deleted_has_an_end(client, what):
    store, file = filled(client)
    sent = {"file": ("broken.pdf", b"%PDF-1.4 no")}
    broken = client.post("/v1/files", files=sent, data={"purpose": "assistants"}).json()["id"]
    path = f"{STORES}/{store}/files"
    client.post(path, json={"file_id": broken})
    while client.get(f"{path}/{broken}").json()["status"] == "in_progress":
        time.sleep(0.05)
    assert client.get(f"{path}/{broken}").json()["status"] == "failed"
    if what == "job":
        for job in client.get("/jobs").json()["jobs"]:
            client.delete(f"/jobs/{job['job_id']}")
        states = {one["id"]: one["status"] for one in client.get(path).json()["data"]}
        assert states == {file: "completed", broken: "cancelled"}
    client.delete(f"/v1/files/{file}")
    client.delete(f"/v1/files/{broken}")
    assert client.get(path).json()["data"] == []
    assert client.get(f"{STORES}/{store}").json()["file_counts"]["total"] == 0
    client.delete(f"{STORES}/{store}")
