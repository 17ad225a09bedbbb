"""A job of a late-interaction model, in every form: what is read back is what the model gave."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from tests.faces.families import TINY, write_catalog

from bindery.jobs import JobRequest, Jobs
from bindery.library import Library
from bindery.models.catalog import read_catalog
from bindery.models.sources import FolderSource
from bindery.options import ChunkOptions, ModelOptions, VectorOptions
from bindery.vectors import Form, code, load
from bindery.vectors.embeddings import Embeddings

TEXTS = {
    "long.txt": "\n\n".join(f"Sheet {n} is bound in calf, and {n} more are not." for n in range(9)),
    "short.txt": "Vellum.",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """One with a tiny model of many vectors, and files."""
    home = tmp_path_factory.mktemp("home")
    catalog = read_catalog(write_catalog(home / "catalog.toml"))
    library = Library(home, ModelOptions(precision="f32", threads=1), catalog=catalog)
    source = FolderSource(TINY["colbert"])
    [outcome] = library.preload(["colbert"], [source], progress=lambda *_: None)
    assert outcome.error is None
    for name, text in TEXTS.items():
        with library.files.receive(limit_bytes=1 << 20) as incoming:
            incoming.write(text.encode())
            incoming.keep(name)
    yield library
    library.close()


def run(library: Library, form: Form, folder: Path) -> tuple[list[dict], Path]:
    """The results of a job on all files: the records as JSON has them, and the file of Parquet."""
    jobs = Jobs(library)
    files = tuple(stored.id for stored in library.files)
    request = JobRequest(
        files,
        model="colbert",
        chunks=ChunkOptions(strategy="sentence", size=24),
        vectors=VectorOptions(form=form),
    )
    job = jobs.run(jobs.submit(request).id)
    assert job.progress.files_done == len(TEXTS)
    for format_ in ("jsonl", "parquet"):
        assert jobs.write_results(job.id, folder / f"{form}.{format_}", format_) > len(TEXTS)
    lines = (folder / f"{form}.jsonl").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines], folder / f"{form}.parquet"


def embeddings_of(records: list[dict]) -> Embeddings:
    rows = [np.array(one["embedding"], dtype=np.float32) for one in records]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return Embeddings(np.concatenate(rows), offsets)


def test_float32_is_what_the_model_gives(library: Library, tmp_path: Path) -> None:
    records, parquet = run(library, Form.FLOAT32, tmp_path)
    kept = embeddings_of(records)
    given = library.encoder("colbert").encode([one["text"] for one in records], "document")
    assert np.array_equal(kept.offsets, given.offsets)
    assert np.abs(kept.rows - given.rows).max() < 1e-5  # another batch around each text
    assert np.array_equal(load(parquet).values, kept.rows)


@pytest.mark.parametrize("form", Form)
def test_each_form_is_that_of_the_same_vectors(
    library: Library, tmp_path: Path, form: Form
) -> None:
    whole, _ = run(library, Form.FLOAT32, tmp_path)
    expected = code(embeddings_of(whole), form)

    records, parquet = run(library, form, tmp_path)

    for place, one in enumerate(records):
        own = slice(expected.offsets[place], expected.offsets[place + 1])
        found = np.array(one["embedding"], dtype=form.dtype)
        assert found.shape == (own.stop - own.start, form.columns(expected.dimensions))
        assert np.array_equal(found, expected.values[own])
        if expected.scales is not None:
            assert np.array_equal(np.array(one["scales"], "<f4"), expected.scales[own])
    found = load(parquet)
    for part in type(expected).__slots__:
        assert np.array_equal(getattr(found, part), getattr(expected, part)), part
