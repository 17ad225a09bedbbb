"""Data that people also read: CSV and TSV as tables, JSON and JSON Lines as written."""

import csv
import io
import re
from collections import Counter
from itertools import islice

import orjson

from bindery.documents.formats.builder import DocumentBuilder, lines_of, markdown_table
from bindery.documents.formats.encoding import DecodedText, clean, decode
from bindery.documents.formats.text import as_written
from bindery.types import Block, Document, Span

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?\n", re.IGNORECASE)
"""A first line by which Excel learns the delimiter."""

_NO_DELIMITER = "\x1f"
_DATA_COMMA = re.compile(r",(?=\S)")
_DECIMAL_COMMA = re.compile(r"(?<!\d)\d+,\d+(?![\d,])")
_LONGEST_LINE = 2000
"""Characters; a longer line of JSON was not written for people."""

_DEEPEST_INDENT = 40
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)
_ESCAPE = re.compile(
    r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\(?:u([0-9a-f]{4})|.)",
    re.IGNORECASE | re.DOTALL,
)


def read_csv(data: bytes, name: str) -> Document:
    """Read a table with any common delimiter; a file that is not a table is read as text."""
    decoded = decode(data)
    text = decoded.text
    builder = DocumentBuilder()
    separator = _SEPARATOR_LINE.match(text)
    try:
        delimiter = separator[1] if separator else _delimiter(text)
        table = io.StringIO(text[separator.end() :] if separator else text)
        rows = list(csv.reader(table, delimiter=delimiter))
    except csv.Error as error:
        warning = f"The file is not a valid table and was read as text: {error}."
        return as_written(decoded, "csv", name, warning, block="paragraph")
    builder.add(markdown_table(rows), "table")
    return builder.document("csv", name, decoded.warnings)


def read_json(data: bytes, name: str) -> Document:
    """Read JSON as written, with escaped letters readable; very long lines are indented."""
    decoded = decode(data)
    warnings: tuple[str, ...] = ()
    text = decoded.text
    if max((end - start for start, end in lines_of(text)), default=0) > _LONGEST_LINE:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as error:
            warnings = (f"The file is not valid JSON and was read as text: {error}.",)
        else:
            text = _indented(text)
    readable = DecodedText(_readable(text), decoded.encoding, decoded.warnings)
    return as_written(readable, "json", name, *warnings)


def read_jsonl(data: bytes, name: str) -> Document:
    """Read JSON Lines as written, with escaped letters readable; each line is a block."""
    decoded = decode(data)
    text = _readable(decoded.text)
    blocks = tuple(
        Block("paragraph", Span(start, end))
        for start, end in lines_of(text)
        if text[start:end].strip()
    )
    return Document(text, "jsonl", name, blocks, decoded.warnings)


def _delimiter(text: str) -> str:
    """The delimiter that gives most rows of the sample the same number of cells."""
    lines = [text[start:end] + "\n" for start, end in islice(lines_of(text), _SAMPLE_LINES)]
    # Commas of sentences, before a blank, divide no columns.
    best, most = "," if _DATA_COMMA.search("".join(lines)) else _NO_DELIMITER, (0.0, 0)
    for delimiter in _DELIMITERS:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        cells, rows = counts.most_common(1)[0] if counts else (1, 0)
        if cells < 2:
            continue
        agreement = rows / counts.total(), cells
        # "0,5;0,25" has as many commas in each row as semicolons, but these are decimal commas.
        is_decimal = best == "," and _has_decimal_commas(lines) and agreement[0] >= most[0]
        if agreement > most or is_decimal:
            best, most = delimiter, agreement
    return best


def _has_decimal_commas(lines: list[str]) -> bool:
    return sum(bool(_DECIMAL_COMMA.search(line)) for line in lines) * 2 > len(lines)


def _indented(text: str) -> str:
    """Valid JSON on several lines. Numbers, strings and keys stay as they are written."""
    pieces: list[str] = []
    depth, last = 0, ":"
    for found in _TOKEN.finditer(text):
        sign = found[0]
        closes = sign in {"]", "}"}
        depth -= closes
        # An empty list or object stays on one line.
        if (closes and last not in {"[", "{"}) or (not closes and last in {"[", "{", ","}):
            pieces.append("\n" + "  " * min(depth, _DEEPEST_INDENT))
        depth += sign in {"[", "{"}
        pieces.append(": " if sign == ":" else sign)
        last = sign
    return "".join(pieces)


def _readable(text: str) -> str:
    """JSON with the escapes of printable letters replaced by the letters."""
    if "\\u" not in text:
        return text

    def letter(found: re.Match[str]) -> str:
        if found[1]:
            high, low = int(found[1], 16) - 0xD800, int(found[2], 16) - 0xDC00
            code = 0x10000 + (high << 10) + low
        else:
            code = int(found[3], 16) if found[3] else 0
        is_letter = code > 0x7F and not 0xD800 <= code <= 0xDFFF and chr(code).isprintable()
        return chr(code) if is_letter else found[0]

    return clean(_ESCAPE.sub(letter, text))
