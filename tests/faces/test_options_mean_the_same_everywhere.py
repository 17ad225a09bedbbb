"""Each option has one name in Python, on the command line and over HTTP, and the same effect."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import finish, keep, rows_of
from typer.testing import CliRunner

from bindery.errors import BinderyError
from bindery.faces.cli.app import app
from bindery.faces.http.app import create_app
from bindery.faces.http.routes.chunks import ChunkQuery
from bindery.faces.http.routes.job_shapes import JobBody
from bindery.jobs import JobRequest, Jobs
from bindery.jobs.sources import LocalFiles
from bindery.library import Library
from bindery.models.sources import FolderSource
from bindery.options import ChunkOptions, ModelOptions, VectorOptions, names_of
from bindery.settings import FIELDS, Settings
from bindery.store.database import Database
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation

NAME = "wood.md"
TEXT = "# Wood\n\n## Oak\n\nOak lasts. Oak is heavy, and oak is hard.\n\n## Elm\n\n" + (
    "Elm bends, and it does not split. " * 40
)

CASES: Mapping[str, tuple[dict[str, Any], Any]] = {
    "strategy": ({}, "markdown"),
    "size": ({}, 30),
    "overlap": ({"size": 30}, 20),
    "context": ({"size": 30}, "headings"),
    "parent_size": ({"strategy": "parent-child", "size": 30}, 60),
    "role": ({}, "poem"),
    "dimensions": ({"any_dimensions": True}, 64),
    "any_dimensions": ({"dimensions": 64}, True),
    "rotation": ({}, "shelves"),
    "title": ({}, "On wood"),
    "truncate": ({"strategy": "fixed", "size": 400}, "start"),
    "form": ({}, "int8"),
}
"""For each field: what else is chosen, and a value that changes the result."""

Outcome = list[tuple[Any, ...]] | str
"""Spans, contexts, parents and vectors; or the code of an error."""
Embed = Callable[[Mapping[str, Any]], Outcome]


@pytest.fixture(scope="module")
def home(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def library(home: Path, minilm_folder: Path) -> Iterator[Library]:
    library = Library(home, ModelOptions(precision="f32"))
    library.preload(["vanilla"], [FolderSource(minilm_folder)], progress=lambda *_: None)
    card = library.status("vanilla").card
    sample = Embeddings.dense(np.random.default_rng(7).normal(size=(800, 384)).astype(np.float32))
    library.rotations.save("shelves", Rotation.fit(sample, model=card.id, revision=card.revision))
    yield library
    library.close()


@pytest.fixture(scope="module")
def faces(library: Library, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The same work through each face, by its name; each remembers what it has done."""
    folder = tmp_path_factory.mktemp("folder")
    (folder / NAME).write_text(TEXT, encoding="utf-8")

    def in_python(options: Mapping[str, Any]) -> Outcome:
        chosen = [
            kind(**{name: options[name] for name in names_of(kind) if name in options})
            for kind in (ChunkOptions, VectorOptions)
        ]
        out = tmp_path_factory.mktemp("python")
        source = LocalFiles({NAME: folder / NAME}, timeout_s=30, limit_bytes=1 << 20)
        jobs = Jobs(library, database=Database.open(f"sqlite:///{out}/jobs.db"), source=source)
        try:
            job = jobs.run(jobs.submit(JobRequest((NAME,), "vanilla", *chosen)).id)
        except BinderyError as error:
            return error.code
        jobs.write_results(job.id, out / "rows.jsonl", "jsonl")
        return _rows([json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()])

    def on_the_command_line(options: Mapping[str, Any]) -> Outcome:
        out = tmp_path_factory.mktemp("shell") / "out"
        flags = [
            part
            for name, value in options.items()
            for part in ([f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)]))
        ]
        environment = {"BINDERY_HOME": str(home), "BINDERY_PRECISION": "f32"}
        arguments = ["embed", str(folder), "--out", str(out), "--format", "jsonl", *flags]
        result = CliRunner().invoke(app, arguments, env=environment)
        if result.exit_code:
            return result.stderr.partition("(")[2].partition(")")[0]
        lines = (out / "embeddings.jsonl").read_text(encoding="utf-8").splitlines()
        return _rows([json.loads(line) for line in lines])

    settings = Settings(home=home, precision="f32")
    with TestClient(create_app(library, settings), base_url="http://127.0.0.1") as client:
        file_id = keep(client, TEXT, NAME)

        def over_http(options: Mapping[str, Any]) -> Outcome:
            answer = client.post("/jobs", json={"files": [file_id], **options})
            if answer.status_code != 202:
                return answer.json()["error"]["code"]
            job_id = answer.json()["job_id"]
            assert finish(client, job_id)["state"] == "done"
            return _rows(rows_of(client, job_id))

        yield {face.__name__: _once(face) for face in (in_python, on_the_command_line, over_http)}


def _once(embed: Embed) -> Embed:
    remembered = cache(lambda written: embed(json.loads(written)))
    return lambda options: remembered(json.dumps(options, sort_keys=True))


def _rows(records: list[dict[str, Any]]) -> Outcome:
    facts = ("start", "end", "context", "parent_start", "parent_end")
    return [
        (*(record.get(name) for name in facts), np.round(record["embedding"], 3).tolist())
        for record in records
    ]


def test_every_field_is_tried() -> None:
    assert set(CASES) == {*names_of(ChunkOptions), *names_of(VectorOptions)}


@pytest.mark.parametrize("field", CASES)
def test_a_field_changes_the_result_alike_on_every_face(faces: dict[str, Embed], field: str):
    others, value = CASES[field]
    before = [embed(others) for embed in faces.values()]
    after = [embed({**others, field: value}) for embed in faces.values()]
    assert before[0] == before[1] == before[2]
    assert after[0] == after[1] == after[2]
    assert before[0] != after[0]


def test_what_is_not_given_is_the_same_everywhere() -> None:
    body = JobBody(files=["one"]).model_dump()
    for kind in (ChunkOptions, VectorOptions):
        assert all(body[name] == getattr(kind(), name) for name in names_of(kind))
    in_query = set(ChunkQuery.model_fields) | {"strategy"}  # which is in the path
    assert set(names_of(ChunkOptions)) <= in_query


def test_models_are_run_as_the_settings_say() -> None:
    for name in names_of(ModelOptions):
        assert FIELDS[name].default == getattr(ModelOptions(), name)
        assert FIELDS[name].flag == f"--{name}"
