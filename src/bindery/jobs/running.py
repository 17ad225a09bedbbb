"""One run of a job: files that are not done are read, chunked, embedded and stored in batches."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from bindery import documents
from bindery.encoders.pending import Cancellation
from bindery.errors import BinderyError, Overloaded, Quarantined, StorageError, TextFailed
from bindery.jobs.embedding import Flight, Model, new_keys
from bindery.jobs.parts import (
    Failed,
    FilePart,
    JobBatch,
    Landed,
    RunCounts,
    Sink,
    Unchanged,
    VectorsDeleted,
)
from bindery.jobs.reading import Cutter, Fatal, Reading
from bindery.jobs.recipe import Recipe
from bindery.jobs.sources import FileSource
from bindery.jobs.values import FileState, Stage
from bindery.library import Library
from bindery.store.values import JobFileRow, KeptVectors

TRIES_ALONE = 5
"""How often a file that may have crashed the process is tried alone before it is quarantined.

With three tries, one good file was quarantined in 200 crashes at random moments on a busy machine,
on which a try took a third of the time between two crashes.
"""

_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0


class Run:
    """One run of a job; :meth:`go` is called once.

    The model has up to two batches at a time, so that it works while one of them is stored. Files
    that were being processed when the process ended come first, each alone: a crash during several
    files does not show which of them caused it.
    """

    def __init__(self, recipe: Recipe, *, library: Library, source: FileSource, sink: Sink) -> None:
        self._recipe = recipe
        self._library = library
        self._source = source
        self._sink = sink
        self._cancellation = Cancellation()
        self._model = Model(library, recipe, self._cancellation, self._wait)
        self._failed: dict[int, Failed] = {}
        self._bad_texts: dict[bytes, TextFailed] = {}
        self.counts = RunCounts.resume([], {})

    def stop(self) -> None:
        """End the run soon and cleanly; the job can be resumed."""
        self._cancellation.cancel()

    def go(self) -> None:
        """Process the files that are left. Raises Abandoned if the run was stopped or cancelled."""
        files, progress = self._sink.begin()
        self.counts = RunCounts.resume(files, progress)
        waiting = [file for file in files if file.state is FileState.WAITING]
        suspects = [file for file in waiting if file.attempts > 0]
        self._give_up(file for file in suspects if file.attempts > TRIES_ALONE)
        if suspects:
            self._warm_up()
        for file in suspects:
            if file.attempts <= TRIES_ALONE:
                self._embed([file])
        self._embed([file for file in waiting if not file.attempts])

    def _warm_up(self) -> None:
        """Start the model and the sandbox, so that their start does not count as part of a try.

        Without this, 200 crashes at random moments quarantined three good files, because most of
        the time of a try was the start of both.
        """
        self._library.load(self._recipe.loaded_as)
        documents.parse(b"paper", "paper.txt")

    def _give_up(self, files: Iterable[JobFileRow]) -> None:
        batch = JobBatch()
        for file in files:
            reason = Quarantined(
                f"The process ended each of the {file.attempts} times that it worked on "
                f"{file.name!r}, so the file is not tried again.",
                remedy="Leave the file out, or change it; please report it.",
            )
            batch.add(Failed(file, reason))
        if len(batch):
            self._keep(batch, {})

    def _embed(self, files: Sequence[JobFileRow]) -> None:
        """Read, chunk, embed and store these files."""
        cutter = Cutter(self._library, self._recipe, self._cancellation)
        reading = Reading(
            files, cutter=cutter, recipe=self._recipe, source=self._source, sink=self._sink
        )
        try:
            reading.start()
            self._cancellation.when_cancelled(reading.queue.wake)
            self._work(reading)
        except BaseException:  # also Ctrl-C
            self._cancellation.cancel()
            reading.stop()
            self._take_back(reading)
            raise
        reading.stop()

    def _work(self, reading: Reading) -> None:
        queue = reading.queue
        flight: Flight | None = None
        batch = JobBatch()
        while True:
            self._cancellation.check()
            stage = reading.stage if flight is None else Stage.EMBEDDING
            self.counts = replace(self.counts, stage=stage)
            self._fill(batch, reading)
            if batch.is_full or (flight is None and len(batch)):
                following = self._start(batch, flight)
                batch = JobBatch()
                if flight is not None:
                    self._land(flight, reading)
                flight = following
                if flight.pending is not None:
                    flight.pending.when_done(queue.wake)
            elif flight is not None and flight.is_done:
                self._land(flight, reading)
                flight = None
            elif flight is None and queue.is_over:
                return
            else:
                queue.wait(_WAIT_S)

    def _fill(self, batch: JobBatch, reading: Reading) -> None:
        while not batch.is_full and (item := reading.queue.take()) is not None:
            if isinstance(item, Fatal):
                raise item.error
            batch.add(item)

    def _start(self, batch: JobBatch, flight: Flight | None) -> Flight:
        """Give a batch to the model, without vectors that are stored or part of ``flight``."""
        known = self._sink.known(batch.vector_keys())
        new = new_keys(batch, known, () if flight is None else flight.new)
        return self._model.start(batch, new)

    def _land(self, flight: Flight, reading: Reading) -> None:
        try:
            ended = self._finish(flight)
        except VectorsDeleted:
            ended = self._finish(self._model.start(flight.batch, flight.batch.vector_keys()))
        reading.claimed -= ended

    def _finish(self, flight: Flight) -> set[int]:
        made, bad = self._model.finish(flight)
        self._bad_texts.update(bad)
        return self._keep(flight.batch, made)

    def _keep(self, batch: JobBatch, made: Mapping[bytes, KeptVectors]) -> set[int]:
        """Store the results of a batch; return the places of the files that ended."""
        unchanged = [one.file for one in batch.others if isinstance(one, Unchanged)]
        failed = {one.file.place: one for one in batch.others if isinstance(one, Failed)}
        # Parts before the failure of a file stay, as if they had been in an earlier batch.
        parts: list[FilePart] = []
        bad: dict[int, Failed] = {}
        for part in batch.parts:
            if part.file.place in self._failed or part.file.place in bad:
                continue
            if key := next((key for key in part.keys if key in self._bad_texts), None):
                reason = _text_failed(part, key, self._bad_texts[key])
                bad[part.file.place] = Failed(part.file, reason)
            else:
                parts.append(part)
        landed = self._sink.keep(Landed(parts, made, unchanged, {**failed, **bad}), self.counts)
        self.counts = self.counts.after(landed)
        self._failed.update(landed.failed)
        return {file.place for file in landed.ended()}

    def _wait(self, full: Overloaded) -> None:
        """Wait for the model's queue to become shorter. Raises Abandoned if the run is stopped."""
        until = time.monotonic() + min(full.retry_after_s, _LONGEST_WAIT_S)
        while time.monotonic() < until:
            self._cancellation.check()
            time.sleep(_WAIT_S)

    def _take_back(self, reading: Reading) -> None:
        """Take back the attempts at unfinished files: they did not crash this process."""
        # A failing disk has raised its error already; these files then come first in the next run.
        with suppress(StorageError):
            self._sink.count_attempts(sorted(reading.claimed), -1)


def _text_failed(part: FilePart, bad: bytes, error: TextFailed) -> TextFailed:
    """The same error in terms of files instead of batches."""
    span = part.chunks[part.keys.index(bad)].span
    where = f"characters {span.start} to {span.end}" if part.document is None else "the text"
    reason = error.__cause__.message if isinstance(error.__cause__, BinderyError) else error.message
    return TextFailed(
        f"The engine failed on {where} of {part.file.name!r}: {reason}", remedy=error.remedy
    )
