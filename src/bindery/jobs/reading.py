"""Threads that read and chunk files while the model works."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from bindery.documents.language import language_of
from bindery.encoders.base import UNKNOWN
from bindery.encoders.pending import Cancellation
from bindery.errors import (
    Abandoned,
    BinderyError,
    BrokenDocument,
    InputError,
    Overloaded,
    StorageError,
    TextFailed,
    TextTooLong,
    UnknownFile,
)
from bindery.jobs.parts import Failed, FilePart, PartsDeleted, Sink, Unchanged
from bindery.jobs.queues import BoundedQueue, Closed
from bindery.jobs.recipe import Recipe, text_digest
from bindery.jobs.sources import Content, FileSource
from bindery.jobs.values import Stage
from bindery.library import Library
from bindery.store.values import ChunkSet, JobFileRow
from bindery.types import Chunk, Document, Span, Truncate

OF_A_FILE = (InputError, UnknownFile, StorageError, TextFailed)
"""The errors that fail one file, and not the job."""

# A batch has 16,384 tokens, 0.5 to 2 s of work for two cores, during which the next one is read.
_PART_TOKENS = 4096
_PART_CHUNKS = 64
_WAITING_TOKENS = 65_536
# Each claim is a durable transaction, which takes some milliseconds.
_CLAIMED_AT_ONCE = 16
# A document may take half a minute to parse, which is too long to wait for when a job is stopped.
_LEAVE_S = 1.0
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fatal:
    """An error that ends the whole job."""

    error: BaseException


Item: TypeAlias = FilePart | Unchanged | Failed | Fatal


class Cutter:
    """Reads files and cuts them into the chunks of a recipe."""

    def __init__(
        self, library: Library, recipe: Recipe, cancellation: Cancellation | None = None
    ) -> None:
        self._library = library
        self._recipe = recipe
        self._cancellation = cancellation or Cancellation()
        self.stage = Stage.READING

    def cut(self, file: JobFileRow, content: Content, key: bytes = b"") -> Iterator[FilePart]:
        """The parts of a file in order. ``key`` is that of its chunks, if they are stored."""
        self.stage = Stage.READING
        sha256 = content.sha256() if key else ""
        if self._recipe.lines:
            yield from self._lines(file, content, key, sha256)
        else:
            yield from self._chunks(file, content, key, sha256)

    def check_fit(self, chunks: Sequence[Chunk]) -> None:
        """Raise TextTooLong for a chunk that would be truncated, if the job forbids that."""
        recipe, vectors = self._recipe, self._recipe.vectors
        # Late chunking reads a document in windows and truncates nothing. The tokens of remote
        # models are only counted by the vendor.
        if vectors.truncate is not Truncate.ERROR or recipe.is_late or recipe.is_remote:
            return
        room = self._library.room(recipe.loaded_as, vectors.role, title=vectors.title)
        for chunk in chunks:
            if chunk.tokens > room:
                raise TextTooLong(
                    f"The chunk at {chunk.span.start}:{chunk.span.end} has {chunk.tokens} tokens, "
                    f"and {recipe.model} has room for {room}.",
                    remedy="Choose a smaller size, or let texts be truncated.",
                    param="size",
                )

    def _chunks(
        self, file: JobFileRow, content: Content, key: bytes, sha256: str
    ) -> Iterator[FilePart]:
        document = content.parse()
        self.stage = Stage.CHUNKING
        chunks = self._chunk(document, content.timeout_s)
        self.check_fit(chunks)
        digest = text_digest(document.text)
        chunk_set = ChunkSet(
            key=key,
            content=sha256,
            document=digest,
            chunks=len(chunks),
            warnings=document.warnings,
            kind=document.kind,
            title=document.title,
            # Only what is kept is searched.
            language=language_of(document.text) if key else "",
        )
        is_late = self._recipe.is_late
        groups = [chunks] if is_late else _parts(chunks)
        whole = document if is_late else None
        yield from _file_parts(file, content, self._recipe, chunk_set, groups, document=whole)

    def _chunk(self, document: Document, timeout_s: float) -> list[Chunk]:
        while True:
            try:
                return self._library.chunk(
                    document,
                    self._recipe.chunks,
                    model_id=self._recipe.loaded_as,
                    parse_timeout_s=timeout_s,
                    cancellation=self._cancellation,
                    owner=self._recipe.owner,
                )
            except Overloaded as error:  # a strategy that embeds waits for the model
                if _waits(self._cancellation, error.retry_after_s):
                    raise Abandoned("The job was stopped.") from error

    def _lines(
        self, file: JobFileRow, content: Content, key: bytes, sha256: str
    ) -> Iterator[FilePart]:
        part = first = 0
        for lines, chunks in self._groups(file.name, content):
            self.check_fit(chunks)
            yield FilePart(
                file,
                content,
                ChunkSet(key, sha256, "", first + len(chunks), ()),
                part,
                first,
                chunks,
                self._recipe.vector_keys(chunks, ""),
                found=len(chunks),
                size_bytes=float(sum(len(line) for line in lines)),
                is_last=not lines,
            )
            part, first = part + 1, first + len(chunks)

    def _groups(self, name: str, content: Content) -> Iterator[tuple[list[bytes], list[Chunk]]]:
        """Lines with a chunk for each, some at a time; the last group is empty."""
        rest = content.lines()
        index = start = 0
        lines: list[bytes] | None = None
        while lines is None or lines:
            lines = list(islice(rest, _PART_CHUNKS))
            texts: list[str] = []
            spans: list[Span] = []
            try:
                for line in lines:
                    text, ending = _decoded(line, name, index)
                    texts.append(text)
                    # Spans are never empty: the span of an empty line is its line end.
                    spans.append(Span(start, start + (len(text) or ending)))
                    start += len(text) + ending
                    index += 1
            except BrokenDocument:
                if texts:
                    yield lines, self._counted(texts, spans)
                raise
            yield lines, self._counted(texts, spans)

    def _counted(self, texts: Sequence[str], spans: Sequence[Span]) -> list[Chunk]:
        if self._recipe.is_remote:
            counts = [UNKNOWN] * len(texts)
        else:
            counts = self._library.measure(self._recipe.loaded_as).tokeniser.count_tokens(texts)
        return [Chunk(*one) for one in zip(spans, texts, counts, strict=True)]


class Reading:
    """Threads that read and chunk files in order, into a bounded queue.

    Before a file is read, an attempt at it is counted durably, for a few files at a time. If the
    process ends before the file does, the attempt shows that the file may have been the cause.
    """

    def __init__(
        self,
        files: Sequence[JobFileRow],
        *,
        cutter: Cutter,
        recipe: Recipe,
        source: FileSource,
        sink: Sink,
    ) -> None:
        threads = min(sink.reading_threads, len(files))
        self.queue: BoundedQueue[Item] = BoundedQueue(capacity=_WAITING_TOKENS, writers=threads)
        self.claimed: set[int] = set()
        self._cutter = cutter
        self._files = iter(files)
        self._turn = threading.Lock()
        self._ahead: list[JobFileRow] = []
        self._recipe = recipe
        self._source = source
        self._sink = sink
        self._threads = [
            threading.Thread(target=self._work, name=f"bindery-reading-{n}", daemon=True)
            for n in range(threads)
        ]

    @property
    def stage(self) -> Stage:
        """The stage of the threads."""
        return self._cutter.stage

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more files. A thread that is reading a file ends after it."""
        self.queue.close()
        until = time.monotonic() + _LEAVE_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        try:
            while (file := self._next()) is not None:
                self._put(file)
        except Closed:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that embeds
            with suppress(Closed):
                self.queue.put(Fatal(error), 1)
        finally:
            self.queue.leave()

    def _next(self) -> JobFileRow | None:
        with self._turn:
            if not self._ahead:
                self._ahead = list(islice(self._files, _CLAIMED_AT_ONCE))
                places = [file.place for file in self._ahead]
                if places:
                    self._sink.count_attempts(places, +1)
                    self.claimed.update(places)
            return self._ahead.pop(0) if self._ahead else None

    def _put(self, file: JobFileRow) -> None:
        try:
            for item in self._items(file):
                weight = item.tokens if isinstance(item, FilePart) else 0
                self.queue.put(item, weight + 1)
        except OF_A_FILE as error:
            self.queue.put(Failed(file, error), 1)
        except (BinderyError, Closed, PartsDeleted):
            raise
        except Exception as error:  # noqa: BLE001 - a bug in a reader must not fail other files
            reason = BinderyError(
                f"{file.name!r} cannot be read: {type(error).__name__}: {error}.",
                remedy="This is a bug in Bindery. Please report it.",
            )
            self.queue.put(Failed(file, reason), 1)

    def _items(self, file: JobFileRow) -> Iterator[Item]:
        content = self._source.open(file.file_id, lines=self._recipe.lines)
        key, kept = self._sink.look_up(content)
        if kept is not None and file.chunk_set == key:
            yield Unchanged(file)
        elif kept is not None and self._is_enough(kept):
            yield from self._kept(file, content, kept)
        else:
            yield from self._cutter.cut(file, content, key)

    def _is_enough(self, kept: ChunkSet) -> bool:
        """Whether the stored chunks suffice. Late chunking may need the document."""
        if not self._recipe.is_late:
            return True
        chunks = [one for part in self._sink.read_parts(kept) for one in part]
        keys = self._recipe.vector_keys(chunks, kept.document)
        return self._sink.known(keys) == set(keys)

    def _kept(self, file: JobFileRow, content: Content, kept: ChunkSet) -> Iterator[FilePart]:
        groups = self._sink.read_parts(kept)
        for part in _file_parts(file, content, self._recipe, kept, groups, is_kept=True):
            self._cutter.check_fit(part.chunks)
            yield part


