"""One run of a job: what is not done yet is read, cut, embedded and kept, batch by batch."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bindery import documents
from bindery.encoders.pending import Cancellation
from bindery.errors import (
    BinderyError,
    Overloaded,
    Quarantined,
    StorageError,
    TextFailed,
    UnknownFile,
)
from bindery.jobs.embedding import Batch, Flight, Model, new_keys
from bindery.jobs.reading import Failed, Fatal, Piece, Reading, Unchanged
from bindery.jobs.recipe import Recipe
from bindery.jobs.sources import Source
from bindery.jobs.tally import Tally
from bindery.jobs.values import FileState, Stage
from bindery.library import Library
from bindery.store import derived
from bindery.store import jobs as rows
from bindery.store.database import Conflict, Database, Transaction
from bindery.store.values import JobFileRow, KeptVectors

READING_THREADS = 2
TRIES_ALONE = 5
"""So often a file is tried by itself that may have ended the process, before it is given up.

With three, 200 endings at random moments on a busy machine, where a trial takes a third of the time
between two of them, gave up one good file.
"""

_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0


class Run:
    """A job that this process has leased; :meth:`go` is called once.

    Two batches are with the model at any time, so that it has work while one is kept: vectors,
    chunks and what became of the files in one transaction. Files during which a process ended come
    first, each alone: an ending in company proves nothing against any of them.
    """

    def __init__(
        self,
        job_id: str,
        recipe: Recipe,
        *,
        library: Library,
        database: Database,
        source: Source,
        holder: str,
        when_changed: Callable[[], None],
    ) -> None:
        self._job_id = job_id
        self._recipe = recipe
        self._library = library
        self._database = database
        self._source = source
        self._holder = holder
        self._when_changed = when_changed
        self._cancellation = Cancellation()
        self._model = Model(library, recipe, self._cancellation)
        self._failed: dict[int, BinderyError] = {}
        self._bad_texts: dict[bytes, TextFailed] = {}
        self.tally = Tally.resume([], {})

    def stop(self) -> None:
        """End the run soon, in order; the job goes on another time."""
        self._cancellation.cancel()

    def go(self) -> None:
        """Do what is left. Raises Abandoned where it was stopped, cancelled or taken away."""
        waiting = self._begin()
        suspects = [file for file in waiting if file.attempts > 0]
        self._give_up(file for file in suspects if file.attempts > TRIES_ALONE)
        if suspects:
            self._warm_up()
        for file in suspects:
            if file.attempts <= TRIES_ALONE:
                self._embed([file])
        self._embed([file for file in waiting if not file.attempts])

    def _warm_up(self) -> None:
        """Start all that a file needs, so that little but the file can be what ends its trial.

        Of 200 endings at random moments three files were wrongly given up without this: most of
        the time that counted as theirs was that of the sandbox and the model to start.
        """
        self._library.load(self._recipe.model)
        documents.parse(b"paper", "paper.txt")

    def _begin(self) -> list[JobFileRow]:
        made_by = self._recipe.facts()
        with self._database.writing() as connection:
            row = rows.find_job(connection, self._job_id)
            if row is not None and row.maker not in (None, made_by):
                rows.start_over(connection, self._job_id)
            rows.hold(connection, self._job_id, self._holder, maker=made_by)
            files = rows.list_files(connection, self._job_id)
        self._when_changed()
        self.tally = Tally.resume(files, {} if row is None else row.progress)
        return [file for file in files if file.state is FileState.WAITING]

    def _give_up(self, files: Iterator[JobFileRow]) -> None:
        batch = Batch()
        for file in files:
            reason = Quarantined(
                f"The process ended each of the {file.attempts} times that {file.name!r} was being "
                "worked on, and it is not tried again.",
                remedy="Leave the file out, or change it; please report it.",
            )
            batch.add(Failed(file, reason))
        if len(batch):
            self._keep(batch, {})

    def _embed(self, files: Sequence[JobFileRow]) -> None:
        """Read, cut, embed and keep these files."""
        reading = Reading(
            files,
            job_id=self._job_id,
            recipe=self._recipe,
            library=self._library,
            database=self._database,
            source=self._source,
            cancellation=self._cancellation,
            threads=min(READING_THREADS, len(files)),
        )
        try:
            reading.start()
            self._cancellation.when_cancelled(reading.inbox.wake)
            self._work(reading)
        except BaseException:  # also Ctrl-C; it goes on once the attempts are taken back
            self._cancellation.cancel()
            reading.stop()
            self._take_back(reading)
            raise
        reading.stop()

    def _work(self, reading: Reading) -> None:
        inbox = reading.inbox
        flight: Flight | None = None
        batch = Batch()
        while True:
            self._cancellation.check()
            stage = reading.stage if flight is None else Stage.EMBEDDING
            self.tally = replace(self.tally, stage=stage)
            self._fill(batch, reading)
            if batch.is_full or (flight is None and len(batch)):
                following = self._start(batch, flight)
                batch = Batch()
                if flight is not None:
                    self._land(flight, reading)
                flight = following
                if flight.pending is not None:
                    flight.pending.when_done(inbox.wake)
            elif flight is not None and flight.is_done:
                self._land(flight, reading)
                flight = None
            elif flight is None and inbox.is_over:
                return
            else:
                inbox.wait(_WAIT_S)

    def _fill(self, batch: Batch, reading: Reading) -> None:
        while not batch.is_full and (item := reading.inbox.take()) is not None:
            if isinstance(item, Fatal):
                raise item.error
            batch.add(item)

    def _start(self, batch: Batch, flight: Flight | None) -> Flight:
        """Hand a batch to the model, but for what is known and what ``flight`` brings."""
        with self._database.reading() as connection:
            keys = {key for piece in batch.pieces for key in piece.keys}
            known = derived.known_vectors(connection, keys)
        new = new_keys(batch, known, () if flight is None else flight.new)
        return self._model.start(batch, new, when_full=self._wait)

    def _land(self, flight: Flight, reading: Reading) -> None:
        made, bad = self._model.finish(flight, when_full=self._wait)
        self._bad_texts.update(bad)
        try:
            ended = self._keep(flight.batch, made)
        except Conflict:
            # Vectors that were there have been deleted since, with the last file that had them.
            again = self._model.start(
                flight.batch, flight.batch.vector_keys(), when_full=self._wait
            )
            made, bad = self._model.finish(again, when_full=self._wait)
            self._bad_texts.update(bad)
            ended = self._keep(flight.batch, made)
        reading.claimed -= ended

    def _keep(self, batch: Batch, made: Mapping[bytes, KeptVectors]) -> set[int]:
        """Write down what a batch came to, all of it or nothing: the places of files that ended."""
        with self._database.writing() as connection:
            failed = self._failures(connection, batch)
            gone = {*self._failed, *failed}
            pieces = [piece for piece in batch.pieces if piece.file.place not in gone]
            _keep_pieces(connection, pieces, made)
            ended = {place: _failure(error) for place, error in failed.items()}
            ended.update((one.file.place, dict(_DONE)) for one in batch.others if _is_same(one))
            ended.update((piece.file.place, _done(piece)) for piece in pieces if piece.is_last)
            tally = self.tally.after(batch, pieces, made)
            last = rows.hold(
                connection,
                self._job_id,
                self._holder,
                changes=len(ended) + 1,
                progress=tally.facts(),
            )
            for number, (place, values) in enumerate(ended.items(), last - len(ended)):
                rows.change_file(connection, self._job_id, place, changed=number, **values)
        self.tally = tally
        self._failed.update(failed)
        self._when_changed()
        return set(ended)

    def _failures(self, connection: Transaction, batch: Batch) -> dict[int, BinderyError]:
        """The files of a batch that fail now, by their places, and why."""
        failed = {one.file.place: one.error for one in batch.others if isinstance(one, Failed)}
        for piece in batch.pieces:
            place = piece.file.place
            if place in failed or place in self._failed:
                continue
            bad = next((key for key in piece.keys if key in self._bad_texts), None)
            if bad is not None:
                failed[place] = _text_failed(piece, bad, self._bad_texts[bad])
                continue
            try:
                self._source.admit(connection, piece.file.file_id, piece.content)
            except UnknownFile as error:
                failed[place] = error
        return failed

    def _wait(self, full: Overloaded) -> None:
        """Let the model's queue empty itself; a run that is stopped ends here."""
        until = time.monotonic() + min(full.retry_after_s, _LONGEST_WAIT_S)
        while time.monotonic() < until:
            self._cancellation.check()
            time.sleep(_WAIT_S)

    def _take_back(self, reading: Reading) -> None:
        """The files that were not done did not end this process: it ends in order."""
        # A disk that fails has told so already; the files count as suspect, and come first.
        with suppress(StorageError), self._database.writing() as connection:
            rows.count_attempt(connection, self._job_id, sorted(reading.claimed), -1)


