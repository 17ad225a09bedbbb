"""What word processors, presentations and books hold is read, or named as not read."""

import io
import zipfile

import pytest
from tests.documents.packages import (
    W,
    docx_of,
    item,
    level,
    numbering,
    odt_of,
    paragraph,
)
from tests.documents.samples import SAMPLES, archive, with_member

from bindery.documents import READERS, read
from bindery.errors import BrokenDocument, PasswordProtected

PACKAGES = [kind for kind, row in READERS.items() if row.member]


@pytest.mark.parametrize("kind", PACKAGES)
@pytest.mark.parametrize(
    "member",
    ["extra/words.xml", "word/comments.xml", "embeddings/inner.docx", "note.txt", "a.xhtml"],
)
def test_a_part_that_is_not_read_is_named(kind, member):
    sample = SAMPLES[kind]()
    with_part = with_member(sample, member, b"<x>words that a person sees</x>")
    assert read(with_part, "x").text == read(sample, "x").text
    assert read(with_part, "x").warnings == (f"These parts were not read: {member}.",)


@pytest.mark.parametrize("kind", PACKAGES)
@pytest.mark.parametrize("member", ["extra/empty.xml", "media/photo.png", "docProps/app.xml"])
def test_a_part_without_text_is_not_named(kind, member):
    assert read(with_member(SAMPLES[kind](), member, b"<x a='b'> </x>"), "x").warnings == ()


def test_many_parts_are_counted():
    parts = {f"extra/{number}.txt": b"words" for number in range(12)}
    [warning] = read(docx_of(paragraph("a"), parts=parts), "x").warnings
    assert warning.endswith("extra/9.txt and 2 more.")


# Word


def test_headings_of_word_have_their_numbers():
    styles = (
        f'<w:styles {W}><w:style w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr>'
        '<w:numId w:val="7"/></w:numPr></w:pPr></w:style><w:style w:styleId="H2">'
        '<w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="7"/>'
        "</w:numPr></w:pPr></w:style></w:styles>"
    ).encode()
    levels = level(0, "decimal", "%1") + level(1, "decimal", "%1.%2")
    body = "".join(
        paragraph(text, f'<w:pStyle w:val="{style}"/>')
        for text, style in (("Purpose", "H1"), ("Audience", "H2"), ("Scope", "H2"), ("End", "H1"))
    )
    parts = {"word/s.xml": styles, "word/n.xml": numbering({0: levels}, {7: "0"})}
    document = read(docx_of(body, parts=parts, s="styles s.xml", n="numbering n.xml"), "x")
    assert document.text.split("\n\n") == [
        "# 1 Purpose",
        "## 1.1 Audience",
        "## 1.2 Scope",
        "# 2 End",
    ]
    assert document.warnings == ()


def test_lists_of_word_are_numbered_as_their_definition_says():
    levels = level(0, "decimal", "%1.") + level(1, "lowerLetter", "(%2)")
    roman = level(0, "upperRoman", "%1)", start=4)
    override = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>'
    lists = {1: "0", 2: "0", 3: "1", 4: f"0{override}"}
    body = (
        item("Alpha", 1)
        + item("letter", 1, 1)
        + paragraph("Prose.")
        + item("continues", 2)
        + item("four", 3)
        + item("again", 4)
        + item("and on", 4)
    )
    parts = {"word/n.xml": numbering({0: levels, 1: roman}, lists)}
    assert read(docx_of(body, parts=parts, n="numbering n.xml"), "x").text == (
        "1. Alpha\n  (a) letter\n\nProse.\n\n2. continues\nIV) four\n1. again\n2. and on"
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('<w:p><w:r><w:sym w:font="Symbol" w:char="F0B3"/></w:r></w:p>', "≥"),
        ('<w:p><w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r></w:p>', "☑"),
        ('<w:p><w:r><w:sym w:font="Other" w:char="F001"/></w:r></w:p>', "\ufffd"),
        (
            "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>no </w:t></w:r><w:r><w:t>yes</w:t></w:r>"
            "</w:p>",
            "yes",
        ),
        (
            '<w:p><w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>yes</w:t></w:r></w:p>',
            "yes",
        ),
        (
            "<w:p><w:r><w:t>10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr>"
            "<w:t>6</w:t></w:r><w:r><w:t> H</w:t></w:r><w:r><w:rPr><w:vertAlign "
            "w:val='subscript'/></w:rPr><w:t>2</w:t></w:r><w:r><w:t>O</w:t></w:r></w:p>",
            "10^6 H_2O",
        ),
        (
            "<w:p><w:r><mc:AlternateContent><mc:Choice><w:t>once</w:t></mc:Choice><mc:Fallback>"
            "<w:t>once</w:t></mc:Fallback></mc:AlternateContent></w:r></w:p>",
            "once",
        ),
        (
            '<w:tbl><w:tr><w:trPr><w:gridBefore w:val="1"/></w:trPr><w:tc><w:p><w:r><w:t>b</w:t>'
            "</w:r></w:p></w:tc></w:tr></w:tbl>",
            "|  | b |\n| --- | --- |",
        ),
    ],
)
def test_parts_of_words_paragraphs(body, text):
    assert read(docx_of(body), "x").text == text


