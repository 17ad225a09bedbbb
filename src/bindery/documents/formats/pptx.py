"""PPTX: the slides in order, with titles as headings, tables, diagrams and speaker notes.

The XML is read directly: python-pptx would add 30 MB of image libraries.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.numbering import BULLET, ListCounter, ListLevel
from bindery.documents.formats.package import (
    Package,
    attribute,
    diagram_texts,
    listed,
    local,
)
from bindery.documents.formats.symbols import script_sign
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
_MARKS = frozenset({"buNone", "buChar", "buAutoNum", "buBlip"})
# Placeholders whose text has the bullets of the master's body, unless the layout says otherwise.
_BODIES = frozenset({"", "obj", "body", "half"})
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
    layouts = _Layouts(package)
    for number, slide in enumerate(_slides(package), 1):
        builder.begin_page(number)
        root = package.xml(slide)
        if root.get("show") in {"0", "false"}:
            hidden.append(str(number))
        _write_slide(builder, root, package, slide, layouts.of_slide(slide))
        for notes in package.related(slide, "notesSlide"):
            _write_shapes(builder, package.xml(notes), package, notes, _Layout())
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


_Marks = Mapping[int, Element]
"""What begins the paragraphs of each depth: a bullet, a number, or nothing."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a slide takes from its layout, or a layout from its master, if it says nothing itself.

    ``points`` and ``marks`` are those of placeholders, by index ("#1") and by type; ``styles`` are
    the marks of titles and other text on the master.
    """

    points: Mapping[str, _Point] = field(default_factory=dict[str, _Point])
    marks: Mapping[str, _Marks] = field(default_factory=dict[str, _Marks])
    styles: Mapping[str, _Marks] = field(default_factory=dict[str, _Marks])
    master: "_Layout | None" = None

    def point(self, index: str, kind: str) -> _Point:
        """Where a placeholder is, from the top and the left."""
        found = self.points.get(f"#{index}") or self.points.get(kind)
        return found or (self.master.point("-", kind) if self.master else (0.0, 0.0))

    def mark(self, index: str, kind: str, depth: int) -> Element | None:
        """The mark of the paragraphs of a placeholder at a depth; None if nothing says so."""
        for marks in (self.marks.get(f"#{index}", {}), self.marks.get(kind, {})):
            if depth in marks:
                return marks[depth]
        if self.master:
            return self.master.mark("-", kind, depth)
        return self.styles.get("bodyStyle", {}).get(depth) if kind in _BODIES else None


class _Layouts:
    """The layouts of a presentation, each read once."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._known: dict[str, _Layout] = {}

    def of_slide(self, slide: str) -> _Layout:
        """The layout of a slide, with its master."""
        return next(map(self._layout, self._package.related(slide, "slideLayout")), _Layout())

    def _layout(self, part: str, *, is_master: bool = False) -> _Layout:
        if part not in self._known:
            masters = [] if is_master else self._package.related(part, "slideMaster")
            master = self._layout(masters[0], is_master=True) if masters else None
            self._known[part] = _layout_of(self._package.xml(part), master)
        return self._known[part]


def _layout_of(root: Element, master: _Layout | None) -> _Layout:
    points: dict[str, _Point] = {}
    marks: dict[str, _Marks] = {}
    styles: dict[str, _Marks] = {}
    for shape in root.iter():
        if local(shape).endswith("Style") and shape is not root:
            styles[local(shape)] = _marks(shape)
        if local(shape) != "sp" or (placeholder := _placeholder(shape)) is None:
            continue
        point, own = _own_point(shape), _marks(_list_style(shape))
        for key in (f"#{attribute(placeholder, 'idx')}", attribute(placeholder, "type")):
            if point is not None:
                points.setdefault(key, point)
            marks.setdefault(key, own)
    return _Layout(points, marks, styles, master)


def _list_style(shape: Element) -> Element:
    return next((each for each in shape.iter() if local(each) == "lstStyle"), shape)


def _marks(style: Element) -> dict[int, Element]:
    found: dict[int, Element] = {}
    for level in style:
        name = local(level)
        if name.startswith("lvl") and name[3:4].isdigit() and (mark := _mark_in(level)) is not None:
            found[int(name[3]) - 1] = mark
    return found


def _mark_in(properties: Element) -> Element | None:
    return next((each for each in properties if local(each) in _MARKS), None)


def _write_slide(
    builder: DocumentBuilder, root: Element, package: Package, slide: str, layout: _Layout
) -> None:
    tree = next((element for element in root.iter() if local(element) == "spTree"), root)
    waiting = list(reversed(_in_reading_order(_shapes(tree), layout)))
    while waiting:
        outer = waiting.pop()
        if local(outer) == "grpSp":
            waiting += reversed(_in_reading_order(_shapes(outer), layout))
            continue
        _write_shapes(builder, outer, package, slide, layout)


