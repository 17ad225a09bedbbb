"""Embed a folder like ``bindery embed FOLDER --out DIR``, and report how long the model ran."""
# pyright: basic

import json
import os
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bindery.faces.python import open_library
from bindery.jobs import JobRequest, Jobs, JobState
from bindery.jobs.sources import LocalFiles, walk
from bindery.settings import read_settings
from bindery.store.database import Database


def main() -> None:
    """``embed_folder.py FOLDER OUT PRECISION``: one line of JSON."""
    started = time.monotonic()
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    settings = read_settings(os.environ)
    names = walk(folder, without=out, takes_hidden=False, skip=lambda *_: None)
    source = LocalFiles(
        names, timeout_s=settings.parse_timeout_s, limit_bytes=settings.upload_limit_bytes
    )
    out.mkdir(parents=True, exist_ok=True)
    with (
        closing(open_library(replace(settings, precision=sys.argv[3]))) as library,
        closing(Database.open(f"sqlite:///{(out / 'jobs.db').absolute()}")) as database,
    ):
        jobs = Jobs(library, database=database, source=source, is_alone=True)
        job = jobs.run(jobs.submit(JobRequest(tuple(names))).id)
        if job.state is not JobState.DONE:
            sys.exit(f"The job is {job.state}: {job.error}")
        chunks = jobs.write_results(job.id, out / "embeddings.parquet", "parquet")
        wall_s = time.monotonic() - started
        figures = library.figures().models["vanilla"]
    told = {
        "files": job.progress.files_total,
        "failed": job.progress.files_failed,
        "chunks": chunks,
        "tokens": job.progress.tokens,
        "wall_s": wall_s,
        "model_s": figures.batch_seconds.total,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
