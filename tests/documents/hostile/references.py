"""Documents that refer to what is elsewhere, in every way their formats have."""

from collections.abc import Mapping

from tests.documents.hostile.markup import entities
from tests.documents.hostile.pdfs import pdf
from tests.documents.samples import (
    docx_sample,
    epub_sample,
    odt_sample,
    pptx_sample,
    with_member,
    xlsx_sample,
)

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def references(address: str) -> Mapping[str, bytes]:
    """By name, documents that point to this address (``http://host:port``)."""
    host = address.removeprefix("http://")
    return {
        "page.html": _page(address, host),
        "page.md": (
            f"# x\n\n![a]({address}/a.png) [b]({address}/b) <{address}/c>\n\n"
            f'<img src="{address}/d"><iframe src="{address}/e"></iframe>\n\n[f]: {address}/f\n'
        ).encode(),
        "book.epub": with_member(epub_sample(), "o/a.xhtml", _page(address, host)),
        "spine.epub": with_member(
            epub_sample(),
            "o/book.opf",
            f'<package><manifest><item id="a" href="{address}/a.xhtml" '
            'media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/></spine></package>'.encode(),
        ),
        "picture.svg": (
            f'<?xml version="1.0"?><?xml-stylesheet href="{address}/a.css"?>'
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
            f'<image xlink:href="{address}/b.png"/><use href="{address}/c.svg#x"/>'
            f'<script href="{address}/d.js"/></svg>'
        ).encode(),
        "related.docx": _docx(address),
        "linked.odt": with_member(odt_sample(), "content.xml", _open_document(address)),
        "linked.pptx": _related(pptx_sample(), "ppt/slides/_rels/slide1.xml.rels", address),
        "linked.xlsx": _related(xlsx_sample(), "xl/worksheets/_rels/sheet1.xml.rels", address),
        "actions.pdf": _pdf(address, host),
        "fields.rtf": (
            rf'{{\rtf1{{\field{{\*\fldinst INCLUDEPICTURE "{address}/a.png" \\d}}{{\fldrslt x}}}}'
            rf'{{\field{{\*\fldinst HYPERLINK "{address}/b"}}{{\fldrslt y}}}}'
            rf"{{\*\template {address}/c.dotx}}{{\object\objautlink{{\*\objclass Word}}}}\par}}"
        ).encode(),
        "external.eml": (
            "From: a@example.org\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            f'Content-Type: message/external-body; access-type=URL; URL="{address}/a"\r\n\r\n'
            f"Content-Type: text/plain\r\n\r\n--b\r\nContent-Type: text/html\r\n"
            f"Content-Location: {address}/b\r\n\r\n<img src='{address}/c'>\r\n--b--\r\n"
        ).encode(),
        "pictures.ipynb": (
            '{"cells":[{"cell_type":"markdown","source":"![a](%s/a.png) <img src=\'%s/b.png\'>"},'
            '{"cell_type":"code","source":"1","outputs":[{"data":{"text/html":'
            '"<img src=\'%s/c.png\'>","text/plain":"2"}}]}],"metadata":{},"nbformat":4}'
            % ((address,) * 3)
        ).encode(),
        **entities(f"{address}/entity"),
    }


def _page(address: str, host: str) -> bytes:
    return (
        f"<!DOCTYPE html PUBLIC '-//X' '{address}/x.dtd'><html manifest='{address}/m'><head>"
        f"<base href='{address}/'><link rel=stylesheet href='{address}/a.css'>"
        f"<meta http-equiv=refresh content='0;url={address}/b'><script src='{address}/c'></script>"
        f"<style>@import url({address}/d); p {{background: url({address}/e)}}</style></head>"
        f"<body background='{address}/f'><p>words<img src='{address}/g' srcset='{address}/h 2x'>"
        f"<img src='//{host}/i'><iframe src='{address}/j'></iframe><object data='{address}/k'>"
        f"</object><embed src='{address}/l'><video poster='{address}/m' src='{address}/n'></video>"
        f"<form action='{address}/o'><input type=image src='{address}/p'></form>"
        f"<svg><image href='{address}/q'/></svg><a href='{address}/r' ping='{address}/s'>t</a>"
        f"<img src='\\\\{host}\\share\\u'></body></html>"
    ).encode()


def _docx(address: str) -> bytes:
    kinds = ("image", "aFChunk", "subDocument", "attachedTemplate", "oleObject", "styles", "frame")
    kinds += ("footnotes", "numbering", "hyperlink", "settings")
    relations = "".join(
        f'<Relationship Id="e{number}" Type="{_OFFICE}/{kind}" Target="{address}/{kind}" '
        'TargetMode="External"/>'
        for number, kind in enumerate(kinds)
    )
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    document = (
        f'<w:document xmlns:w="{_WORD}" xmlns:r="{_OFFICE}"><w:body>'
        '<w:p><w:r><w:t>words</w:t></w:r></w:p><w:altChunk r:id="e1"/><w:subDoc r:id="e2"/>'
        f'<w:p><w:r><w:instrText>INCLUDETEXT "{address}/a"</w:instrText></w:r></w:p>'
        "</w:body></w:document>"
    )
    data = with_member(docx_sample(), "word/document.xml", document.encode())
    listed = f'<Relationships xmlns="{space}">{relations}</Relationships>'
    return with_member(data, "word/_rels/document.xml.rels", listed.encode())


def _related(container: bytes, member: str, address: str) -> bytes:
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    relations = "".join(
        f'<Relationship Id="e{kind}" Type="{_OFFICE}/{kind}" Target="{address}/{kind}"{mode}/>'
        for kind in ("notesSlide", "image", "hyperlink", "externalLink", "drawing")
        for mode in (' TargetMode="External"', "")
    )
    listed = f'<Relationships xmlns="{space}">{relations}</Relationships>'
    return with_member(container, member, listed.encode())


def _open_document(address: str) -> bytes:
    return (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
        'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
        'xmlns:xlink="http://www.w3.org/1999/xlink"><office:body><office:text>'
        f'<text:section><text:section-source xlink:href="{address}/a.odt"/></text:section>'
        f'<text:p>words<draw:frame><draw:image xlink:href="{address}/b.png"/>'
        f'<draw:object xlink:href="{address}/c"/></draw:frame></text:p>'
        "</office:text></office:body></office:document-content>"
    ).encode()


def _pdf(address: str, host: str) -> bytes:
    actions = (
        f"<</S/URI/URI({address}/a)>>",
        f"<</S/GoToR/F<</FS/URL/F({address}/b.pdf)>>/D[0/Fit]>>",
        f"<</S/Launch/F(\\\\\\\\{host}\\\\c)>>",
        f"<</S/SubmitForm/F<</FS/URL/F({address}/d)>>>>",
        f"<</S/ImportData/F({address}/e)>>",
        f"<</S/JavaScript/JS(this.submitForm\\('{address}/f'\\))>>",
    )
    links = "".join(f"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A{one}>>" for one in actions)
    chained = "".join(f"{one[:-2]}/Next " for one in actions) + actions[0] + ">>" * len(actions)
    return pdf(
        [
            f"<</Type/Catalog/Pages 2 0 R/OpenAction{chained}/URI<</Base({address}/)>>>>".encode(),
            b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/AA<</O{actions[0]}>>"
            f"/Annots[{links}]>>".encode(),
            f"<</Length 5/F<</FS/URL/F({address}/g)>>>>stream\nBT ET\nendstream".encode(),
        ]
    )
