"""XML that grows or reaches out, and nesting deeper than a stack."""

from collections.abc import Callable, Mapping

from tests.documents.samples import (
    docx_sample,
    epub_sample,
    ods_sample,
    odt_sample,
    pptx_sample,
    with_member,
    xlsx_sample,
)

SECRET = "The canary is in the cage."
DEEP = 100_000

_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION_LAUGHS = f'<!DOCTYPE x [<!ENTITY l0 "lol">{_LAUGHS}]>'
QUADRATIC = f'<!DOCTYPE x [<!ENTITY l9 "{"a" * 100_000}">]>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % p SYSTEM "{0}"> %p;]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY l9 SYSTEM "{0}">]>'
EXTERNAL_SUBSET = '<!DOCTYPE x SYSTEM "{0}">'

DECLARATIONS = (BILLION_LAUGHS, QUADRATIC, PARAMETER, EXTERNAL, EXTERNAL_SUBSET)

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table")
)


def _docx(declared: str, said: str) -> bytes:
    body = f"<w:document {W}><w:body><w:p><w:r><w:t>{said}</w:t></w:r></w:p></w:body></w:document>"
    return with_member(docx_sample(), "word/document.xml", (declared + body).encode())


def _odt(declared: str, said: str) -> bytes:
    body = (
        f"<office:document-content {ODF}><office:body><office:text><text:p>{said}</text:p>"
        "</office:text></office:body></office:document-content>"
    )
    return with_member(odt_sample(), "content.xml", (declared + body).encode())


def _ods(declared: str, said: str) -> bytes:
    cell = (
        f"<table:table-cell office:value-type='string'><text:p>{said}</text:p></table:table-cell>"
    )
    rows = f"<table:table-row>{cell}"
    body = (
        f"<office:document-content {ODF}><office:body><office:spreadsheet><table:table "
        f'table:name="t">{rows}</table:table-row></table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    return with_member(ods_sample(), "content.xml", (declared + body).encode())


def _xlsx(declared: str, said: str) -> bytes:
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    sheet = (
        f'<worksheet {space}><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>{said}</t></is>'
        "</c></row></sheetData></worksheet>"
    )
    return with_member(xlsx_sample(), "xl/worksheets/sheet1.xml", (declared + sheet).encode())


def _pptx(declared: str, said: str) -> bytes:
    slide = f'<p:sld xmlns:p="p" xmlns:a="a"><p:sp><a:p><a:t>{said}</a:t></a:p></p:sp></p:sld>'
    return with_member(pptx_sample(), "ppt/slides/slide1.xml", (declared + slide).encode())


def _epub(declared: str, said: str) -> bytes:
    package = f"<package><metadata><title>{said}</title></metadata></package>"
    return with_member(epub_sample(), "o/book.opf", (declared + package).encode())


def _chapter(declared: str, said: str) -> bytes:
    return with_member(epub_sample(), "o/a.xhtml", f"{declared}<html><p>{said}</p></html>".encode())


def _plain(declared: str, said: str) -> bytes:
    return f"<?xml version='1.0'?>{declared}<x>{said}</x>".encode()


CARRIERS: Mapping[str, Callable[[str, str], bytes]] = {
    "x.docx": _docx,
    "x.odt": _odt,
    "x.ods": _ods,
    "x.xlsx": _xlsx,
    "x.pptx": _pptx,
    "x.epub": _epub,
    "chapter.epub": _chapter,
    "x.xml": _plain,
    "x.svg": _plain,
    "x.html": _plain,
}
"""By name: what puts a document type and a text into a document of that kind."""

REFUSING = ("x.docx", "x.odt", "x.ods", "x.xlsx", "x.pptx", "x.epub")
"""Those whose reader parses XML, and refuses entities and other declarations."""


def entities(address: str) -> Mapping[str, bytes]:
    """Each kind of document with each kind of entity, the outer ones at this address."""
    return {
        f"entity-{number}-{name}": make(declared.replace("{0}", address), "&l9;" * 50)
        for number, declared in enumerate(DECLARATIONS)
        for name, make in CARRIERS.items()
    }


def disguised() -> Mapping[str, bytes]:
    """The same with the document type written so that a search for it passes it by."""
    plain = f"<?xml version='1.0' encoding='{{0}}'?>{EXTERNAL}<x a='&l9;'>&l9;</x>"
    return {
        f"{codec}.docx": with_member(
            docx_sample(), "word/document.xml", plain.replace("{0}", codec).encode(codec)
        )
        for codec in ("utf-7", "utf-32", "utf-16", "utf-16-be", "cp037")
    }


def _nested(start: str, end: str, inner: str = "x", depth: int = DEEP) -> str:
    return start * depth + inner + end * depth


NESTED: Mapping[str, Callable[[], bytes]] = {
    "deep.docx": lambda: _docx("", _nested("<w:x>", "</w:x>")),
    "deep-tables.docx": lambda: _docx("", _nested("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>")),
    "deep-controls.docx": lambda: with_member(
        docx_sample(),
        "word/document.xml",
        f"<w:document {W}><w:body>{_nested('<w:sdt>', '</w:sdt>')}</w:body></w:document>".encode(),
    ),
    "deep-lists.odt": lambda: _odt(
        "", _nested("<text:list><text:list-item>", "</text:list-item></text:list>")
    ),
    "deep.ods": lambda: _ods("", _nested("<text:span>", "</text:span>")),
    "deep.xlsx": lambda: _xlsx("", _nested("<r>", "</r>")),
    "deep.pptx": lambda: _pptx("", _nested("<p:grpSp>", "</p:grpSp>")),
    "deep.epub": lambda: _epub("", _nested("<a>", "</a>")),
    "deep-chapter.epub": lambda: _chapter("", _nested("<b>", "</b>", depth=5_000)),
    "deep.xml": lambda: _plain("", _nested("<a>", "</a>")),
    "deep.html": lambda: _nested("<b>", "</b>", depth=5_000).encode(),
    "deep-lists.html": lambda: _nested("<ul><li>", "", depth=3_000).encode(),
    "deep-tables.html": lambda: _nested("<table><tr><td>", "", depth=2_000).encode(),
    "deep.json": lambda: _nested("[", "]").encode(),
    "deep-objects.json": lambda: _nested('{"a":', "}", "1").encode(),
    "deep.ipynb": lambda: b'{"cells":%b}' % _nested("[", "]").encode(),
    "deep.md": lambda: _nested("> ", "").encode() + b"\n\n" + _nested("[", "](x)").encode(),
    "deep-lists.md": lambda: "\n".join(" " * n + "- x" for n in range(3_000)).encode(),
    "deep.rtf": lambda: rb"{\rtf1 %b}" % _nested("{", "}").encode(),
    "open.rtf": lambda: rb"{\rtf1 " + b"{" * DEEP,
    "deep.eml": lambda: (
        b"MIME-Version: 1.0\r\n"
        + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(1_000)
        )
    ),
    "messages.eml": lambda: (
        b"MIME-Version: 1.0\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 2_000
    ),
}
"""What made parsers overflow their stack; a few are kept below what takes quadratic time."""
