"""OpenDocument texts (ODT) and presentations (ODP), written as Markdown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.numbering import BULLET, Levels, ListCounter, ListLevel
from bindery.documents.formats.package import Package
from bindery.documents.formats.symbols import script_sign
from bindery.types import Document

_NAMESPACE = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}%s"


def _q(name: str) -> str:
    """The qualified name of ``prefix:local``, whatever prefix a document uses."""
    return _NAMESPACE % tuple(name.split(":"))


_CHARACTERS = {_q("text:tab"): "\t", _q("text:line-break"): "\n"}
_NOTE = _q("text:note")
# Comments, deleted text, and the table of contents, whose lines occur again as headings.
_SKIPPED = frozenset(
    map(
        _q,
        (
            *("office:annotation", "text:tracked-changes", "text:table-of-content"),
            *("text:sequence-decls", "text:note-citation", "office:forms"),
        ),
    )
)
_PARAGRAPHS = frozenset({_q("text:p"), _q("text:h")})
# Elements whose text must not run into the text around them.
_APART = _PARAGRAPHS | {
    _q("svg-compatible:title"),
    _q("svg-compatible:desc"),
    _q("text:ruby-text"),
}
_ROW, _TABLE = _q("table:table-row"), _q("table:table")
_CELLS = frozenset({_q("table:table-cell"), _q("table:covered-table-cell")})
_LISTED = frozenset({_q("text:list-item"), _q("text:list-header")})
_STYLE = _q("text:style-name")
_FORMATS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_OUTLINE = "\0outline"
"""Stands among the names of list styles for the numbers of headings."""

_REPEATED = _q("table:number-rows-repeated")
_NOTES = _q("presentation:notes")
_LENGTH = re.compile(r"(-?\d{1,6}(?:\.\d{1,9})?)(cm|mm|in|pt)")
_CENTIMETRES = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72}
_DEEPEST_INDENT = 8
_MOST_BLANKS = 100
"""A document states how many blanks or columns repeat, and may state a billion."""


def read_odt(data: bytes, name: str) -> Document:
    """Read headings, paragraphs, lists and tables, then the notes.

    The container has been checked before, see :mod:`bindery.documents.formats.archive`.
    """
    package = Package(data, name)
    package.refuse_encrypted()
    content = package.xml("content.xml")
    roots = [content, *(package.xml(part) for part in ("styles.xml",) if part in package)]
    builder = DocumentBuilder()
    writer = _OdtWriter(builder, roots)
    body = content.find(f"{_q('office:body')}/{_q('office:text')}")
    if body is not None:
        writer.write(body)
    title = package.title("meta.xml")
    warnings = package.warnings()
    if any(_has_header(root) for root in roots):
        warnings.append("Headers and footers were not read.")
    return builder.document("odt", name, warnings, title=title)


def read_odp(data: bytes, name: str) -> Document:
    """Read each slide as a page: its title, then its text from top to bottom, then its notes."""
    package = Package(data, name)
    package.refuse_encrypted()
    content = package.xml("content.xml")
    roots = [content, *(package.xml(part) for part in ("styles.xml",) if part in package)]
    builder = DocumentBuilder()
    writer = _OdtWriter(builder, roots)
    slides = content.iterfind(f"{_q('office:body')}/{_q('office:presentation')}/{_q('draw:page')}")
    for number, slide in enumerate(slides, 1):
        builder.begin_page(number)
        shapes = [shape for shape in slide if shape.tag != _NOTES]
        titles = [shape for shape in shapes if shape.get(_q("presentation:class")) == "title"]
        for shape in titles:
            builder.heading(" ".join(writer.texts(shape)), 2)
        for shape in sorted((s for s in shapes if s not in titles), key=_position):
            writer.write(_only(shape))
        for notes in slide.iterfind(_NOTES):
            for shape in notes:
                if shape.get(_q("presentation:class")) == "notes":
                    writer.write(_only(shape))
    return builder.document("odp", name, package.warnings(), title=package.title("meta.xml"))


def _only(element: Element) -> Element:
    holder = Element("holder")
    holder.append(element)
    return holder


def _position(shape: Element) -> tuple[float, float]:
    """The place of a shape on a slide, in centimetres: from the top, then from the left."""

    def centimetres(name: str) -> float:
        found = _LENGTH.fullmatch(shape.get(_q(name), ""))
        return float(found[1]) * _CENTIMETRES.get(found[2], 1.0) if found else 0.0

    return centimetres("svg-compatible:y"), centimetres("svg-compatible:x")


@dataclass(frozen=True, slots=True)
class _Position:
    """Where an element is: the list and how deep in it, and the label if it begins an item."""

    depth: int = 0
    style: str = ""
    key: str = ""
    label: str = ""


class _OdtWriter:
    """Writes blocks in order and collects notes."""

    def __init__(self, builder: DocumentBuilder, roots: Sequence[Element]) -> None:
        self._builder = builder
        self._styles = _styles_of(roots)
        self._hidden = self._styles.hidden
        self._counter = ListCounter()
        self._notes: list[Element] = []
        self._lists = 0

    def write(self, body: Element) -> None:
        """Write the body, then its notes; a note may refer to further notes."""
        self._write_blocks(body)
        written = 0
        while written < len(self._notes):
            note = self._notes[written]
            written += 1
            bodies = note.findall(_q("text:note-body"))
            text = " ".join(" ".join(self.texts(part)) for part in bodies)
            self._builder.add(f"[^{written}]: {text}")

    def _write_blocks(self, body: Element) -> None:
        """Sections and frames are passed through; lists say how deep their items are."""
        waiting = [(child, _Position()) for child in reversed(body)]
        while waiting:
            element, position = waiting.pop()
            tag = element.tag
            if tag in _SKIPPED or element.get(_STYLE) in self._hidden or _is_hidden(element):
                continue
            if tag in _PARAGRAPHS | _APART:
                self._write_paragraph(element, position)
            elif tag == _TABLE:
                self._builder.add(markdown_table(list(self._rows(element))), "table")
            elif tag == _q("text:list"):
                position = self._list(element, position)
                waiting.extend((child, position) for child in reversed(element))
            else:
                label = self._label(element, position) if tag in _LISTED else ""
                for index, child in reversed(list(enumerate(element))):
                    waiting.append((child, replace(position, label="" if index else label)))

    def _write_paragraph(self, element: Element, position: _Position) -> None:
        text = self._text(element).strip()
        if element.tag == _q("text:h"):
            level = max(_number(element.get(_q("text:outline-level"), ""), 1), 1)
            label = position.label or self._outline_label(element, level - 1)
            number = "" if label in {"", BULLET} or not text else f"{label} "
            self._builder.heading(number + text, min(level, 6))
        elif position.depth and text:
            indent = "  " * min(position.depth - 1, _DEEPEST_INDENT)
            self._builder.add(f"{indent}{position.label or ' '} {text}", "list_item")
        else:
            self._builder.add(text)

    def _list(self, element: Element, outer: _Position) -> _Position:
        """The position of the items of a list; numbering starts again unless it says otherwise."""
        self._lists += 1
        style = element.get(_STYLE) or outer.style or self._style_of_items(element)
        key = outer.key or style or str(self._lists)
        continued = element.get(_q("text:continue-numbering")) == "true"
        if not continued and not element.get(_q("text:continue-list")):
            level = self._styles.lists.get(style, {}).get(outer.depth, ListLevel())
            self._counter.restart(key, outer.depth, level.start)
        return _Position(outer.depth + 1, style, key)

    def _style_of_items(self, element: Element) -> str:
        """The list style that the paragraphs of a list name."""
        named = (each.get(_STYLE, "") for item in element for each in item)
        return next(filter(None, (self._styles.of_paragraphs.get(name) for name in named)), "")

    def _outline_label(self, heading: Element, depth: int) -> str:
        """The number of a heading outside of lists; "" if its level or its style has none."""
        if heading.get(_q("text:is-list-header")) == "true":
            return ""
        if self._styles.of_paragraphs.get(heading.get(_STYLE, "")) == "":
            return ""
        if start := heading.get(_q("text:start-value")):
            self._counter.restart(_OUTLINE, depth, _number(start, 1))
        return self._counter.label(_OUTLINE, self._styles.lists.get(_OUTLINE, {}), depth)

    def _label(self, item: Element, position: _Position) -> str:
        if item.tag == _q("text:list-header"):
            return ""
        start = item.get(_q("text:start-value"))
        if start:
            self._counter.restart(position.key, position.depth - 1, _number(start, 1))
        levels = self._styles.lists.get(position.style, {})
        return self._counter.label(position.key, levels, position.depth - 1) or BULLET

    def _rows(self, table: Element) -> Iterator[list[str]]:
        for row in _outermost(table, frozenset({_ROW})):
            cells: list[str] = []
            for cell in row:
                if cell.tag in _CELLS:
                    text = " ".join(self.texts(cell))
                    # The last cell of a sheet's row may repeat to the edge of the sheet.
                    again = _number(cell.get(_q("table:number-columns-repeated"), ""), 1)
                    cells += [text] * min(again, _MOST_BLANKS if text else 1)
            yield from [cells] * min(_number(row.get(_REPEATED, ""), 1), _MOST_BLANKS)

    def texts(self, container: Element) -> Iterator[str]:
        """The texts of the paragraphs in a cell or a note, also in lists and tables inside."""
        for paragraph in _outermost(container, _PARAGRAPHS):
            if text := self._text(paragraph).strip():
                yield text

    def _text(self, element: Element) -> str:
        """The words of a paragraph; a note becomes a reference."""
        pieces: list[str] = []
        waiting: list[Element | str] = [element]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                pieces.append(part)
                continue
            is_apart = part is not element and part.tag in _APART
            if part.tail and part is not element:
                waiting.append(part.tail)
            if part.tag in _SKIPPED or part.get(_STYLE) in self._hidden:
                continue
            if part.tag == _NOTE:
                self._notes.append(part)
                pieces.append(f"[^{len(self._notes)}]")
                continue
            if part.tag == _q("text:s"):
                count = _number(part.get(_q("text:c"), ""), 1)
                pieces.append(" " * min(count, _MOST_BLANKS))
            pieces += self._sign(pieces, part)
            if is_apart or part.tag in _CHARACTERS:
                pieces.append(_CHARACTERS.get(part.tag, " "))
            if is_apart:
                waiting.append(" ")
            waiting.extend(reversed(part))
            if part.text:
                waiting.append(part.text)
        return "".join(pieces)

    def _sign(self, pieces: Sequence[str], part: Element) -> list[str]:
        """The sign of a superscript or subscript that changes the text before it, if it does."""
        script = self._styles.scripts.get(part.get(_STYLE, ""))
        if script is None or not pieces or len(part):
            return []
        sign = script_sign(pieces[-1], part.text or "", is_raised=script == "super")
        return [sign] if sign else []


def _outermost(container: Element, tags: frozenset[str]) -> Iterator[Element]:
    """All elements of these tags at any depth, except those inside each other."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag in tags:
            yield element
        elif element.tag not in _SKIPPED:
            waiting.extend(reversed(element))


@dataclass(frozen=True, slots=True)
class _Styles:
    """The numbering of list styles and of the outline, by name.

    Also the list style that each paragraph style names, the styles of superscripts ("super") and
    subscripts ("sub"), and those whose text is hidden.
    """

    lists: Mapping[str, Levels]
    of_paragraphs: Mapping[str, str]
    scripts: Mapping[str, str]
    hidden: frozenset[str]


def _styles_of(roots: Sequence[Element]) -> _Styles:
    lists: dict[str, Levels] = {}
    of_paragraphs: dict[str, str] = {}
    for root in roots:
        for style in root.iter(_q("text:list-style")):
            levels = _levels(style.findall(_q("text:list-level-style-number")))
            lists.setdefault(style.get(_q("style:name"), ""), levels)
        for style in root.iter(_q("text:outline-style")):
            lists.setdefault(_OUTLINE, _levels(style.findall(_q("text:outline-level-style"))))
        for style in root.iter(_q("style:style")):
            used = style.get(_q("style:list-style-name"))
            if used is not None:
                of_paragraphs.setdefault(style.get(_q("style:name"), ""), used)
    return _Styles(lists, of_paragraphs, _scripts(roots), _hidden_styles(roots))


def _scripts(roots: Sequence[Element]) -> dict[str, str]:
    return {
        style.get(_q("style:name"), ""): "sub" if position.startswith(("sub", "-")) else "super"
        for root in roots
        for style in root.iter(_q("style:style"))
        for properties in style.iter(_q("style:text-properties"))
        if (position := properties.get(_q("style:text-position"), "0%"))[0] != "0"
    }


