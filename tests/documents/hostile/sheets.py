"""Workbooks and tables whose few bytes ask for enormous ones."""

from collections.abc import Callable, Mapping

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
    content = (
        f"<office:document-content {ODF}><office:body><office:spreadsheet><table:table "
        f'table:name="t"><table:table-row table:number-rows-repeated="{rows}">'
        f'<table:table-cell table:number-columns-repeated="{columns}" office:value-type="string">'
        f"<text:p>{text}</text:p></table:table-cell></table:table-row></table:table>"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    return with_member(ods_sample(), "content.xml", content.encode())


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


def _dimensions_of_xls() -> bytes:
    data = xls_sample()
    place = data.index(b"\x00\x02\x0e\x00")  # the record DIMENSIONS of 14 bytes
    return data[: place + 4] + b"\0\0\0\0\xff\xff\xff\x7f\0\0\xff\xff\0\0" + data[place + 18 :]


SHEETS: Mapping[str, Callable[[], bytes]] = {
    "last-cell.xlsx": lambda: _sheet(_cell("A1") + _cell("XFD1048576")),
    "far-cells.xlsx": lambda: _sheet("".join(_cell(f"XFD{n}") for n in range(1, 20_000))),
    "beyond.xlsx": lambda: _sheet(_cell("ZZZZZZ99999999999")),
    "dimension.xlsx": lambda: _sheet(_cell("A1"), "A1:XFD1048576"),
    "shared-strings.xlsx": _shared_strings,
    "style.xlsx": lambda: _sheet('<row r="1"><c r="A1" s="{_MOST}" t="s"><v>99999</v></c></row>'),
    "repeated.ods": lambda: _repeated(2_000_000_000, 2_000_000_000, ""),
    "repeated-text.ods": lambda: _repeated(16_384, 1_048_576, "x"),
    "dimensions.xls": _dimensions_of_xls,
    "span.html": lambda: b"<table>" + b"<tr><td colspan=65534 rowspan=65534>x" * 2_000,
    "columns.csv": lambda: b"," * 2_000_000 + b"\n" + b"a\n" * 2_000,
}
