"""``bindery embed INPUT... --out FOLDER``: a job that can be resumed.

::

    FOLDER/embeddings.parquet    the chunks with their vectors (or .arrow, .jsonl, .npz)
    FOLDER/report.json           what made them, and the files that failed or were skipped
    FOLDER/.bindery/             the state of the job, and the inputs of the results
"""

import os
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from bindery.disk import storage_errors, whole_file
from bindery.errors import JobUnfinished
from bindery.faces.cli.inputs import Inputs, check_earlier
from bindery.faces.cli.printing import messages
from bindery.faces.cli.progress import Follow
from bindery.faces.cli.report import EmbedReport
from bindery.jobs.following import run_followed
from bindery.jobs.jobs import Jobs
from bindery.jobs.recipe import check_request
from bindery.jobs.sources import STANDARD_INPUT, LocalFiles, shown_path
from bindery.jobs.values import Job, JobRequest, JobState
from bindery.jobs.writers import FORMATS
from bindery.library import Library
from bindery.store.database import Database


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder with results in a ``format`` and the state of their job.

    Results of other inputs are only overwritten if it ``replaces`` them.
    """

    path: Path
    format: str
    replaces: bool = False

    def embed(
        self,
        library: Library,
        source: LocalFiles,
        request: JobRequest,
        inputs: Inputs,
        follow: Follow,
        started: float,
    ) -> EmbedReport:
        """Embed the files that are not done yet, and write the results."""
        check_request(library, request)
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with self._opened() as database:
            self._check_earlier(inputs)
            jobs = Jobs(library, database=database, source=source, is_alone=True)
            job = _begin(jobs, request)
            try:
                with follow:
                    run_followed(jobs, job.id, lambda events: [*map(follow.tell, events)])
            except KeyboardInterrupt:
                messages().print("Stopped. Run the same command again to resume.", soft_wrap=True)
                raise
            report = self._write(jobs, jobs.get(job.id), inputs, started)
            jobs.tidy()
        return report

    @property
    def _state(self) -> Path:
        return self.path / ".bindery"

    @contextmanager
    def _opened(self) -> Generator[Database]:
        """The database of the folder's job, locked for this process."""
        folder = self._state.absolute()
        try:
            with storage_errors(folder):
                folder.mkdir(exist_ok=True)
                lock = FileLock(folder / "lock", timeout=0)
                lock.acquire()
        except Timeout as error:
            raise JobUnfinished(
                f"Another process embeds into {shown_path(str(self.path))!r}.",
                remedy="Wait for it, or choose another folder.",
                param="out",
            ) from error
        with lock, closing(Database.open(f"sqlite:///{folder / 'jobs.db'}")) as database:
            yield database

    @property
    def _inputs_file(self) -> Path:
        """The inputs of the results in the folder; it does not exist before there are results."""
        return self._state / "inputs.json"

    def _check_earlier(self, inputs: Inputs) -> None:
        """Raise InvalidValue if the results of other inputs would be lost."""
        if self.replaces or not self._inputs_file.exists():
            return
        with storage_errors(self._inputs_file):
            earlier: Sequence[str] = orjson.loads(self._inputs_file.read_bytes())
        check_earlier(self.path, earlier, _absolute(inputs))

    def _write(self, jobs: Jobs, job: Job, inputs: Inputs, started: float) -> EmbedReport:
        """Write the results; if there are none, keep older ones."""
        about: dict[str, Any] = {**jobs.about(job.id), "form": job.request.vectors.form}
        chunks = chunks_cut = 0
        path = None
        if job.state is JobState.DONE:
            path = self.path / f"embeddings.{self.format}"
            results = jobs.results(job.id, inputs=inputs.given)
            about = dict(results.table.about)
            with whole_file(self._inputs_file) as sink:
                sink.write(orjson.dumps(_absolute(inputs)))
            with whole_file(path) as sink:
                chunks = results.write(FORMATS[self.format], sink)
            chunks_cut = results.chunks_cut
        report = EmbedReport(
            about=about,
            files=jobs.files(job.id),
            progress=job.progress,
            skipped=inputs.skipped,
            chunks=chunks,
            chunks_cut=chunks_cut,
            out=path,
            seconds=time.monotonic() - started,
        )
        with whole_file(self.path / "report.json") as sink:
            sink.write(orjson.dumps(report.facts(), option=orjson.OPT_INDENT_2))
        return report


def _absolute(inputs: Inputs) -> list[str]:
    return [
        name if name == STANDARD_INPUT else os.path.abspath(name)  # noqa: PTH100 - links stay
        for name in inputs.given
    ]


def _begin(jobs: Jobs, request: JobRequest) -> Job:
    """Submit the job of this folder, or renew it."""
    known = jobs.list(most=1)
    return jobs.renew(known[0].id, request) if known else jobs.submit(request)
