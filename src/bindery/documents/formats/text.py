"""Plain text, and all that is text without being a document: tables, data, programs."""

from collections.abc import Iterator

from bindery.documents.formats.encoding import decode
from bindery.documents.formats.manuscript import lines_of
from bindery.types import Block, Document, Span


def read_text(data: bytes, name: str) -> Document:
    """Read a text as it is; its blocks are the paragraphs, which blank lines divide."""
    decoded = decode(data)
    blocks = tuple(Block("paragraph", span) for span in paragraphs(decoded.text))
    return Document(decoded.text, "text", name, blocks, decoded.warnings)


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
