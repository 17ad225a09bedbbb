"""What was said before the end, held against what is there after it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests.crashes.plan import Upload, round_of
from tests.crashes.writer import SIZE, STRATEGY, library_of

from bindery.errors import UnknownFile, UnknownJob
from bindery.jobs import Jobs, JobState
from bindery.library import Library
from bindery.options import ChunkOptions


@dataclass(slots=True)
class Told:
    """What processes were told is done, and what they were about to do."""

    kept: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    submitted: dict[str, str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    began: int = -1
    round: int = -1
    faults: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """How many steps were acknowledged."""
        return len(self.kept) + len(self.deleted) + len(self.submitted)

    def hear(self, lines: Iterable[bytes]) -> None:
        """Take in what a process said. Its last line may be cut off."""
        for line in lines:
            if not line.endswith(b"\n"):
                return
            what, value = json.loads(line)
            self._note(what, value)

    def _note(self, what: str, value: object) -> None:
        if what in {"keep", "delete?", "delete"}:
            {"keep": self.kept, "delete?": self.deleting, "delete": self.deleted}[what].add(
                str(value)
            )
        elif what in {"submit", "done"}:
            key, job_id = value  # type: ignore[misc]
            before = self.submitted.setdefault(key, job_id)
            if before != job_id:
                self.faults.append(f"{key} was job {before}, and is a second one, {job_id}.")
            if what == "done":
                self.done[key] = job_id
        elif what == "submit?":
            self.began = int(str(value).rpartition("-")[2])
        elif what == "round":
            self.round = int(str(value))

    def next_round(self, seed: int) -> int:
        """The round to go on with: one that was left before its file was to go is done again."""
        if self.began <= self.round:
            return self.round + 1
        was_deleting = round_of(seed, self.began).uploads[0].id in self.deleting
        return self.began + 1 if was_deleting else self.began


def check(home: Path, models: Path, seed: int, told: Told, *, results: bool) -> list[str]:
    """What was lost, doubled or is wrong, a sentence each; none is what it should be.

    With ``results`` the open jobs are run to their end, and every vector is compared.
    """
    library = library_of(home, models)
    try:
        jobs = Jobs(library)
        return [
            *told.faults,
            *_files(library, seed, told),
            *_jobs(jobs, told),
            *(_results(library, jobs, home, told) if results else ()),
        ]
    finally:
        library.close()


def _files(library: Library, seed: int, told: Told) -> Iterator[str]:
    rounds = range(max(told.round, told.began) + 2)
    uploads = {one.id: one for number in rounds for one in round_of(seed, number).uploads}
    for file_id in told.kept - told.deleting:
        yield from _content(library, uploads[file_id])
    there = {file.id for file in library.files}
    for file_id in told.deleted & there:
        yield f"File {file_id} was deleted, and is there."
    if unknown := there - set(uploads):
        yield f"Files that nobody uploaded: {sorted(unknown)}."


def _content(library: Library, upload: Upload) -> Iterator[str]:
    try:
        with library.files.open(upload.id) as file:
            if file.read() != upload.content:
                yield f"File {upload.id} holds something else."
    except UnknownFile:
        yield f"File {upload.id} was kept, and is gone."


def _jobs(jobs: Jobs, told: Told) -> Iterator[str]:
    there = [job.id for job in jobs.list()]
    if len(set(there)) < len(there):
        yield "A job is listed twice."
    for key, job_id in told.submitted.items():
        try:
            job = jobs.get(job_id)
        except UnknownJob:
            yield f"Job {job_id} of {key} was taken on, and is gone."
            continue
        if key in told.done and job.state is not JobState.DONE:
            yield f"Job {job_id} of {key} was done, and is {job.state}."


def _results(library: Library, jobs: Jobs, home: Path, told: Told) -> Iterator[str]:
    for job in jobs.list():
        if not job.state.is_over:
            jobs.run(job.id)
    for key, job_id in told.submitted.items():
        job = jobs.get(job_id)
        if job.state is not JobState.DONE:
            yield f"Job {job_id} of {key} does not end: it is {job.state}."
        failed = [one for one in jobs.files(job_id) if one.error_code]
        kept = [one for one in job.request.files if one not in told.deleting]
        if {one.id for one in failed} & set(kept):
            yield f"Job {job_id} of {key} failed on {failed}."
        path = home / "results.jsonl"
        jobs.write_results(job_id, path, "jsonl")
        records = [json.loads(line) for line in path.read_bytes().splitlines()]
        path.unlink()
        for file_id in kept:
            mine = [one for one in records if one["file_id"] == file_id]
            yield from (f"{key}: {fault}" for fault in _compared(library, file_id, mine))
        if len({one["id"] for one in records}) < len(records):
            yield f"Job {job_id} of {key} has a chunk twice."


def _compared(library: Library, file_id: str, records: list[dict[str, object]]) -> Iterator[str]:
    document = library.read_file(file_id)
    chunks = library.chunk(document, ChunkOptions(strategy=STRATEGY, size=SIZE))
    expected = [(chunk.span.start, chunk.span.end, chunk.text) for chunk in chunks]
    found = [(one["start"], one["end"], one["text"]) for one in records]
    if found != expected:
        yield f"The chunks of {file_id} are {len(found)}, and not the {len(expected)} expected."
        return
    _, encoded = library.embed("vanilla", [chunk.text for chunk in chunks])
    vectors = np.array([one["embedding"] for one in records], dtype=np.float32)
    cosines = (vectors * encoded.embeddings.rows).sum(axis=1)
    if not (cosines > 0.9999).all():
        yield f"Vectors of {file_id} have a cosine of {cosines.min():.4f} to what the model gives."
