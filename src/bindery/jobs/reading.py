"""Files in, chunks out, in threads of their own while the model works."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from bindery.encoders.pending import Cancellation
from bindery.errors import (
    Abandoned,
    BinderyError,
    InputError,
    Overloaded,
    StorageError,
    TextFailed,
    TextTooLong,
    UnknownFile,
)
from bindery.jobs.inbox import Closed, Inbox
from bindery.jobs.recipe import Recipe, text_digest
from bindery.jobs.sources import Content, Source
from bindery.jobs.values import Stage
from bindery.library import Library
from bindery.store import derived
from bindery.store.database import Database
from bindery.store.jobs import count_attempt
from bindery.store.values import ChunkSet, JobFileRow
from bindery.types import Chunk, Document, Truncate

OF_A_FILE = (InputError, UnknownFile, StorageError, TextFailed)
"""The errors that a file can have, while the others go on."""

# The model has a batch of 16,384 tokens, 0.5 to 2 s of work on two cores, while the next is made.
_PIECE_TOKENS = 4096
_PIECE_CHUNKS = 64
_WAITING_TOKENS = 65_536
# Each claim is a transaction that reaches the disk, some milliseconds.
_CLAIMED_AT_ONCE = 16
# A document may take half a minute to parse, and who stops a job waits for a second.
_LEAVE_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some chunks of a file, by the keys of their vectors. ``part`` counts the pieces of a file.

    ``is_kept`` says that the chunks are in the store. ``document`` is there for late chunking, of
    which a piece is all of a file.
    """

    file: JobFileRow
    content: Content
    chunk_set: ChunkSet
    part: int
    chunks: Sequence[Chunk]
    keys: Sequence[bytes]
    is_last: bool
    is_kept: bool
    document: Document | None = None

    @property
    def tokens(self) -> int:
        """How many the chunks have, by their own account."""
        return sum(chunk.tokens for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file that was done before and is as it was."""

    file: JobFileRow


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that cannot be read or cut."""

    file: JobFileRow
    error: BinderyError


@dataclass(frozen=True, slots=True)
class Fatal:
    """What ends the whole job."""

    error: BaseException


Item: TypeAlias = Piece | Unchanged | Failed | Fatal


class Reading:
    """Threads that read and cut files in order, into an inbox of a bounded size.

    Before a file is read an attempt at it is counted, durably, a few files at once: where the
    process ends and nobody takes the attempt back, the file may have been what ended it.
    """

    def __init__(
        self,
        files: Sequence[JobFileRow],
        *,
        job_id: str,
        recipe: Recipe,
        library: Library,
        database: Database,
        source: Source,
        cancellation: Cancellation,
        threads: int,
    ) -> None:
        self.inbox: Inbox[Item] = Inbox(capacity=_WAITING_TOKENS, writers=threads)
        self.claimed: set[int] = set()
        self.stage = Stage.READING
        self._files = iter(files)
        self._turn = threading.Lock()
        self._ahead: list[JobFileRow] = []
        self._job_id = job_id
        self._recipe = recipe
        self._library = library
        self._database = database
        self._source = source
        self._cancellation = cancellation
        self._threads = [
            threading.Thread(target=self._work, name=f"bindery-reading-{n}", daemon=True)
            for n in range(threads)
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Read nothing more. A thread that is reading just now ends once it has."""
        self.inbox.close()
        until = time.monotonic() + _LEAVE_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        try:
            while (file := self._next()) is not None:
                self._put_in(file)
        except Closed:
            return
        except BaseException as error:  # noqa: BLE001 - whoever embeds raises it in its own thread
            self._tell(Fatal(error))
        finally:
            self.inbox.leave()

    def _tell(self, item: Item) -> None:
        try:
            self.inbox.put(item, 1)
        except Closed:
            return

    def _next(self) -> JobFileRow | None:
        with self._turn:
            if not self._ahead:
                self._ahead = list(islice(self._files, _CLAIMED_AT_ONCE))
                self._claim([file.place for file in self._ahead])
            return self._ahead.pop(0) if self._ahead else None

    def _claim(self, places: list[int]) -> None:
        if places:
            with self._database.writing() as connection:
                count_attempt(connection, self._job_id, places, +1)
            self.claimed.update(places)

    def _put_in(self, file: JobFileRow) -> None:
        try:
            for item in self._items(file):
                weight = item.tokens if isinstance(item, Piece) else 0
                self.inbox.put(item, weight + 1)
        except OF_A_FILE as error:
            self.inbox.put(Failed(file, error), 1)
        except (BinderyError, Closed):
            raise
        except Exception as error:  # noqa: BLE001 - a reader's fault must not end other files' work
            reason = BinderyError(
                f"{file.name!r} cannot be read: {type(error).__name__}: {error}.",
                remedy="This is a fault of Bindery; please report it.",
            )
            self.inbox.put(Failed(file, reason), 1)

    def _items(self, file: JobFileRow) -> Iterator[Item]:
        self.stage = Stage.READING
        content = self._source.open(file.file_id)
        key = self._recipe.chunks_key(content.sha256, content.name)
        with self._database.reading() as connection:
            kept = derived.find_chunks(connection, key)
        if kept is not None and file.chunk_set == key:
            yield Unchanged(file)
        elif kept is not None and self._is_enough(kept):
            yield from self._kept(file, content, kept)
        else:
            yield from self._new(file, content, key)

    def _is_enough(self, kept: ChunkSet) -> bool:
        """Whether the chunks will do without their document: but for late chunking they do."""
        if not self._recipe.is_late:
            return True
        with self._database.reading() as connection:
            chunks = [one for part in derived.read_chunks(connection, kept.key) for one in part]
            keys = self._recipe.vector_keys(chunks, kept.document)
            return derived.known_vectors(connection, keys) == set(keys)

    def _kept(self, file: JobFileRow, content: Content, kept: ChunkSet) -> Iterator[Piece]:
        with self._database.reading() as connection:
            parts = derived.count_parts(connection, kept.key)
        for part in range(parts):
            with self._database.reading() as connection:
                chunks = derived.read_part(connection, kept.key, part)
            self._check_fit(chunks)
            keys = self._recipe.vector_keys(chunks, kept.document)
            last = part == parts - 1
            yield Piece(file, content, kept, part, chunks, keys, is_last=last, is_kept=True)

    def _new(self, file: JobFileRow, content: Content, key: bytes) -> Iterator[Piece]:
        document = content.parse()
        self.stage = Stage.CHUNKING
        chunks = self._cut(document, content.timeout_s)
        self._check_fit(chunks)
        digest = text_digest(document.text)
        chunk_set = ChunkSet(key, content.sha256, digest, len(chunks), document.warnings)
        late = self._recipe.is_late
        parts = [chunks] if late else list(_parts(chunks))
        for part, some in enumerate(parts):
            yield Piece(
                file,
                content,
                chunk_set,
                part,
                some,
                self._recipe.vector_keys(some, digest),
                is_last=part == len(parts) - 1,
                is_kept=False,
                document=document if late else None,
            )

    def _check_fit(self, chunks: Sequence[Chunk]) -> None:
        """Raise TextTooLong for a chunk that would be cut, if the job forbids that."""
        recipe, vectors = self._recipe, self._recipe.vectors
        # Late chunking reads a document in windows and cuts nothing.
        if vectors.truncate is not Truncate.ERROR or recipe.is_late:
            return
        room = self._library.room(recipe.model, vectors.role, title=vectors.title)
        for chunk in chunks:
            if chunk.tokens > room:
                raise TextTooLong(
                    f"The chunk at {chunk.span.start}:{chunk.span.end} has {chunk.tokens} tokens, "
                    f"and {recipe.model} has room for {room}.",
                    remedy="Choose a smaller size, or let texts be truncated.",
                    param="size",
                )

    def _cut(self, document: Document, timeout_s: float) -> list[Chunk]:
        recipe = self._recipe
        while True:
            try:
                return self._library.chunk(
                    document,
                    recipe.chunks,
                    model_id=recipe.model,
                    parse_timeout_s=timeout_s,
                    cancellation=self._cancellation,
                    owner=recipe.owner,
                )
            except Overloaded as error:  # only the strategy that embeds can meet it
                if _waits(self._cancellation, error.retry_after_s):
                    raise Abandoned("Nobody waits for this any more.") from error


def _waits(cancellation: Cancellation, seconds: float) -> bool:
    """Wait a while; whether the caller has left meanwhile."""
    left = threading.Event()
    cancellation.when_cancelled(left.set)
    return left.wait(seconds)


def _parts(chunks: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    """The chunks some at a time; no chunk at all is one part."""
    first, tokens = 0, 0
    for place, chunk in enumerate(chunks):
        if place > first and (
            tokens + chunk.tokens > _PIECE_TOKENS or place - first >= _PIECE_CHUNKS
        ):
            yield chunks[first:place]
            first, tokens = place, 0
        tokens += chunk.tokens
    yield chunks[first:]
