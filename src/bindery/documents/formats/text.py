"""Plain text and programs, read as they are written."""

from collections.abc import Iterator

from bindery.documents.formats.builder import lines_of
from bindery.documents.formats.encoding import DecodedText, decode
from bindery.types import Block, Document, Span


def read_text(data: bytes, name: str) -> Document:
    """Read a text as it is; its blocks are the paragraphs between blank lines."""
    return as_written(decode(data), "text", name, block="paragraph")


def read_code(data: bytes, name: str) -> Document:
    """Read a program as it is; its blocks are the pieces between blank lines."""
    return as_written(decode(data), "code", name)


def as_written(
    decoded: DecodedText, kind: str, name: str, *warnings: str, block: str = "code"
) -> Document:
    """A text as it is written; its blocks are the pieces between blank lines."""
    blocks = tuple(Block(block, span) for span in paragraphs(decoded.text))
    return Document(decoded.text, kind, name, blocks, (*decoded.warnings, *warnings))


def paragraphs(text: str) -> Iterator[Span]:
    """The spans of lines that are not blank, from one blank line to the next."""
    first: int | None = None
    last = 0
    for start, end in lines_of(text):
        if text[start:end].strip():
            first = start if first is None else first
            last = end
        elif first is not None:
            yield Span(first, last)
            first = None
    if first is not None:
        yield Span(first, last)
