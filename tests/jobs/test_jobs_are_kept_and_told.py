"""Jobs as a service has them: submitted once, run by one process, told as they go."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bindery.errors import (
    Abandoned,
    IdempotencyConflict,
    InvalidValue,
    JobUnfinished,
    UnknownFile,
    UnknownJob,
    UnknownRotation,
)
from bindery.jobs import JobRequest, Jobs, JobState
from bindery.jobs.sources import LocalFiles, walk
from bindery.library import Library
from bindery.options import ChunkOptions, VectorOptions
from bindery.settings import read_settings
from bindery.store import jobs as rows
from bindery.store.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """One of each kind, where there is a PostgreSQL."""
    with closing(Database.open(database_url)) as database:
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("Vellum lasts.")
    (folder / "b.txt").write_text("Paper does not.")
    return folder


def jobs_of(library: Library, database: Database, folder: Path) -> Jobs:
    paths = walk(folder, without=folder / "out", takes_hidden=False, skip=lambda *_: None)
    source = LocalFiles(paths, timeout_s=30, limit_bytes=1 << 20)
    return Jobs(library, database=database, source=source)


REQUEST = JobRequest(("a.txt", "b.txt"))


def test_a_key_is_a_promise(library: Library, database: Database, folder: Path) -> None:
    jobs = jobs_of(library, database, folder)
    job = jobs.submit(REQUEST, owner="me", idempotency_key="k")

    assert jobs.submit(REQUEST, owner="me", idempotency_key="k").id == job.id
    assert jobs.submit(REQUEST, owner="you", idempotency_key="k").id != job.id
    assert jobs.submit(REQUEST, owner="me").id != job.id
    with pytest.raises(IdempotencyConflict):
        jobs.submit(
            replace(REQUEST, chunks=ChunkOptions(overlap=2)), owner="me", idempotency_key="k"
        )
    assert [one.owner for one in jobs.list("you")] == ["you"]
    assert len(jobs.list()) == 3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"files": ("gone.txt",)}, UnknownFile),
        ({"chunks": ChunkOptions("parent-child", parent_size=9)}, InvalidValue),
        ({"vectors": VectorOptions("odd")}, InvalidValue),
        ({"vectors": VectorOptions(dimensions=7)}, InvalidValue),
        ({"vectors": VectorOptions(rotation="odd")}, UnknownRotation),
        ({"vectors": VectorOptions(title="odd")}, InvalidValue),
    ],
)
def test_what_cannot_be_done_is_not_taken_on(
    library: Library, database: Database, folder: Path, change: dict, error: type[Exception]
) -> None:
    jobs = jobs_of(library, database, folder)
    with pytest.raises(error):
        jobs.submit(replace(REQUEST, **change))
    assert jobs.list() == []


def test_what_changed_is_told_in_rising_numbers(
    library: Library, database: Database, folder: Path
) -> None:
    jobs = jobs_of(library, database, folder)
    job = jobs.submit(REQUEST)
    jobs.start()
    try:
        seen, state = [], None
        while state != JobState.DONE:
            for event in jobs.changes(job.id, seen[-1].number if seen else 0, 30):
                seen.append(event)
                state = event.data["state"] if event.kind == "job" else state
    finally:
        jobs.stop()
    numbers = [event.number for event in seen]
    assert numbers == sorted(set(numbers))
    assert {e.data["name"] for e in seen if e.kind == "file"} == {"a.txt", "b.txt"}
    assert jobs.changes(job.id, numbers[-1]) == []
    assert jobs.changes(job.id, 0)[-1].number == numbers[-1]


def test_one_process_at_a_time_works_on_a_job(
    library: Library, database: Database, folder: Path
) -> None:
    jobs = jobs_of(library, database, folder)
    job = jobs.submit(REQUEST)
    with database.writing() as connection:
        assert rows.take_lease(connection, job.id, "elsewhere:1:x", dead=[])
    with pytest.raises(JobUnfinished):
        jobs.run(job.id)
    with pytest.raises(JobUnfinished):
        jobs.write_results(job.id, folder / "out.parquet")
    with pytest.raises(JobUnfinished):
        jobs.delete(job.id)
    with database.writing() as connection:
        rows.hold(connection, job.id, "elsewhere:1:x")
        with pytest.raises(rows.LeaseLost):
            rows.hold(connection, job.id, "nobody:1:x")
    with database.writing() as connection:
        rows.give_back(connection, job.id, "elsewhere:1:x", "queued")

    assert jobs.run(job.id).state is JobState.DONE
    jobs.delete(job.id)
    with pytest.raises(UnknownJob):
        jobs.get(job.id)


def test_a_job_is_cancelled_while_it_waits_and_while_it_runs(
    library: Library, database: Database, folder: Path
) -> None:
    for number in range(30):
        text = " ".join(f"Sheet {n} of book {number} is bound." for n in range(300))
        (folder / f"long{number}.txt").write_text(text)
    jobs = jobs_of(library, database, folder)
    waiting = jobs.submit(REQUEST)
    assert jobs.cancel(waiting.id).state is JobState.CANCELLED
    names = tuple(path.name for path in sorted(folder.iterdir()))
    running = jobs.submit(replace(REQUEST, files=names))

    def cancel() -> None:
        while jobs.get(running.id).progress.chunks_done == 0:
            time.sleep(0.01)
        jobs.cancel(running.id)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Abandoned):
        jobs.run(running.id)
    thread.join()

    ended = jobs.get(running.id)
    assert ended.state is JobState.CANCELLED
    assert 0 < ended.progress.files_done < len(names)
    assert jobs.write_results(running.id, folder / "some.jsonl", "jsonl") > 0


def test_a_file_that_goes_during_a_job_is_told(
    library: Library, database: Database, folder: Path
) -> None:
    jobs = jobs_of(library, database, folder)
    job = jobs.submit(REQUEST)
    (folder / "b.txt").unlink()

    assert jobs.run(job.id).state is JobState.DONE
    gone = jobs.files(job.id)[1]
    assert (gone.state, gone.error_code) == ("failed", "unknown_file")


def test_what_jobs_make_pushes_nobody_out_of_the_cache(database: Database, folder: Path) -> None:
    library = Library(read_settings(os.environ).home, cache_bytes=1 << 20)
    with closing(library):
        library.embed("vanilla", ["What lasts?"], VectorOptions("query"))
        jobs = jobs_of(library, database, folder)
        assert jobs.run(jobs.submit(REQUEST).id).state is JobState.DONE

        cache = library.figures().cache
        assert (cache.entries, cache.misses) == (1, 1), "the question alone"
