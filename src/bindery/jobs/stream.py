"""A job that keeps nothing: its results are passed on as they are made."""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from bindery.jobs.parts import Landed, RunCounts, progress_of
from bindery.jobs.queues import BoundedQueue, Closed
from bindery.jobs.reading import Fatal
from bindery.jobs.recipe import Recipe, check_request, make_recipe
from bindery.jobs.results import Results, chunk_rows, table_of
from bindery.jobs.running import Run
from bindery.jobs.sources import Content, FileSource
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
from bindery.store.values import ChunkSet, JobFileRow, KeptVectors
from bindery.types import Chunk
from bindery.vectors import Form
from bindery.vectors.tables import TableRows

# What may wait to be written: some seconds of work.
_WAITING_BYTES = 16 << 20

_Item: TypeAlias = TableRows | JobEvent | Fatal


class ResultStream:
    """A request that is done in this process, in the order of its files, in bounded memory.

    ``results`` runs it while its rows are read, and can be read once; ``tell`` is called with
    every event on the way. If a file fails, the rows of it that were passed on before stay.
    ``files`` and ``progress`` are what became of the files so far. Raises what
    :func:`bindery.jobs.recipe.check_request` does, and what loading the model does.
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
        """End the run, if it has not ended."""
        self._generator.close()

    @property
    def files(self) -> Sequence[JobFile]:
        """The files that are done or have failed, in order."""
        return self._sink.ended

    @property
    def progress(self) -> Progress:
        """How far the run is."""
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
        finally:  # also if nobody reads on, as after a broken pipe or Ctrl-C
            self._run.stop()
            self._queue.close()
            thread.join()

    def _work(self) -> None:
        try:
            self._run.go()
        except Closed:
            return
        except BaseException as error:  # noqa: BLE001 - raised by whoever reads the rows
            self._put_fatal(error)
        finally:
            self._queue.leave()

    def _put_fatal(self, error: BaseException) -> None:
        try:
            self._queue.put(Fatal(error), 1)
        except Closed:
            return


class StreamSink:
    """See :class:`bindery.jobs.sinks.Sink`; nothing is known from before.

    Vectors of the last batch are remembered for the next one, which may share texts with it.
    """

    reading_threads = 1

    def __init__(
        self,
        files: Sequence[JobFileRow],
        recipe: Recipe,
        form: Form,
        queue: BoundedQueue[_Item],
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

    def count_attempts(self, places: Sequence[int], step: int) -> None:
        """See Sink."""

    def look_up(self, content: Content) -> tuple[bytes, ChunkSet | None]:
        """See Sink."""
        return b"", None

    def read_parts(self, kept: ChunkSet) -> Iterator[Sequence[Chunk]]:
        """See Sink."""
        return iter(())

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """See Sink."""
        return set()

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
        """The counts with those of the files."""
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
