"""PPTX: the slides in order, with titles as headings, tables, diagrams and speaker notes.

The XML is read directly: python-pptx would add 30 MB of image libraries.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.numbering import ListCounter, ListLevel
from bindery.documents.formats.package import (
    Package,
    attribute,
    diagram_texts,
    listed,
    local,
)
from bindery.types import Document

_TITLES = {"ctrTitle": 1, "title": 2}
"""The level of each kind of title: that of a title slide is above those of other slides."""

# Repeated on every slide: its number, the date and the footer.
_REPEATED = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})
_FORMATS = {
    "alphaLc": "lowerLetter",
    "alphaUc": "upperLetter",
    "romanLc": "lowerRoman",
    "romanUc": "upperRoman",
}
_DEEPEST_INDENT = 8
_SAME_ROW_EMU = 182_880
"""Shapes whose tops differ by at most 0.2 inches are in one row, read from left to right."""

_Point = tuple[float, float]
"""The distance of a shape from the top and from the left of the slide, in EMU."""


def read_pptx(data: bytes, name: str) -> Document:
    """Read slide by slide: a page each, its title a heading, then its text, tables and notes.

    The container has been checked before, see :mod:`bindery.documents.formats.archive`.
    """
    package = Package(data, name)
    builder = DocumentBuilder()
    hidden: list[str] = []
    for number, slide in enumerate(_slides(package), 1):
        builder.begin_page(number)
        root = package.xml(slide)
        if root.get("show") in {"0", "false"}:
            hidden.append(str(number))
        _write_slide(builder, root, package, slide)
        for notes in package.related(slide, "notesSlide"):
            for shape in package.xml(notes).iter():
                _write_shape(builder, shape)
    warnings = package.warnings()
    if hidden:
        warnings.append(f"These hidden slides were read too: {listed(hidden)}.")
    title = package.title("docProps/core.xml")
    return builder.document("pptx", name, warnings, title=title)


def _slides(package: Package) -> list[str]:
    """The members with slides, in the order in which they are shown."""
    main = package.main_part("ppt/presentation.xml")
    relationships = package.relationships(main)
    shown = (
        relationships.get(_relationship_id(element))
        for element in package.xml(main).iter()
        if local(element) == "sldId"
    )
    return [slide.member for slide in shown if slide and slide.member in package]


def _relationship_id(element: Element) -> str:
    # A slide also has a number called id, without a namespace.
    return next((v for k, v in element.attrib.items() if k.endswith("relationships}id")), "")


def _write_slide(builder: DocumentBuilder, root: Element, package: Package, slide: str) -> None:
    layout = {}
    for part in package.related(slide, "slideLayout"):
        layout = _placeholder_points(package.xml(part))
    tree = next((element for element in root.iter() if local(element) == "spTree"), root)
    relationships = package.relationships(slide)
    for outer in _in_reading_order(_shapes(tree), layout):
        for shape in outer.iter():
            _write_shape(builder, shape)
            if local(shape) == "relIds":
                diagram = relationships.get(attribute(shape, "dm"))
                if diagram and diagram.member in package:
                    for text in diagram_texts(package.xml(diagram.member)):
                        builder.add(text)


def _shapes(tree: Element) -> Iterator[Element]:
    """The shapes of a slide, groups as a whole."""
    for shape in tree:
        if local(shape) == "AlternateContent":
            yield from shape
        else:
            yield shape


def _in_reading_order(shapes: Iterable[Element], layout: Mapping[str, _Point]) -> list[Element]:
    """Titles first, then from top to bottom and from left to right."""
    titles: list[Element] = []
    placed: list[tuple[_Point, Element]] = []
    for shape in shapes:
        if local(shape) == "sp" and _placeholder(shape) in _TITLES:
            titles.append(shape)
        else:
            placed.append((_point(shape, layout), shape))
    placed.sort(key=lambda pair: pair[0][0])
    rows: list[list[tuple[_Point, Element]]] = []
    for point, shape in placed:
        if rows and point[0] - rows[-1][0][0][0] <= _SAME_ROW_EMU:
            rows[-1].append((point, shape))
        else:
            rows.append([(point, shape)])
    ordered = [shape for row in rows for _, shape in sorted(row, key=lambda pair: pair[0][1])]
    return titles + ordered


def _point(shape: Element, layout: Mapping[str, _Point]) -> _Point:
    """Where a shape is. A placeholder without a position has that of the layout."""
    for properties in shape:
        if local(properties) in {"spPr", "grpSpPr", "xfrm"}:
            offset = next((each for each in properties.iter() if local(each) == "off"), None)
            if offset is not None:
                return _number(attribute(offset, "y")), _number(attribute(offset, "x"))
    for placeholder in shape.iter():
        if local(placeholder) == "ph":
            key = f"#{attribute(placeholder, 'idx')}"
            return layout.get(key) or layout.get(attribute(placeholder, "type"), (0.0, 0.0))
    return 0.0, 0.0


def _placeholder_points(layout: Element) -> dict[str, _Point]:
    """The positions of a layout's placeholders, by index ("#1") and by type."""
    points: dict[str, _Point] = {}
    for shape in layout.iter():
        placeholder = next((e for e in shape.iter() if local(e) == "ph"), None)
        if local(shape) == "sp" and placeholder is not None:
            point = _point(shape, {})
            points.setdefault(f"#{attribute(placeholder, 'idx')}", point)
            points.setdefault(attribute(placeholder, "type"), point)
    return points


def _placeholder(shape: Element) -> str:
    return next((attribute(e, "type") for e in shape.iter() if local(e) == "ph"), "")


def _write_shape(builder: DocumentBuilder, shape: Element) -> None:
    if local(shape) == "tbl":
        builder.add(markdown_table(list(_rows(shape))), "table")
    if local(shape) != "sp":
        return
    placeholder = _placeholder(shape)
    if placeholder in _REPEATED:
        return
    paragraphs = [element for element in shape.iter() if local(element) == "p"]
    if placeholder in _TITLES:
        builder.heading(" ".join(map(_text, paragraphs)), _TITLES[placeholder])
        return
    counter = ListCounter()
    for paragraph in paragraphs:
        text = _text(paragraph).strip()
        depth = _depth(paragraph)
        label = _label(paragraph, counter, depth) if text else ""
        if label:
            builder.add(f"{'  ' * depth}{label} {text}", "list_item")
        elif depth:
            builder.add(f"{'  ' * (depth - 1)}- {text}" if text else "", "list_item")
        else:
            builder.add(text)


def _label(paragraph: Element, counter: ListCounter, depth: int) -> str:
    """The bullet or number of a paragraph; "" if it declares none."""
    for mark in (each for properties in paragraph for each in properties):
        if local(mark) == "buChar":
            return "-"
        if local(mark) == "buAutoNum":
            kind = attribute(mark, "type")
            start = int(_number(attribute(mark, "startAt"))) or 1
            written = next((f for k, f in _FORMATS.items() if kind.startswith(k)), "decimal")
            before = "(" if kind.endswith("ParenBoth") else ""
            after = ")" if "Paren" in kind else "" if kind.endswith("Plain") else "."
            level = ListLevel(written, f"{before}%{depth + 1}{after}", start)
            return counter.label("", {depth: level}, depth)
    return ""


def _depth(paragraph: Element) -> int:
    """How deep a paragraph is indented, from 0."""
    properties = next((child for child in paragraph if local(child) == "pPr"), None)
    level = attribute(properties, "lvl") if properties is not None else ""
    return min(int(level), _DEEPEST_INDENT) if level.isascii() and level.isdigit() else 0


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table:
        if local(row) == "tr":
            yield [_text(cell) for cell in row if local(cell) == "tc"]


def _text(element: Element) -> str:
    """The words in an element; breaks end a line, and a blank is between paragraphs."""
    pieces: list[str] = []
    for part in element.iter():
        if local(part) == "t":
            pieces.append(part.text or "")
        elif local(part) == "br":
            pieces.append("\n")
        elif local(part) == "p" and pieces:
            pieces.append(" ")
    return "".join(pieces)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0  # not a number, so there is no position
    return number if math.isfinite(number) else 0.0
