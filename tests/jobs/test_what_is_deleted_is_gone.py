"""With a file goes all that was made of it, unless another has the same content."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bindery.faces.python import open_library
from bindery.jobs import JobRequest, Jobs, JobState
from bindery.library import Library
from bindery.models.cache import model_folder
from bindery.models.catalog import CATALOG
from bindery.settings import read_settings
from bindery.store.database.tables import chunk_parts, chunk_sets, vector_uses, vectors

DERIVED = (chunk_parts, chunk_sets, vector_uses, vectors)


@pytest.fixture
def own(minilm_folder: Path, tmp_path: Path) -> Iterator[Library]:
    """A library of a home of its own, with the small model in it."""
    folder = model_folder(CATALOG["vanilla"], tmp_path)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(minilm_folder)
    library = open_library(read_settings(os.environ), home=tmp_path)
    yield library
    library.close()


def upload(library: Library, name: str, text: str) -> str:
    with library.files.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(text.encode())
        return incoming.keep(name).id


def counts(library: Library) -> list[int]:
    with library.database.reading() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in DERIVED
        ]


def test_with_a_file_goes_what_was_made_of_it(own: Library, tmp_path: Path) -> None:
    first = upload(own, "a.txt", "Vellum lasts.")
    second = upload(own, "b.txt", "Paper does not.")
    jobs = Jobs(own)
    job = jobs.run(jobs.submit(JobRequest((first, second))).id)
    assert (job.state, job.progress.files_done) == (JobState.DONE, 2)
    assert counts(own) == [2, 2, 2, 2]

    own.files.delete(first)

    assert counts(own) == [1, 1, 1, 1]
    gone, kept = jobs.files(job.id)
    assert (gone.state, gone.error_code, kept.state) == ("failed", "unknown_file", "done")
    assert jobs.write_results(job.id, tmp_path / "left.jsonl", "jsonl") == 1
    own.files.delete(second)
    assert counts(own) == [0, 0, 0, 0]


def test_a_file_deleted_before_its_turn_is_told_and_the_others_go_on(own: Library) -> None:
    first = upload(own, "a.txt", "Vellum lasts.")
    second = upload(own, "b.txt", "Paper does not.")
    jobs = Jobs(own)
    job = jobs.submit(JobRequest((first, second)))
    own.files.delete(first)

    assert jobs.run(job.id).state is JobState.DONE
    assert [one.error_code for one in jobs.files(job.id)] == ["unknown_file", None]
