"""``/jobs``: embeds files into a table of vectors, and reports its progress."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from arro3.core import Table
from arro3.io import read_ipc, read_parquet
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import (
    NOTES,
    begin,
    events_of,
    finish,
    keep,
    resting,
    rows_of,
)
from tests.homes import home_with

from bindery.store.keys import KeyStore, Scope


@pytest.fixture(scope="module")
def done(client) -> str:
    """A finished job with a good file, a blank one, and one that cannot be read."""
    good = keep(client)
    files = [
        good,
        keep(client, " \n", "blank.txt"),
        keep(client, "%PDF-1.7 and no more", "bad.pdf"),
    ]
    job_id = begin(client, files)
    job = finish(client, job_id)
    assert (job["state"], job["error"]) == ("done", None)
    return job_id


@pytest.fixture(scope="module")
def waiting(minilm_folder, tmp_path_factory) -> Iterator[TestClient]:
    """An app that accepts jobs but does not run them."""
    client = resting(home_with(minilm_folder, tmp_path_factory.mktemp("waiting") / "home"))
    yield client
    client.app.state.services.close()


def test_a_job_is_taken_on_and_says_where_to_look(waiting):
    file_id = keep(waiting)
    answer = waiting.post("/jobs", json={"files": [file_id], "size": 64, "form": "int8"})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['job_id']}"
    assert answer.headers["retry-after"] == "1"
    assert job["state"] == "queued"
    assert job["progress"]["files_total"] == 1
    assert (job["request"]["size"], job["request"]["form"]) == (64, "int8")
    again = waiting.get(f"/jobs/{job['job_id']}")
    assert (again.json(), again.headers["retry-after"]) == (job, "1")


def test_the_vectors_are_those_that_the_other_routes_give(client, done):
    rows = rows_of(client, done)
    good = client.get(f"/jobs/{done}/files").json()["files"][0]
    chunks = client.get(f"/chunk/recursive/file/{good['file_id']}").json()["chunks"]
    assert [(row["start"], row["end"]) for row in rows] == [
        (chunk["start"], chunk["end"]) for chunk in chunks
    ]
    assert {row["file"] for row in rows} == {good["filename"]}
    body = {"chunks": [NOTES[row["start"] : row["end"]] for row in rows]}
    wanted = client.post("/embedding/vanilla/generate", json=body).json()["embeddings"]
    got = np.float32([row["embedding"] for row in rows])
    assert np.abs(got - np.float32(wanted)).max() < 1e-5


def test_a_bad_file_fails_alone_and_says_why(client, done):
    answer = client.get(f"/jobs/{done}/files").json()
    assert [file["state"] for file in answer["files"]] == ["done", "done", "failed"]
    assert [file["filename"] for file in answer["files"]] == ["notes.md", "blank.txt", "bad.pdf"]
    good, blank, bad = answer["files"]
    assert good["chunks"] > 1
    assert (blank["chunks"], blank["error"]) == (0, None)
    assert bad["error"]["code"] == "broken_document"
    assert bad["error"]["remedy"]
    progress = client.get(f"/jobs/{done}").json()["progress"]
    assert (progress["files_total"], progress["files_done"], progress["files_failed"]) == (3, 2, 1)
    assert progress["chunks_done"] == progress["chunks_total"] == good["chunks"]
    failed = client.get(f"/jobs/{done}/files?state=failed").json()
    assert failed == {**answer, "files": [bad]}
    assert client.get(f"/jobs/{done}/files?state=lost").status_code == 400


@pytest.mark.parametrize(
    ("wanted", "media_type", "read"),
    [
        ("parquet", "application/vnd.apache.parquet", read_parquet),
        ("arrow", "application/vnd.apache.arrow.file", read_ipc),
    ],
)
def test_results_come_in_each_format(client, done, wanted, media_type, read):
    answer = client.get(f"/jobs/{done}/results?format={wanted}")
    assert answer.headers["content-type"] == media_type
    assert f'filename="{done}.{wanted}"' in answer.headers["content-disposition"]
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert int(answer.headers["content-length"]) == len(answer.content)
    table: Table = read(io.BytesIO(answer.content)).read_all()
    rows = rows_of(client, done)
    assert table.num_rows == len(rows)
    vectors = np.float32([list(row) for row in table["embedding"].combine_chunks().to_pylist()])
    assert np.array_equal(vectors, np.float32([row["embedding"] for row in rows]))


def test_parquet_is_what_comes_where_nothing_is_said(client, done):
    assert client.get(f"/jobs/{done}/results").content.startswith(b"PAR1")
    assert client.get(f"/jobs/{done}/results?format=csv").status_code == 400


def test_a_job_is_followed_to_its_end_and_on_from_where_one_was(client):
    job_id = begin(client, [keep(client), keep(client, NOTES * 4, "more.md")], size=32)
    answer = client.get(f"/jobs/{job_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    events = events_of(answer.text)
    numbers = [int(event["id"]) for event in events]
    assert numbers == sorted(set(numbers))
    last = [event for event in events if event["event"] == "job"][-1]["data"]
    job = finish(client, job_id)
    assert last["state"] == job["state"] == "done"
    assert last["progress"]["files_done"] == 2

    def after(number: int) -> list[str]:
        stream = client.get(f"/jobs/{job_id}/events", headers={"last-event-id": str(number)}).text
        return [event["id"] for event in events_of(stream)]

    told = [event["id"] for event in events_of(client.get(f"/jobs/{job_id}/events").text)]
    for place, number in enumerate(told):
        assert after(int(number)) == told[place + 1 :]
    refused = client.get(f"/jobs/{job_id}/events", headers={"last-event-id": "x"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Last-Event-ID")


WRONG = [
    ({}, 400, "invalid_value", "files"),
    ({"files": []}, 400, "invalid_value", "files"),
    ({"files": "x"}, 400, "invalid_value", "files"),
    ({"files": ["0" * 64] * 10_001}, 400, "invalid_value", "files"),
    ({"files": ["0" * 64]}, 404, "unknown_file", None),
    ({"files": ["../keys.json"]}, 404, "unknown_file", None),
    ({"files": 2}, 400, "invalid_value", "files"),
    ({"model": "vanila"}, 404, "unknown_model", "model"),
    ({"model": "gemma"}, 424, "model_missing", None),
    ({"strategy": "nothing"}, 404, "unknown_strategy", "strategy"),
    ({"size": 0}, 400, "invalid_value", "size"),
    ({"size": 10, "overlap": 10}, 400, "invalid_value", "overlap"),
    ({"context": "weather"}, 400, "invalid_value", "context"),
    ({"role": "nothing"}, 400, "invalid_value", "role"),
    ({"dimensions": 100}, 400, "invalid_value", "dimensions"),
    ({"dimensions": 1000, "any_dimensions": True}, 400, "invalid_value", "dimensions"),
    ({"rotation": "nothing"}, 404, "unknown_rotation", None),
    ({"form": "float99"}, 400, "invalid_value", "form"),
]


@pytest.mark.parametrize(("change", "status", "code", "param"), WRONG)
def test_what_is_wrong_is_told_at_once_and_nothing_is_begun(waiting, change, status, code, param):
    before = waiting.get("/jobs").json()
    body = change if not change else {"files": [keep(waiting)], **change}
    answer = waiting.post("/jobs", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert param in (None, error["param"])
    assert waiting.get("/jobs").json() == before


def test_the_same_key_is_the_same_job_and_another_wish_is_refused(waiting):
    file_id = keep(waiting)
    headers = {"idempotency-key": "once"}
    first = begin(waiting, [file_id], headers, size=64)
    assert begin(waiting, [file_id], headers, size=64) == first
    refused = waiting.post("/jobs", json={"files": [file_id], "size": 65}, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "idempotency_conflict"
    assert begin(waiting, [file_id], {"idempotency-key": "twice"}, size=64) != first
    assert begin(waiting, [file_id], size=64) != begin(waiting, [file_id], size=64)
    too_long = waiting.post(
        "/jobs", json={"files": [file_id]}, headers={"idempotency-key": "x" * 256}
    )
    assert too_long.status_code == 400


def test_results_are_there_when_it_is_done_and_not_before(waiting):
    job_id = begin(waiting, [keep(waiting)])
    for state in ("queued", "cancelled"):
        assert waiting.get(f"/jobs/{job_id}").json()["state"] == state
        early = waiting.get(f"/jobs/{job_id}/results")
        assert (early.status_code, early.json()["error"]["code"]) == (409, "job_unfinished")
        assert early.json()["error"]["remedy"]
        cancelled = waiting.post(f"/jobs/{job_id}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert waiting.get(f"/jobs/{job_id}").headers.get("retry-after") is None
    assert events_of(waiting.get(f"/jobs/{job_id}/events").text)[-1]["data"]["state"] == "cancelled"


def test_a_job_that_is_done_stays_done(client, done):
    assert client.post(f"/jobs/{done}/cancel").json()["state"] == "done"


ROUTES = [("GET", ""), ("DELETE", ""), ("POST", "/cancel")] + [
    ("GET", f"/{part}") for part in ("files", "events", "results")
]


def test_a_job_is_deleted_and_its_files_stay(waiting):
    file_id = keep(waiting)
    job_id = begin(waiting, [file_id])
    early = waiting.delete(f"/jobs/{job_id}")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "job_unfinished")
    waiting.post(f"/jobs/{job_id}/cancel")
    assert waiting.delete(f"/jobs/{job_id}").json() == {"job_id": job_id, "deleted": True}
    assert waiting.get(f"/files/{file_id}").status_code == 200
    for one in (job_id, "x", "..%5c", "%00", "x" * 200):
        for method, part in ROUTES:
            answer = waiting.request(method, f"/jobs/{one}{part}")
            found = answer.status_code, answer.json()["error"]["code"]
            assert found == (404, "unknown_job"), (method, one, part)


def test_jobs_are_listed_newest_first_and_a_page_at_a_time(waiting):
    begun = [begin(waiting, [keep(waiting)]) for _ in range(3)]
    page = waiting.get("/jobs?limit=2").json()
    assert [job["job_id"] for job in page["jobs"]] == begun[:0:-1]
    assert page["has_more"] is True
    rest = waiting.get(f"/jobs?limit=1000&after={begun[1]}").json()
    assert rest["jobs"][0]["job_id"] == begun[0]
    assert rest["has_more"] is False
    assert waiting.get("/jobs?after=nothing").status_code == 404
    for limit in (0, 1001):
        assert waiting.get(f"/jobs?limit={limit}").status_code == 400


def test_jobs_are_their_keys_own(minilm_folder, tmp_path):
    guarded = home_with(minilm_folder, tmp_path / "home")
    store = KeyStore(guarded)
    both = [Scope.FILES, Scope.EMBED]

    def key(name: str, scopes: list[Scope]) -> dict[str, str]:
        return {"x-api-key": store.create(name, scopes)[1].reveal()}

    one, other, operator = key("one", both), key("other", both), key("operator", list(Scope))
    reader = key("reader", [Scope.FILES])
    with_key = resting(guarded)
    file = {"file": ("notes.md", NOTES.encode())}
    file_id = with_key.post("/files/upload", files=file, headers=one).json()["file_id"]
    same = {"idempotency-key": "same"}
    mine = begin(with_key, [file_id], one | same)
    theirs = begin(with_key, [file_id], other | same)
    assert mine != theirs

    def seen(headers: dict[str, str]) -> list[str]:
        return [job["job_id"] for job in with_key.get("/jobs", headers=headers).json()["jobs"]]

    assert (seen(one), seen(other), seen(reader)) == ([mine], [theirs], [])
    assert set(seen(operator)) == {mine, theirs}
    unknown = with_key.get("/jobs/nothing", headers=other).json()["error"]
    for method, part in ROUTES:
        answer = with_key.request(method, f"/jobs/{mine}{part}", headers=other)
        error = answer.json()["error"]
        assert answer.status_code == 404
        assert error == {**unknown, "message": unknown["message"].replace("nothing", mine)}
    assert with_key.get("/jobs", params={"after": mine}, headers=other).status_code == 404
    assert with_key.get(f"/jobs/{mine}", headers=operator).status_code == 200
    refused = with_key.post("/jobs", json={"files": [file_id]}, headers=reader)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "missing_scope")
    with_key.app.state.services.close()
