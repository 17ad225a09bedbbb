"""Evaluations that run in the background of a server, one after the other.

Each is a file in the folder ``evaluations`` of the home: what was asked for, its state, and in the
end its result. It is deleted with its collection. One that was interrupted runs again when a server
starts, and takes the figures of the settings that were done (:mod:`bindery.evaluation.evaluating`).
"""

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from bindery.disk import storage_errors, whole_file
from bindery.errors import Abandoned, BinderyError, UnknownJob
from bindery.evaluation.evaluating import evaluate
from bindery.evaluation.questions import Expected, JudgedQuestion
from bindery.evaluation.results import EvaluateOptions, EvaluationProgress
from bindery.jobs import Jobs
from bindery.search.collection import Collection, Collections
from bindery.search.deleting import evaluations_folder
from bindery.store.values import JobState
from bindery.types import utc_text

_log = logging.getLogger(__name__)

_ID = re.compile(r"eval_[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """An evaluation in the background; ``collection`` is the id of its collection.

    ``result`` is that of :meth:`Evaluation.facts` once it is done, and ``error`` says why it
    failed. ``created_at`` is in seconds since 1970.
    """

    id: str
    collection: str
    questions: tuple[JudgedQuestion, ...]
    options: EvaluateOptions
    created_at: float
    state: JobState = JobState.QUEUED
    progress: EvaluationProgress = field(default=EvaluationProgress("waiting", 0, 0))
    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None

    def facts(self, *, has_result: bool = True) -> dict[str, Any]:
        """The same for JSON, with the number of the questions alone."""
        found = {
            "evaluation_id": self.id,
            "state": str(self.state),
            "created_at": utc_text(self.created_at),
            "questions": len(self.questions),
            "options": asdict(self.options),
            "progress": asdict(self.progress),
            "error": self.error,
        }
        return {**found, "result": self.result} if has_result else found


class EvaluationRuns:
    """The evaluations of a home. They run from :meth:`start` to :meth:`stop`, in one thread."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._folder = collections.library.home / "evaluations"
        self._runs: dict[str, EvaluationRun] | None = None
        self._jobs: Jobs | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._is_stopping = False

    def start(self) -> None:
        """Run those that wait, and those that were interrupted. Returns at once."""
        self._thread = threading.Thread(target=self._work, name="bindery-evaluate", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop soon; what runs is run again when a server starts."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
            if self._jobs is not None:
                self._jobs.stop()
        if self._thread is not None:
            self._thread.join()

    def submit(
        self, collection: Collection, questions: Sequence[JudgedQuestion], options: EvaluateOptions
    ) -> EvaluationRun:
        """Have a collection evaluated, after those that wait already. Raises StorageError."""
        run = EvaluationRun(
            f"eval_{secrets.token_hex(12)}",
            collection.id,
            tuple(questions),
            options,
            time.time(),
            progress=EvaluationProgress("waiting", 0, len(questions)),
        )
        with self._changed:
            self._keep(run)
            self._changed.notify_all()
        return run

    def list(self, collection: Collection) -> list[EvaluationRun]:
        """Those of a collection, newest first."""
        with self._changed:
            mine = [one for one in self._all().values() if one.collection == collection.id]
        return sorted(mine, key=lambda one: -one.created_at)

    def get(self, collection: Collection, run_id: str) -> EvaluationRun:
        """One of a collection. Raises UnknownJob."""
        with self._changed:
            found = self._all().get(run_id)
        if found is None or found.collection != collection.id:
            raise UnknownJob(
                f"There is no evaluation {run_id[:80]!r} of {collection.name!r}.",
                remedy="GET /collections/{name}/evaluations lists them.",
                param="evaluation_id",
            )
        return found

    def delete(self, collection: Collection, run_id: str) -> None:
        """Delete one of a collection with its result, and end it if it runs. Raises UnknownJob."""
        self.get(collection, run_id)
        with self._changed:
            self._forget(run_id)

    def _forget(self, run_id: str) -> None:
        run = self._all().pop(run_id, None)
        with storage_errors(self._folder):
            if run is not None:
                self._path(run).unlink(missing_ok=True)

    def _work(self) -> None:
        while (run := self._next()) is not None:
            try:
                ended = self._ended(run)
            except Abandoned:
                continue
            except BinderyError as error:
                ended = _failed(run, error)
            except Exception:  # noqa: BLE001 - a bug in one evaluation must not stop the others
                _log.exception("Evaluation %s failed.", run.id)
                ended = _failed(run, BinderyError("The evaluation failed. The log says why."))
            with self._changed, suppress(BinderyError):  # the next start runs it again
                if run.id in self._all():
                    self._keep(ended)
                if self._collections.find_by_id(run.collection) is None:
                    self._forget(run.id)  # its collection was deleted while it ran

    def _next(self) -> EvaluationRun | None:
        """The oldest that waits, once there is one; None at the end."""
        with self._changed:
            while not self._is_stopping:
                waiting = [one for one in self._all().values() if not one.state.is_over]
                if waiting:
                    return min(waiting, key=lambda one: one.created_at)
                self._changed.wait()
        return None

    def _ended(self, run: EvaluationRun) -> EvaluationRun:
        """The run with its result or error. Raises Abandoned if it was deleted or is stopped."""

        def tell(progress: EvaluationProgress) -> None:
            with self._changed:
                if self._is_stopping or run.id not in self._all():
                    raise Abandoned("The evaluation was stopped.")
                self._all()[run.id] = replace(run, state=JobState.RUNNING, progress=progress)

        def run_job(jobs: Jobs, job_id: str) -> object:
            with self._changed:
                self._jobs = jobs
            return jobs.run(job_id)

        collection = self._collections.find_by_id(run.collection)
        if collection is None:  # it was deleted, and with it what was asked of it
            with self._changed:
                self._forget(run.id)
            raise Abandoned("The collection was deleted.")
        found = evaluate(
            self._collections, collection.name, run.questions, run.options, run=run_job, tell=tell
        )
        total = len(found.settings) * len(run.questions)
        done = EvaluationProgress("", total, total)
        return replace(run, state=JobState.DONE, progress=done, result=found.facts())

    def _all(self) -> dict[str, EvaluationRun]:
        """Every run by its id; called while the lock is held."""
        if self._runs is None:
            found = map(_read, self._folder.glob("*/eval_*.json"))
            self._runs = {one.id: one for one in found if one is not None}
        return self._runs

    def _keep(self, run: EvaluationRun) -> None:
        path = self._path(run)
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, mode=0o600) as file:
            file.write(json.dumps(asdict(run)).encode())
        self._all()[run.id] = run

    def _path(self, run: EvaluationRun) -> Path:
        return evaluations_folder(self._collections.library, run.collection) / f"{run.id}.json"


def _failed(run: EvaluationRun, error: BinderyError) -> EvaluationRun:
    told = {"code": error.code, "message": error.message, "remedy": error.remedy}
    return replace(run, state=JobState.FAILED, error=told)


def _read(path: Path) -> EvaluationRun | None:
    """What a file keeps; None if it cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError, BinderyError):
        kept: dict[str, Any] = json.loads(path.read_bytes())
        questions = [
            JudgedQuestion(
                one["id"], one["text"], tuple(Expected(**part) for part in one["expected"])
            )
            for one in kept["questions"]
        ]
        options: dict[str, Any] = {
            name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
            for name, value in kept["options"].items()
        }
        if _ID.fullmatch(kept["id"]):
            return EvaluationRun(
                kept["id"],
                kept["collection"],
                tuple(questions),
                EvaluateOptions(**options),
                float(kept["created_at"]),
                JobState(kept["state"]),
                EvaluationProgress(**kept["progress"]),
                kept["result"],
                kept["error"],
            )
    return None
