"""The process that is killed: ``python -m tests.crashes.writer HOME SEED FIRST LAST``.

It says what it is about to do and what it was told is done, a line each, straight to the pipe: what
came out before it was killed is what the outside may rely on.
"""

import argparse
import contextlib
import json
import os
from pathlib import Path

from tests.crashes import careless
from tests.crashes.plan import Round, Upload, round_of

from bindery.errors import UnknownFile
from bindery.jobs import JobRequest, Jobs, JobState
from bindery.library import Library
from bindery.options import ChunkOptions, ModelOptions

STRATEGY, SIZE = "sentence", 24


def main() -> None:
    """Go on with what was left open, then do the rounds."""
    arguments = read_arguments()
    library = library_of(arguments.home, arguments.models)
    jobs = Jobs(library)
    say("ready", arguments.first)
    for job in reversed(jobs.list()):
        if not job.state.is_over:
            jobs.run(job.id)
            say("ran", job.id)
    for number in range(arguments.first, arguments.last):
        work(library, jobs, round_of(arguments.seed, number))
        say("round", number)
    library.close()


def library_of(home: Path, models: Path) -> Library:
    """A library whose models lie elsewhere than what is written."""
    home.mkdir(parents=True, exist_ok=True)
    link = home / "models"
    if not link.is_symlink():
        link.symlink_to(models)
    return Library(home, ModelOptions(precision="f32"))


def read_arguments() -> argparse.Namespace:
    """The arguments of a process that is killed; it becomes careless if it is told to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--careless", choices=careless.KINDS)
    arguments = parser.parse_args()
    if arguments.careless:
        careless.become(arguments.careless)
    return arguments


def work(library: Library, jobs: Jobs, step: Round) -> None:
    """One round, each step said before and after."""
    for upload in step.uploads:
        say("keep?", upload.id)
        keep(library, upload)
        say("keep", upload.id)
    request = JobRequest(
        tuple(one.id for one in step.uploads), chunks=ChunkOptions(strategy=STRATEGY, size=SIZE)
    )
    say("submit?", step.key)
    job = jobs.submit(request, idempotency_key=step.key)
    say("submit", [step.key, job.id])
    done = jobs.run(job.id)
    if done.state is not JobState.DONE:
        raise SystemExit(f"{step.key}: {done}")
    say("done", [step.key, job.id])
    gone = step.uploads[0].id
    say("delete?", gone)
    # An earlier process may have deleted it, and died before it said so.
    with contextlib.suppress(UnknownFile):
        library.files.delete(gone)
    say("delete", gone)


def keep(library: Library, upload: Upload) -> None:
    """Upload a file in two pieces."""
    half = len(upload.content) // 2
    with library.files.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(upload.content[:half])
        incoming.write(upload.content[half:])
        incoming.keep(upload.name)


def say(what: str, value: object) -> None:
    """One line, at once."""
    os.write(1, json.dumps([what, value]).encode() + b"\n")


if __name__ == "__main__":
    main()
