"""A job outlives the server that accepted it, whether that is killed or stopped."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.faces.http.ending import Server, running
from tests.faces.http.jobs_asked import begin, events_of, finish, keep, rows_of
from tests.homes import home_with

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")

TEXTS = [
    "".join(
        f"Shelf {shelf} of volume {volume} has code {shelf * 7919 % 997}. " for shelf in range(400)
    )
    for volume in range(3)
]
CHUNK = {"size": 24}


@contextlib.contextmanager
def served(home: Path) -> Iterator[tuple[Server, httpx2.Client]]:
    address = "http://127.0.0.1"
    with running(home, drain_delay_s=0.0) as server, httpx2.Client(timeout=600) as client:
        server.wait_until("ready")
        client.base_url = f"{address}:{server.port}"
        yield server, client


def follow_until_some_are_done(client: httpx2.Client, job_id: str) -> None:
    heard = ""
    with client.stream("GET", f"/jobs/{job_id}/events") as stream:
        for piece in stream.iter_text():
            heard += piece
            told = [event["data"] for event in events_of(heard) if event["event"] == "job"]
            assert all(one["state"] != "done" for one in told), "too little work to be cut off"
            if any(one["progress"]["chunks_done"] for one in told):
                return


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_goes_on_where_it_was(minilm_folder, tmp_path, number):
    own = home_with(minilm_folder, tmp_path / "home")
    with served(own) as (server, client):
        files = [keep(client, text, f"{place}.md") for place, text in enumerate(TEXTS)]
        job_id = begin(client, files, {"idempotency-key": "once"}, **CHUNK)
        follow_until_some_are_done(client, job_id)
        server.send_signal(number)
        code, _, errors = server.end()
    assert code == (-number if number == signal.SIGKILL else 0)
    assert "Traceback" not in errors
    with served(own) as (_, client):
        # Sent again, because the client does not know whether it arrived: it is the same job.
        assert begin(client, files, {"idempotency-key": "once"}, **CHUNK) == job_id
        job = finish(client, job_id)
        assert (job["state"], job["error"]) == ("done", None)
        assert job["progress"]["files_done"] == len(TEXTS)
        rows = rows_of(client, job_id)
        chunks = [
            (f"{place}.md", chunk["start"], chunk["end"])
            for place, file in enumerate(files)
            for chunk in client.get(f"/chunk/recursive/file/{file}?size=24").json()["chunks"]
        ]
    assert [(row["file"], row["start"], row["end"]) for row in rows] == chunks
    assert job["progress"]["chunks_done"] == len(chunks)


@pytest.mark.slow
def test_listeners_do_not_keep_a_server_from_ending(minilm_folder, tmp_path):
    own = home_with(minilm_folder, tmp_path / "home")
    with served(own) as (server, client):
        files = [keep(client, text, f"{place}.md") for place, text in enumerate(TEXTS)]
        job_id = begin(client, files, **CHUNK)
        with client.stream("GET", f"/jobs/{job_id}/events") as stream:
            lines = stream.iter_lines()
            next(lines)
            server.send_signal(signal.SIGTERM)
            rest = list(lines)  # it ends: nobody is cut off
        assert server.end()[0] == 0
    assert not any('"state":"done"' in line for line in rest)
