"""Writes the canonical text of a document part by part, and keeps where each part lies."""

import re
from collections.abc import Iterable, Iterator, Sequence

from bindery.documents.formats.encoding import clean
from bindery.types import Block, Document, Span

MAX_TITLE = 300
"""Characters: a longer title is a paragraph, and it is put before every chunk."""

# What programs write for want of a title.
_NO_TITLE = re.compile(
    r"(?i)(?:untitled|microsoft (?:word|powerpoint|excel)|powerpoint[- ]presentation|word document"
    r"|slide \d+|[^ ]+\.\w{2,4}$)"
)


class DocumentBuilder:
    """A text in the making: parts divided by blank lines, list items by line ends."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._page_start: int | None = None
        self._page: int | None = None
        self._last = ""

    def add(self, text: str, kind: str = "paragraph", *, level: int = 0) -> None:
        """Write one part; blank ones are left out."""
        text = clean(text).strip("\n").rstrip()
        if not text:
            return
        between = "\n" if kind == self._last == "list_item" else "\n\n"
        if self._pieces:
            self._write(between)
        start = self._length
        if self._page is not None and self._page_start is None:
            self._page_start = start
        self._write(text)
        self._blocks.append(Block(kind, Span(start, self._length), level, self._page))
        self._last = kind

    def insert(self, text: str, blocks: Iterable[Block]) -> None:
        """Write a text that has blocks of its own, as it is."""
        if not text.strip():
            return
        if self._pieces:
            self._write("\n\n")
        start = self._length
        if self._page is not None and self._page_start is None:
            self._page_start = start
        self._write(text)
        for block in blocks:
            span = Span(start + block.span.start, start + block.span.end)
            self._blocks.append(Block(block.kind, span, block.level, self._page))
        self._last = ""

    def heading(self, text: str, level: int) -> None:
        """Write a heading of the given depth (1 to 6) as Markdown does, on one line."""
        if text := " ".join(clean(text).split()):
            self.add(f"{'#' * level} {text}", "heading", level=level)

    def begin_page(self, number: int) -> None:
        """End the page before, if any, and let what follows belong to page ``number`` from 1."""
        self._end_page()
        self._page, self._last = number, ""

    def document(
        self, kind: str, name: str, warnings: Sequence[str] = (), *, title: str = ""
    ) -> Document:
        """The finished document; ``title`` is what its metadata call it, if they do."""
        self._end_page()
        # A page begins where its first paragraph does, and comes before it.
        blocks = sorted(self._blocks, key=lambda block: (block.span.start, -block.span.end))
        title = " ".join(clean(title).split())[:MAX_TITLE]
        title = "" if _NO_TITLE.match(title) else title
        return Document("".join(self._pieces), kind, name, tuple(blocks), tuple(warnings), title)

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _end_page(self) -> None:
        if self._page_start is not None:
            span = Span(self._page_start, self._length)
            # First in the list: sorting is stable, so it precedes a paragraph as long as itself.
            self._blocks.insert(0, Block("page", span, page=self._page))
        self._page_start = None


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table, the first as its head; empty where all cells are.

    Rows may differ in length: Markdown fills the missing cells.
    """
    lines = [[_cell(cell) for cell in row] for row in rows]
    lines = [line for line in lines if any(line)]
    if not lines:
        return ""
    width = len(lines[0])
    # A head shorter than the rows below would hide their last cells from a Markdown reader; one
    # extra line of that many dashes is all it costs to widen it.
    width = max(width, *map(len, lines))
    head = lines[0] + [""] * (width - len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * width, *lines[1:]))


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    r"""The start and end of each line, without its line end: a line is what ``\n`` divides."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _cell(text: str) -> str:
    return " ".join(clean(text).split()).replace("|", "\\|")