_DONE = {
    "state": FileState.DONE,
    "attempts": 0,
    "error_code": None,
    "error_message": None,
    "remedy": None,
}


def _text_failed(piece: Piece, bad: bytes, error: TextFailed) -> TextFailed:
    """The same as the user of the file needs to hear it, who knows nothing of batches."""
    span = piece.chunks[piece.keys.index(bad)].span
    where = f"characters {span.start} to {span.end}" if piece.document is None else "the text"
    reason = error.__cause__.message if isinstance(error.__cause__, BinderyError) else error.message
    return TextFailed(
        f"The engine fails on {where} of {piece.file.name!r}: {reason}", remedy=error.remedy
    )


def _is_same(one: Unchanged | Failed) -> bool:
    return isinstance(one, Unchanged)


def _done(piece: Piece) -> dict[str, Any]:
    made = piece.chunk_set
    return {
        **_DONE,
        "content": made.content,
        "chunk_set": made.key,
        "chunks": made.chunks,
        "warnings": made.warnings,
    }


def _failure(error: BinderyError) -> dict[str, Any]:
    return {
        "state": FileState.FAILED,
        "chunk_set": None,
        "chunks": 0,
        # Given up is given up, until the file is another.
        **({} if isinstance(error, Quarantined) else {"attempts": 0}),
        "error_code": error.code,
        "error_message": error.message,
        "remedy": error.remedy,
    }


def _keep_pieces(
    connection: Transaction, pieces: Sequence[Piece], made: Mapping[bytes, KeptVectors]
) -> None:
    for piece in pieces:
        if not piece.is_kept:
            derived.keep_chunks(
                connection, piece.chunk_set, piece.part, piece.chunks, last=piece.is_last
            )
    wanted = {key for piece in pieces for key in piece.keys}
    derived.keep_vectors(connection, {key: one for key, one in made.items() if key in wanted})
    for piece in pieces:
        derived.keep_uses(connection, piece.chunk_set.key, piece.keys)
