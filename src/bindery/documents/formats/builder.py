"""Builds the text of a document block by block, and records the span of each block."""

import re
from collections.abc import Iterable, Iterator, Sequence

from bindery.documents.formats.encoding import clean
from bindery.types import Block, Document, Span

MAX_TITLE = 300
"""In characters. The title may be put before every chunk, and a longer one is a paragraph."""

# Titles that programs make up.
_NO_TITLE = re.compile(
    r"(?i)microsoft (?:word|powerpoint|excel)\b|/s/"
    r"|(?:(?:untitled|unbenannt|sans titre|ohne titel|sin t[ií]tulo|senza titolo|no title|new|word)"
    r"(?:[ -]?(?:document|dokument|page|presentation|\d+))*|\(?anonymous\)?|document\d*"
    r"|powerpoint[- ]presentation|(?:dokument|presentation|book|mappe|slide|layout|folie) ?\d+"
    r"|[0-9a-f-]{16,}|[^ ]+\.(?:docx?|xlsx?|pptx?|pdf|od[tsp]|rtf|txt|x?html?|tex|dvi|e?ps|indd|qxd"
    r"|pmd|p65|fm|wpd|ai|cdr|dwg|vsd|pub|md|tiff?|jpe?g|png))$"
)


class DocumentBuilder:
    """A document under construction: blocks divided by blank lines, list items by line ends."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._page_start: int | None = None
        self._page: int | None = None
        self._last = ""

    def add(self, text: str, kind: str = "paragraph", *, level: int = 0) -> None:
        """Add one block; a blank one is ignored."""
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
        """Add a text unchanged, with its own blocks."""
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
        """Add a heading of the given level (1 to 6), written as Markdown on one line."""
        if text := " ".join(clean(text).split()):
            self.add(f"{'#' * level} {text}", "heading", level=level)

    def begin_page(self, number: int) -> None:
        """Begin page ``number``, counted from 1; it ends the page before."""
        self._end_page()
        self._page, self._last = number, ""

    def document(
        self, kind: str, name: str, warnings: Sequence[str] = (), *, title: str = ""
    ) -> Document:
        """The finished document; ``title`` comes from its metadata."""
        self._end_page()
        # A page starts at the same position as its first paragraph, and comes before it.
        blocks = sorted(self._blocks, key=lambda block: (block.span.start, -block.span.end))
        text = "".join(self._pieces)
        return Document(text, kind, name, tuple(blocks), tuple(warnings), real_title(title))

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _end_page(self) -> None:
        if self._page_start is not None:
            span = Span(self._page_start, self._length)
            # First in the list: sorting is stable, so it precedes a paragraph with the same span.
            self._blocks.insert(0, Block("page", span, page=self._page))
        self._page_start = None


def real_title(title: str) -> str:
    """A title on one line; "" if a program made it up, or if it is a number other than a year."""
    title = " ".join(clean(title).split())[:MAX_TITLE]
    is_number = not any(map(str.isalpha, title)) and sum(map(str.isdigit, title)) != 4
    return "" if _NO_TITLE.match(title) or is_number else title


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table with the first row as its head; "" if all cells are empty.

    Rows may differ in length: Markdown fills in missing cells.
    """
    lines = [[_cell(cell) for cell in row] for row in rows]
    lines = [line for line in lines if any(line)]
    if not lines:
        return ""
    # Markdown hides the cells of a row beyond the width of the head, so the head is widened.
    width = max(map(len, lines))
    head = lines[0] + [""] * (width - len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * width, *lines[1:]))


def code_block(text: str, language: str = "") -> str:
    """The text as a fenced code block; "" if it is blank."""
    fence = "```"
    while fence in text:
        fence += "`"
    lines = text.strip("\n")
    return f"{fence}{language}\n{lines}\n{fence}" if text.strip() else ""


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    r"""The start and end of each line, without the ``\n`` that ends it."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _cell(text: str) -> str:
    return " ".join(clean(text).split()).replace("|", "\\|")
