"""Helpers for tests of ``/jobs``: files to embed, and how a client submits and waits."""

import json
import time
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.options import ModelOptions
from bindery.settings import Settings

Json = Any

NOTES = "# Shelves\n\nLoose paper gets lost.\n\n## Codes\n\n" + "A code says where it stands. " * 90


def keep(client: TestClient, text: str = NOTES, name: str = "notes.md") -> str:
    """The id of an uploaded file."""
    answer = client.post("/files/upload", files={"file": (name, text.encode())})
    assert answer.status_code == 201, answer.text
    return answer.json()["file_id"]


def begin(client: TestClient, files: list[str], headers: Json = None, **wishes: Json) -> str:
    """The id of an accepted job."""
    answer = client.post("/jobs", json={"files": files, **wishes}, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


def finish(client: TestClient, job_id: str) -> Json:
    """The job, once it has ended."""
    while True:
        job = client.get(f"/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)


def rows_of(client: TestClient, job_id: str) -> list[Json]:
    """The results as JSON."""
    answer = client.get(f"/jobs/{job_id}/results?format=jsonl")
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def events_of(stream: str) -> list[Json]:
    """Events as a browser reads them."""
    blocks = [block.split("\n") for block in stream.split("\n\n")]
    fields = [
        dict(line.split(": ", 1) for line in block if line and line[0] != ":") for block in blocks
    ]
    return [{**one, "data": json.loads(one["data"])} for one in fields if "data" in one]


def resting(home: Path) -> TestClient:
    """A client of an app that was not started: it accepts jobs, which wait."""
    settings = Settings(home=home, precision="f32")
    app = create_app(Library(home, ModelOptions(precision="f32")), settings)
    return TestClient(app, base_url="http://127.0.0.1")
