"""reStructuredText and Org: the text is the source itself, and the blocks are spans of it."""

import re
from collections.abc import Iterator
from itertools import groupby

from bindery.documents.formats.builder import lines_of, real_title
from bindery.documents.formats.encoding import decode
from bindery.types import Block, Document, Span

_Lines = list[tuple[int, int]]

# A line of one repeated sign (https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html).
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*$")
_DIRECTIVE = re.compile(r"\.\. +(?:code|code-block|sourcecode|parsed-literal|math|raw)::", re.I)
_RST_TABLE = re.compile(r"[ \t]*(?:\+[-=+]+\+|=+(?:[ \t]+=+)+)[ \t]*$")
_RST_ITEM = re.compile(r"[ \t]*(?:[-*+\u2022]|(?:\d+|#|[A-Za-z])[.)]|\(\w+\))[ \t]+\S")

_STARS = re.compile(r"(\*+)[ \t]+\S")
_ORG_BEGIN = re.compile(r"[ \t]*#\+begin_(src|example|export)\b", re.IGNORECASE)
_ORG_TITLE = re.compile(r"^[ \t]*#\+title:[ \t]*(.+)$", re.IGNORECASE | re.MULTILINE)
_ORG_ITEM = re.compile(r"[ \t]*(?:[-+]|\d+[.)])[ \t]+\S|[ \t]+\*[ \t]+\S")
_ORG_TABLE = re.compile(r"[ \t]*\|")

_DEEPEST_HEADING = 6
_BEGINNING = 2_000


def read_rst(data: bytes, name: str) -> Document:
    """Read reStructuredText as written: titles by their underline, literal blocks as code.

    Levels follow the order in which the styles of underlines first occur.
    """
    decoded = decode(data)
    blocks = tuple(_rst_blocks(decoded.text))
    titles = [block for block in blocks if block.level == 1]
    lines = decoded.text[slice(titles[0].span.start, titles[0].span.end)] if titles else ""
    words = next((line for line in lines.split("\n") if not _ADORNMENT.match(line)), "")
    is_title = len(titles) == 1 and titles[0].span.start < _BEGINNING
    title = real_title(words.strip()) if is_title else ""
    return Document(decoded.text, "rst", name, blocks, decoded.warnings, title)


def read_org(data: bytes, name: str) -> Document:
    """Read an Org file as written: headings by their stars, the title from ``#+TITLE``."""
    decoded = decode(data)
    found = _ORG_TITLE.search(decoded.text)
    title = real_title(found[1].strip()) if found else ""
    blocks = tuple(_org_blocks(decoded.text))
    return Document(decoded.text, "org", name, blocks, decoded.warnings, title)


def _rst_blocks(text: str) -> Iterator[Block]:
    styles: list[str] = []
    literal_indent: int | None = None
    for group in _groups(text):
        lines = [text[start:end] for start, end in group]
        indent = min(len(line) - len(line.lstrip()) for line in lines)
        if literal_indent is not None and indent > literal_indent:
            yield _block("code", group)
            continue
        literal_indent = None
        rest = group
        while heading := _rst_heading([text[start:end] for start, end in rest]):
            style, height = heading
            if style not in styles:
                styles.append(style)
            level = min(styles.index(style) + 1, _DEEPEST_HEADING)
            yield _block("heading", rest[:height], level)
            rest = rest[height:]
        if rest:
            first = text[rest[0][0] : rest[0][1]]
            last = text[rest[-1][0] : rest[-1][1]].rstrip()
            if _DIRECTIVE.match(first.lstrip()):
                literal_indent = indent
                yield _block("code", rest)
                continue
            if _RST_TABLE.match(first):
                yield _block("table", rest)
                continue
            yield from _items(text, rest, _RST_ITEM)
            literal_indent = indent if last.endswith("::") else None


def _rst_heading(lines: list[str]) -> tuple[str, int] | None:
    """The style of the title with which lines begin and how many lines it has, if there is one."""
    adorned = [_ADORNMENT.match(line) for line in lines[:3]]
    if len(lines) > 2 and (over := adorned[0]) and (under := adorned[2]):
        words = lines[1].strip()
        if over[1] == under[1] and words and len(over[0].rstrip()) >= min(len(words), 4):
            return over[1] * 2, 3
    if len(lines) > 1 and (under := adorned[1]) and not adorned[0] and lines[0][:1].strip():
        length = len(under[0].rstrip())
        # A shorter underline counts from four signs on, with a warning in docutils.
        if length >= min(len(lines[0].rstrip()), 4):
            return under[1], 2
    return None


def _org_blocks(text: str) -> Iterator[Block]:
    code: _Lines = []
    end_of_code: re.Pattern[str] | None = None
    waiting: _Lines = []
    for start, end in lines_of(text):
        line = text[start:end]
        if end_of_code is not None:
            code.append((start, end))
            if end_of_code.match(line):
                yield _block("code", code)
                code, end_of_code = [], None
            continue
        begins = _ORG_BEGIN.match(line)
        stars = _STARS.match(line)
        if begins or stars or not line.strip():
            yield from _items(text, waiting, _ORG_ITEM, _ORG_TABLE)
            waiting = []
        if begins:
            end_of_code = re.compile(rf"[ \t]*#\+end_{begins[1]}\b", re.IGNORECASE)
            code = [(start, end)]
        elif stars:
            yield _block("heading", [(start, end)], min(len(stars[1]), _DEEPEST_HEADING))
        elif line.strip():
            waiting.append((start, end))
    yield from _items(text, waiting, _ORG_ITEM, _ORG_TABLE)
    if code:  # a block that is never ended
        yield _block("code", code)


def _items(
    text: str, lines: _Lines, item: re.Pattern[str], table: re.Pattern[str] | None = None
) -> Iterator[Block]:
    """The list items, tables and paragraphs in lines without a blank line between them."""
    piece: _Lines = []
    kind = "paragraph"
    for place in lines:
        line = text[place[0] : place[1]]
        is_row = bool(table and table.match(line))
        if item.match(line) or is_row != (kind == "table"):
            if piece:
                yield _block(kind, piece)
            piece, kind = [], "table" if is_row else "paragraph"
        if item.match(line):
            kind = "list_item"
        piece.append(place)
    if piece:
        yield _block(kind, piece)


def _groups(text: str) -> Iterator[_Lines]:
    """The lines between blank lines."""
    for is_filled, group in groupby(lines_of(text), lambda at: bool(text[at[0] : at[1]].strip())):
        if is_filled:
            yield list(group)


def _block(kind: str, lines: _Lines, level: int = 0) -> Block:
    return Block(kind, Span(lines[0][0], lines[-1][1]), level)
