"""The structure of a document: on which page and under which headings a position lies."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from bindery.chunking.characters import Positions
from bindery.types import Block, Document, Span

_MARKDOWN_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t].*$", re.MULTILINE)

# In characters. Each chunk repeats the titles above it, so a title of a megabyte must be cut.
_LONGEST_TITLE = 200
_LONGEST_HEAD = 2_000
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t:|+-]*-[ \t:|+-]*")


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The headings and pages of a document.

    Heading i starts at ``heading_starts[i]``; from there to the next heading the text is under
    ``paths[i + 1]``: titles, outermost first. ``paths[0]`` is empty. Page ``pages[i]`` starts at
    ``page_starts[i]``. Table i covers ``tables[i]``, and ``table_titles[i]`` are its caption and
    head, if it has them. ``title`` is the document's title, and ``title_start`` the position of a
    heading with the same text, or None.
    """

    heading_starts: Positions
    paths: Sequence[tuple[str, ...]]
    page_starts: Positions
    pages: Sequence[int]
    tables: Sequence[Span]
    table_titles: Sequence[tuple[str, ...]]
    title: str
    title_start: int | None

    def headings(self, position: int) -> tuple[str, ...]:
        """The titles above a position; at the start of a heading, its own is included."""
        path = self.paths[int(self.heading_starts.searchsorted(position, "right"))]
        return tuple(title for title in path if title)

    def headings_before(self, position: int) -> tuple[str, ...]:
        """The titles above a position, without that of a heading that begins there."""
        index = int(self.heading_starts.searchsorted(position, "right"))
        begins = index > 0 and self.heading_starts[index - 1] == position
        return self.paths[index][:-1] if begins else self.paths[index]

    def table(self, position: int) -> tuple[str, ...]:
        """The caption and the head of the table that a position continues, or nothing."""
        index = bisect_right(self.tables, position, key=lambda table: table.start) - 1
        if index < 0 or not self.tables[index].start < position < self.tables[index].end:
            return ()
        return self.table_titles[index]

    def page(self, position: int) -> int | None:
        """The page, slide or sheet of a position, from 1; None before the first page."""
        index = int(self.page_starts.searchsorted(position, "right"))
        return self.pages[index - 1] if index else None

    def pages_of(self, span: Span) -> dict[str, int | None]:
        """The ``page`` and ``last_page`` of a chunk; both None if it begins before the first page.

        A reader may give blocks of an earlier page after those of a later one.
        """
        first, last = self.page(span.start), self.page(span.end - 1)
        return {"page": first, "last_page": None if first is None else max(first, last or first)}


def find_structure(document: Document) -> Structure:
    """Find the document's headings and pages, in time linear in its text.

    Headings are its heading blocks or, in a document without blocks, its Markdown heading lines. A
    heading ends those before it of the same level and of deeper ones.
    """
    starts: list[int] = []
    paths: list[tuple[str, ...]] = [()]
    above: list[tuple[int, str]] = []
    for start, level, title in _headings(document):
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, title))
        starts.append(start)
        paths.append(tuple(title for _, title in above))
    title = _title_of(document)
    tables = dict(_tables(document))
    paged = [(block.span.start, block.page) for block in document.blocks if block.page is not None]
    return Structure(
        heading_starts=np.array(starts, dtype=np.int64),
        paths=paths,
        page_starts=np.array([start for start, _ in paged], dtype=np.int64),
        pages=[page for _, page in paged],
        tables=list(tables),
        table_titles=list(tables.values()),
        title=title,
        title_start=next(
            (start for start, path in zip(starts, paths[1:], strict=True) if path == (title,)), None
        ),
    )


def _headings(document: Document) -> Iterator[tuple[int, int, str]]:
    """Start, level and title of each heading."""
    if document.blocks:
        for block in document.blocks:
            if block.kind == "heading":
                yield block.span.start, block.level, _plain(document.quote(block.span))
    else:
        for found in _MARKDOWN_HEADING.finditer(document.text):
            yield found.start() + found[0].index("#"), len(found[1]), _plain(found[0])


def _tables(document: Document) -> Iterator[tuple[Span, tuple[str, ...]]]:
    """Each table with its caption, the short paragraph right before it, and its head row."""
    before: Block | None = None
    for block in document.blocks:
        if block.kind == "table":
            rows = document.text[block.span.start : block.span.start + _LONGEST_HEAD].split("\n", 2)
            head = rows[0].strip() if len(rows) > 1 and _TABLE_RULE.fullmatch(rows[1]) else ""
            caption = ""
            if before and before.kind == "paragraph" and len(before.span) <= _LONGEST_TITLE:
                caption = " ".join(document.quote(before.span).split())
            yield block.span, tuple(filter(None, (caption, head)))
        if block.kind != "page":
            before = block


def _plain(heading: str) -> str:
    """A heading on one line, without Markdown's marks."""
    words = heading.split()
    if words and len(words[0]) <= 6 and not words[0].strip("#"):
        words = words[1:-1] if words[1:] and not words[-1].strip("#") else words[1:]
    elif "\n" in heading.strip() and not words[-1].strip(words[-1][0]) and words[-1][0] in "=-":
        words = words[:-1]  # the line under it
    return _shortened(" ".join(words))


def _title_of(document: Document) -> str:
    """The document's title, or else its file name without the extension."""
    if document.title:
        return _shortened(" ".join(document.title.split()))
    stem = PurePath(" ".join(document.name.split())).stem
    # A name may hold half of a surrogate pair, which no tokeniser accepts.
    return _shortened(stem.encode("utf-8", "replace").decode("utf-8"))


def _shortened(title: str) -> str:
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"
