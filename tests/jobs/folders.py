"""A folder whose files are embedded, and what is to come of them."""

import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from bindery.jobs import Job, JobFile, JobRequest, Jobs
from bindery.jobs.sources import Content, LocalFiles, walk
from bindery.library import Library
from bindery.options import ChunkOptions
from bindery.store.database import Database, Transaction


class Crash(BaseException):
    """The process ends."""


class FailingDatabase(Database):
    """Ends the process at a transaction to write, before it is kept or right after."""

    lives = 10_000
    keeps_last = False

    @contextmanager
    def writing(self) -> Generator[Transaction]:
        if threading.current_thread().name == "bindery-lease":
            # It renews the lease of a run that takes long: no transaction of the run itself.
            with super().writing() as connection:
                yield connection
            return
        self.lives -= 1
        if self.lives < 0 or (self.lives == 0 and not self.keeps_last):
            raise Crash
        with super().writing() as connection:
            yield connection
        if self.lives == 0:
            raise Crash


class PoisonousFiles(LocalFiles):
    """One of them ends the process that reads it: nothing is written any more."""

    poison: str | None = None
    database: FailingDatabase

    def open(self, file_id: str, *, lines: bool = False) -> Content:
        if file_id == self.poison:
            self.database.lives = 0
            raise Crash
        return super().open(file_id, lines=lines)


@dataclass(frozen=True)
class Folder:
    """Files in ``root``, results and state in ``out``."""

    library: Library
    root: Path
    out: Path
    request: JobRequest = field(
        default_factory=lambda: JobRequest(("none",), chunks=ChunkOptions(size=24))
    )
    poison: str | None = None

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def open(self) -> FailingDatabase:
        return FailingDatabase.open(f"sqlite:///{self.out}/jobs.db")

    def jobs(self, database: FailingDatabase) -> tuple[Jobs, Job]:
        """The job of the folder as it is now, begun or begun again."""
        paths = walk(self.root, without=self.out, takes_hidden=False, skip=lambda *_: None)
        source = PoisonousFiles(paths, timeout_s=30, limit_bytes=1 << 20)
        source.poison, source.database = self.poison, database
        jobs = Jobs(self.library, database=database, source=source, is_alone=True)
        request = replace(self.request, files=tuple(paths))
        known = jobs.list()
        return jobs, jobs.renew(known[0].id, request) if known else jobs.submit(request)

    def run(self, *, lives: int | None = None, keeps_last: bool = False) -> Job:
        """Run the job to its end, or until the process ends after so many transactions."""
        with closing(self.open()) as database:
            jobs, job = self.jobs(database)
            if lives is not None:
                database.lives, database.keeps_last = lives, keeps_last
            return jobs.run(job.id)

    def files(self) -> dict[str, JobFile]:
        """What became of each file."""
        with closing(self.open()) as database:
            jobs = Jobs(self.library, database=database)
            return {one.name: one for one in jobs.files(jobs.list()[0].id)}

    def records(self) -> list[dict[str, Any]]:
        """The results of the job that is over."""
        path = self.out / "results.jsonl"
        with closing(self.open()) as database:
            jobs = Jobs(
                self.library, database=database, source=LocalFiles({}, timeout_s=1, limit_bytes=1)
            )
            jobs.write_results(jobs.list()[0].id, path, "jsonl")
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]

    def encoded_texts(self) -> int:
        """How many texts the model has been given so far."""
        return self.library.figures().models["vanilla"].texts


def check_vectors(library: Library, records: list[dict[str, Any]]) -> None:
    """Raise unless each record has the vector that its text has by itself."""
    if not records:
        return
    _, encoded = library.embed("vanilla", [one["context"] + one["text"] for one in records])
    found = np.array([one["embedding"] for one in records], dtype=np.float32)
    assert found.shape == encoded.embeddings.rows.shape
    # bfloat16, and another batch around each text: 1 - cosine stays under 1e-4.
    assert ((found * encoded.embeddings.rows).sum(axis=1) > 0.9995).all()
