"""DOCX: the body in order, written as Markdown.

The XML is read directly, because the text of content controls, tracked insertions, text boxes,
formulas, diagrams and embedded documents must not be lost. Headers, footers and comments are named
in a warning. Deleted and hidden text is left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder, markdown_table, real_title
from bindery.documents.formats.docx_styles import (
    Numbering,
    ParagraphStyle,
    StyleSheet,
    integer,
    paragraph_style,
    style_sheet_of,
)
from bindery.documents.formats.docx_styles import (
    qualified as _q,
)
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.mail import read_eml
from bindery.documents.formats.numbering import BULLET, ListCounter
from bindery.documents.formats.package import Package, diagram_texts
from bindery.documents.formats.rtf import write_rtf
from bindery.documents.formats.symbols import script_sign, symbol
from bindery.documents.formats.text import paragraphs
from bindery.errors import BrokenDocument
from bindery.types import Document

_PARAGRAPH, _TABLE, _BOX = _q("w:p"), _q("w:tbl"), _q("w:txbxContent")
_CHUNK, _DIAGRAM = _q("w:altChunk"), _q("dgm:relIds")
# Wrappers whose children are part of what is around them (content controls, insertions, tags).
_TRANSPARENT = frozenset(
    _q(f"w:{name}") for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")
) | {_q("mc:AlternateContent")}
# Properties, deleted text, and text that is written separately.
_SKIPPED = frozenset(
    _q(f"w:{name}") for name in ("pPr", "rPr", "del", "moveFrom", "sdtPr", "txbxContent", "tblPr")
)
_CHARACTERS: Mapping[str, str] = {
    _q("w:tab"): "\t",
    _q("w:ptab"): "\t",
    _q("w:br"): "\n",
    _q("w:cr"): "\n",
    _q("w:noBreakHyphen"): "-",
    _q("m:den"): "/",
    _q("m:sup"): "^",
    _q("m:sub"): "_",
}
_NOTES: Mapping[str, str] = {_q("w:footnoteReference"): "", _q("w:endnoteReference"): "e"}
_TEXT = frozenset({_q("w:t"), _q("m:t")})
_RUN, _SYMBOL = _q("w:r"), _q("w:sym")
_SCRIPT = f"{_q('w:rPr')}/{_q('w:vertAlign')}"
_ID, _VALUE = _q("w:id"), _q("w:val")
# Rows of a table that are deleted or hidden.
_GONE = (_q("w:del"), _q("w:hidden"))
# Embedded documents, which may have any ending.
_ZIP = b"PK\x03\x04"
_MAIL = re.compile(
    rb"(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*){0,20}?(?:MIME-Version|Content-Type):", re.I
)
_PAGE = re.compile(r"\s*<[!?A-Za-z]")
_SIZE = f"{_q('w:r')}/{_q('w:rPr')}/{_q('w:sz')}"
_LEAST_TITLE_SIZE = 40
"""In half-points: twice the size of usual text."""

_MOST_COVER_LINES, _MOST_TITLE_LINES = 10, 4
_DEEPEST_INDENT = 8
_MOST_COLUMNS = 63
"""A table in Word has at most 63 columns."""


def read_docx(data: bytes, name: str) -> Document:
    """Read the body in order: headings, paragraphs, lists, tables; then foot- and endnotes.

    The container has been checked before, see :mod:`bindery.documents.formats.archive`.
    """
    package = Package(data, name)
    main = package.main_part("word/document.xml")
    body = package.xml(main).find(_q("w:body"))
    if body is None:
        raise BrokenDocument(
            f"{name!r} is a Word document without a body.",
            remedy="It may be damaged: open it in Word and save it again.",
        )
    builder = DocumentBuilder()
    look = style_sheet_of(package, main)
    writer = _DocxWriter(builder, look, package, main)
    for element in _parts(body):
        writer.write(element)
    for kind, mark in (("footnotes", ""), ("endnotes", "e")):
        for part in package.related(main, kind):
            _write_notes(builder, package.xml(part), look, mark)
    title = real_title(package.title("docProps/core.xml")) or writer.cover_title
    return builder.document("docx", name, package.warnings() + writer.warnings, title=title)


class _DocxWriter:
    """Writes paragraphs and tables, counting the items of each numbered list."""

    def __init__(
        self, builder: DocumentBuilder, look: StyleSheet, package: Package, main: str
    ) -> None:
        self._builder = builder
        self._look = look
        self._package = package
        self._relationships = package.relationships(main)
        self._counter = ListCounter()
        self._begun: set[str] = set()
        self.warnings: list[str] = []
        self._cover: list[tuple[int, str]] = []  # size and text of the first paragraphs
        self._is_cover = True

    def write(self, element: Element) -> None:
        if element.tag == _TABLE:
            self._builder.add(markdown_table(self._rows(element)), "table")
        elif element.tag == _CHUNK:
            self._write_chunk(element)
        else:
            self._write_paragraph(element)
            # Text boxes come after the paragraph that they are anchored to.
            for box in _outermost(element, _BOX):
                for part in _parts(box):
                    self._write_boxed(part)
        for diagram in element.iter(_DIAGRAM):
            self._write_diagram(diagram)

    def _write_boxed(self, element: Element) -> None:
        if element.tag == _TABLE:
            self._builder.add(markdown_table(self._rows(element)), "table")
        else:
            self._builder.add(self._labelled(element))

    def _labelled(self, paragraph: Element) -> str:
        """The words of a paragraph in a cell or box, with its number if it is in a list."""
        if self._look.is_hidden(paragraph):
            return ""
        text = _text(paragraph, self._look, with_boxes=True).strip()
        label = self._label(paragraph_style(paragraph, self._look.styles))
        return f"{label} {text}" if text and label not in {"", BULLET} else text

    def _rows(self, table: Element) -> list[list[str]]:
        """The cells of a table by row; tables inside a cell become part of its text."""
        rows: list[list[str]] = []
        for row in _within(table, _q("w:tr")):
            properties = row.find(_q("w:trPr"))
            if properties is not None and any(properties.find(tag) is not None for tag in _GONE):
                continue
            cells = [""] * _columns(properties, "w:gridBefore", 0)
            for cell in _within(row, _q("w:tc")):
                texts = map(self._labelled, _outermost(cell, _PARAGRAPH))
                cells.append(" ".join(filter(None, texts)))
                span = _columns(cell.find(_q("w:tcPr")), "w:gridSpan", 1)
                cells.extend([""] * (span - 1))
            rows.append(cells + [""] * _columns(properties, "w:gridAfter", 0))
        return rows

    def _write_paragraph(self, element: Element) -> None:
        text = "" if self._look.is_hidden(element) else _text(element, self._look).strip()
        style = paragraph_style(element, self._look.styles)
        label = self._label(style)
        if not text:
            return
        self._note_cover(element, text, is_heading=style.level > 0)
        if style.level:
            number = "" if label in {"", BULLET} else f"{label} "
            self._builder.heading(number + text, style.level)
        elif style.list_id:
            indent = "  " * min(style.list_depth or 0, _DEEPEST_INDENT)
            self._builder.add(f"{indent}{label} {text}", "list_item")
        else:
            self._builder.add(text)

    @property
    def cover_title(self) -> str:
        """The lines in the largest type at the beginning, if it is that of a title; else ""."""
        sizes = [size for size, _ in self._cover]
        largest = max(sizes, default=0)
        if largest < _LEAST_TITLE_SIZE or sizes.count(largest) > _MOST_TITLE_LINES:
            return ""
        return " ".join(text for size, text in self._cover if size == largest)

    def _note_cover(self, paragraph: Element, text: str, *, is_heading: bool) -> None:
        self._is_cover &= not is_heading and len(self._cover) < _MOST_COVER_LINES
        if self._is_cover:
            sizes = [integer(size, 0) for size in paragraph.iterfind(_SIZE)]
            self._cover.append((max(sizes, default=0), " ".join(text.split())))

    def _label(self, style: ParagraphStyle) -> str:
        """The next label of the list to which a paragraph belongs; "" if it is in none."""
        if not style.list_id:
            return ""
        numbering = self._look.lists.get(style.list_id, Numbering(style.list_id, {}, {}))
        if style.list_id not in self._begun:
            self._begun.add(style.list_id)
            for depth, number in numbering.restarts.items():
                self._counter.restart(numbering.key, depth, number)
        return self._counter.label(numbering.key, numbering.levels, style.list_depth or 0)

    def _write_chunk(self, element: Element) -> None:
        """Write an embedded page, text or mail; other documents are named as not read."""
        related = self._relationships.get(element.get(_q("r:id"), ""))
        member = related.member if related else ""
        if member not in self._package:
            return
        data = self._package.read(member)
        if data.startswith(_ZIP):
            self.warnings.append(f"These parts were not read: {member}.")
        elif data.startswith(b"{\\rtf"):
            self.warnings += write_rtf(self._builder, data)[1]
        elif _MAIL.match(data):
            mail = read_eml(data, member)
            self._builder.insert(mail.text, mail.blocks)
            self.warnings += mail.warnings
        elif _PAGE.match(text := decode(data).text):
            write_page(self._builder, text, is_xml=text.lstrip().startswith("<?xml"))
        else:
            for span in paragraphs(text):
                self._builder.add(text[span.start : span.end])

    def _write_diagram(self, element: Element) -> None:
        related = self._relationships.get(element.get(_q("r:dm"), ""))
        if related and related.member in self._package:
            for text in diagram_texts(self._package.xml(related.member)):
                self._builder.add(text)


def _parts(container: Element) -> Iterator[Element]:
    """The paragraphs, tables and embedded documents of a body, a text box or a note, in order."""
    waiting = [iter(container)]
    while waiting:
        for element in waiting[-1]:
            if element.tag in {_PARAGRAPH, _TABLE, _CHUNK}:
                yield element
            elif element.tag in _TRANSPARENT:
                waiting.append(iter(element))
                break
        else:
            waiting.pop()


def _text(paragraph: Element, look: StyleSheet, *, with_boxes: bool = False) -> str:
    """The visible words of a paragraph, without those of its text boxes unless asked."""
    pieces: list[str] = []
    waiting = [paragraph]
    while waiting:
        element = waiting.pop()
        tag = element.tag
        if tag in _TEXT:
            pieces += _filled(element.text)
            continue
        if tag in _SKIPPED and not (with_boxes and tag == _BOX):
            continue
        if tag == _RUN and look.is_hidden(element):
            continue
        if tag == _RUN and (script := element.find(_SCRIPT)) is not None:
            pieces += _filled(_sign(pieces, element, script.get(_VALUE)))
        if tag in _NOTES:
            pieces.append(f"[^{_NOTES[tag]}{element.get(_ID)}]")
        elif tag == _SYMBOL:
            pieces += _filled(_symbol(element))
        pieces += _filled(_CHARACTERS.get(tag))
        waiting.extend(reversed(element))
    return "".join(pieces)


def _filled(piece: str | None) -> tuple[str, ...]:
    # Without empty pieces the last one tells what is before the next.
    return (piece,) if piece else ()


def _sign(pieces: Sequence[str], run: Element, script: str | None) -> str:
    """The sign of a superscript or subscript that changes the text before it."""
    if script not in {"superscript", "subscript"} or not pieces:
        return ""
    words = "".join(part.text or "" for part in run if part.tag in _TEXT)
    return script_sign(pieces[-1], words, is_raised=script == "superscript")


def _symbol(element: Element) -> str:
    code = element.get(_q("w:char"), "")
    try:
        return symbol(element.get(_q("w:font"), ""), int(code[:6], 16))
    except ValueError:
        return ""  # not a hexadecimal number, so there is no character


def _columns(properties: Element | None, name: str, otherwise: int) -> int:
    found = None if properties is None else properties.find(_q(name))
    return min(integer(found, otherwise), _MOST_COLUMNS)


def _within(container: Element, tag: str) -> Iterator[Element]:
    """Children with a tag, also inside content controls, but not inside each other."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag == tag:
            yield element
        elif element.tag in _TRANSPARENT:
            waiting.extend(reversed(element))


def _outermost(container: Element, tag: str) -> Iterator[Element]:
    """All elements with a tag at any depth, except inside each other or inside a text box."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag == tag:
            yield element
        elif element.tag not in _SKIPPED:
            waiting.extend(reversed(element))


def _write_notes(builder: DocumentBuilder, root: Element, look: StyleSheet, mark: str) -> None:
    notes: Sequence[Element] = list(root)
    for note in notes:
        if note.get(_q("w:type")) is None:  # the others are lines between the notes and the text
            parts = _outermost(note, _PARAGRAPH)
            text = " ".join(_text(part, look).strip() for part in parts).strip()
            if text:
                builder.add(f"[^{mark}{note.get(_ID)}]: {text}")
