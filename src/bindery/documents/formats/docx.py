"""DOCX, through python-docx's package and XML layers: the body in order, written as Markdown.

The XML is walked directly: python-docx's own paragraphs leave out content controls, tracked
insertions, text boxes and formulas, and a text must not lose its author's words in silence.
Headers and footers repeat on every page and are left out; so are comments and deleted text.
"""

# lxml carries no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from docx.opc.constants import RELATIONSHIP_TYPE as RELATION
from docx.opc.part import Part
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.package import Package

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.package import title_in
from bindery.types import Document

Element: TypeAlias = Any
"""An lxml element."""

_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATHS = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
# Wrappers whose children stand where they do (content controls, tracked insertions, tags).
_TRANSPARENT = frozenset(
    qn(f"w:{name}") for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")
) | {f"{_COMPATIBILITY}AlternateContent", f"{_COMPATIBILITY}Choice"}
# Properties, what was deleted, what an older Word would show instead, and what is taken elsewhere.
_SKIPPED = frozenset(
    qn(f"w:{name}") for name in ("pPr", "rPr", "del", "moveFrom", "sdtPr", "txbxContent", "tblPr")
) | {f"{_COMPATIBILITY}Fallback"}
_CHARACTERS: Mapping[str, str] = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
    f"{_MATHS}den": "/",
    f"{_MATHS}sup": "^",
    f"{_MATHS}sub": "_",
}
_NOTES: Mapping[str, str] = {qn("w:footnoteReference"): "", qn("w:endnoteReference"): "e"}
_TEXT = frozenset({qn("w:t"), f"{_MATHS}t"})
_ID, _VALUE = qn("w:id"), qn("w:val")
_DEEPEST_HEADING = 6
_DEEPEST_INDENT = 8


@dataclass(frozen=True, slots=True)
class _Style:
    """What a paragraph style says: the depth of a heading (0: none) and the list it belongs to."""

    level: int = 0
    list_id: str = ""
    list_depth: int = 0


def read_docx(data: bytes, name: str) -> Document:
    """Read the body in order: headings, paragraphs, lists, tables; then foot- and endnotes.

    The container has been checked before, see :mod:`bindery.documents.formats.archive`.
    """
    main = Package.open(io.BytesIO(data)).main_document_part
    body = parse_xml(main.blob).find(qn("w:body"))
    builder = DocumentBuilder()
    if body is not None:
        writer = _DocxWriter(
            builder, _styles(_related(main, RELATION.STYLES)), _bullets_and_numbers(main)
        )
        for element in _parts(body):
            writer.write(element)
    for relation, mark in ((RELATION.FOOTNOTES, ""), (RELATION.ENDNOTES, "e")):
        _write_notes(builder, _related(main, relation), mark)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        title = title_in(archive, "docProps/core.xml")
    return builder.document("docx", name, title=title)


class _DocxWriter:
    """Writes paragraphs and tables, counting the items of each numbered list."""

    def __init__(
        self,
        builder: DocumentBuilder,
        styles: Mapping[str, _Style],
        bulleted: Mapping[tuple[str, int], bool],
    ) -> None:
        self._builder = builder
        self._styles = styles
        self._bulleted = bulleted
        self._counts: dict[str, dict[int, int]] = {}

    def write(self, element: Element) -> None:
        if element.tag == qn("w:tbl"):
            self._builder.add(markdown_table(_rows(element)), "table")
            return  # a cell's boxes are part of its text
        self._write_paragraph(element)
        # What stands in text boxes comes after the paragraph that they are anchored to.
        for box in _outermost(element, qn("w:txbxContent")):
            for part in _parts(box):
                self.write_boxed(part)

    def write_boxed(self, element: Element) -> None:
        if element.tag == qn("w:tbl"):
            self._builder.add(markdown_table(_rows(element)), "table")
        else:
            self._builder.add(_text(element, with_boxes=True).strip())

    def _write_paragraph(self, element: Element) -> None:
        text = _text(element).strip()
        style = _paragraph_style(element, self._styles)
        if not text:
            return
        if style.level:
            self._builder.heading(text, style.level)
        elif style.list_id:
            indent = "  " * min(style.list_depth, _DEEPEST_INDENT)
            self._builder.add(indent + self._marker(style) + text, "list_item")
        else:
            self._builder.add(text)

    def _marker(self, style: _Style) -> str:
        depth = style.list_depth
        if self._bulleted.get((style.list_id, depth), True):
            return "- "
        counts = self._counts.get(style.list_id, {})
        number = counts.get(depth, 0) + 1
        # Lists below start anew under each item.
        above = {other: count for other, count in counts.items() if other < depth}
        self._counts[style.list_id] = {**above, depth: number}
        return f"{number}. "


def _parts(container: Element) -> Iterator[Element]:
    """The paragraphs and tables of a body, a text box or a note, in order."""
    waiting = [iter(container)]
    while waiting:
        for element in waiting[-1]:
            if element.tag in {qn("w:p"), qn("w:tbl")}:
                yield element
            elif element.tag in _TRANSPARENT:
                waiting.append(iter(element))
                break
        else:
            waiting.pop()


def _text(paragraph: Element, *, with_boxes: bool = False) -> str:
    """The words of a paragraph as one string, without those of its text boxes unless asked."""
    pieces: list[str] = []
    waiting = [paragraph]
    while waiting:
        element = waiting.pop()
        tag = element.tag
        if tag in _TEXT:
            pieces.append(element.text or "")
            continue
        if tag in _SKIPPED and not (with_boxes and tag == qn("w:txbxContent")):
            continue
        if tag in _NOTES:
            pieces.append(f"[^{_NOTES[tag]}{element.get(_ID)}]")
        pieces.append(_CHARACTERS.get(tag, "") if isinstance(tag, str) else "")
        waiting.extend(reversed(element))
    return "".join(pieces)


def _rows(table: Element) -> list[list[str]]:
    """The cells of a table by row; tables inside a cell become part of its text."""
    rows: list[list[str]] = []
    for row in _within(table, qn("w:tr")):
        rows.append([])
        for cell in _within(row, qn("w:tc")):
            texts = (_text(paragraph, with_boxes=True) for paragraph in _outermost(cell, qn("w:p")))
            rows[-1].append(" ".join(text for text in texts if text.strip()))
            span = cell.find(f"{qn('w:tcPr')}/{qn('w:gridSpan')}")
            # A table in Word has at most 63 columns.
            rows[-1].extend([""] * (min(_integer(span), 63) - 1))
    return rows


def _within(container: Element, tag: str) -> Iterator[Element]:
    """Children of one tag, also inside content controls, but not inside each other."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag == tag:
            yield element
        elif element.tag in _TRANSPARENT:
            waiting.extend(reversed(element))


def _outermost(container: Element, tag: str) -> Iterator[Element]:
    """All elements of a tag at any depth, but for those within each other or within a text box."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag == tag:
            yield element
        elif element.tag not in _SKIPPED:
            waiting.extend(reversed(element))


def _paragraph_style(paragraph: Element, styles: Mapping[str, _Style]) -> _Style:
    """The named style, overruled by what the paragraph says of itself."""
    properties = paragraph.find(qn("w:pPr"))
    if properties is None:
        return _Style()
    named = properties.find(qn("w:pStyle"))
    style = styles.get(named.get(_VALUE), _Style()) if named is not None else _Style()
    return _overruled(style, properties)


def _overruled(style: _Style, properties: Element | None) -> _Style:
    if properties is None:
        return style
    outline = properties.find(qn("w:outlineLvl"))
    level = style.level
    if outline is not None:  # 0 to 8 are headings, 9 is body text
        depth = _integer(outline, 9)
        level = min(depth + 1, _DEEPEST_HEADING) if depth < 9 else 0
    numbering = properties.find(qn("w:numPr"))
    if numbering is None:
        return _Style(level, style.list_id, style.list_depth)
    number, depth = numbering.find(qn("w:numId")), numbering.find(qn("w:ilvl"))
    list_id = style.list_id if number is None else number.get(_VALUE) or ""
    return _Style(level, "" if list_id == "0" else list_id, _integer(depth, style.list_depth))


def _styles(root: Element | None) -> dict[str, _Style]:
    """Paragraph styles by id, each with what it inherits from the style it is based on."""
    if root is None:
        return {}
    elements = {style.get(qn("w:styleId")): style for style in root.findall(qn("w:style"))}
    resolved: dict[str, _Style] = {}
    for style_id in elements:
        chain: list[str] = []
        current: str = style_id
        while current in elements and current not in resolved and current not in chain:
            chain.append(current)
            current = _value(elements[current].find(qn("w:basedOn"))) or ""
        style = resolved.get(current, _Style())
        for link in reversed(chain):
            style = resolved[link] = _named(elements[link], style)
    return resolved


def _named(element: Element, inherited: _Style) -> _Style:
    """One style. Built-in names are English in every language's Word, and case varies."""
    style = _overruled(inherited, element.find(qn("w:pPr")))
    words = (_value(element.find(qn("w:name"))) or "").lower().split()
    if words == ["title"]:
        return _Style(1)
    if len(words) == 2 and words[0] == "heading" and words[1] in {*"123456789"}:
        return _Style(min(int(words[1]), _DEEPEST_HEADING), style.list_id, style.list_depth)
    return style


def _bullets_and_numbers(main: Part) -> dict[tuple[str, int], bool]:
    """For each list and depth, whether its items have bullets (True) or numbers (False)."""
    root = _related(main, RELATION.NUMBERING)
    if root is None:
        return {}
    formats: dict[str | None, dict[int, bool]] = {}
    for abstract in root.findall(qn("w:abstractNum")):
        formats[abstract.get(qn("w:abstractNumId"))] = {
            int(level.get(qn("w:ilvl"), "0")): _value(level.find(qn("w:numFmt")))
            in {"bullet", "none", None}
            for level in abstract.findall(qn("w:lvl"))
        }
    return {
        (number.get(qn("w:numId")), depth): bulleted
        for number in root.findall(qn("w:num"))
        for depth, bulleted in formats.get(
            _value(number.find(qn("w:abstractNumId"))), dict[int, bool]()
        ).items()
    }


def _write_notes(builder: DocumentBuilder, root: Element | None, mark: str) -> None:
    notes: Sequence[Element] = () if root is None else list(root)
    for note in notes:
        if note.get(qn("w:type")) is None:  # the others are the lines that divide notes from text
            text = " ".join(_text(part).strip() for part in _outermost(note, qn("w:p"))).strip()
            if text:
                builder.add(f"[^{mark}{note.get(_ID)}]: {text}")


def _related(main: Part, relation: str) -> Element | None:
    """The XML of a part that the main one refers to, or None where there is none."""
    for relationship in main.rels.values():
        if relationship.reltype == relation and not relationship.is_external:
            return parse_xml(relationship.target_part.blob)
    return None


def _value(element: Element | None) -> str | None:
    return None if element is None else element.get(_VALUE)


def _integer(element: Element | None, otherwise: int = 1) -> int:
    text = _value(element) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise
