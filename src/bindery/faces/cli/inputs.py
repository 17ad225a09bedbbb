"""Files and standard input in, pieces of text out: chunks of documents, or lines."""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bindery import documents
from bindery.encoders.base import UNKNOWN
from bindery.errors import BinderyError, BrokenDocument, InputError, UnknownFile, UnsupportedModel
from bindery.library import Library
from bindery.options import ChunkOptions
from bindery.types import Document

STANDARD_INPUT = "-"

# Text, unless its content proves it something else: a PDF may come through a pipe too.
_NAME_OF_STANDARD_INPUT = "standard input.txt"


@dataclass(frozen=True, slots=True)
class Piece:
    """One text to be embedded, and where it is from.

    ``start`` and ``end`` are code points of the document's text, or of the file for a line.
    ``tokens`` counts those of the text alone, -1 where the model is remote. ``share`` is how many
    bytes of its file it stands for, which progress goes by.
    """

    file: str
    index: int
    start: int
    end: int
    text: str
    tokens: int
    page: int | None = None
    share: float = 0.0


Warn = Callable[[str, str], None]
"""Told of a file, and of what its reader had to guess or leave out."""


def pieces_of(
    files: Iterable[str],
    read: Callable[[str], Iterator[Piece]],
    fail: Callable[[str, BinderyError], None],
) -> Iterator[Piece]:
    """The pieces of all files, in order; ``fail`` is told of each file that cannot be read."""
    for file in files:
        try:
            yield from read(file)
        except (InputError, UnknownFile) as error:
            fail(file, error)


def read_document(file: str, *, timeout_s: float) -> Document:
    """Parse a file, or standard input for ``-``, in a process of its own."""
    if file == STANDARD_INPUT:
        data = sys.stdin.buffer.read()
        return documents.parse(data, _NAME_OF_STANDARD_INPUT, timeout_s=timeout_s)
    return documents.parse(Path(file), shown_name(Path(file).name), timeout_s=timeout_s)


def read_chunks(
    file: str,
    library: Library,
    model: str,
    options: ChunkOptions,
    *,
    timeout_s: float,
    warn: Warn,
) -> Iterator[Piece]:
    """The chunks of one document."""
    document = read_document(file, timeout_s=timeout_s)
    for warning in document.warnings:
        warn(file, warning)
    chunks = library.chunk(document, options, model_id=model, parse_timeout_s=timeout_s)
    share = size_bytes([file]) / len(chunks) if chunks else 0
    for index, chunk in enumerate(chunks):
        start, end = chunk.span.start, chunk.span.end
        yield Piece(
            shown_name(file),
            index,
            start,
            end,
            chunk.text,
            chunk.tokens,
            page=chunk.page,
            share=share,
        )


def read_lines(file: str, library: Library, model: str) -> Iterator[Piece]:
    """The lines of a file of UTF-8, each as it is without its line end; empty ones too."""
    count = _counter(library, model)
    start = 0
    with _opened(file) as source:
        for index, line in enumerate(source):
            text = _decoded(line, file, index)
            end = start + len(text)
            yield Piece(shown_name(file), index, start, end, text, count(text), share=len(line))
            ending = len(line) - len(line.rstrip(b"\r\n"))
            start = end + ending


def _counter(library: Library, model: str) -> Callable[[str], int]:
    try:
        tokeniser = library.measure(model).tokeniser
    except UnsupportedModel:  # a remote model, whose tokeniser is not here
        return lambda _: UNKNOWN
    return lambda text: tokeniser.count_tokens([text])[0]


def size_bytes(files: Iterable[str]) -> int:
    """How large the files are together, as far as that can be told."""
    total = 0
    for file in files:
        try:
            total += Path(file).stat().st_size if file != STANDARD_INPUT else 0
        except OSError:  # reading it will say why
            continue
    return total


def shown_name(file: str) -> str:
    """The name of a file as text: bytes that are not UTF-8 are replaced."""
    return os.fsencode(file).decode("utf-8", errors="replace")


@contextmanager
def _opened(file: str) -> Generator[IO[bytes], None, None]:
    if file == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as source:
            yield source
    except OSError as error:
        raise UnknownFile(
            f"No file can be read at {file!r}: {error.strerror or error}.",
            remedy="Check the path and its permissions.",
        ) from error


def _decoded(line: bytes, file: str, index: int) -> str:
    # A byte order mark is no part of the first text.
    body = line.removeprefix(b"\xef\xbb\xbf") if index == 0 else line
    try:
        return body.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        name = "standard input" if file == STANDARD_INPUT else repr(file)
        raise BrokenDocument(
            f"Line {index + 1} of {name} is not UTF-8 (byte {error.start + 1} of the line); the "
            "lines before it are embedded, the others are not.",
            remedy="Convert it to UTF-8.",
        ) from None
