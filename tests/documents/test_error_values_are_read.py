"""XLS and ODS: cells with error values, and workbooks that cannot be opened."""

import base64
import struct
import zlib

import pytest
from tests.documents.ole_samples import ole_file
from tests.documents.samples import archive, with_member, xlsx_sample

from bindery.documents import read
from bindery.errors import PasswordProtected, UnsupportedKind

# Written by xlwt 1.3: two sheets, each with text and error values.
XLS = (
    "c-rk)O=uHQ5dPlFZj+QYO=_w%LJ38y)?UPmmv(JId$Lq7iU^vtIY>(?iwA!WR%?!e;7RdP=*3Ibi$CZ=Zwf+14}u^h"
    "dh{eHcxbcE%<kGob7;U8tM7ZvyxDp4@_uIC<n6v*NR?;rXDavw1BjsN#nH4vr-<U=LlV^Pc`Sx?jL0+CP>9FKkxe$9"
    "w7!b6582-pXxy`&69+yLoxmB4Oce{+b;OX&A*Xl_{mP=))3{BPK&Q;BUHF*rO~UVr?Nj0VMRQGfKiQVmaV$6^z59YV"
    "KBl{+EkRu2q4aq#nmy>i3y$MU*OhN;W6(XFoBTT)x~vw=fjl={C>Gq@WEp94;T*nsS>S7UR-a{!etq={r2k&4kJi!O"
    "&=xQa@08*|EKz!W8Sx!F$PX87|6ynm8IYwAML>=yPlg58CFxu<CuTXw$(n=QD&gHid>m~erzFUel&Tl+e0g&yKkA$m"
    "&9o$MKgDn7Il;qa?m?Xs(h~W}d!@&2;aB8Ww~Cw*o~F>Gx@WW_5Dw0W%~fgbp>g&K-a0#0$U8|ceLnoCtMtj)Me_V`"
    "<wAP?oimGW+J<rJ&t(REs!!dz$$0F9wF;8K2jQK+C5D(z25a+z|FJeKp;^R~aJEo&ER<NNz(ULVYb~@`Ft>Fq*x{)1"
    "Wli!HHK5z^fDI@qEn}@c#(uJ8zV-(7SVW?|cDEx`QqsZ}maK8vf_L4blEOBB*HLfR4Gatn3=9km{&Vp4Q3n@$E4VcB"
    "MKl_G*I6Q}n$INvERJA`%2|3XJ%A$BF3vX;Kbv8z@VC?|`-I;M8AoY!7Zb?KJSG~BUwV;HE7!B?j>$iFgc=>c+Q>ZD"
    "c>Es~Ve2#"
)


def test_error_values_of_xls_are_read():
    document = read(zlib.decompress(base64.b85decode(XLS)), "x.xls")
    assert document.text == (
        "## A\n\n| a |  |  |\n| --- | --- | --- |\n| b |  |  |\n| err | #DIV/0! | #REF! |\n\n"
        "## B\n\n| x |  |\n| --- | --- |\n|  | #NUM! |"
    )


def test_error_values_and_long_durations_of_ods_are_read():
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table")
    )
    calcext = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    error = (
        '<table:table-cell table:formula="of:=1/0" office:value-type="string" '
        'office:string-value="" calcext:value-type="error"><text:p>#DIV/0!</text:p>'
        "</table:table-cell>"
    )
    text = (
        '<table:table-cell office:value-type="string"><text:p>a</text:p></table:table-cell>'
        '<table:table-cell office:value-type="time" office:time-value="PT36H05M10S"/>'
    )
    content = (
        f"<office:document-content {spaces} {calcext}><office:body><office:spreadsheet>"
        f'<table:table table:name="S"><table:table-row>{text}{error}</table:table-row>'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<m:file-entry m:full-path="/" m:media-type="{kind}"/></m:manifest>'
    )
    members = {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest}
    data = archive({name: text.encode() for name, text in members.items()})
    assert "| a | 36:05:10 | #DIV/0! |" in read(data, "x.ods").text


def test_an_encrypted_xls_is_password_protected():
    records = struct.pack("<HHHH", 0x0809, 4, 0x0600, 5) + struct.pack("<HHH", 0x002F, 2, 1)
    with pytest.raises(PasswordProtected):
        read(ole_file({"Workbook": records}), "x.xls")


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        ("WordDocument", "a Word document of before 2007"),
        ("PowerPoint Document", "a presentation of before 2007"),
        ("Book", "an Excel workbook of before 1997"),
    ],
)
def test_old_office_files_are_named(stream, found):
    with pytest.raises(UnsupportedKind, match=found):
        read(ole_file({stream: b"x"}), "x.doc")


@pytest.mark.parametrize("value", ["1234567890123456", "-1e15", "1.5E+300", "1000000000"])
@pytest.mark.parametrize("number_format", ["[h]:mm:ss", "yyyy-mm-dd"])
def test_numbers_too_large_for_a_date_are_read_with_the_other_cells(value, number_format):
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    styles = (
        f'<styleSheet {space}><numFmts count="1"><numFmt numFmtId="200" '
        f'formatCode="{number_format}"/></numFmts><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="200"/></cellXfs></styleSheet>'
    )
    cells = (
        f'<c r="A1"><v>7</v></c><c r="B1" s="1"><f>A1*2</f><v>{value}</v></c>'
        '<c s="1" r="C1"><v>45000.5</v></c>'
    )
    sheet = f'<worksheet {space}><sheetData><row r="1">{cells}</row></sheetData></worksheet>'
    data = with_member(xlsx_sample(), "xl/styles.xml", styles.encode())
    text = read(with_member(data, "xl/worksheets/sheet1.xml", sheet.encode()), "x.xlsx").text
    _, seven, large, fits, _ = text.splitlines()[2].split("|")
    assert seven.strip() == "7"
    assert float(large) == float(value)
    assert fits.strip() == ("1080012:00:00" if "h" in number_format else "2023-03-15 12:00:00")