def test_lists_of_word_that_refer_to_styles_and_count_on():
    linked = (
        '<w:abstractNum w:abstractNumId="0"><w:numStyleLink w:val="L"/></w:abstractNum>'
        '<w:abstractNum w:abstractNumId="1"><w:styleLink w:val="L"/>'
        f"{level(0, 'upperRoman', '%1.')}"
        '<w:lvl w:ilvl="1"><w:isLgl/><w:lvlText w:val="%1.%2"/></w:lvl><w:lvl w:ilvl="2">'
        '<w:lvlRestart w:val="0"/><w:numFmt w:val="ordinal"/><w:lvlText w:val="%3"/></w:lvl>'
        '</w:abstractNum><w:num w:numId="7"><w:abstractNumId w:val="0"/></w:num>'
    )
    cell = f"<w:tbl><w:tr><w:tc>{item('e', 7)}</w:tc></w:tr></w:tbl>"
    hidden = (
        f"<w:tbl><w:tr><w:trPr><w:hidden/></w:trPr><w:tc>{paragraph('no')}</w:tc></w:tr></w:tbl>"
    )
    body = item("a", 7) + item("b", 7, 1) + item("c", 7, 2) + item("d", 7) + item("f", 7, 2)
    parts = {"word/n.xml": f"<w:numbering {W}>{linked}</w:numbering>".encode()}
    assert read(docx_of(body + cell + hidden, parts=parts, n="numbering n.xml"), "x").text == (
        "I. a\n  1.1 b\n    1st c\nII. d\n    2nd f\n\n| III. e |\n| --- |"
    )


@pytest.mark.parametrize(
    ("name", "chunk", "text"),
    [
        ("a.rtf", b"{\\rtf1 rich}", "rich"),
        ("a.dat", b"<p>page</p>", "page"),
        ("a.txt", b"one\n\ntwo", "one\n\ntwo"),
        ("a.mht", b"MIME-Version: 1.0\nContent-Type: text/html\n\n<p>mail</p>", "mail"),
    ],
)
def test_documents_embedded_in_word_are_known_by_their_content(name, chunk, text):
    made = docx_of('<w:altChunk r:id="a"/>', parts={f"word/{name}": chunk}, a=f"aFChunk {name}")
    document = read(made, "x")
    assert document.text == text
    assert document.warnings == ()


def test_what_word_embeds_is_read():
    diagram = (
        b'<d:dataModel xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
        b'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><d:pt><d:t><a:p><a:r><a:t>'
        b"A step</a:t></a:r></a:p></d:t></d:pt></d:dataModel>"
    )
    body = (
        '<w:altChunk r:id="chunk"/><w:p><w:r><d:relIds xmlns:d="http://schemas.openxmlformats.org/'
        'drawingml/2006/diagram" r:dm="data"/></w:r></w:p><w:altChunk r:id="other"/>'
    )
    parts = {
        "word/chunk.html": b"<h2>From a page</h2><p>All of it",
        "word/diagrams/data1.xml": diagram,
        "word/other.docx": b"PK\x03\x04",
    }
    related = {"chunk": "aFChunk chunk.html", "data": "diagramData diagrams/data1.xml"}
    document = read(docx_of(body, parts=parts, **related, other="aFChunk other.docx"), "x")
    assert document.text == "## From a page\n\nAll of it\n\nA step"
    assert document.warnings == ("These parts were not read: word/other.docx.",)


def test_word_in_its_strict_form_and_under_another_name():
    body = paragraph("words")
    strict = docx_of(body)
    assert read(docx_of(body, main="word/document2.xml"), "x").text == "words"
    content = f"<w:document {W}><w:body>{body}</w:body></w:document>".replace(
        "http://schemas.openxmlformats.org/wordprocessingml/2006/",
        "http://purl.oclc.org/ooxml/wordprocessingml/",
    )
    assert read(with_member(strict, "word/document.xml", content.encode()), "x").text == "words"


