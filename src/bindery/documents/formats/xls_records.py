"""Records of an XLS that calamine does not report: encryption and error values ([MS-XLS] 2.3)."""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import Any, cast

from olefile import OleFileIO

from bindery.errors import PasswordProtected

_BOF, _BOUNDSHEET, _FILEPASS, _FORMULA, _BOOLERR = 0x0809, 0x0085, 0x002F, 0x0006, 0x0205
_ERRORS: Mapping[int, str] = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}

ErrorCells = Mapping[tuple[int, int], str]
"""Error values by row and column, from 0."""


def xls_errors(data: bytes, name: str) -> dict[int, ErrorCells]:
    """The cells with error values of each sheet, by its index.

    Raises PasswordProtected for an encrypted workbook.
    """
    with cast("Any", OleFileIO(io.BytesIO(data))) as file:  # it is typed in part only
        if not file.exists("Workbook"):
            return {}
        stream = file.openstream("Workbook").read()
    sheets = {-1: -1}  # by the place of their first record
    found: dict[int, dict[tuple[int, int], str]] = {}
    current = -1
    for place, kind, content in _records(stream):
        if kind == _FILEPASS:
            raise PasswordProtected(
                f"{name!r} is a workbook protected by a password.",
                remedy="Save a copy without a password.",
            )
        if kind == _BOUNDSHEET and len(content) >= 4:
            sheets[struct.unpack_from("<I", content)[0]] = len(sheets) - 1
        elif kind == _BOF:
            current = sheets.get(place, current)
        elif (cell := _error(kind, content)) and current >= 0:
            found.setdefault(current, {})[cell[:2]] = cell[2]
    return dict(found)


def _records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The place, kind and content of each record."""
    place = 0
    while place + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, place)
        yield place, kind, stream[place + 4 : place + 4 + size]
        place += 4 + size


def _error(kind: int, content: bytes) -> tuple[int, int, str] | None:
    """The row, column and text of a cell whose value, or result, is an error."""
    if kind == _BOOLERR and len(content) >= 8 and content[7] == 1:
        code = content[6]
    elif (
        kind == _FORMULA
        and len(content) >= 14
        and content[6] == 2
        and content[12:14] == b"\xff\xff"
    ):
        code = content[8]
    else:
        return None
    row, column = struct.unpack_from("<HH", content)
    return row, column, _ERRORS.get(code, "#ERROR!")
