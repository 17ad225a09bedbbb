"""`bindery embed` with a remote model: a server embeds the lines."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bindery.faces.cli.app import app
from bindery.library import Library
from bindery.options import ModelOptions
from bindery.vectors import load

TEXTS = ["Loose paper is fragile.", "", "製本"]


@pytest.fixture
def run(server: str, tmp_path: Path):
    catalog = tmp_path / "models.toml"
    catalog.write_text(
        f"""
[models.far]
vendor = "openai"
base_url = "{server}/v1"
model = "vanilla"
dimensions = 384
max_tokens = 256
"""
    )

    def run(*arguments: object, **options: object) -> Result:
        environment = {"BINDERY_HOME": str(tmp_path / "home"), "BINDERY_CATALOG": str(catalog)}
        typed = [str(one) for one in arguments]
        return CliRunner().invoke(app, typed, env=environment, **options)

    return run


def test_lines_are_embedded_by_the_server(run, tmp_path: Path, home: Path):
    out = tmp_path / "vectors.npz"
    given = ("embed", "-", "--lines", "--model", "far", "--form", "float16")
    result = run(*given, "--out", out, input="\n".join(TEXTS))
    assert result.exit_code == 0, result.output

    library = Library(home, ModelOptions(precision="f32"))
    _, encoded = library.embed("vanilla", TEXTS)
    library.close()
    assert np.abs(load(out).decoded().rows - encoded.embeddings.rows).max() < 1e-3

    lines = run(*given, input="\n".join(TEXTS)).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["text"] for record in records] == TEXTS
    assert {record["tokens"] for record in records} == {None}


def test_documents_need_a_model_that_counts(run):
    result = run("embed", "README.md", "--model", "far")
    assert result.exit_code == 3
    assert "tokeniser" in result.output


def test_a_remote_model_is_listed(run):
    assert "remote" in run("models").stdout