def _file_parts(
    file: JobFileRow,
    content: Content,
    recipe: Recipe,
    chunk_set: ChunkSet,
    groups: Iterable[Sequence[Chunk]],
    *,
    is_kept: bool = False,
    document: Document | None = None,
) -> Iterator[FilePart]:
    """A part for each group of the chunks of a file."""
    first, total = 0, chunk_set.chunks
    for part, chunks in enumerate(groups):
        yield FilePart(
            file,
            content,
            chunk_set,
            part,
            first,
            chunks,
            recipe.vector_keys(chunks, chunk_set.document),
            found=0 if part else total,
            size_bytes=file.size_bytes * (len(chunks) / total if total else 1.0),
            is_last=first + len(chunks) == total,
            is_kept=is_kept,
            document=document,
        )
        first += len(chunks)


def _waits(cancellation: Cancellation, seconds: float) -> bool:
    """Wait; returns whether the job was stopped while waiting."""
    left = threading.Event()
    cancellation.when_cancelled(left.set)
    return left.wait(seconds)


def _parts(chunks: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    """The chunks, some at a time. A document without chunks has one empty part."""
    first, tokens = 0, 0
    for place, chunk in enumerate(chunks):
        if place > first and (
            tokens + chunk.tokens > _PART_TOKENS or place - first >= _PART_CHUNKS
        ):
            yield chunks[first:place]
            first, tokens = place, 0
        tokens += chunk.tokens
    yield chunks[first:]


def _decoded(line: bytes, name: str, index: int) -> tuple[str, int]:
    """The text of a line, and the length of its line end."""
    if index == 0:  # a byte order mark is not text
        line = line.removeprefix(_BYTE_ORDER_MARK)
    body = line.rstrip(b"\r\n")
    try:
        return body.decode("utf-8"), len(line) - len(body)
    except UnicodeDecodeError as error:
        raise BrokenDocument(
            f"Line {index + 1} of {name!r} is not UTF-8 (byte {error.start + 1} of the line).",
            remedy="Convert the file to UTF-8.",
        ) from None
