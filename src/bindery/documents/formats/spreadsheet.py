"""Workbooks (XLSX, XLS, ODS), with calamine: one table per sheet."""

import datetime
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from python_calamine import CalamineWorkbook, SheetVisibleEnum

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.package import Package
from bindery.documents.formats.sparse_sheets import prepared
from bindery.documents.formats.xls_records import ErrorCells, xls_errors
from bindery.errors import BrokenDocument
from bindery.types import Document

_SHEETS = re.compile(
    r"^(?:content\.xml|xl/workbook\d*\.xml|xl/(?:work|chart|dialog)sheets/[^/]+\.xml)$"
)
"""The members that calamine reads."""


def read_xlsx(data: bytes, name: str) -> Document:
    """Read a workbook of Excel since 2007."""
    return _read(data, "xlsx", name)


def read_xls(data: bytes, name: str) -> Document:
    """Read a workbook of Excel before 2007."""
    return _read(data, "xls", name)


def read_ods(data: bytes, name: str) -> Document:
    """Read a workbook of OpenDocument."""
    return _read(data, "ods", name)


def _read(data: bytes, kind: str, name: str) -> Document:
    """Read each sheet as a page: its name as a heading, its cells as a Markdown table.

    Cells have their stored values, formulas their last results. Hidden sheets are also read, and
    named in a warning.
    """
    builder = DocumentBuilder()
    package = Package(data, name) if kind in {"xlsx", "ods"} else None
    if package is not None:
        package.refuse_encrypted()
    errors = xls_errors(data, name) if kind == "xls" else {}
    workbook, warnings = prepared(data, kind, name)
    try:
        hidden = _write(builder, workbook, errors)
    except BaseException as error:
        # A broken file can cause a Rust panic, which is not an Exception. An OverflowError is a
        # duration of an XLS that is too long.
        if not isinstance(error, OverflowError) and type(error).__name__ != "PanicException":
            raise
        raise BrokenDocument(
            f"{name!r} could not be read: {str(error)[:200]}.",
            remedy="It may be damaged: open it in the program that wrote it and save it again.",
        ) from None
    if package is not None:
        package.skip(*filter(_SHEETS.search, package.members))
        warnings += package.warnings()
    if hidden:
        warnings.append(f"These hidden sheets were read too: {', '.join(hidden)}.")
    return builder.document(kind, name, warnings)


def _write(builder: DocumentBuilder, data: bytes, errors: Mapping[int, ErrorCells]) -> list[str]:
    """Write every sheet; returns the names of hidden sheets.

    ``errors`` holds by sheet the error values that calamine leaves empty.
    """
    hidden: list[str] = []
    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
        for number, sheet in enumerate(book.sheets_metadata, 1):
            builder.begin_page(number)
            if sheet.visible != SheetVisibleEnum.Visible:
                hidden.append(sheet.name)
            sheet_cells = book.get_sheet_by_index(number - 1)
            cells = sheet_cells.to_python(skip_empty_area=True)
            _put_in(cells, errors.get(number - 1, {}), sheet_cells.start)
            # A sheet may have millions of empty rows.
            rows = [[_shown(cell) for cell in row] for row in cells if row.count("") < len(row)]
            table = markdown_table(_trimmed(rows))
            if table:
                builder.heading(sheet.name, 2)
                builder.add(table, "table")
    return hidden


def _put_in(cells: list[list[Any]], errors: ErrorCells, start: tuple[int, int] | None) -> None:
    top, left = start or (0, 0)
    for (row, column), text in errors.items():
        if row - top < len(cells) and column - left < len(cells[row - top]):
            cells[row - top][column - left] = text


def _trimmed(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Rows without empty columns on the right, of which a sheet may have thousands."""
    width = max((last_filled(row) for row in rows), default=0)
    return [row[:width] for row in rows]


def last_filled(row: Sequence[str]) -> int:
    """The number of cells up to the last filled one."""
    return next((place for place in range(len(row), 0, -1) if row[place - 1].strip()), 0)


_DURATION = re.compile(r"(-?)PT(\d{1,9})H(\d{1,2})M(\d{1,2})(?:[.,]\d+)?S")
"""How an ODS stores times, and calamine returns those over 24 hours."""


def _shown(cell: Any) -> str:  # noqa: ANN401 - calamine gives text, numbers, times or booleans
    if isinstance(cell, datetime.timedelta):
        minutes, seconds = divmod(int(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if isinstance(cell, str) and (found := _DURATION.fullmatch(cell)):
        return f"{found[1]}{int(found[2])}:{found[3]:>02}:{found[4]:>02}"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e16:
        return str(int(cell))  # spreadsheets have no integers: 2024 is stored as 2024.0
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell)