def _levels(elements: Sequence[Element]) -> Levels:
    depths = [_number(each.get(_q("text:level"), ""), 1) - 1 for each in elements]
    return {depth: _list_level(each, depth) for depth, each in zip(depths, elements, strict=True)}


def _list_level(level: Element, depth: int) -> ListLevel:
    written = level.get(_q("style:num-format"), "")
    shown = max(_number(level.get(_q("text:display-levels"), ""), 1), 1)
    numbers = ".".join(f"%{each + 1}" for each in range(max(depth + 1 - shown, 0), depth + 1))
    prefix = level.get(_q("style:num-prefix"), "")
    suffix = level.get(_q("style:num-suffix"), "")
    return ListLevel(
        _FORMATS.get(written, "decimal") if written else "none",
        prefix + numbers + suffix,
        _number(level.get(_q("text:start-value"), ""), 1),
    )


def _hidden_styles(roots: Sequence[Element]) -> frozenset[str]:
    """The names of styles whose text is hidden."""
    return frozenset(
        style.get(_q("style:name"), "")
        for root in roots
        for style in root.iter(_q("style:style"))
        if any(each.get(_q("text:display")) == "none" for each in style)
    )


def _is_hidden(element: Element) -> bool:
    """Whether it is a hidden section."""
    return element.get(_q("text:display")) == "none"


def _has_header(root: Element) -> bool:
    """Whether the styles hold headers or footers with words in them."""
    return any(
        "".join(part.itertext()).strip()
        for name in ("style:header", "style:footer")
        for part in root.iter(_q(name))
    )


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise
