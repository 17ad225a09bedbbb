"""IPYNB: the prose, programs and results of a notebook, in order."""

import re
from typing import Any, cast

import orjson

from bindery.documents.formats.builder import DocumentBuilder, code_block
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.markdown import blocks_of
from bindery.errors import BrokenDocument
from bindery.types import Document

# Escape sequences of terminals: colours and movements of the cursor, titles of windows.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# Python prints this for an object without a text form.
_PICTURES = ("image/", "application/vnd.")
_OBJECT = re.compile(r"<[\w.]+(?: [^<>\n]*)?>\s*")


def read_ipynb(data: bytes, name: str) -> Document:
    """Read the cells: Markdown as it is, code and its printed results as code.

    Pictures are not read. Raises BrokenDocument if the file is not a notebook of format 4
    (https://nbformat.readthedocs.io).
    """
    decoded = decode(data)
    try:
        found: object = orjson.loads(decoded.text)
    except orjson.JSONDecodeError as error:
        raise BrokenDocument(f"{name!r} is a notebook, but not valid JSON: {error}.") from error
    book = _object(found)
    cells = book.get("cells")
    if not isinstance(cells, list):
        raise BrokenDocument(
            f"{name!r} is not a notebook of format 4: it has no cells.",
            remedy="Open it in Jupyter and save it again.",
        )
    language = str(_object(_object(book.get("metadata")).get("kernelspec")).get("language", ""))
    builder = DocumentBuilder()
    pictures = sum(
        _write_cell(builder, _object(cell), language) for cell in cast("list[Any]", cells)
    )
    left_out = [f"Pictures among the results were not read: {pictures}."] if pictures else []
    return builder.document("ipynb", name, (*decoded.warnings, *left_out))


def _write_cell(builder: DocumentBuilder, cell: dict[str, Any], language: str) -> int:
    """Write one cell; returns the number of pictures among its results."""
    source = _joined(cell.get("source"))
    if cell.get("cell_type") == "markdown":
        builder.insert(source, blocks_of(source))
        return 0
    if cell.get("cell_type") != "code":
        builder.add(source)
        return 0
    builder.add(code_block(source, language), "code")
    pictures = 0
    for output in cast("list[Any]", cell.get("outputs") or []):
        shown = _object(output)
        data = _object(shown.get("data"))
        has_picture = any(kind.startswith(_PICTURES) for kind in data)
        _write_result(builder, shown, data, has_picture=has_picture)
        pictures += has_picture
    return pictures


def _write_result(
    builder: DocumentBuilder, shown: dict[str, Any], data: dict[str, Any], *, has_picture: bool
) -> None:
    """Write a result: Markdown or text, and HTML only if the text is just the name of an object."""
    markdown, plain = _joined(data.get("text/markdown")), _joined(data.get("text/plain"))
    page = _joined(data.get("text/html"))
    if markdown.strip():
        builder.insert(markdown, blocks_of(markdown))
    elif page.strip() and (not plain.strip() or _OBJECT.fullmatch(plain)):
        write_page(builder, page)
    elif not (has_picture and _OBJECT.fullmatch(plain)):
        latex, traceback = _joined(data.get("text/latex")), _joined(shown.get("traceback"), "\n")
        error = ": ".join(filter(None, (_joined(shown.get(key)) for key in ("ename", "evalue"))))
        shown_plain = "" if latex.strip() and _OBJECT.fullmatch(plain) else plain
        text = _joined(shown.get("text")) or shown_plain or latex or traceback or error
        builder.add(code_block(_printed(text)), "code")


def _printed(text: str) -> str:
    """The text as a terminal shows it in the end: no escapes, progress bars in their last state."""
    lines = _ESCAPE.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(
        next((state for state in reversed(line.split("\r")) if state.strip()), "")
        for line in map(_overwritten, lines)
    )


def _overwritten(line: str) -> str:
    """A line in which backspaces move the cursor back, and what follows replaces the letters."""
    if "\b" not in line:
        return line
    letters: list[str] = []
    place = 0
    for letter in line:
        if letter == "\b":
            place = max(place - 1, 0)
        else:
            letters[place : place + 1] = letter
            place += 1
    return "".join(letters)


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _joined(value: object, between: str = "") -> str:
    """A text that is written as one string or as a list of lines."""
    lines = cast("list[Any]", value) if isinstance(value, list) else [value]
    return between.join(line for line in lines if isinstance(line, str))
