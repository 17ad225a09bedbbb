"""Workbooks and tables whose few bytes ask for enormous ones."""

import struct
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby

from tests.documents.hostile.markup import ODF
from tests.documents.samples import ods_sample, with_member, xls_sample, xlsx_sample

_MOST = (1 << 32) - 1
_SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def _sheet(cells: str, dimension: str = "A1") -> bytes:
    sheet = (
        f'<worksheet {_SPACE}><dimension ref="{dimension}"/><sheetData>{cells}</sheetData>'
        "</worksheet>"
    )
    return with_member(xlsx_sample(), "xl/worksheets/sheet1.xml", sheet.encode())


def _cell(place: str) -> str:
    row = "".join(sign for sign in place if sign.isdigit())
    return f'<row r="{row}"><c r="{place}"><v>1</v></c></row>'


def _repeated(columns: int, rows: int, text: str) -> bytes:
    cell = (
        f'<table:table-cell {_times("columns", columns)} office:value-type="string">'
        f"<text:p>{text}</text:p></table:table-cell>"
    )
    return _ods(_row(cell, rows))


def _ods(rows: str) -> bytes:
    content = (
        f"<office:document-content {ODF}><office:body><office:spreadsheet><table:table "
        f'table:name="t">{rows}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    return with_member(ods_sample(), "content.xml", content.encode())


def far_cells_of_xlsx(cells: Mapping[tuple[int, int], str]) -> bytes:
    """A workbook with these cells, by row and column from 1; others of their rows have a style."""

    def row(number: int, columns: Iterable[int]) -> str:
        each = "".join(
            f'<c r="{_letters(column + 1)}{number}" s="0"/><c s="0" r="{_letters(column)}{number}" '
            f't="inlineStr"><is><t>{cells[number, column]}</t></is></c>'
            for column in columns
        )
        return f'<row r="{number}">{each}</row>'

    return _sheet("".join(row(number, columns) for number, columns in _by_row(cells)))


def far_cells_of_ods(cells: Mapping[tuple[int, int], str]) -> bytes:
    """The same, where rows and cells that are alike are written once."""
    written, last = "", 0
    empty = f"<table:table-cell {_times('columns', 1 << 14)}/>"
    for number, columns in _by_row(cells):
        line = _line({column: cells[number, column] for column in columns})
        written += _row(empty, number - last - 1) + _row(line, 1)
        last = number
    return _ods(written + _row("<table:table-cell/>", (1 << 20) - last))


def _line(texts: Mapping[int, str]) -> str:
    line, last = "", 0
    # Columns side by side that hold the same are as far from their numbers in the list.
    runs = groupby(enumerate(texts), lambda at: (at[1] - at[0], texts[at[1]]))
    for (_, text), run in runs:
        first, *more = (column for _, column in run)
        if first > last + 1:
            line += f"<table:covered-table-cell {_times('columns', first - last - 1)}/>"
        line += (
            f'<table:table-cell {_times("columns", 1 + len(more))} office:value-type="string">'
            f"<text:p>{text}</text:p></table:table-cell>"
        )
        last = first + len(more)
    return line


def _by_row(cells: Iterable[tuple[int, int]]) -> Iterable[tuple[int, list[int]]]:
    for row, places in groupby(sorted(cells), lambda place: place[0]):
        yield row, [column for _, column in places]


def _row(cells: str, times: int) -> str:
    written = f"<table:table-row {_times('rows', times)}>{cells}</table:table-row>"
    return written if times else ""


def _times(what: str, number: int) -> str:
    return f'table:number-{what}-repeated="{number}"'


def _letters(column: int) -> str:
    return _letters((column - 1) // 26) + chr(65 + (column - 1) % 26) if column else ""


def _shared_strings() -> bytes:
    book = with_member(
        xlsx_sample(),
        "xl/sharedStrings.xml",
        f'<sst {_SPACE} count="{_MOST}" uniqueCount="{_MOST}"><si><t>a</t></si></sst>'.encode(),
    )
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    return with_member(
        book,
        "xl/_rels/workbook.xml.rels",
        (
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="r1" Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="r2" Type="{relation}/sharedStrings" Target="sharedStrings.xml"/>'
            "</Relationships>"
        ).encode(),
    )


def xls_reaching_to(row: int, column: int) -> bytes:
    """A workbook whose one sheet says that it has so many."""
    data = xls_sample()
    place = data.index(b"\x00\x02\x0e\x00")  # the record DIMENSIONS of 14 bytes
    said = struct.pack("<IIHH", 0, row, 0, column)
    return data[: place + 4] + said + data[place + 16 :]


SHEETS: Mapping[str, Callable[[], bytes]] = {
    "last-cell.xlsx": lambda: _sheet(_cell("A1") + _cell("XFD1048576")),
    "far-cells.xlsx": lambda: _sheet("".join(_cell(f"XFD{n}") for n in range(1, 20_000))),
    "beyond.xlsx": lambda: _sheet(_cell("ZZZZZZ99999999999")),
    "dimension.xlsx": lambda: _sheet(_cell("A1"), "A1:XFD1048576"),
    "shared-strings.xlsx": _shared_strings,
    "style.xlsx": lambda: _sheet(f'<row r="1"><c r="A1" s="{_MOST}" t="s"><v>99999</v></c></row>'),
    "repeated.ods": lambda: _repeated(2_000_000_000, 2_000_000_000, ""),
    "repeated-text.ods": lambda: _repeated(16_384, 1_048_576, "x"),
    "dimensions.xls": lambda: xls_reaching_to((1 << 31) - 1, (1 << 16) - 1),
    "last-cell.xls": lambda: xls_reaching_to(1 << 16, 1 << 8),
    "last-cell.ods": lambda: far_cells_of_ods({(1, 1): "a", (1 << 20, 1 << 14): "b"}),
    "span.html": lambda: b"<table>" + b"<tr><td colspan=65534 rowspan=65534>x" * 2_000,
    "columns.csv": lambda: b"," * 2_000_000 + b"\n" + b"a\n" * 2_000,
}
