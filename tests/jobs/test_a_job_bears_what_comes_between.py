"""A text that the engine fails on, and others who delete or make the same, between two steps."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from tests.jobs.folders import Folder, check_vectors
from tests.jobs.test_what_is_deleted_is_gone import counts, own, upload  # noqa: F401 - a fixture

from bindery.jobs import JobRequest, Jobs, JobState
from bindery.jobs.embedding import Flight, Model
from bindery.jobs.running import Run
from bindery.library import Library
from bindery.options import ChunkOptions

BAD_WORD = "aardvark"
SHARED = "Vellum lasts for a thousand years or more."
FIRST = "Paper does not last as long as that."
SECOND = "Parchment is the skin of a young sheep."


def break_on(library: Library, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine give NaN for each text with the word."""
    encoder: Any = library.encoder("vanilla")
    engine = encoder._scheduler._runner._engine
    bad = library.measure("vanilla").tokeniser.text_ids(word)[0]

    def broken(run: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def hidden_states(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
            hidden = np.array(run(ids, mask))
            hidden[(ids == bad).any(axis=1)] = np.nan
            return hidden

        return hidden_states

    for name in ("hidden_states", "hidden_states_quickly"):
        monkeypatch.setattr(engine, name, broken(getattr(engine, name)))


@pytest.fixture
def one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is read is there before any of it is embedded."""
    real = Run._fill

    def fill(run: Run, batch: Any, reading: Any) -> None:
        while not (batch.is_full or reading.queue.is_over):
            real(run, batch, reading)
            time.sleep(0.01)

    monkeypatch.setattr(Run, "_fill", fill)


@pytest.mark.usefixtures("one_batch")
def test_a_text_without_a_vector_fails_its_file_alone_and_says_why(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    folder = Folder(library, tmp_path / "in", tmp_path / "out")
    for number in range(6):
        folder.write(f"{number}.txt", f"Book {number} of the shelf is bound in calf.")
    folder.write("3.txt", f"A quiet paragraph.\n\nHere an {BAD_WORD} sleeps.\n\nAnother one.")

    with monkeypatch.context() as patched:
        break_on(library, BAD_WORD, patched)
        job = folder.run()

    assert (job.state, job.progress.files_done, job.progress.files_failed) == (JobState.DONE, 5, 1)
    bad = folder.files()["3.txt"]
    assert bad.error_code == "text_failed"
    said = str(bad.error_message)
    assert re.match(r"The engine failed on characters \d+ to \d+ of '3.txt': .*not finite", said)
    assert "f32" in str(bad.remedy)
    records = folder.records()
    assert {one["file"] for one in records} == {f"{number}.txt" for number in (0, 1, 2, 4, 5)}
    check_vectors(library, records)

    assert folder.run().progress.files_failed == 0
    check_vectors(library, folder.records())


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Callable[[], object]], list[int]]:
    """Deeds to be done once a job has looked what is known, before it asks the model.

    Beside them how many texts it then asks for, each time that it does.
    """
    deeds: list[Callable[[], object]] = []
    asked: list[int] = []
    real = Model.start

    def start(model: Model, batch: Any, new: Any, **options: Any) -> Flight:
        if deeds:
            deeds.pop()()
        asked.append(len(new))
        return real(model, batch, new, **options)

    monkeypatch.setattr(Model, "start", start)
    return deeds, asked


def texts_of(library: Library, job_id: str, folder: Path) -> list[str]:
    """Those of a job's results, once each has been found to have its own vector."""
    path = folder / f"{job_id}.jsonl"
    Jobs(library).write_results(job_id, path, "jsonl")
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    check_vectors(library, records)
    return [one["text"] for one in records]


def job_on(jobs: Jobs, file: str) -> str:
    return jobs.submit(JobRequest((file,), chunks=ChunkOptions(size=12))).id


def test_a_vector_that_was_known_and_is_deleted_is_made_again(
    own: Library,  # noqa: F811
    tmp_path: Path,
    between: tuple[list[Callable[[], object]], list[int]],
) -> None:
    deeds, asked = between
    jobs = Jobs(own)
    other = upload(own, "a.txt", f"{SHARED}\n\n{FIRST}")
    jobs.run(job_on(jobs, other))
    file = upload(own, "b.txt", f"{SHARED}\n\n{SECOND}")
    asked.clear()
    deeds.append(lambda: own.files.delete(other))

    job = jobs.run(job_on(jobs, file))

    assert asked == [1, 2]  # the one that was new, then all
    assert (job.state, job.progress.files_done) == (JobState.DONE, 1)
    assert texts_of(own, job.id, tmp_path) == [SHARED, SECOND]
    assert counts(own) == [1, 1, 2, 2]


def test_what_another_worker_has_kept_first_stays_as_it_is(
    own: Library,  # noqa: F811
    tmp_path: Path,
    between: tuple[list[Callable[[], object]], list[int]],
) -> None:
    deeds, asked = between
    jobs, text = Jobs(own), f"{SHARED}\n\n{FIRST}"
    first, second = (job_on(jobs, upload(own, name, text)) for name in ("a.txt", "b.txt"))
    deeds.append(lambda: Jobs(own).run(second))

    assert jobs.run(first).state is JobState.DONE

    assert asked == [2, 2]  # both have made them
    for job in (first, second):
        assert texts_of(own, job, tmp_path) == [SHARED, FIRST]
    assert counts(own) == [1, 1, 2, 2]
