"""One small document of each kind, made here: none is kept as a file."""

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence

import docx
from tests.documents.ole_samples import ole_file
from tests.documents.text_samples import (
    FIRST,
    HEADING,
    SECOND,
    code_sample,
    csv_sample,
    eml_sample,
    feed_sample,
    html_sample,
    ipynb_sample,
    jats_sample,
    json_sample,
    jsonl_sample,
    markdown_sample,
    mbox_sample,
    opml_sample,
    org_sample,
    rst_sample,
    rtf_sample,
    srt_sample,
    text_sample,
    vtt_sample,
    xml_sample,
)


def docx_sample() -> bytes:
    document = docx.Document()
    document.add_heading(HEADING, 1)
    document.add_paragraph(FIRST)
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, "ab12", strict=True):
        cell.text = text
    document.add_paragraph(SECOND)
    file = io.BytesIO()
    document.save(file)
    return archive(unpacked(file.getvalue()))


def pdf_sample(pages: Sequence[Sequence[str]] = ((HEADING, FIRST), (SECOND,))) -> bytes:
    """A PDF with a page per sequence of lines, the first larger; without lines it has no text."""

    def stream(lines: Sequence[str]) -> str:
        shown = "/F1 12 Tf ".join(f"({line}) Tj 0 -40 Td " for line in lines)
        return f"BT /F1 18 Tf 72 700 Td {shown}ET" if lines else ""

    return pdf_of([stream(lines) for lines in pages])


def placed_pdf(pages: Sequence[Sequence[tuple[int, int, int, str]]], **properties: str) -> bytes:
    """A PDF whose lines stand where they are said to: from left and foot, and their size."""
    return pdf_of(
        [
            "".join(f"BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET " for x, y, size, text in lines)
            for lines in pages
        ],
        **properties,
    )


def pdf_of(
    streams: Sequence[str],
    *,
    letters: Mapping[str, str] | None = None,
    page: str = "",
    **properties: str,
) -> bytes:
    """A PDF with a page for each stream of drawing operators; ``properties`` are its metadata.

    ``page`` is added to each page's dictionary. ``letters`` says what characters of its font stand
    for, if they are not themselves.
    """
    pairs = "".join(
        f"<{ord(sign):02x}> <{text.encode('utf-16-be').hex()}>\n"
        for sign, text in (letters or {}).items()
    )
    meaning = (
        "begincmap\n1 begincodespacerange\n<00> <ff>\nendcodespacerange\n"
        f"{len(letters or {})} beginbfchar\n{pairs}endbfchar\nendcmap"
    )
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "",
        f"<</Length {len(meaning)}>>stream\n{meaning}\nendstream",
    ]
    bold = "/F2<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>"
    to_unicode = "/ToUnicode 3 0 R" if letters else ""
    font = f"<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica{to_unicode}>>{bold}>>>>"
    for stream in streams:
        objects.append(
            f"<</Type/Page{page}/Parent 2 0 R/MediaBox[0 0 612 792]/Resources{font}"
            f"/Contents {len(objects) + 2} 0 R>>"
        )
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    kids = " ".join(f"{number} 0 R" for number in range(4, len(objects) + 1, 2))
    objects[1] = f"<</Type/Pages/Count {len(streams)}/Kids[{kids}]>>"
    objects.append(f"<<{''.join(f'/{key}({text})' for key, text in properties.items())}>>")
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj{content}endobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    return (
        body
        + (
            f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
            f"trailer<</Size {len(objects) + 1}/Root 1 0 R/Info {len(objects)} 0 R>>\n"
            f"startxref\n{len(body)}\n%%EOF\n"
        ).encode()
    )


def unpacked(container: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(container)) as read:
        return {name: read.read(name) for name in read.namelist()}


