"""PPTX: the slides in order, titles as headings, tables and speaker's notes.

python-pptx brings 30 MB of imaging along; the parts that hold text are few, and read directly.
"""

import io
import zipfile
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.package import attribute, local, parse_xml, relations, title_in
from bindery.types import Document

_PRESENTATION = "ppt/presentation.xml"
_TITLES = {"ctrTitle": 1, "title": 2}
"""The level of each kind of title: that of a title slide stands above those of the others."""

# What every slide repeats: its number, the date and the footer.
_REPEATED = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})
_DEEPEST_INDENT = 8


def read_pptx(data: bytes, name: str) -> Document:
    """Read slide by slide: a page each, its title a heading, then its text, tables and notes.

    The container has been checked before, see :mod:`bindery.documents.formats.archive`.
    """
    builder = DocumentBuilder()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for number, slide in enumerate(_slides(archive), 1):
            builder.begin_page(number)
            _write_shapes(builder, parse_xml(archive.read(slide)))
            for kind, notes in relations(archive, slide).values():
                if kind == "notesSlide" and notes in archive.namelist():
                    _write_shapes(builder, parse_xml(archive.read(notes)))
        title = title_in(archive, "docProps/core.xml")
    return builder.document("pptx", name, title=title)


def _slides(archive: zipfile.ZipFile) -> list[str]:
    """The members that hold slides, in the order in which they are shown."""
    related = relations(archive, _PRESENTATION)
    shown = [
        related.get(_relation_id(element), ("", ""))[1]
        for element in parse_xml(archive.read(_PRESENTATION)).iter()
        if local(element) == "sldId"
    ]
    members = set(archive.namelist())
    return [slide for slide in shown if slide in members]


def _relation_id(element: Element) -> str:
    # A slide's own number is called id as well, without a namespace.
    return next((v for k, v in element.attrib.items() if k.endswith("relationships}id")), "")


def _write_shapes(builder: DocumentBuilder, root: Element) -> None:
    """The texts of a slide's shapes, in the order of the slide, whatever groups they stand in."""
    for shape in root.iter():
        if local(shape) == "graphicFrame":
            for table in shape.iter():
                if local(table) == "tbl":
                    builder.add(markdown_table(list(_rows(table))), "table")
        elif local(shape) == "sp":
            _write_shape(builder, shape)


def _write_shape(builder: DocumentBuilder, shape: Element) -> None:
    placeholder = next((attribute(e, "type") for e in shape.iter() if local(e) == "ph"), "")
    if placeholder in _REPEATED:
        return
    paragraphs = [element for element in shape.iter() if local(element) == "p"]
    if placeholder in _TITLES:
        builder.heading(" ".join(map(_text, paragraphs)), _TITLES[placeholder])
        return
    for paragraph in paragraphs:
        depth = _depth(paragraph)
        text = _text(paragraph).strip()
        if depth and text:
            builder.add(f"{'  ' * (depth - 1)}- {text}", "list_item")
        else:
            builder.add(text)


def _depth(paragraph: Element) -> int:
    """How deep a paragraph is set in; 0 is not at all."""
    properties = next((child for child in paragraph if local(child) == "pPr"), None)
    level = attribute(properties, "lvl") if properties is not None else ""
    return min(int(level), _DEEPEST_INDENT) if level.isascii() and level.isdigit() else 0


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table:
        if local(row) == "tr":
            yield [_text(cell) for cell in row if local(cell) == "tc"]


def _text(element: Element) -> str:
    """The words below an element, lines apart at breaks and paragraphs apart by a blank."""
    pieces: list[str] = []
    for part in element.iter():
        if local(part) == "t":
            pieces.append(part.text or "")
        elif local(part) == "br":
            pieces.append("\n")
        elif local(part) == "p" and pieces:
            pieces.append(" ")
    return "".join(pieces)
