"""Workbooks (XLSX, XLSB, XLS, ODS), through calamine: a table a sheet."""

import datetime
import io
from collections.abc import Sequence
from typing import Any

from python_calamine import CalamineWorkbook, SheetVisibleEnum

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.sparse_sheets import close_up
from bindery.errors import BrokenDocument
from bindery.types import Document


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
    """Each sheet in order: its name as a heading, its cells as a Markdown table; pages are sheets.

    Cells show their values as stored, formulas what they last gave. Hidden sheets are read too,
    and named in a warning.
    """
    builder, closed = DocumentBuilder(), close_up(data, kind, name)
    try:
        hidden = _write(builder, closed)
    except BaseException as error:
        # Rust's panics are no Exceptions, and one is all that a broken file needs to cause.
        if isinstance(error, Exception) or type(error).__name__ != "PanicException":
            raise
        raise BrokenDocument(
            f"{name!r} cannot be read: {str(error)[:200]}.",
            remedy="Open it in its own program and save it anew; it may be damaged.",
        ) from None
    warnings = [f"Hidden sheets were read too: {', '.join(hidden)}."] if hidden else []
    if closed is not data:
        warnings.append("Empty rows and columns between cells that lie far apart were left out.")
    return builder.document(kind, name, warnings)


def _write(builder: DocumentBuilder, data: bytes) -> list[str]:
    """Write every sheet; returns the names of those that are hidden."""
    hidden: list[str] = []
    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
        for number, sheet in enumerate(book.sheets_metadata, 1):
            builder.begin_page(number)
            if sheet.visible != SheetVisibleEnum.Visible:
                hidden.append(sheet.name)
            cells = book.get_sheet_by_index(number - 1).to_python(skip_empty_area=True)
            # Empty rows are no rows of the table; a sheet may have them by the million.
            rows = [[_shown(cell) for cell in row] for row in cells if row.count("") < len(row)]
            table = markdown_table(_trimmed(rows))
            if table:
                builder.heading(sheet.name, 2)
                builder.add(table, "table")
    return hidden


def _trimmed(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Rows without the empty columns at their right, which a sheet may have by the thousand."""
    width = max((last_filled(row) for row in rows), default=0)
    return [row[:width] for row in rows]


def last_filled(row: Sequence[str]) -> int:
    """How many cells there are up to the last one that holds something."""
    return next((place for place in range(len(row), 0, -1) if row[place - 1].strip()), 0)


def _shown(cell: Any) -> str:  # noqa: ANN401 - calamine gives text, numbers, times or booleans
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))  # a spreadsheet knows no integers: 2024.0 was typed as 2024
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell)