def archive(contents: Mapping[str, bytes]) -> bytes:
    """A ZIP file without times, so that its bytes are always the same."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in contents.items():
            made.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def with_member(container: bytes, name: str, content: bytes) -> bytes:
    """The container with one member added or replaced."""
    return archive(unpacked(container) | {name: content})


def pptx_sample() -> bytes:
    drawing = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    shapes = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

    def slide(title: str, text: str) -> str:
        written = "".join(
            f"<p:sp><p:nvPr>{mark}</p:nvPr><p:txBody><a:p><a:r><a:t>{words}</a:t></a:r></a:p>"
            "</p:txBody></p:sp>"
            for mark, words in (('<p:ph type="title"/>', title), ("", text))
            if words
        )
        return f"<p:sld {shapes} {drawing}><p:spTree>{written}</p:spTree></p:sld>"

    def relations(*targets: str) -> str:
        each = "".join(
            f'<Relationship Id="r{number}" Type="{office}/slide" Target="{target}"/>'
            for number, target in enumerate(targets)
        )
        return f"<Relationships>{each}</Relationships>"

    return archive(
        {
            "ppt/presentation.xml": (
                f'<p:presentation {shapes} xmlns:r="{office}"><p:sldIdLst>'
                '<p:sldId id="256" r:id="r1"/><p:sldId id="257" r:id="r0"/>'
                "</p:sldIdLst></p:presentation>"
            ).encode(),
            "ppt/_rels/presentation.xml.rels": relations(
                "slides/slide1.xml", "slides/slide2.xml"
            ).encode(),
            # Shown in the other order than their numbers.
            "ppt/slides/slide1.xml": slide("", SECOND).encode(),
            "ppt/slides/slide2.xml": slide(HEADING, FIRST).encode(),
        }
    )


def xlsx_sample() -> bytes:
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006/relationships"
    rows = "".join(
        f'<row r="{number}"><c r="A{number}" t="inlineStr"><is><t>{text}</t></is></c>'
        f'<c r="B{number}"><v>{number}.0</v></c></row>'
        for number, text in enumerate((FIRST, SECOND), 1)
    )
    return archive(
        {
            "_rels/.rels": (
                f'<Relationships xmlns="{packages}"><Relationship Id="r" '
                f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
            ).encode(),
            "xl/workbook.xml": (
                f'<workbook {space} xmlns:r="{office}"><sheets>'
                f'<sheet name="{HEADING}" sheetId="1" r:id="r1"/></sheets></workbook>'
            ).encode(),
            "xl/_rels/workbook.xml.rels": (
                f'<Relationships xmlns="{packages}"><Relationship Id="r1" '
                f'Type="{office}/worksheet" '
                'Target="worksheets/sheet1.xml"/></Relationships>'
            ).encode(),
            "xl/worksheets/sheet1.xml": (
                f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>"
            ).encode(),
        }
    )


def xls_sample() -> bytes:
    """A workbook of the old kind with one sheet of two rows, written by xlwt 1.3."""
    return zlib.decompress(base64.b85decode(_XLS))


def _open_document(kind: str, body: str) -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table")
    )
    content = (
        f"<office:document-content {spaces}><office:body>{body}</office:body>"
        "</office:document-content>"
    )
    said = f"application/vnd.oasis.opendocument.{kind}"
    listed = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    manifest = (
        f'<m:manifest xmlns:m="{listed}"><m:file-entry m:full-path="/" m:media-type="{said}"/>'
        "</m:manifest>"
    )
    return archive(
        {
            "mimetype": said.encode(),
            "content.xml": content.encode(),
            "META-INF/manifest.xml": manifest.encode(),
        }
    )


def odt_sample() -> bytes:
    return _open_document(
        "text",
        f'<office:text><text:h text:outline-level="1">{HEADING}</text:h><text:p>{FIRST}</text:p>'
        "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>"
        f"<text:p>{SECOND}</text:p></office:text>",
    )


def ods_sample() -> bytes:
    rows = "".join(
        "<table:table-row><table:table-cell office:value-type='string'>"
        f"<text:p>{text}</text:p></table:table-cell></table:table-row>"
        for text in (FIRST, SECOND)
    )
    return _open_document(
        "spreadsheet",
        f'<office:spreadsheet><table:table table:name="{HEADING}">{rows}</table:table>'
        "</office:spreadsheet>",
    )


def epub_sample() -> bytes:
    def chapter(text: str) -> bytes:
        return f"<!DOCTYPE html><html><body><p>{text}</p></body></html>".encode()

    return archive(
        {
            "mimetype": b"application/epub+zip",
            "META-INF/container.xml": (
                b'<container><rootfiles><rootfile full-path="o/book.opf"/></rootfiles></container>'
            ),
            "o/book.opf": (
                f"<package><metadata><title>{HEADING}</title></metadata><manifest>"
                '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
                '<item id="b" href="b%20.xhtml" media-type="application/xhtml+xml"/></manifest>'
                '<spine><itemref idref="b"/><itemref idref="a"/></spine></package>'
            ).encode(),
            "o/a.xhtml": chapter(SECOND),
            "o/b .xhtml": chapter(FIRST),
        }
    )


def msg_sample() -> bytes:
    return ole_file(msg_texts(HEADING, f"{FIRST}\r\n\r\n{SECOND}"))


def msg_texts(subject: str, body: str, header_bytes: int = 32) -> dict[str, bytes]:
    """The streams of a message of Outlook with a subject and a plain text."""
    texts = {0x0037: subject, 0x1000: body}
    entries = b"".join(
        struct.pack("<HHIII", 0x001F, key, 6, len(text) * 2 + 2, 0) for key, text in texts.items()
    )
    streams = {
        f"__substg1.0_{key:04X}001F": text.encode("utf-16-le") for key, text in texts.items()
    }
    return {"__properties_version1.0": bytes(header_bytes) + entries, **streams}


def odp_sample() -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("draw", "presentation", "svg-compatible")
    )

    def frame(text: str, y: int, marks: str = "") -> str:
        place = f'svg-compatible:x="1cm" svg-compatible:y="{y}cm"'
        return (
            f"<draw:frame {place} {marks}><draw:text-box><text:p>{text}</text:p>"
            "</draw:text-box></draw:frame>"
        )

    notes = frame("said", 1, 'presentation:class="notes"')
    slides = (
        frame(FIRST, 5) + frame(HEADING, 9, 'presentation:class="title"'),
        f"{frame(SECOND, 3)}<presentation:notes>{notes}</presentation:notes>",
    )
    pages = "".join(f"<draw:page {spaces}>{shapes}</draw:page>" for shapes in slides)
    return _open_document("presentation", f"<office:presentation>{pages}</office:presentation>")


_XLS = (
    "c-rk)O=uHA6#izLG(WWIrlvxxl%-(RS_&eFmv(DGd(l!wP(-ka*=k7G4M{xc#cIt_5IiYf3cYx#dhrK6=*@#r(Ss"
    "leiJruhpx~j+`sQ`FrrJXTTB^*q%$t|@GxM_ZW@cwz&BrS<_q(e21w&{;&5fYBP9~^C{2w|<@4Axp>o65p;h#bzO"
    "as{*#FN&SAvuO}ysOY~FYufw@PW!H<T2*hma&c);TV!a#xO`!;5JEO=;Wx{nVw;~iRoRoe9Cl~CD)h^l5Itt#JoA"
    "yx6jMs6Iu`JVvy}VWS@5|*^LgokXd}`x>&LeVt*l%%xz3Xcc2Bcpm7_uY^#vWRgj<ooW(cS0KWP&^_ijM>nj%^`S"
    "+Fb&?@p9S^$`WJHZKF##Vf4l9~jLowJNo#!hGKvxYNiq#P$(T)<vVQjINe$Z?96kx%BWf{`g2Ij2|}An}NE-cJ7%"
    "XRUl`ASxGbp6L3DiQdW+poM4}ZOq5Hb)A;-g*#tfA5M*%r&%(^i~G_RuuVn{7nh|6ImcL|E$jQ3-^KI_x4MP-E-&"
    "(+tb4~hJm%mu+gxRBFZHvB@y6U<$L}D%{Q1bE?(#=-C-HNm)r*O_x8@9bXiG|yzkH_AFZ#u;n-Y&rzZTwd@t$etZ"
    "%ap5)4kYTZ=Y+!BBIR3nMw<>iiKbcNr$v{Jm6O_T(@CHp`f6kprD|jprEj!AiPg^dG3&(^+E4w5c2MI7OB+KHOYU"
    "Aqj2ac(ZTcpY^n>m&`|ztMo{=|i8cE8_k|M2srLf1NO2t5hVz$>cB20Otl3fjb5p3%{%eiI`Ir0u0ZjhQ=K"
)

SAMPLES: Mapping[str, Callable[[], bytes]] = {
    "text": text_sample,
    "markdown": markdown_sample,
    "html": html_sample,
    "pdf": pdf_sample,
    "docx": docx_sample,
    "pptx": pptx_sample,
    "xlsx": xlsx_sample,
    "xls": xls_sample,
    "ods": ods_sample,
    "odt": odt_sample,
    "odp": odp_sample,
    "mbox": mbox_sample,
    "msg": msg_sample,
    "rst": rst_sample,
    "org": org_sample,
    "vtt": vtt_sample,
    "srt": srt_sample,
    "jats": jats_sample,
    "feed": feed_sample,
    "opml": opml_sample,
    "epub": epub_sample,
    "rtf": rtf_sample,
    "eml": eml_sample,
    "ipynb": ipynb_sample,
    "csv": csv_sample,
    "jsonl": jsonl_sample,
    "json": json_sample,
    "xml": xml_sample,
    "code": code_sample,
}
