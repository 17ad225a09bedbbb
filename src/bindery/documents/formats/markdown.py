"""Markdown: the text is the source itself, and the blocks are spans of it."""

import re
from collections.abc import Iterator

from bindery.documents.formats.builder import lines_of, real_title
from bindery.documents.formats.encoding import decode
from bindery.types import Block, Document, Span

# Each matches one line and has no nested repeats, so the time is linear.
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}(?!.*`)|~{3,})")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_RULE = re.compile(r" {0,3}(?:-[ \t]*|\*[ \t]*|_[ \t]*){3,200}$")
_TABLE_RULE = re.compile(r"\|?[ \t:]*-[-:| \t]*$")
_INDENTED = re.compile(r"(?: {4}|\t)")
_LONGEST_SETEXT = 300
"""Characters: a longer text above a line of "=" or "-" is a paragraph."""

_FRONT_MATTER = re.compile(
    r"\A(?:---[ \t]*\n(?=(?:#[^\n]*\n)*[\w\"'][\w\"'. -]{0,60}:(?:\s|$))"
    r"|\+\+\+[ \t]*\n(?=[\w\"'#\[]))",
    re.ASCII,
)
_FRONT_END = {
    "-": re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE),
    "+": re.compile(r"^\+\+\+[ \t]*$", re.MULTILINE),
}
_FRONT_TITLE = re.compile(
    r"^title[ \t]*[:=][ \t]*(?:\"([^\"\n]*)\"|'([^'\n]*)'|[>|][+-]?((?:\n[ \t]+[^\n]*)+)"
    r"|((?:(?![ \t]#)[^\n])+))",
    re.MULTILINE | re.IGNORECASE,
)

# Blocks that hold no headings, and how each ends (https://spec.commonmark.org/0.31.2/#html-blocks).
_RAW_BLOCKS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(begin, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for begin, end in (
        (r" {0,3}<(?:script|pre|style|textarea)(?:[\s>]|$)", r"</(?:script|pre|style|textarea)>"),
        (r" {0,3}<!--", r"-->"),
        (r" {0,3}<\?", r"\?>"),
        (r" {0,3}<!\[CDATA\[", r"\]\]>"),
        (r" {0,3}\$\$(?!.*\$\$)", r"\$\$"),
        (
            r" {0,3}</?(?:address|article|aside|blockquote|body|center|dd|details|dialog|div|dl|dt"
            r"|fieldset|figcaption|figure|footer|form|h[1-6]|head|header|hr|html|iframe|legend|li"
            r"|link|main|menu|nav|ol|optgroup|option|p|section|summary|table|tbody|td|tfoot|th"
            r"|thead|title|tr|ul)(?:[\s/>]|$)",
            r"^\s*$",
        ),
    )
)


def read_markdown(data: bytes, name: str) -> Document:
    """Read Markdown as it is written; its blocks are headings, paragraphs, list items and so on.

    The title is that of the front matter.
    """
    decoded = decode(data)
    text = decoded.text
    found = _FRONT_TITLE.search(text, 0, _front_matter(text))
    title = real_title(next(filter(None, found.groups()), "")) if found else ""
    return Document(text, "markdown", name, tuple(blocks_of(text)), decoded.warnings, title)


def _front_matter(text: str) -> int:
    """Where the front matter (YAML or TOML) ends; 0 if the text does not begin with any."""
    if not _FRONT_MATTER.match(text):
        return 0
    end = _FRONT_END[text[0]].search(text, 4)
    return end.end() if end else 0


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of a text in Markdown, in order."""
    return _Scanner(text).blocks()


class _Scanner:
    """Reads the lines once; an open block grows until a line ends it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._kind = ""  # of the open block, if any
        self._start = self._end = 0
        self._fence = ""
        self._until: re.Pattern[str] | None = None
        self._front = _front_matter(text)

    def blocks(self) -> Iterator[Block]:
        if self._front:
            yield self._block("code", 0, self._front)
        for start, end in lines_of(self._text):
            line = self._text[start:end]
            if end <= self._front:
                continue
            if self._fence:
                yield from self._in_code(line, end)
            elif self._until:
                yield from self._in_raw(line, end)
            else:
                yield from self._outside(line, start, end)
        yield from self._close()

    def _in_code(self, line: str, end: int) -> Iterator[Block]:
        self._end = end
        mark = line.strip()
        if mark.startswith(self._fence) and not mark.strip(self._fence[0]):
            yield from self._close()

    def _in_raw(self, line: str, end: int) -> Iterator[Block]:
        is_last = self._until is not None and self._until.search(line)
        self._end = end if line.strip() else self._end
        if is_last:
            yield from self._close()

    def _outside(self, line: str, start: int, end: int) -> Iterator[Block]:
        if not line.strip() or self._is_rule(line):
            yield from self._close()
        elif fence := _FENCE.match(line):
            yield from self._close()
            self._open("code", start, end, fence=fence[1])
        elif until := _raw_block(line):
            yield from self._begin_raw(line, start, end, until)
        elif heading := _HEADING.match(line):
            yield from self._close()
            yield self._block("heading", start, end, level=len(heading[1]))
        elif (underline := _UNDERLINE.match(line)) and self._may_be_heading(start):
            self._kind = ""
            yield self._block("heading", self._start, end, level=1 if "=" in underline[1] else 2)
        elif _LIST_ITEM.match(line):
            yield from self._close()
            self._open("list_item", start, end)
        elif self._kind == "paragraph" and "|" in line and self._is_table_head(line):
            self._kind, self._end = "table", end
        elif self._kind:
            self._end = end  # the block continues; in a list item also without indent
        else:
            self._open("code" if _INDENTED.match(line) else "paragraph", start, end)

    def _is_rule(self, line: str) -> bool:
        # Below a paragraph, a line of "-" makes it a heading.
        return bool(_RULE.match(line)) and not (
            self._kind == "paragraph" and _UNDERLINE.match(line)
        )

    def _begin_raw(
        self, line: str, start: int, end: int, until: re.Pattern[str]
    ) -> Iterator[Block]:
        yield from self._close()
        self._open("paragraph", start, end)
        self._until = until
        if until.search(line.lstrip(), 2):
            yield from self._close()

    def _may_be_heading(self, end: int) -> bool:
        return self._kind == "paragraph" and end - self._start <= _LONGEST_SETEXT

    def _is_table_head(self, line: str) -> bool:
        return bool(_TABLE_RULE.match(line.strip())) and "|" in self._text[self._start : self._end]

    def _open(self, kind: str, start: int, end: int, *, fence: str = "") -> None:
        self._kind, self._start, self._end, self._fence = kind, start, end, fence

    def _close(self) -> Iterator[Block]:
        if self._kind:
            yield self._block(self._kind, self._start, self._end)
        self._kind = self._fence = ""
        self._until = None

    def _block(self, kind: str, start: int, end: int, *, level: int = 0) -> Block:
        return Block(kind, Span(start, end), level)


def _raw_block(line: str) -> re.Pattern[str] | None:
    """How a block of HTML or formulas ends, if this line begins one."""
    stripped = line.lstrip(" ")
    if not stripped.startswith(("<", "$$")):
        return None
    return next((end for begin, end in _RAW_BLOCKS if begin.match(line)), None)
