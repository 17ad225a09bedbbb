"""HTML: the visible text, written as Markdown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bindery.documents.formats.builder import DocumentBuilder, code_block, markdown_table
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.numbering import ListLevel
from bindery.documents.formats.symbols import script_sign
from bindery.types import Document

# Elements that are not visible. The title in the head is read separately; annotations of MathML
# repeat a formula.
_UNSEEN = frozenset(
    {"head", "script", "style", "template", "noscript", "iframe", "annotation", "annotation-xml"}
    | {"audio", "video", "canvas", "-comment"}
)
_INVISIBLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_MAY_HIDE = "[hidden], [style], dialog"
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
_LIST_FORMATS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
# Elements whose text must not run into that of the next one.
_SPACED = frozenset({"text", "desc", "tspan", "button"})
# Signs of MathML between the parts of an element: x^2, a_i, 1/2.
_MATH_SIGNS = {"msup": "^", "mover": "^", "msub": "_", "munder": "_", "mfrac": "/"} | {
    "msubsup": "_^",
    "munderover": "_^",
}
_MATH = frozenset(
    {"mi", "mn", "mo", "ms", "mtext", "mrow", "mfenced", "msqrt", "mroot", *_MATH_SIGNS}
)
_INLINE = _SPACED | {"-text", "br", "img", "sup", "sub"}
# In XHTML every element may be closed in its start tag. HTML only knows this of elements that are
# always empty, and would take all that follows as the content of the others.
_SELF_CLOSED = re.compile(r"""<([A-Za-z][\w:.-]{0,60})((?:\s(?:[^<>"']|"[^<"]*"|'[^<']*')*?)?)/>""")
# Neither runs into the next one, so that the time stays linear if they never end.
_DECLARATIONS = re.compile(r"<!DOCTYPE[^<>\[]*\[(?:(?!<!DOCTYPE).)*?\]\s*>", re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[((?:(?!<!\[CDATA\[).)*?)\]\]>", re.DOTALL)
_ALWAYS_EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source"}
    | {"track", "wbr"}
)
# Elements that begin and end a paragraph.
_DIVIDING = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"}
    | {"dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header"}
    | {"hgroup", "hr", "legend", "li", "main", "nav", "option", "p", "search", "section"}
    | {"summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", *_LISTS, *_HEADINGS}
)
_ROW_GROUPS = frozenset({"thead", "tbody", "tfoot"})
_INTEGER = re.compile(r"-?[0-9]{1,9}")
_BREAK = "\0"  # stands for <br> until whitespace is collapsed; the parser returns no other NUL

_DEEPEST_INDENT = 8
"""Deeper lists are not indented further: a thousand levels would be a thousand blanks per line."""

_MAX_SPAN = 32
"""The largest ``colspan`` or ``rowspan`` that is used; hostile pages say 65534."""


def read_html(data: bytes, name: str) -> Document:
    """Read a page: paragraphs, headings, lists, tables and preformatted text; links as their text.

    The page's title comes first if there is no ``h1``.
    """
    decoded = decode(data)
    builder = DocumentBuilder()
    is_xml = name.lower().endswith(".xhtml") or decoded.text.lstrip().startswith("<?xml")
    page = _parsed(decoded.text, is_xml=is_xml)
    node = page.css_first("head > title")
    title = "" if node is None else node.text()
    if page.css_first("h1") is None:
        builder.heading(title, 1)
    _write(builder, page)
    return builder.document("html", name, decoded.warnings, title=title)


def write_page(builder: DocumentBuilder, page: str, *, is_xml: bool = False) -> None:
    """Write the visible text of a page, without its title."""
    _write(builder, _parsed(page, is_xml=is_xml))


def _write(builder: DocumentBuilder, page: LexborHTMLParser) -> None:
    root = page.root
    hidden = frozenset(node.mem_id for node in page.css(_MAY_HIDE) if _is_hidden(node))
    writer = _HtmlWriter(builder, hidden, _layout_tables(page))
    if root is not None:
        for node, tag, entering in _walk(root, hidden):
            (writer.enter if entering else writer.leave)(node, tag)
        writer.flush()


def _parsed(text: str, *, is_xml: bool) -> LexborHTMLParser:
    def opened(found: re.Match[str]) -> str:
        name = found[1]
        return found[0] if name.lower() in _ALWAYS_EMPTY else f"<{name}{found[2]}></{name}>"

    if is_xml:
        text = _CDATA.sub(lambda found: escape(found[1]), _DECLARATIONS.sub("", text))
        text = _SELF_CLOSED.sub(opened, text)
    return LexborHTMLParser(text)


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if node.tag == "dialog" and "open" not in attributes:
        return True
    if "hidden" in attributes:
        return (attributes["hidden"] or "").lower() != "until-found"
    return bool(_INVISIBLE.search(attributes.get("style") or ""))


def _walk(
    root: LexborNode, hidden: frozenset[int] = frozenset(), *, into_pre: bool = False
) -> Iterator[tuple[LexborNode, str, bool]]:
    """Each visible node with its tag, on entering (True) and on leaving it (False).

    ``hidden`` holds the ids of nodes to leave out. The tree may be very deep, so this does not
    recurse.
    """
    node, depth = root, 0
    while True:
        tag = node.tag or ""
        child = None
        is_seen = tag not in _UNSEEN and not (hidden and node.mem_id in hidden)
        if is_seen:
            yield node, tag, True
            # The writer reads preformatted text as a whole.
            child = None if tag == "pre" and not into_pre else node.first_child
        if child is not None:
            node, depth = child, depth + 1
            continue
        while True:
            if is_seen:
                yield node, tag, False
            if depth == 0:
                return
            following = node.next
            if following is not None:
                node = following
                break
            parent = node.parent
            assert parent is not None, "a node above the root was asked for"
            node, depth, is_seen = parent, depth - 1, True
            tag = node.tag or ""


def _layout_tables(page: LexborHTMLParser) -> set[int]:
    """Tables used for layout: they contain tables, headings or ``pre``."""
    open_tables: list[int] = []
    found: set[int] = set()
    inner: set[int] = set()
    for outermost in page.css("table"):
        if outermost.mem_id in inner:
            continue
        for node, tag, entering in _walk(outermost):
            if open_tables and entering and (tag in {"table", "pre"} or tag in _HEADINGS):
                found.add(open_tables[-1])
            if tag == "table" and entering:
                open_tables.append(node.mem_id)
                inner.add(node.mem_id)
            elif tag == "table":
                open_tables.pop()
    return found


@dataclass(slots=True)
class _List:
    ordered: bool
    next_number: int
    format: str
    step: int = 1


@dataclass(slots=True)
class _Table:
    """The rows so far; ``below`` counts, by column, the rows that a cell above still covers."""

    rows: list[list[str]] = field(default_factory=list[list[str]])
    below: dict[int, int] = field(default_factory=dict[int, int])
    feet: list[list[str]] = field(default_factory=list[list[str]])
    group: int = 0

    def begin_group(self) -> None:
        """Begin a group of rows, over whose edge no cell reaches."""
        self.end_row()
        self.below.clear()
        self.group = len(self.rows)

    def end_foot(self) -> None:
        """End a foot, which is shown below all other rows wherever it is written."""
        self.end_row()
        self.feet += self.rows[self.group :]
        del self.rows[self.group :]

    def begin_row(self) -> None:
        self.end_row()
        self.rows.append([])

    def end_row(self) -> None:
        """Fill the columns after the last cell that a cell above covers."""
        row = self.rows[-1] if self.rows else []
        for column in sorted(column for column, left in self.below.items() if left):
            if column >= len(row):
                row.extend([""] * (column + 1 - len(row)))
                self.below[column] -= 1

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
    """Writes the nodes in document order."""

    def __init__(
        self, builder: DocumentBuilder, hidden: frozenset[int], layout_tables: set[int]
    ) -> None:
        self.builder = builder
        self._hidden = hidden
        self._layout_tables = layout_tables
        self._inline: list[str] = []
        self._lists: list[_List] = []
        self._marker = ""
        self._table: _Table | None = None
        self._heading = 0

    def enter(self, node: LexborNode, tag: str) -> None:
        if tag in _INLINE:
            if text := self._inline_text(node, tag):
                self._inline.append(text)
        elif self._table is not None:
            self._enter_in_table(tag)
        elif tag in _HEADINGS:
            self._end_heading()
            self.flush()
            self._heading = _HEADINGS[tag]
        elif self._heading and (tag in _DIVIDING or tag == "pre"):
            self._inline.append(self._preformatted(node) if tag == "pre" else _BREAK)
        elif tag == "pre":
            self.flush()
            self.builder.add(code_block(self._preformatted(node)), "code")
        elif tag in _DIVIDING:
            self.flush()
            self._begin(node, tag)

    def leave(self, node: LexborNode, tag: str) -> None:
        if tag in _INLINE:
            return
        if tag in _MATH and (sign := _math_sign(node)):
            self._inline.append(sign)
        elif self._table is not None:
            self._leave_in_table(node, tag, self._table)
        elif tag in _HEADINGS:
            self._end_heading()
        elif self._heading and tag in _DIVIDING:
            self._inline.append(_BREAK)
        elif tag in _DIVIDING:
            self.flush()
            if tag in _LISTS and self._lists:
                self._lists.pop()
            if tag == "li":
                self._marker = ""

    def _end_heading(self) -> None:
        if self._heading:
            self.builder.heading(self._taken().replace("\n", " "), self._heading)
            self._heading = 0

    def _inline_text(self, node: LexborNode, tag: str) -> str:
        if tag == "-text":
            return node.text_content or ""
        if tag == "img":
            return f" {node.attributes.get('alt') or ''} "
        if tag in {"sup", "sub"}:
            before = self._inline[-1] if self._inline else ""
            return script_sign(before, node.text(), is_raised=tag == "sup")
        return _BREAK if tag == "br" else " "

    def flush(self) -> None:
        """Write the collected text as a paragraph, or as the list item that it begins."""
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
            written = _LIST_FORMATS.get(node.attributes.get("type") or "", "decimal")
            step = -1 if "reversed" in node.attributes else 1
            start = _number(
                node, "start", 1 if step > 0 else sum(each.tag == "li" for each in node.iter())
            )
            self._lists.append(_List(tag == "ol", start, written, step))
        elif tag == "li":
            self._marker = "- "
            if self._lists and self._lists[-1].ordered:
                items = self._lists[-1]
                number = _number(node, "value", items.next_number)
                self._marker = f"{ListLevel(items.format).written(number)}. "
                items.next_number = number + items.step
        elif tag == "table" and node.mem_id not in self._layout_tables:
            self._table = _Table()

    def _enter_in_table(self, tag: str) -> None:
        assert self._table is not None
        if tag == "tr":
            self._inline.clear()
            self._table.begin_row()
        elif tag in {"td", "th"}:
            self._inline.clear()
        elif tag in _ROW_GROUPS:
            self._table.begin_group()
        elif tag in _DIVIDING:
            self._inline.append(_BREAK)

    def _leave_in_table(self, node: LexborNode, tag: str, table: _Table) -> None:
        if tag in {"td", "th"}:
            columns, rows = (_number(node, name, 1) for name in ("colspan", "rowspan"))
            # A rowspan of 0 reaches to the end of the group of rows.
            rows = min(rows, _MAX_SPAN) if rows > 0 else _MAX_SPAN
            table.add(self._taken(), min(max(columns, 1), _MAX_SPAN), rows)
        elif tag == "tfoot":
            table.end_foot()
        elif tag == "caption":
            self.builder.add(self._taken())
        elif tag == "table":
            self._table = None
            table.end_row()
            rows = table.rows + table.feet
            cells = [cell for row in rows for cell in row]
            if len(cells) == 1:
                self.builder.add(cells[0])
            else:
                self.builder.add(markdown_table(rows), "table")
            self._inline.clear()

    def _taken(self) -> str:
        """The collected text with whitespace collapsed as in a browser; ``br`` ends a line."""
        gathered = "".join(self._inline)
        self._inline.clear()
        lines = (" ".join(line.split()) for line in gathered.split(_BREAK))
        return "\n".join(line for line in lines if line)

    def _preformatted(self, node: LexborNode) -> str:
        """The text of a ``pre``, with line ends for ``br`` and for blocks inside."""
        pieces: list[str] = []
        for inner, tag, entering in _walk(node, self._hidden, into_pre=True):
            if tag == "-text" and entering:
                pieces.append(inner.text_content or "")
            elif tag in {"sup", "sub"} and entering and pieces:
                pieces.append(script_sign(pieces[-1], inner.text(), is_raised=tag == "sup"))
            elif (tag == "br" and entering) or (
                tag in _DIVIDING and pieces and not pieces[-1].endswith("\n")
            ):
                pieces.append("\n")
        return "".join(pieces)


def _math_sign(node: LexborNode) -> str:
    """The sign between a part of a formula in MathML and the next part."""
    parent = node.parent
    signs = _MATH_SIGNS.get((parent.tag or "") if parent else "", "")
    if not signs or not _has_sibling(node, "next"):
        return ""
    return signs[-1] if _has_sibling(node, "prev") else signs[0]


def _has_sibling(node: LexborNode, side: str) -> bool:
    found: LexborNode | None = getattr(node, side)
    while found is not None and (found.tag or "-")[0] == "-":
        found = getattr(found, side)
    return found is not None


def _number(node: LexborNode, attribute: str, otherwise: int) -> int:
    found = _INTEGER.fullmatch((node.attributes.get(attribute) or "").strip())
    return int(found[0]) if found else otherwise
