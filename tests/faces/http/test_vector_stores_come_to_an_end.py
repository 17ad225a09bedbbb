"""Vector stores that expire, are deleted while they are searched, or lose a job of theirs."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import finish

from bindery.library import Library
from bindery.store import vector_stores as rows
from bindery.store.vector_stores import StoreFileState

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


def test_a_store_that_expires_is_emptied_by_itself(client, library: Library):
    store, file = filled(client, expires_after={"anchor": "last_active_at", "days": 1})
    kept, other = filled(client, expires_after={"anchor": "last_active_at", "days": 2})
    for one in (store, kept):
        with library.database.writing() as connection:
            facts = rows.find_facts(connection, one.replace("vs_", "col-"))
            old = replace(facts, last_active_at=time.time() - 25 * 3600)
            rows.put_facts(connection, one.replace("vs_", "col-"), old)
    services = client.app.state.services
    name = client.get(f"{STORES}/{kept}").json()["collection"]

    services.maintainer._minute = 0.0  # as after a minute
    services.maintainer.run_once()

    with library.database.reading() as connection:
        assert rows.expired_stores(connection) == []
        states, bytes_ = rows.count_store_files(connection, store.replace("vs_", "col-"))
    assert (sum(states.values()), bytes_) == (0, 0)
    assert client.get(f"/collections/{name}").json()["files"] == 1
    for one in (store, kept):
        client.delete(f"{STORES}/{one}")
    for one in (file, other):
        client.delete(f"/v1/files/{one}")


def test_counts_are_those_of_the_list(client, library: Library):
    """The database counts files as it lists them: added, failed, cancelled and removed ones."""
    store, _ = filled(client)
    name = client.get(f"{STORES}/{store}").json()["collection"]
    sent = {"file": ("other.txt", b"Rain fell.")}
    job = client.post(f"/collections/{name}/files", files=sent).json()["job_id"]
    assert finish(client, job)["state"] == "done"
    path = f"{STORES}/{store}/files"
    for content in (b"%PDF-1.4 no", b"%PDF-1.4 nor this"):
        given = {"file": ("broken.pdf", content)}
        broken = client.post("/v1/files", files=given, data={"purpose": "assistants"}).json()["id"]
        client.post(path, json={"file_id": broken})
        while client.get(f"{path}/{broken}").json()["status"] == "in_progress":
            time.sleep(0.05)
    client.delete(f"{path}/{broken}")

    with library.database.reading() as connection:
        listed = rows.list_store_files(connection, store.replace("vs_", "col-"))
        counts, size_bytes = rows.count_store_files(connection, store.replace("vs_", "col-"))
    assert counts == Counter(one.state for one in listed)
    assert counts == {StoreFileState.COMPLETED: 2, StoreFileState.FAILED: 1}
    assert size_bytes == sum(one.usage_bytes for one in listed) == 34
    client.delete(f"{STORES}/{store}")


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
