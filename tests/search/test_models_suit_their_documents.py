"""A collection whose documents are in languages that its model is not meant for says so at once."""

import json
import time
from shlex import quote

import pytest
from typer.testing import CliRunner

from bindery.faces.cli.app import app
from bindery.models.catalog import CATALOG
from bindery.search.language import unsuited

ENGLISH = "A key is revoked with the command revoke. After that nobody can use the key any more."
GERMAN = "Ein Schlüssel wird mit dem Befehl revoke widerrufen. Danach kann ihn niemand benutzen."
VANILLA = CATALOG["vanilla"].card.languages
EXPECTED = (
    "100% of the chunks are in the language 'de', which the model vanilla is not meant for, so a "
    "search by meaning misses many of them. Rebuild the collection with a model that is: "
    "bindery collections rebuild {name} --model multilingual-e5-small"
)


@pytest.mark.parametrize(
    ("languages", "chunks", "warns"),
    [
        (VANILLA, {"de": 10}, True),
        (VANILLA, {"de": 6, "en": 5}, True),
        (VANILLA, {"de": 3, "fr": 3, "en": 5}, True),
        (VANILLA, {"de": 5, "en": 6}, False),
        (VANILLA, {"": 10}, False),
        (VANILLA, {"": 6, "de": 5}, False),
        (VANILLA, {}, False),
        ((), {"de": 10}, False),
        (CATALOG["gemma"].card.languages, {"de": 10}, False),
    ],
)
def test_most_chunks_decide(languages, chunks, warns):
    assert bool(unsuited("work", "own", languages, chunks)) == warns


def test_the_warning_names_a_model_that_is_meant_for_the_language():
    assert unsuited("work", "vanilla", VANILLA, {"de": 3}) == EXPECTED.format(name="work")
    # No list has Maltese, but of models for many languages one can be had by everybody.
    assert "--model qwen3" in unsuited("work", "vanilla", VANILLA, {"mt": 3})


def test_python_the_command_line_and_http_warn(sample, client, environment, tmp_path):
    (tmp_path / "texts" / "de.txt").write_text(GERMAN)
    name = sample.collection.name
    expected = EXPECTED.format(name=quote(name))

    report = sample.add_paths(tmp_path / "texts")
    assert report.warnings == (expected,)

    listed = CliRunner().invoke(app, ["collections", "list"], env=environment)
    assert expected in " ".join(listed.stderr.split())
    added = CliRunner().invoke(
        app, ["add", str(tmp_path / "texts"), "-c", name, "--json"], env=environment
    )
    assert json.loads(added.stdout.splitlines()[-1])["warnings"] == [expected]

    uploaded = client.post("/files/upload", files={"file": ("de2.txt", GERMAN.encode())}).json()
    job = client.post(f"/collections/{name}/files", json={"file_ids": [uploaded["file_id"]]}).json()
    while (state := client.get(f"/jobs/{job['job_id']}").json())["state"] in {"queued", "running"}:
        time.sleep(0.05)
    assert state["warnings"] == [expected]
    assert client.get(f"/collections/{name}").json()["warnings"] == [expected]


def test_documents_that_suit_the_model_give_no_warning(sample):
    sample.add({"en.txt": ENGLISH})
    assert sample.collection.facts()["warnings"] == []
