"""What a job writes is what pandas, Polars and DuckDB read; ``make test-readers`` has them."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.jobs.folders import Folder

from bindery.faces.python import open_library
from bindery.jobs import Jobs
from bindery.library import Library
from bindery.options import VectorOptions
from bindery.settings import read_settings
from bindery.vectors import Form

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv-readers" / "bin" / "python"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make test-readers sets it up")


@pytest.fixture(scope="module")
def library(minilm_folder: Path) -> Iterator[Library]:
    library = open_library(read_settings(os.environ))
    yield library
    library.close()


@pytest.fixture(scope="module")
def folder(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    place = tmp_path_factory.mktemp("results")
    (place / "out").mkdir()
    folder = Folder(library, place / "in", place / "out")
    folder.write("a.txt", "Vellum lasts.\n\nPaper does not: it is \N{SNOWMAN} brittle.")
    folder.write(
        "deep/b.md", "# Books\n\nIntro.\n\n## Bindings\n\n" + "Calf, cloth and card. " * 20
    )
    folder.write("empty.txt", "")
    return folder


@pytest.mark.parametrize("format_", ["parquet", "arrow"])
@pytest.mark.parametrize("form", list(Form))
def test_vectors_come_back_bit_by_bit(folder: Folder, form: Form, format_: str) -> None:
    asked = folder.request
    chunks, vectors = replace(asked.chunks, strategy="markdown"), VectorOptions(form=form)
    wanted = replace(folder, request=replace(asked, chunks=chunks, vectors=vectors))
    wanted.run()
    records = wanted.records()
    path = folder.out / f"embeddings.{format_}"
    database = wanted.open()
    try:
        jobs = Jobs(folder.library, database=database)
        jobs.write_results(jobs.list()[0].id, path, format_)
    finally:
        database.close()
    _, encoded = folder.library.embed("vanilla", [one["text"] for one in records])
    got = np.array([one["embedding"] for one in records])
    expected = folder.out / "expected.npz"
    np.savez(
        expected,
        text=[one["text"] for one in records],
        files=[one["file"] for one in records],
        last_headings=records[-1]["headings"],
        vectors=got.astype(np.float32),
        **({"scales": [one["scales"] for one in records]} if form is Form.INT8 else {}),
    )
    read = subprocess.run(
        [PYTHON, Path(__file__).with_name("read_results.py"), path, expected],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert read.returncode == 0, read.stderr
    if form is Form.FLOAT32:
        # bfloat16, and another batch around each text.
        assert np.allclose(got, encoded.embeddings.rows, atol=0.005)
