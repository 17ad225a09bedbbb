"""HTML: the readable text, written as Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.encoding import decode
from bindery.types import Document

# Nothing a reader of the page would see (head holds the title, which is asked for by itself).
_UNSEEN = frozenset({"head", "script", "style", "template", "noscript", "iframe", "-comment"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
# Elements that begin and end a paragraph of their own.
_DIVIDING = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"}
    | {"dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header"}
    | {"hgroup", "hr", "legend", "li", "main", "nav", "option", "p", "search", "section"}
    | {"summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", *_LISTS, *_HEADINGS}
)
_BREAK = "\0"  # stands for <br> until blanks are folded: no other zero can come out of the parser

_DEEPEST_INDENT = 8
"""Lists nested deeper look no deeper: a thousand levels would be a thousand blanks per line."""

_MAX_SPAN = 32
"""Cells beyond which ``colspan`` and ``rowspan`` are not believed; hostile pages say 65534."""


def read_html(data: bytes, name: str) -> Document:
    """Read a page: paragraphs, headings, lists, tables and preformatted text; links as their text.

    The page's title is put first where no ``h1`` is. The tree is walked, never recursed into.
    """
    decoded = decode(data)
    builder = DocumentBuilder()
    page = LexborHTMLParser(decoded.text)
    node = page.css_first("head > title")
    title = "" if node is None else node.text()
    if page.css_first("h1") is None:
        builder.heading(title, 1)
    write_page(builder, page)
    return builder.document("html", name, decoded.warnings, title=title)


def write_page(builder: DocumentBuilder, page: LexborHTMLParser | str) -> None:
    """Write what a page shows, without its title."""
    root = (LexborHTMLParser(page) if isinstance(page, str) else page).root
    writer = _HtmlWriter(builder)
    if root is not None:
        writer.layout_tables = _layout_tables(root)
        for node, tag, entering in _walk(root):
            (writer.enter if entering else writer.leave)(node, tag)
        writer.flush()


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, str, bool]]:
    """Each node that can be seen, with its tag, on entering (True) and on leaving it (False)."""
    node, depth = root, 0
    while True:
        tag = node.tag or ""
        child = None
        if tag not in _UNSEEN:
            yield node, tag, True
            # The writer takes preformatted text in one go.
            child = None if tag == "pre" else node.first_child
        if child is not None:
            node, depth = child, depth + 1
            continue
        while True:
            if tag not in _UNSEEN:
                yield node, tag, False
            if depth == 0:
                return
            following = node.next
            if following is not None:
                node = following
                break
            parent = node.parent
            assert parent is not None, "a node above the root was asked for"
            node, depth = parent, depth - 1
            tag = node.tag or ""


def _layout_tables(root: LexborNode) -> set[int]:
    """Tables that only place things on the page: with tables, headings or ``pre`` inside."""
    open_tables: list[int] = []
    found: set[int] = set()
    for node, tag, entering in _walk(root):
        if open_tables and entering and (tag in {"table", "pre"} or tag in _HEADINGS):
            found.add(open_tables[-1])
        if tag == "table" and entering:
            open_tables.append(node.mem_id)
        elif tag == "table":
            open_tables.pop()
    return found


@dataclass(slots=True)
class _List:
    ordered: bool
    next_number: int


@dataclass(slots=True)
class _Table:
    """The rows so far; ``below`` counts, by column, rows that a cell further up still covers."""

    rows: list[list[str]] = field(default_factory=list[list[str]])
    below: dict[int, int] = field(default_factory=dict[int, int])

    def begin_row(self) -> None:
        self.rows.append([])

    def add(self, text: str, columns: int, rows: int) -> None:
        if not self.rows:
            self.begin_row()
        self._skip_covered()
        row = self.rows[-1]
        for column in range(len(row), len(row) + columns):
            if rows > 1 and column < _MAX_SPAN:
                self.below[column] = rows - 1
        row.extend([text, *[""] * (columns - 1)])

    def _skip_covered(self) -> None:
        row = self.rows[-1]
        while left := self.below.get(len(row), 0):
            self.below[len(row)] = left - 1
            row.append("")


class _HtmlWriter:
    """Takes the nodes in document order and writes the builder."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.layout_tables: set[int] = set()
        self._inline: list[str] = []
        self._lists: list[_List] = []
        self._marker = ""
        self._table: _Table | None = None

    def enter(self, node: LexborNode, tag: str) -> None:
        if tag == "-text":
            self._inline.append(node.text_content or "")
        elif tag == "br":
            self._inline.append(_BREAK)
        elif tag == "img":
            self._inline.append(f" {node.attributes.get('alt') or ''} ")
        elif self._table is not None:
            self._enter_in_table(tag)
        elif tag == "pre":
            self._preformatted(node.text())
        elif tag in _DIVIDING:
            self.flush()
            self._begin(node, tag)

    def leave(self, node: LexborNode, tag: str) -> None:
        if self._table is not None:
            self._leave_in_table(node, tag, self._table)
        elif tag in _HEADINGS:
            self.builder.heading(self._taken().replace("\n", " "), _HEADINGS[tag])
        elif tag in _DIVIDING:
            self.flush()
            if tag in _LISTS and self._lists:
                self._lists.pop()
            if tag == "li":
                self._marker = ""

    def flush(self) -> None:
        """Write what has gathered as a paragraph, or as the list item that it begins."""
        text = self._taken()
        if not text:
            return
        indent = "  " * min(len(self._lists), _DEEPEST_INDENT)
        if self._marker:
            self.builder.add(indent[2:] + self._marker + text, "list_item")
            self._marker = ""
        else:
            self.builder.add(indent + text)

    def _begin(self, node: LexborNode, tag: str) -> None:
        if tag in _LISTS:
            self._lists.append(_List(tag == "ol", _number(node, "start", 1, 1_000_000_000)))
        elif tag == "li":
            self._marker = "- "
            if self._lists and self._lists[-1].ordered:
                self._marker = f"{self._lists[-1].next_number}. "
                self._lists[-1].next_number += 1
        elif tag == "table" and node.mem_id not in self.layout_tables:
            self._table = _Table()

    def _enter_in_table(self, tag: str) -> None:
        assert self._table is not None
        if tag == "tr":
            self._inline.clear()
            self._table.begin_row()
        elif tag in {"td", "th"}:
            self._inline.clear()
        elif tag in _DIVIDING:
            self._inline.append(_BREAK)

    def _leave_in_table(self, node: LexborNode, tag: str, table: _Table) -> None:
        if tag in {"td", "th"}:
            spans = (_number(node, name, 1, _MAX_SPAN) for name in ("colspan", "rowspan"))
            table.add(self._taken(), *spans)
        elif tag == "caption":
            self.builder.add(self._taken())
        elif tag == "table":
            self._table = None
            cells = [cell for row in table.rows for cell in row]
            if len(cells) == 1:
                self.builder.add(cells[0])
            else:
                self.builder.add(markdown_table(table.rows), "table")
            self._inline.clear()

    def _preformatted(self, text: str) -> None:
        self.flush()
        fence = "```"
        while fence in text:
            fence += "`"
        if text.strip():
            self.builder.add(f"{fence}\n{text.strip(chr(10))}\n{fence}", "code")

    def _taken(self) -> str:
        """The gathered text with blanks folded as a browser does, lines apart at ``br``."""
        gathered = "".join(self._inline)
        self._inline.clear()
        lines = (" ".join(line.split()) for line in gathered.split(_BREAK))
        return "\n".join(line for line in lines if line)


def _number(node: LexborNode, attribute: str, least: int, most: int) -> int:
    text = (node.attributes.get(attribute) or "").strip()
    # Ten digits are checked for, since Python takes long on a number of a million.
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else least
    return min(max(number, least), most)