# OpenDocument


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "<text:p>Hello<text:note><text:note-citation>1</text:note-citation><text:note-body>"
            "<text:p>A note.</text:p></text:note-body></text:note> world.</text:p>",
            "Hello[^1] world.\n\n[^1]: A note.",
        ),
        (
            "<table:table><table:table-row><table:table-cell><text:list><text:list-item><text:p>one"
            "</text:p></text:list-item><text:list-item><text:p>two</text:p></text:list-item>"
            "</text:list></table:table-cell><table:table-cell><table:table><table:table-row>"
            "<table:table-cell><text:p>in1</text:p></table:table-cell><table:table-cell><text:p>in2"
            "</text:p></table:table-cell></table:table-row></table:table></table:table-cell>"
            "</table:table-row></table:table>",
            "| one two | in1 in2 |\n| --- | --- |",
        ),
        (
            '<text:list text:style-name="L"><text:list-item><text:p>First</text:p><text:list>'
            "<text:list-item><text:p>inner</text:p></text:list-item></text:list></text:list-item>"
            "<text:list-item><text:p>Second</text:p></text:list-item></text:list>",
            "1. First\n  a) inner\n2. Second",
        ),
        (
            "<text:p>a<draw:frame><svg:title>picture</svg:title><draw:text-box><text:p>boxed"
            "</text:p></draw:text-box></draw:frame>b</text:p>",
            "a picture  boxed b",
        ),
        (
            '<text:p>10<text:span text:style-name="S">6</text:span> 1<text:span '
            'text:style-name="S">st</text:span></text:p>',
            "10^6 1st",
        ),
        (
            '<text:list text:style-name="L"><text:list-item><text:h>One</text:h></text:list-item>'
            "<text:list-item><text:p/></text:list-item><text:list-item><text:p>c</text:p>"
            "</text:list-item></text:list>",
            "# 1. One\n\n3. c",
        ),
        (
            '<text:list><text:list-item><text:p text:style-name="P">a</text:p></text:list-item>'
            "</text:list>",
            "1. a",
        ),
        (
            '<text:h>A</text:h><text:h text:outline-level="2">B</text:h><text:h '
            'text:is-list-header="true">C</text:h>',
            "# 1 A\n\n## 1.1 B\n\n# C",
        ),
        ('<text:section text:display="none"><text:p>no</text:p></text:section>', ""),
        ("<draw:frame><svg:title>A cat</svg:title></draw:frame>", "A cat"),
        (
            '<table:table><table:table-row table:number-rows-repeated="2"><table:table-cell>'
            "<text:p>a</text:p></table:table-cell></table:table-row></table:table>",
            "| a |\n| --- |\n| a |",
        ),
        ('<text:p text:style-name="H">hidden</text:p><text:p>seen</text:p>', "seen"),
    ],
)
def test_parts_of_opendocument_texts(body, text):
    styles = (
        "<number:date-style><number:text>/</number:text></number:date-style>"
        '<text:list-style style:name="L"><text:list-level-style-number text:level="1" '
        'style:num-format="1" style:num-suffix="."/><text:list-level-style-number text:level="2" '
        'style:num-format="a" style:num-suffix=")"/></text:list-style>'
        '<style:style style:name="S"><style:text-properties style:text-position="super 58%"/>'
        '</style:style><style:style style:name="P" style:list-style-name="L"/><text:outline-style>'
        '<text:outline-level-style text:level="1" style:num-format="1"/><text:outline-level-style '
        'text:level="2" style:num-format="1" text:display-levels="2"/></text:outline-style>'
        '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>'
    )
    assert read(odt_of(body, styles), "x").text == text


def test_an_encrypted_package_is_not_taken_for_text():
    encrypted = (
        b'<manifest><file-entry full-path="content.xml"><encryption-data/></file-entry></manifest>'
    )
    with pytest.raises(PasswordProtected):
        read(odt_of("", parts={"META-INF/manifest.xml": encrypted}), "x")
    for algorithm, error in (
        ("http://www.idpf.org/2008/embedding", None),
        ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", PasswordProtected),
    ):
        written = f'<encryption><EncryptionMethod Algorithm="{algorithm}"/></encryption>'.encode()
        book = with_member(SAMPLES["epub"](), "META-INF/encryption.xml", written)
        if error is None:
            assert read(book, "x").text
        else:
            with pytest.raises(error):
                read(book, "x")


