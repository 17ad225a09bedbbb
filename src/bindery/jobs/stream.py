"""A job that stores nothing: its results are passed on as they are made."""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TypeAlias

from bindery.jobs.parts import Landed, RunCounts, Sink, progress_of
from bindery.jobs.queues import BoundedQueue, Closed
from bindery.jobs.reading import Fatal
from bindery.jobs.recipe import Recipe, check_request, make_recipe
from bindery.jobs.results import Results, chunk_rows, table_of
from bindery.jobs.running import Run
from bindery.jobs.sources import FileSource
from bindery.jobs.values import (
    FileState,
    JobEvent,
    JobFile,
    JobRequest,
    JobState,
    Progress,
    file_of,
)
from bindery.library import Library
from bindery.store.values import JobFileRow, KeptVectors
from bindery.vectors import Form
from bindery.vectors.tables import TableRows

# Results that wait to be written: some seconds of work.
_WAITING_BYTES = 16 << 20

_Item: TypeAlias = TableRows | JobEvent | Fatal


class ResultStream:
    """A request that runs in this process, in the order of its files and in bounded memory.

    Reading the rows of ``results``, which is possible once, runs it; ``tell`` is called with every
    event. If a file fails, its rows that were passed on before are not taken back. Raises the
    errors of :func:`bindery.jobs.recipe.check_request`, and those of loading the model.
    """

    def __init__(
        self,
        library: Library,
        source: FileSource,
        request: JobRequest,
        *,
        tell: Callable[[JobEvent], None],
        **about: object,
    ) -> None:
        check_request(library, request)
        self.recipe = make_recipe(library, request)
        form = Form(request.vectors.form)
        self._tell = tell
        self._queue: BoundedQueue[_Item] = BoundedQueue(capacity=_WAITING_BYTES, writers=1)
        files = [
            JobFileRow(place, file_id, *source.look(file_id))
            for place, file_id in enumerate(request.files)
        ]
        self._sink = StreamSink(files, self.recipe, form, self._queue)
        self._run = Run(self.recipe, library=library, source=source, sink=self._sink)
        self._generator = self._rows()
        self.results = Results(table_of(self.recipe, form, **about), self._generator)

    def close(self) -> None:
        """Stop the run if it has not ended."""
        self._generator.close()

    @property
    def files(self) -> Sequence[JobFile]:
        """The files that are done or have failed, in order."""
        return self._sink.ended

    @property
    def progress(self) -> Progress:
        """The progress of the run."""
        return self._sink.progress(self._run.counts)

    def _rows(self) -> Generator[TableRows]:
        thread = threading.Thread(target=self._work, name="bindery-job", daemon=True)
        thread.start()
        try:
            for item in self._queue:
                if isinstance(item, Fatal):
                    raise item.error
                if isinstance(item, JobEvent):
                    self._tell(item)
                else:
                    yield item
        finally:  # also if the reader stops, as after a broken pipe or Ctrl-C
            self._run.stop()
            self._queue.close()
            thread.join()

    def _work(self) -> None:
        try:
            self._run.go()
        except Closed:
            return
        except BaseException as error:  # noqa: BLE001 - raised by the reader of the rows
            with suppress(Closed):
                self._queue.put(Fatal(error), 1)
        finally:
            self._queue.leave()


class StreamSink(Sink):
    """Puts rows and events into a queue.

    Vectors of the last batch are remembered for the next one, which may share texts with it.
    """

    def __init__(
        self, files: Sequence[JobFileRow], recipe: Recipe, form: Form, queue: BoundedQueue[_Item]
    ) -> None:
        self.ended: list[JobFile] = []
        self._files = files
        self._recipe = recipe
        self._form = form
        self._queue = queue
        self._recent: Mapping[bytes, KeptVectors] = {}
        self._seen: dict[bytes, int] = {}
        self._events = 0

    def begin(self) -> tuple[Sequence[JobFileRow], Mapping[str, Any]]:
        """See Sink."""
        return self._files, {}

    def keep(self, landed: Landed, counts: RunCounts) -> Landed:
        """See Sink."""
        vectors = {**self._recent, **landed.vectors}
        for part in landed.parts:
            if part.part == 0:
                self._seen = {}
            if part.chunks:
                own = [vectors[key] for key in part.keys]
                rows = chunk_rows(
                    part.file, part.first, part.chunks, own, self._recipe, self._form, self._seen
                )
                self._queue.put(rows, rows.vectors.values.nbytes)
        self._recent = landed.vectors
        for row in landed.ended():
            self.ended.append(file_of(row))
            self._tell("file", asdict(self.ended[-1]))
        progress = self.progress(counts.after(landed))
        self._tell("job", {"state": JobState.RUNNING, "progress": asdict(progress), "error": None})
        return landed

    def progress(self, counts: RunCounts) -> Progress:
        """The progress of the run, from its counts and the files that ended."""
        failed = sum(file.state is FileState.FAILED for file in self.ended)
        states: dict[str, int] = {
            FileState.FAILED: failed,
            FileState.DONE: len(self.ended) - failed,
            FileState.WAITING: len(self._files) - len(self.ended),
        }
        return progress_of(counts.facts(), states)

    def _tell(self, kind: str, data: Mapping[str, Any]) -> None:
        self._events += 1
        self._queue.put(JobEvent(self._events, kind, data), 1)
