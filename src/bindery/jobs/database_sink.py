"""A run's results in the database, each batch in one transaction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bindery.errors import UnknownFile
from bindery.jobs.into_collection import is_in_collection, place
from bindery.jobs.parts import (
    Failed,
    FilePart,
    Landed,
    PartsDeleted,
    RunCounts,
    Sink,
    VectorsDeleted,
)
from bindery.jobs.recipe import Recipe
from bindery.jobs.sources import Content, FileSource, gone
from bindery.jobs.values import IntoCollection
from bindery.store import derived
from bindery.store import jobs as rows
from bindery.store.database import Conflict, Database, Transaction
from bindery.store.files import is_kept
from bindery.store.values import ChunkSet, JobFileRow
from bindery.types import Chunk


class DatabaseSink(Sink):
    """Stores results, which later runs of any job of the same owner find again.

    ``when_changed`` is called after each change. Writing raises LeaseLost if ``holder`` no longer
    has the lease of the job.
    """

    reading_threads = 2

    def __init__(
        self,
        job_id: str,
        recipe: Recipe,
        *,
        database: Database,
        source: FileSource,
        holder: str,
        when_changed: Callable[[], None],
        into: IntoCollection | None = None,
    ) -> None:
        self._job_id = job_id
        self._recipe = recipe
        self._database = database
        self._source = source
        self._holder = holder
        self._when_changed = when_changed
        self._into = into

    def begin(self) -> tuple[Sequence[JobFileRow], Mapping[str, Any]]:
        """See Sink. Files that were embedded by another recipe are embedded again."""
        maker = self._recipe.facts()
        with self._database.writing() as transaction:
            row = rows.find_job(transaction, self._job_id)
            if row is not None and row.maker not in (None, maker):
                rows.start_over(transaction, self._job_id)
            rows.hold(transaction, self._job_id, self._holder, maker=maker)
            files = rows.list_files(transaction, self._job_id)
        self._when_changed()
        return files, {} if row is None else row.progress

    def count_attempts(self, places: Sequence[int], step: int) -> None:
        """See Sink."""
        with self._database.writing() as transaction:
            rows.count_attempt(transaction, self._job_id, places, step)

    def look_up(self, content: Content) -> tuple[bytes, ChunkSet | None]:
        """See Sink."""
        key = self._recipe.chunks_key(content.sha256(), content.name)
        with self._database.reading() as transaction:
            return key, derived.find_chunks(transaction, key)

    def read_parts(self, kept: ChunkSet) -> Iterator[Sequence[Chunk]]:
        """See Sink."""
        part = found = 0
        while part == 0 or found < kept.chunks:
            # One transaction each: some databases cannot write while a transaction reads.
            try:
                with self._database.reading() as transaction:
                    chunks = derived.read_part(transaction, kept.key, part)
            except UnknownFile as error:
                with self._database.writing() as transaction:
                    derived.mark_incomplete(transaction, kept.key)
                raise PartsDeleted from error
            part, found = part + 1, found + len(chunks)
            yield chunks

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """See Sink."""
        with self._database.reading() as transaction:
            return derived.known_vectors(transaction, keys)

    def keep(self, landed: Landed, counts: RunCounts) -> Landed:
        """See Sink."""
        try:
            with self._database.writing() as transaction:
                landed = landed.without(self._deleted(transaction, landed.parts))
                _keep_parts(transaction, landed)
                ended = landed.ended()
                last = rows.hold(
                    transaction,
                    self._job_id,
                    self._holder,
                    changes=len(ended) + 1,
                    progress=counts.after(landed).facts(),
                )
                for number, file in enumerate(ended, last - len(ended)):
                    self._change(transaction, file, number)
                if self._into is not None:
                    place(transaction, self._into, ended)
        except Conflict as error:
            # They were deleted with the last file that used them.
            raise VectorsDeleted from error
        self._when_changed()
        return landed

    def _deleted(self, transaction: Transaction, parts: Sequence[FilePart]) -> Iterator[Failed]:
        """The files that were deleted since they were read."""
        for part in parts:
            sha256 = part.content.sha256()
            if self._into is not None and self._into.is_rebuild:
                if not is_in_collection(transaction, self._into, part.file.file_id, sha256):
                    yield Failed(part.file, gone(part.file.file_id))
            elif not self._source.is_store:
                derived.keep_content(transaction, sha256, part.content.size_bytes)
            elif not is_kept(transaction, part.file.file_id):
                yield Failed(part.file, gone(part.file.file_id))

    def _change(self, transaction: Transaction, file: JobFileRow, number: int) -> None:
        names = ("state", "attempts", "content", "chunk_set", "chunks", "warnings")
        names = (*names, "error_code", "error_message", "remedy")
        values = {name: getattr(file, name) for name in names}
        rows.change_file(transaction, self._job_id, file.place, changed=number, **values)


def _keep_parts(transaction: Transaction, landed: Landed) -> None:
    found = {part.chunk_set.key for part in landed.parts if part.is_kept}
    there = derived.known_sets(transaction, found)
    for part in landed.parts:
        # A set that was found may be gone with the file that used it.
        key = part.chunk_set.key
        if not part.is_kept or key not in there:
            if part.part and not derived.has_part(transaction, key, part.part - 1):
                raise PartsDeleted
            derived.keep_chunks(
                transaction, part.chunk_set, part.part, part.chunks, last=part.is_last
            )
    wanted = {key for part in landed.parts for key in part.keys}
    made = {key: one for key, one in landed.vectors.items() if key in wanted}
    derived.keep_vectors(transaction, made)
    for part in landed.parts:
        derived.keep_uses(transaction, part.chunk_set.key, part.keys)