def test_an_external_document_type_is_ignored_and_an_internal_one_refused():
    manifest = (
        b'<!DOCTYPE manifest:manifest PUBLIC "-//OpenOffice.org//DTD Manifest 1.0//EN" "M.dtd"><m/>'
    )
    assert read(odt_of("<text:p>a</text:p>", parts={"META-INF/manifest.xml": manifest}), "x")
    internal = b"<!DOCTYPE m [<!ELEMENT m ANY>]><m/>"
    with pytest.raises(BrokenDocument, match="entities"):
        read(odt_of("", parts={"META-INF/manifest.xml": internal}), "x")


# Books


def book(*chapters: str, media_type: str = "application/xhtml+xml") -> bytes:
    items = "".join(
        f'<item id="c{n}" href="c{n}.xml" media-type="{media_type}"/>'
        for n, _ in enumerate(chapters)
    )
    listed = f"<manifest>{items}</manifest>"
    spine = "".join(f'<itemref idref="c{n}"/>' for n, _ in enumerate(chapters))
    return archive(
        {
            "mimetype": b"application/epub+zip",
            "META-INF/container.xml": b'<c><rootfile full-path="book.opf"/></c>',
            "book.opf": f"<package>{listed}<spine>{spine}</spine></package>".encode(),
            **{f"c{n}.xml": text.encode() for n, text in enumerate(chapters)},
        }
    )


@pytest.mark.parametrize(
    "head",
    ["<title/>", "<script src='a.js'/>", "<style/>", "<title>t</title><iframe/>", "<a id='x'/>"],
)
def test_self_closed_elements_swallow_nothing(head):
    body = "<body><h1>One</h1><p>Text.</p></body>"
    page = f"<?xml version='1.0'?><html><head>{head}</head>{body}</html>"
    assert read(book(page, page), "x").text == "# One\n\nText.\n\n# One\n\nText."
    assert "# One\n\nText." in read(page.encode(), "x.xhtml").text


def test_chapters_of_other_types_are_read_and_missing_ones_named():
    assert read(book("<html><p>Text.</p></html>", media_type="text/xml"), "x").text == "Text."
    made = with_member(
        book("<p>a</p>"),
        "book.opf",
        (b'<p><item id="a" href="gone.xhtml" media-type="text/html"/><itemref idref="a"/></p>'),
    )
    assert read(made, "x").warnings == (
        "These parts were not read: c0.xml.",
        "These chapters are missing from the file: gone.xhtml.",
    )


# Sheets


def test_errors_durations_and_long_numbers_of_sheets():
    cells = (
        '<c r="A1" t="e"><v>#DIV/0!</v></c><c r="B1"><v>1234567890123456</v></c>'
        '<c r="C1"><f>A1+1</f></c><c r="D1" t="inlineStr"><is><t>end</t></is></c>'
    )
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    sheet = f'<worksheet {space}><sheetData><row r="1">{cells}</row></sheetData></worksheet>'
    document = read(with_member(SAMPLES["xlsx"](), "xl/worksheets/sheet1.xml", sheet.encode()), "x")
    assert "| #DIV/0! | 1234567890123456 |  | end |" in document.text
    assert document.warnings == ("Some formulas have no stored result, so their cells are empty.",)


def test_backslashes_in_the_names_of_members():
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(SAMPLES["xlsx"]())) as read_from,
        zipfile.ZipFile(file, "w") as written,
    ):
        for name in read_from.namelist():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            written.writestr(info, read_from.read(name))
    assert read(file.getvalue(), "x").text == read(SAMPLES["xlsx"](), "x").text


def test_text_boxes_of_sheets_are_named_and_encrypted_ones_refused():
    box = b"<x><col>3</col><t>words in a box</t></x>"
    placed = b"<x><col>3</col></x>"
    for part, warnings in (
        (box, ("These parts were not read: xl/drawings/drawing1.xml.",)),
        (placed, ()),
    ):
        made = with_member(SAMPLES["xlsx"](), "xl/drawings/drawing1.xml", part)
        assert read(made, "x").warnings == warnings
    encrypted = b"<m><encryption-data/></m>"
    with pytest.raises(PasswordProtected):
        read(with_member(SAMPLES["ods"](), "META-INF/manifest.xml", encrypted), "x")
