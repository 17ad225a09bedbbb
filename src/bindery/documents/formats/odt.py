"""ODT: the body of an OpenDocument text in order, written as Markdown."""

import io
import zipfile
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.package import attribute, local, parse_xml, title_in
from bindery.types import Document

_CHARACTERS = {"tab": "\t", "line-break": "\n"}
# Comments, what was deleted, and the table of contents, whose lines come again as headings.
_SKIPPED = frozenset({"annotation", "tracked-changes", "table-of-content", "sequence-decls"})
_LISTED = frozenset({"list", "list-item", "list-header"})
_DEEPEST_INDENT = 8
_MOST_BLANKS = 100
"""A document says how many blanks or columns repeat, and may say a billion."""


def read_odt(data: bytes, name: str) -> Document:
    """Read headings, paragraphs, lists and tables; notes stand where they are referred to.

    The container has been checked before, see :mod:`bindery.documents.formats.archive`.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = parse_xml(archive.read("content.xml"))
        title = title_in(archive, "meta.xml")
    builder = DocumentBuilder()
    body = next((element for element in root.iter() if local(element) == "text"), None)
    if body is not None:
        _write(builder, body)
    return builder.document("odt", name, title=title)


def _write(builder: DocumentBuilder, body: Element) -> None:
    """Walk the body; sections and frames are passed through, lists say how deep their items are."""
    waiting: list[tuple[Element, int, bool]] = [(child, 0, False) for child in reversed(body)]
    while waiting:
        element, depth, begins_item = waiting.pop()
        name = local(element)
        if name in _SKIPPED:
            continue
        if name == "h":
            level = attribute(element, "outline-level")
            builder.heading(_text(element), min(max(_number(level, 1), 1), 6))
        elif name == "p" and depth:
            indent = "  " * min(depth - 1, _DEEPEST_INDENT)
            mark = "- " if begins_item else "  "
            builder.add(indent + mark + _text(element).strip(), "list_item")
        elif name == "p":
            builder.add(_text(element))
        elif name == "table":
            builder.add(markdown_table(list(_rows(element))), "table")
        else:
            deeper = depth + (name == "list")
            is_item = name in _LISTED
            children = list(element)
            waiting.extend(
                (child, deeper, is_item and place == 0)
                for place, child in reversed(list(enumerate(children)))
            )


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table.iter():
        if local(row) != "table-row":
            continue
        cells: list[str] = []
        for cell in row:
            if local(cell) in {"table-cell", "covered-table-cell"}:
                text = " ".join(_text(part).strip() for part in cell)
                # The last cell of a sheet's row may repeat to the edge of the sheet.
                again = _number(attribute(cell, "number-columns-repeated"), 1)
                cells += [text] * min(again, _MOST_BLANKS if text else 1)
        yield cells


def _text(element: Element) -> str:
    """The words below an element, in order, without those of comments."""
    pieces: list[str] = []
    waiting: list[Element | str] = [element]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            pieces.append(part)
            continue
        name = local(part)
        if part.tail and part is not element:
            waiting.append(part.tail)
        if name in _SKIPPED:
            continue
        if name == "s":
            pieces.append(" " * min(_number(attribute(part, "c"), 1), _MOST_BLANKS))
        pieces.append(_CHARACTERS.get(name, ""))
        waiting.extend(reversed(part))
        if part.text:
            waiting.append(part.text)
    return "".join(pieces)


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise
