"""Markdown: the text is the source itself, the blocks are spans of it."""

import re
from collections.abc import Iterator

from bindery.documents.formats.builder import lines_of
from bindery.documents.formats.encoding import decode
from bindery.types import Block, Document, Span

# Matched against one line at a time and free of nested repeats, so the whole stays linear.
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_RULE = re.compile(r" {0,3}(?:-[ \t]*|\*[ \t]*|_[ \t]*){3,200}$")
_TABLE_RULE = re.compile(r"\|?[ \t:]*-[-:| \t]*$")
_INDENTED = re.compile(r"(?: {4}|\t)")


def read_markdown(data: bytes, name: str) -> Document:
    """Read Markdown as it is written; headings, paragraphs, list items, tables and code apart."""
    decoded = decode(data)
    return Document(
        decoded.text, "markdown", name, tuple(blocks_of(decoded.text)), decoded.warnings
    )


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of a text in Markdown, in order."""
    return _Scanner(text).blocks()


class _Scanner:
    """Goes over the lines once; a block that is open grows until a line ends it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._kind = ""  # of the open block; "" is none
        self._start = self._end = 0
        self._fence = ""

    def blocks(self) -> Iterator[Block]:
        for number, (start, end) in enumerate(lines_of(self._text)):
            line = self._text[start:end]
            if number == 0 and line.rstrip() == "---":
                self._open("code", start, end, fence="---")  # front matter
            elif self._fence:
                yield from self._in_code(line, end)
            else:
                yield from self._outside(line, start, end)
        yield from self._close()

    def _in_code(self, line: str, end: int) -> Iterator[Block]:
        self._end = end
        mark = line.strip()
        if mark.startswith(self._fence) and not mark.strip(self._fence[0]):
            yield from self._close()

    def _outside(self, line: str, start: int, end: int) -> Iterator[Block]:
        if not line.strip():
            yield from self._close()
        elif fence := _FENCE.match(line):
            yield from self._close()
            self._open("code", start, end, fence=fence[1])
        elif heading := _HEADING.match(line):
            yield from self._close()
            yield self._block("heading", start, end, level=len(heading[1]))
        elif self._kind == "paragraph" and (underline := _UNDERLINE.match(line)):
            self._kind = ""
            yield self._block("heading", self._start, end, level=1 if "=" in underline[1] else 2)
        elif _RULE.match(line):
            yield from self._close()
        elif _LIST_ITEM.match(line):
            yield from self._close()
            self._open("list_item", start, end)
        elif self._kind == "paragraph" and "|" in line and self._is_table_head(line):
            self._kind, self._end = "table", end
        elif self._kind:
            self._end = end  # the block goes on, in a list item also where not indented
        else:
            self._open("code" if _INDENTED.match(line) else "paragraph", start, end)

    def _is_table_head(self, line: str) -> bool:
        return bool(_TABLE_RULE.match(line.strip())) and "|" in self._text[self._start : self._end]

    def _open(self, kind: str, start: int, end: int, *, fence: str = "") -> None:
        self._kind, self._start, self._end, self._fence = kind, start, end, fence

    def _close(self) -> Iterator[Block]:
        if self._kind:
            yield self._block(self._kind, self._start, self._end)
        self._kind = self._fence = ""

    def _block(self, kind: str, start: int, end: int, *, level: int = 0) -> Block:
        return Block(kind, Span(start, end), level)
