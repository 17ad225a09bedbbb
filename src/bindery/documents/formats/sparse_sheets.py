"""Removes empty rows and columns from workbooks with cells far apart, before calamine opens them.

calamine holds a sheet as one grid from its first filled cell to its last: a stray character in the
last cell of a sheet needs 17 billion cells, and the process is aborted. Empty rows are left out of
the text anyway; in such sheets they and the empty columns are removed first.
"""

import io
import re
import struct
import zipfile
from bisect import bisect_left
from collections.abc import Mapping

from bindery.documents.formats.package import attribute, parse_xml, refuse_declarations
from bindery.errors import FileTooLarge

MAX_CELLS: Mapping[str, int] = {"xlsx": 16 << 20, "ods": 8 << 20, "xls": 12 << 20}
"""Cells of a grid, at 32 bytes each: what calamine can hold, once or twice, in a gigabyte."""

_XLSX_CELL = re.compile(
    rb'(<(?:\w+:)?c\s(?:[^<>]*?\s)?r=")([A-Z]{1,3})([1-9]\d{0,6})("[^<>]*(?<!/)>)'
)
_XLSX_FILLED = re.compile(rb"<(?:\w+:)?c(?=[\s>])[^<>]*(?<!/)>")
"""Also matches a cell without a reference, which follows the cell before it."""

# Cells with errors such as #DIV/0!, and formulas without a result: calamine leaves both empty.
_XLSX_ERROR = re.compile(rb'(<(?:\w+:)?c\s(?:[^<>]*?\s)?t=")e(")')
_XLSX_UNCALCULATED = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f(?:\s[^<>]*)?/>)\s*(?:<(?:\w+:)?v(?:/>|></(?:\w+:)?v>))?\s*"
    rb"</(?:\w+:)?c>"
)

# A cell with a number that may be large, after its formula if it has one.
_XLSX_NUMBER = re.compile(
    rb"(<(?:\w+:)?c\s[^<>]{0,300}>)"
    rb"(\s*(?:<(?:\w+:)?f\b[^<>]*(?:/>|>[^<]*</(?:\w+:)?f>)\s*)?<(?:\w+:)?v[^<>]*>\s*)"
    rb"([^\s<]{10,400}|[^\s<]{0,9}[eEnN][^\s<]{0,9})(?=\s*<)"
)
_XLSX_STYLE = re.compile(rb"\ss=[\"']\d+[\"']")
_MOST_DAYS = 1e9
"""calamine cannot hold a duration of as many days, and panics at dates far before 1900."""

# LibreOffice writes an error as text beside an empty value, which calamine prefers.
_ODS_ERROR = re.compile(
    rb'(<table:table-cell\b[^<>]*?)\soffice:string-value=""([^<>]*\scalcext:value-type="error")'
)

# calamine also recognises the elements of an ODS by these prefixes only.
_ODS_TABLE = re.compile(rb"(?=<table:table\s)")
_IN_TAG = rb"""((?:[^<>"']|"[^"]*"|'[^']*')*?)"""
_ODS_ROW = re.compile(
    rb"<table:table-row\b" + _IN_TAG + rb"(?:/>|>(.*?)</table:table-row>)", re.DOTALL
)
_ODS_CELL = re.compile(
    rb"<table:(?:covered-)?table-cell\b"
    + _IN_TAG
    + rb"(?:/>|>(.*?)</table:(?:covered-)?table-cell>)",
    re.DOTALL,
)
_ODS_REPEATED = re.compile(rb'\stable:number-(?:columns|rows)-repeated="(\d{1,18})"')
_ODS_COLUMNS = 1 << 14

_AS_TEXT: Mapping[str, tuple[re.Pattern[bytes], bytes]] = {
    "xlsx": (_XLSX_ERROR, rb"\1str\2"),
    "ods": (_ODS_ERROR, rb"\1\2"),
}

# The record DIMENSIONS: first row, row after the last, first column, column after the last.
_XLS_DIMENSIONS = re.compile(rb"\x00\x02\x0e\x00(.{12})\x00\x00", re.DOTALL)
_XLS_ROWS, _XLS_COLUMNS = 1 << 16, 1 << 8


def prepared(data: bytes, kind: str, name: str) -> tuple[bytes, list[str]]:
    """The workbook as calamine can read it without losses, and warnings.

    Empty rows and columns are removed from sheets that are too large, error values become text,
    numbers that are too large for their format as a date or duration lose it, and members get their
    usual names. Returns ``data`` itself if nothing changes. Raises FileTooLarge
    for a sheet that is still too large, and for any too large sheet of an XLS, whose records are
    not rewritten; BrokenDocument for XML with entities.
    """
    if kind == "xls":
        _check_xls(data, name)
        return data, []
    warnings: set[str] = set()
    changed: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = list(dict.fromkeys(archive.namelist()))
        for part in parts:
            if part.endswith(".xml"):
                xml = archive.read(part)
                refuse_declarations(xml, name)
                sheet = f"A sheet of {name!r} (in {part[:80]!r})"
                made = _prepared_sheet(xml, kind, sheet, warnings)
                if made != xml:
                    changed[part] = made
        main = _main_part(archive) if kind == "xlsx" else ""
        names = {part: _usual_name(part, main) for part in parts}
        if not changed and all(part == usual for part, usual in names.items()):
            return data, sorted(warnings)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as written:
            for part, usual in names.items():
                written.writestr(usual, changed.get(part) or archive.read(part))
        return file.getvalue(), sorted(warnings)


