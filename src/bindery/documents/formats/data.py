"""Data that people read too: CSV and TSV as tables, JSON and JSON Lines, XML as written."""

import csv
import io
from collections import Counter

import orjson

from bindery.documents.formats.builder import DocumentBuilder, lines_of, markdown_table
from bindery.documents.formats.encoding import DecodedText, decode
from bindery.documents.formats.text import paragraphs
from bindery.types import Block, Document, Span

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_LONGEST_LINE = 2000
"""Characters beyond which a line of JSON was not written for people."""


def read_csv(data: bytes, name: str) -> Document:
    """Read a table, whatever divides its cells; one that is no table is read as text."""
    decoded = decode(data)
    builder = DocumentBuilder()
    try:
        rows = list(csv.reader(io.StringIO(decoded.text), delimiter=_delimiter(decoded.text)))
    except csv.Error as error:
        warning = f"It is no table, and read as text: {error}."
        blocks = tuple(Block("paragraph", span) for span in paragraphs(decoded.text))
        return Document(decoded.text, "csv", name, blocks, (*decoded.warnings, warning))
    builder.add(markdown_table(rows), "table")
    return builder.document("csv", name, decoded.warnings)


def read_json(data: bytes, name: str) -> Document:
    """Read JSON as it is written, or set out on lines where it was written for programs alone."""
    decoded = decode(data)
    if max((end - start for start, end in lines_of(decoded.text)), default=0) > _LONGEST_LINE:
        try:
            value = orjson.loads(decoded.text)
        except orjson.JSONDecodeError as error:
            return _as_written(decoded, "json", name, f"It is no valid JSON: {error}.")
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        decoded = DecodedText(text, decoded.encoding, decoded.warnings)
    return _as_written(decoded, "json", name)


def read_jsonl(data: bytes, name: str) -> Document:
    """Read JSON Lines as they are written, a block each."""
    decoded = decode(data)
    blocks = tuple(
        Block("paragraph", Span(start, end))
        for start, end in lines_of(decoded.text)
        if decoded.text[start:end].strip()
    )
    return Document(decoded.text, "jsonl", name, blocks, decoded.warnings)


def read_xml(data: bytes, name: str) -> Document:
    """Read XML as it is written: what its elements mean only its author knows."""
    return _as_written(decode(data), "xml", name)


def _as_written(decoded: DecodedText, kind: str, name: str, *warnings: str) -> Document:
    blocks = tuple(Block("code", span) for span in paragraphs(decoded.text))
    return Document(decoded.text, kind, name, blocks, (*decoded.warnings, *warnings))


def _delimiter(text: str) -> str:
    """The sign that stands equally often in most of the first lines; a comma where none does."""
    lines = [text[start:end] for start, end in _first_lines(text)]
    best, most = ",", 0
    for sign in _DELIMITERS:
        counts = Counter(line.count(sign) for line in lines)
        count, often = counts.most_common(1)[0] if counts else (0, 0)
        if count and count * often > most:
            best, most = sign, count * often
    return best


def _first_lines(text: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for place in lines_of(text):
        if len(found) == _SAMPLE_LINES:
            break
        found.append(place)
    return found
