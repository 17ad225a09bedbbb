"""``bindery embed FOLDER --out DIR``: a job on the files of a folder, that goes on where it was.

::

    DIR/embeddings.parquet    the chunks with their vectors (or .arrow, .jsonl)
    DIR/report.json           what made them, and what became of each file that is not in them
    DIR/.bindery/             what is done: remove it to begin anew
"""

import threading
import time
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from bindery.disk import storage_errors, whole_file
from bindery.errors import InputError, InvalidValue, JobUnfinished, UnsupportedKind
from bindery.faces.cli.embed import Job as Asked
from bindery.faces.cli.folder_progress import Follow, follow_on, print_json_line
from bindery.faces.cli.inputs import shown_name
from bindery.faces.cli.printing import count, messages, output, printable
from bindery.faces.python import open_library
from bindery.jobs import FileState, Job, JobFile, JobRequest, Jobs, JobState
from bindery.jobs.sources import FolderFiles, walk
from bindery.settings import Settings
from bindery.store.database import Database

STATE = ".bindery"
REPORT = "report.json"
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose of a folder alone."""

    format: str = "parquet"
    takes_hidden: bool = False
    skips_unsupported: bool = False

    def forgives(self, file: JobFile) -> bool:
        """Whether the failure of a file is as good as if it were not there."""
        return self.skips_unsupported and file.error_code == UnsupportedKind.code


@dataclass(slots=True)
class Outcome:
    """What became of a folder; ``written`` is where the results are."""

    job: Job
    about: Mapping[str, Any]
    files: list[JobFile]
    skipped: Mapping[str, str]
    started: float
    chunks: int = 0
    written: Path | None = None

    @property
    def seconds(self) -> float:
        """How long it took, from the first look at the folder."""
        return time.monotonic() - self.started

    def failed(self) -> list[JobFile]:
        """The files that could not be embedded."""
        return [file for file in self.files if file.state is FileState.FAILED]

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        progress = self.job.progress
        return {
            **self.about,
            "form": self.job.request.vectors.form,
            "out": None if self.written is None else shown_name(str(self.written)),
            "files_done": progress.files_done,
            "files_failed": progress.files_failed,
            "files_total": progress.files_total,
            "chunks": self.chunks,
            "tokens_used": progress.tokens,
            "seconds": round(self.seconds, 3),
            "failed": [
                {
                    "file": file.name,
                    "code": file.error_code,
                    "message": file.error_message,
                    "remedy": file.remedy,
                }
                for file in self.failed()
            ],
            "warnings": [
                {"file": file.name, "message": one} for file in self.files for one in file.warnings
            ],
            "skipped": [{"file": name, "reason": why} for name, why in self.skipped.items()],
        }


def embed_folder(settings: Settings, asked: Asked, choices: Choices) -> bool:
    """Embed what is in a folder and write the results; whether every file could be."""
    started = time.monotonic()
    folder, out = _folders(asked)
    skipped: dict[str, str] = {}
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    hidden = choices.takes_hidden
    paths = walk(folder, without=out, takes_hidden=hidden, skip=skipped.__setitem__)
    if not paths:
        raise InputError(
            f"The folder {shown_name(str(folder))!r} has no file to embed.",
            remedy="Hidden files are taken with --hidden." if skipped else "",
        )
    source = FolderFiles(
        paths, timeout_s=settings.parse_timeout_s, limit_bytes=settings.upload_limit_bytes
    )
    with (
        closing(open_library(settings)) as library,
        _opened_state(out) as database,
    ):
        jobs = Jobs(library, database=database, source=source, is_alone=True)
        job = _begin(jobs, JobRequest(tuple(paths), asked.model, asked.chunks, asked.vectors))
        try:
            _work(jobs, job.id, follow_on(messages(), json=asked.json))
        except KeyboardInterrupt:
            messages().print("Stopped. Run the same command again to resume.", soft_wrap=True)
            raise
        job = jobs.get(job.id)
        outcome = Outcome(job, jobs.about(job.id), jobs.files(job.id), skipped, started)
        _write(jobs, outcome, out, choices.format)
        jobs.tidy()
    _sum_up(outcome, json=asked.json)
    return all(choices.forgives(file) for file in outcome.failed())


def _folders(asked: Asked) -> tuple[Path, Path]:
    """What to embed and where to. Raises InvalidValue for what does not go with a folder."""
    wrong: str | None = None
    if len(asked.files) != 1:
        wrong = "A folder is embedded by itself, without other files."
    elif asked.out is None or asked.out.is_file() or asked.out.suffix:
        wrong = "A folder is embedded into a folder."
    elif asked.lines or asked.vectors.title:
        wrong = "Lines and a title are of single files."
    if wrong is not None or asked.out is None:
        raise InvalidValue(wrong or "", remedy="Write: bindery embed FOLDER --out DIR.")
    return Path(asked.files[0]), asked.out


@contextmanager
def _opened_state(out: Path) -> Generator[Database]:
    """The state of a folder's job, for this process alone."""
    folder = (out / STATE).absolute()
    try:
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
            lock = FileLock(folder / "lock", timeout=0)
            lock.acquire()
    except Timeout as error:
        raise JobUnfinished(
            f"Another process embeds into {shown_name(str(out))!r}.",
            remedy="Wait for it, or write to another folder.",
            param="out",
        ) from error
    with lock, closing(Database.open(f"sqlite:///{folder / 'jobs.db'}")) as database:
        yield database


def _begin(jobs: Jobs, request: JobRequest) -> Job:
    """The job of this folder, from the start or from where it was."""
    known = jobs.list(most=1)
    return jobs.renew(known[0].id, request) if known else jobs.submit(request)


def _work(jobs: Jobs, job_id: str, follow: Follow) -> None:
    """Do the job in a thread, and tell here how it goes; Ctrl-C ends it in order."""
    ended: Future[Job] = Future()

    def run() -> None:
        try:
            ended.set_result(jobs.run(job_id))
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread is waited for
            ended.set_exception(error)

    thread = threading.Thread(target=run, name="bindery-job", daemon=True)
    after = jobs.changes(job_id)[-1].number
    thread.start()
    try:
        with follow:
            while thread.is_alive():
                for event in jobs.changes(job_id, after, _LOOK_S):
                    after = event.number
                    follow.tell(event)
            for event in jobs.changes(job_id, after):
                follow.tell(event)
    except BaseException:  # also Ctrl-C: the run ends in order first, so that it can be resumed
        jobs.stop()
        thread.join()
        raise
    ended.result()


def _write(jobs: Jobs, outcome: Outcome, out: Path, format_: str) -> None:
    """Write the results, unless there is none: then older ones are worth more."""
    if outcome.job.state is JobState.DONE:
        path = out / f"embeddings.{format_}"
        outcome.chunks = jobs.write_results(outcome.job.id, path, format_)
        outcome.written = path
    with whole_file(out / REPORT) as file:
        file.write(orjson.dumps(outcome.facts(), option=orjson.OPT_INDENT_2))


def _sum_up(outcome: Outcome, *, json: bool) -> None:
    if json:
        print_json_line({"event": "end", **outcome.facts()})
        return
    progress = outcome.job.progress
    files = count(progress.files_total, "file")
    if progress.files_failed:
        files = f"{progress.files_done} of {files}"
    if outcome.written is None:
        output().print("No file could be embedded: nothing was written.")
        return
    chunks, tokens = count(outcome.chunks, "chunk"), count(progress.tokens, "token")
    where = printable(shown_name(str(outcome.written)))
    line = f"{chunks} of {files}, {tokens}, {outcome.seconds:.1f} s: written to {where}"
    output().print(line, soft_wrap=True)