def _prepared_sheet(xml: bytes, kind: str, sheet: str, warnings: set[str]) -> bytes:
    is_error, as_text = _AS_TEXT[kind]
    kept = is_error.sub(as_text, xml)
    if kind == "xlsx":
        kept = _XLSX_NUMBER.sub(_without_style, kept)
    if kind == "xlsx" and _XLSX_UNCALCULATED.search(xml):
        warnings.add("Some formulas have no stored result, so their cells are empty.")
    closed = _xlsx(kept, sheet) if kind == "xlsx" else _ods(kept, sheet)
    if closed != kept:
        warnings.add("Empty rows and columns between distant cells were left out.")
    return closed


def _without_style(cell: re.Match[bytes]) -> bytes:
    """A cell whose number is too large for a date or a duration, as a plain number."""
    try:
        fits = abs(float(cell[3])) < _MOST_DAYS
    except ValueError:  # a text
        fits = True
    return cell[0] if fits else _XLSX_STYLE.sub(b"", cell[1]) + cell[2] + cell[3]


def _main_part(archive: zipfile.ZipFile) -> str:
    """The name of the workbook, which some programs choose freely."""
    if "_rels/.rels" not in archive.namelist():
        return ""
    for relation in parse_xml(archive.read("_rels/.rels"), "_rels/.rels").iter():
        if attribute(relation, "Type").endswith("/officeDocument"):
            return attribute(relation, "Target").lstrip("/")
    return ""


def _usual_name(part: str, main: str) -> str:
    """The name under which calamine looks for a member."""
    part = part.replace("\\", "/")
    folder, _, file = main.rpartition("/")
    if main and part == main:
        return "xl/workbook.xml"
    if main and part == f"{folder}/_rels/{file}.rels":
        return "xl/_rels/workbook.xml.rels"
    return part


def _xlsx(xml: bytes, sheet: str) -> bytes:
    letters, numbers, placed = set[bytes](), set[bytes](), 0
    for cell in _XLSX_CELL.finditer(xml):
        letters.add(cell[2])
        numbers.add(cell[3])
        placed += 1
    if not numbers:
        return xml
    columns, rows = sorted(letters, key=_column), sorted(numbers, key=int)
    height, width = int(rows[-1]) - int(rows[0]) + 1, _column(columns[-1]) - _column(columns[0]) + 1
    if height * width <= MAX_CELLS["xlsx"]:
        return xml
    can_move = placed == sum(1 for _ in _XLSX_FILLED.finditer(xml))
    used = len(rows) * len(columns) if can_move else height * width
    _check(used, "xlsx", sheet, f"{columns[-1].decode()}{rows[-1].decode()}")
    column_names = {name: _letters(index) for index, name in enumerate(columns, 1)}
    row_names = {name: b"%d" % index for index, name in enumerate(rows, 1)}
    return _XLSX_CELL.sub(
        lambda cell: cell[1] + column_names[cell[2]] + row_names[cell[3]] + cell[4], xml
    )


def _ods(xml: bytes, sheet: str) -> bytes:
    return b"".join(_ods_table(table, sheet) for table in _ODS_TABLE.split(xml))


def _ods_table(xml: bytes, sheet: str) -> bytes:
    used = set[int]()
    height = last = filled = 0
    for row in _ODS_ROW.finditer(xml):
        columns, times = _used_columns(row[2] or b""), _times(row[1])
        height += times
        if columns:
            last, filled = height, filled + times
            used |= columns
    order = sorted(used)
    if not order or last * (order[-1] + 1) <= MAX_CELLS["ods"]:
        return xml
    _check(filled * len(order), "ods", sheet, f"{_letters(order[-1] + 1).decode()}{last}")

    def closed_up(row: re.Match[bytes]) -> bytes:
        if not _used_columns(row[2] or b""):
            return b""
        column = 0

        def narrowed(cell: re.Match[bytes]) -> bytes:
            nonlocal column
            start, column = column, column + _times(cell[1])
            times = bisect_left(order, column) - bisect_left(order, start)
            repeated = b' table:number-columns-repeated="%d"' % times
            return _ODS_REPEATED.sub(repeated, cell[0], count=1) if times else b""

        head, cells, tail = row[0].partition(row[2])
        return head + _ODS_CELL.sub(narrowed, cells) + tail

    return _ODS_ROW.sub(closed_up, xml)


def _used_columns(cells: bytes) -> set[int]:
    """The columns, from 0, of the cells of a row that are or may be filled."""
    used, column = set[int](), 0
    for cell in _ODS_CELL.finditer(cells):
        start, column = column, column + _times(cell[1])
        if cell[2] or b"value" in cell[1]:
            used.update(range(start, min(column, _ODS_COLUMNS)))
    return used


def _times(attributes: bytes) -> int:
    repeated = _ODS_REPEATED.search(attributes)
    return int(repeated[1]) if repeated else 1


def _check_xls(data: bytes, name: str) -> None:
    for found in _XLS_DIMENSIONS.finditer(data):
        top, bottom, left, right = struct.unpack("<IIHH", found[1])
        if top <= bottom <= _XLS_ROWS and left <= right <= _XLS_COLUMNS:
            last = f"{_letters(right).decode()}{bottom}"
            _check((bottom - top) * (right - left), "xls", f"A sheet of {name!r}", last)


def _check(cells: int, kind: str, sheet: str, last: str) -> None:
    if cells > MAX_CELLS[kind]:
        raise FileTooLarge(
            f"{sheet} reaches to the cell {last}, and its filled rows and columns span "
            f"{cells:,} cells; the limit is {MAX_CELLS[kind]:,}.",
            remedy="Delete the last row and column if they were filled by mistake"
            + ("." if kind == "xlsx" else ", or save the workbook as XLSX."),
        )


def _column(letters: bytes) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _letters(column: int) -> bytes:
    letters = b""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = bytes([65 + letter]) + letters
    return letters
