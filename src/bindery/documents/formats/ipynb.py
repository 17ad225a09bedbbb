"""IPYNB: a notebook's prose, programs and printed results, in order."""

from typing import Any, cast

import orjson

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.markdown import blocks_of
from bindery.errors import BrokenDocument
from bindery.types import Document


def read_ipynb(data: bytes, name: str) -> Document:
    """Read the cells: Markdown as it is, code and what it printed as code; pictures are left out.

    Raises BrokenDocument for what is no notebook of format 4, https://nbformat.readthedocs.io.
    """
    decoded = decode(data)
    try:
        found: object = orjson.loads(decoded.text)
    except orjson.JSONDecodeError as error:
        raise BrokenDocument(f"{name!r} is a notebook, but no JSON: {error}.") from error
    book = _object(found)
    cells = book.get("cells")
    if not isinstance(cells, list):
        raise BrokenDocument(
            f"{name!r} is no notebook of format 4: it has no cells.",
            remedy="Open it in Jupyter and save it anew.",
        )
    language = str(_object(_object(book.get("metadata")).get("kernelspec")).get("language", ""))
    builder = DocumentBuilder()
    pictures = sum(
        _write_cell(builder, _object(cell), language) for cell in cast("list[Any]", cells)
    )
    left_out = [f"{pictures} pictures among the results are left out."] if pictures else []
    return builder.document("ipynb", name, (*decoded.warnings, *left_out))


def _write_cell(builder: DocumentBuilder, cell: dict[str, Any], language: str) -> int:
    """Write one cell; returns how many of its results are pictures alone."""
    source = _joined(cell.get("source"))
    if cell.get("cell_type") == "markdown":
        builder.insert(source, blocks_of(source))
        return 0
    if cell.get("cell_type") != "code":
        builder.add(source)
        return 0
    _write_code(builder, source, language)
    pictures = 0
    for output in cast("list[Any]", cell.get("outputs") or []):
        shown = _object(output)
        data = _object(shown.get("data"))
        text = _joined(shown.get("text") or data.get("text/plain") or shown.get("traceback"))
        _write_code(builder, text, "")
        pictures += any(kind.startswith("image/") for kind in data)
    return pictures


def _write_code(builder: DocumentBuilder, text: str, language: str) -> None:
    fence = "```"
    while fence in text:
        fence += "`"
    if text.strip():
        builder.add(f"{fence}{language}\n{text.strip(chr(10))}\n{fence}", "code")


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _joined(value: object) -> str:
    """A text that is written as one string or as a list of lines."""
    lines = cast("list[Any]", value) if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))