def _write_shapes(
    builder: DocumentBuilder, outer: Element, package: Package, part: str, layout: _Layout
) -> None:
    """Write the texts, tables and diagrams in a shape of a part of the package."""
    for shape in outer.iter():
        name = local(shape)
        if name == "tbl":
            builder.add(markdown_table(list(_rows(shape))), "table")
        elif name == "sp":
            _write_shape(builder, shape, layout)
        elif name == "relIds":
            diagram = package.relationships(part).get(attribute(shape, "dm"))
            if diagram and diagram.member in package:
                for text in diagram_texts(package.xml(diagram.member)):
                    builder.add(text)


def _shapes(tree: Element) -> Iterator[Element]:
    """The shapes of a slide or a group, groups as a whole."""
    for shape in tree:
        if local(shape) == "AlternateContent":
            yield from shape
        else:
            yield shape


def _in_reading_order(shapes: Iterable[Element], layout: _Layout) -> list[Element]:
    """Titles first, then from top to bottom and from left to right."""
    titles: list[Element] = []
    placed: list[tuple[_Point, Element]] = []
    for shape in shapes:
        if local(shape) == "sp" and _kind(shape) in _TITLES:
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


def _point(shape: Element, layout: _Layout) -> _Point:
    """Where a shape is. A placeholder without a position has that of the layout."""
    point = _own_point(shape)
    if point is None and (placeholder := _placeholder(shape)) is not None:
        return layout.point(attribute(placeholder, "idx"), attribute(placeholder, "type"))
    return point or (0.0, 0.0)


def _own_point(shape: Element) -> _Point | None:
    for properties in shape:
        if local(properties) in {"spPr", "grpSpPr", "xfrm"}:
            offset = next((each for each in properties.iter() if local(each) == "off"), None)
            if offset is not None:
                return _number(attribute(offset, "y")), _number(attribute(offset, "x"))
    return None


def _placeholder(shape: Element) -> Element | None:
    return next((each for each in shape.iter() if local(each) == "ph"), None)


def _kind(shape: Element) -> str | None:
    """The type of a placeholder, empty for an ordinary one; None for other shapes."""
    placeholder = _placeholder(shape)
    return None if placeholder is None else attribute(placeholder, "type")


def _write_shape(builder: DocumentBuilder, shape: Element, layout: _Layout) -> None:
    placeholder = _placeholder(shape)
    index, kind = ("", None) if placeholder is None else _names_of(placeholder)
    if kind in _REPEATED:
        return
    paragraphs = [element for element in shape.iter() if local(element) == "p"]
    if kind in _TITLES:
        builder.heading(" ".join(map(_text, paragraphs)), _TITLES[kind])
        return
    counter = ListCounter()
    own = _marks(_list_style(shape))
    for paragraph in paragraphs:
        text, depth = _text(paragraph).strip(), _depth(paragraph)
        if not text:
            continue
        inherited = None if kind is None else layout.mark(index, kind, depth)
        mark = _own_mark(paragraph, own.get(depth, inherited))
        label = _label(mark, counter, depth)
        if label:
            builder.add(f"{'  ' * depth}{label} {text}", "list_item")
        elif depth and mark is None:
            builder.add(f"{'  ' * (depth - 1)}- {text}", "list_item")
        else:
            builder.add(text)


def _names_of(placeholder: Element) -> tuple[str, str]:
    return attribute(placeholder, "idx"), attribute(placeholder, "type")


def _own_mark(paragraph: Element, otherwise: Element | None) -> Element | None:
    marks = map(_mark_in, paragraph)
    return next((mark for mark in marks if mark is not None), otherwise)


def _label(mark: Element | None, counter: ListCounter, depth: int) -> str:
    """The bullet or number of a paragraph; "" if it has none, which ends the numbers above it."""
    if mark is not None and local(mark) == "buAutoNum":
        kind = attribute(mark, "type")
        start = int(_number(attribute(mark, "startAt"))) or 1
        written = next((f for k, f in _FORMATS.items() if kind.startswith(k)), "decimal")
        before = "(" if kind.endswith("ParenBoth") else ""
        after = ")" if "Paren" in kind else "" if kind.endswith("Plain") else "."
        level = ListLevel(written, f"{before}%{depth + 1}{after}", start)
        return counter.label("", {depth: level}, depth)
    counter.end("", depth)
    return "" if mark is None or local(mark) == "buNone" else BULLET


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
        if local(part) == "t" and part.text:
            pieces.append(part.text)
        elif local(part) == "r" and (sign := _sign(pieces, part)):
            pieces.append(sign)
        elif local(part) == "br":
            pieces.append("\n")
        elif local(part) == "p" and pieces:
            pieces.append(" ")
    return "".join(pieces)


def _sign(pieces: Sequence[str], run: Element) -> str:
    """The sign of a superscript or subscript that changes the text before it."""
    raised = next((_number(attribute(each, "baseline")) for each in run), 0.0)
    if not raised or not pieces:
        return ""
    words = "".join(each.text or "" for each in run if local(each) == "t")
    return script_sign(pieces[-1], words, is_raised=raised > 0)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0  # not a number, so there is no position
    return number if math.isfinite(number) else 0.0
