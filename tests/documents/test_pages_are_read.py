"""HTML, Markdown, PDF and DOCX: structure, spans, and what each must refuse."""

import io

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from tests.documents.samples import FIRST, archive, docx_sample, pdf_sample, with_member

from bindery.documents import read
from bindery.documents.formats import archive as limits
from bindery.errors import BrokenDocument, PasswordProtected
from bindery.types import Document


def outline(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document.quote(block.span)) for block in document.blocks]


def html(body: str) -> Document:
    return read(f"<html><body>{body}".encode(), "x.html")


def markdown(text: str) -> list[tuple[str, str]]:
    return outline(read(text.encode(), "x.md"))


def test_html_is_written_as_markdown():
    document = html(
        "<h2>A <b>b</b></h2> some\n text<br>below <p>more<ul><li>one<ul><li>in</ul><li>two</ul>"
        "<ol start=3><li>c</ol><pre> x\n  y</pre><script>no</script><noscript>no</noscript>"
    )
    assert document.text == (
        "## A b\n\nsome text\nbelow\n\nmore\n\n- one\n  - in\n- two\n3. c\n\n```\n x\n  y\n```"
    )
    assert [block.kind for block in document.blocks] == [
        *("heading", "paragraph", "paragraph"),
        *("list_item", "list_item", "list_item", "list_item", "code"),
    ]


def test_an_html_table_keeps_its_columns_under_spans():
    document = html(
        "<table><caption>C</caption><tr><th rowspan=2>a<th colspan=2>b|c<tr><td>1<td>2</table>"
    )
    assert document.text == "C\n\n| a | b\\|c |  |\n| --- | --- | --- |\n|  | 1 | 2 |"


def test_a_table_that_only_lays_out_is_text():
    document = html("<table><tr><td><h1>T</h1>x<td><table><tr><td>1<td>2</table></table>")
    assert [kind for kind, _ in outline(document)] == ["heading", "paragraph", "table"]


def test_a_title_stands_in_for_a_missing_h1_only():
    assert read(b"<html><title>T</title><p>x", "x").text == "# T\n\nx"
    assert read(b"<html><title>T</title><h1>H</h1>", "x").text == "# H"


@pytest.mark.parametrize("element", ["div", "ul", "span", "table><tr><td", "b", "blockquote"])
def test_deep_nesting_is_no_recursion(element):
    assert "deep" in html(f"<{element}>" * 5_000 + "deep").text


@pytest.mark.parametrize("unit", ["<p>word", "<li>word", "<td>word", "<b>word", "word <br>"])
def test_html_output_grows_no_faster_than_its_input(unit):
    small, large = html(unit * 500), html(unit * 2_000)
    assert len(large.text) < 5 * len(small.text)


def test_hostile_spans_are_not_believed():
    cells = '<tr><td colspan=65534 rowspan="99999999999999999999">x' * 100
    assert len(html(f"<table>{cells}</table>").text) < 100_000


MARKDOWN = """---
title: t
---
# One

Under
lined
=====

para
goes on
- item
  continued
* other

| a | b |
|---|---|
| 1 | 2 |

```python
# no heading

- no item
```

    indented

***
1) last"""


def test_markdown_blocks_are_spans_of_the_source():
    document = read(MARKDOWN.encode(), "x.md")
    assert document.text == MARKDOWN
    assert outline(document) == [
        ("code", "---\ntitle: t\n---"),
        ("heading", "# One"),
        ("heading", "Under\nlined\n====="),
        ("paragraph", "para\ngoes on"),
        ("list_item", "- item\n  continued"),
        ("list_item", "* other"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("code", "```python\n# no heading\n\n- no item\n```"),
        ("code", "    indented"),
        ("list_item", "1) last"),
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["# h", "para", "", "- i", "```", "| a | b |", "|-|-|", "---", "    c", "==="]
        )
    )
)
def test_markdown_blocks_never_overlap_and_leave_only_marks_out(lines):
    text = "\n".join(lines)
    document = read(text.encode() or b" ", "x.md")
    ends = 0
    for block in document.blocks:
        # Between blocks stand blanks and rules ("---") alone.
        assert not set(text[ends : block.span.start]) - set("-\n ")
        assert block.span.start >= ends
        ends = block.span.end


@pytest.mark.parametrize(
    "line",
    [
        " " * 200_000,
        "a|b\n" + " " * 200_000 + "|",
        "-" * 200_000,
        "- " * 100_000,
        "|" * 200_000,
        "`" * 200_000,
        "# " * 100_000,
        "|-" * 100_000,
    ],
)
def test_long_hostile_lines_are_read(line):
    for name in ("x.md", "x.txt", "x.html", "x"):
        assert read(f"{line}\nx\n{line}x".encode(), name).text


def test_a_pdf_has_a_block_for_each_page():
    document = read(pdf_sample(), "x.pdf")
    pages = [block for block in document.blocks if block.kind == "page"]
    assert [page.page for page in pages] == [1, 2]
    assert FIRST in document.quote(pages[0].span)
    assert document.text[pages[0].span.end : pages[1].span.start] == "\n\n"


def test_a_pdf_without_text_is_a_document_with_a_warning():
    document = read(pdf_sample(((), ())), "x.pdf")
    assert document.text == ""
    assert document.warnings == ("These pages have no text: 1, 2.",)


def test_pages_without_text_are_named():
    document = read(pdf_sample((("words",), (), ("more",))), "x.pdf")
    assert [block.page for block in document.blocks if block.kind == "page"] == [1, 3]
    assert document.warnings == ("These pages have no text: 2.",)


def test_a_pdf_with_a_password_is_refused():
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_sample())))
    writer.encrypt("secret", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    with pytest.raises(PasswordProtected, match="password"):
        read(file.getvalue(), "x.pdf")


def test_a_pdf_of_no_substance_is_broken():
    with pytest.raises(BrokenDocument, match="PDF"):
        read(b"%PDF-1.7\nnothing more", "x.pdf")


def save(document) -> Document:
    file = io.BytesIO()
    document.save(file)
    return read(file.getvalue(), "x.docx")


def test_docx_keeps_the_order_of_the_body():
    made = docx.Document()
    made.add_heading("Title", 0)
    made.add_heading("Part", 2)
    made.add_paragraph("before")
    made.add_paragraph("bullet", "List Bullet")
    made.add_paragraph("first", "List Number")
    made.add_paragraph("second", "List Number")
    table = made.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    made.add_paragraph("after")
    document = save(made)
    assert document.text == (
        "# Title\n\n## Part\n\nbefore\n\n- bullet\n1. first\n2. second\n\n"
        "| a | b |\n| --- | --- |\n\nafter"
    )
    assert [block.level for block in document.blocks if block.kind == "heading"] == [1, 2]


def test_docx_words_in_controls_insertions_and_formulas_are_kept_and_deleted_ones_not():
    made = docx.Document()
    space = nsdecls("w") + ' xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    made.element.body.insert(
        0,
        parse_xml(
            f"<w:sdt {space}><w:sdtContent><w:p><w:ins><w:r><w:t>new </w:t></w:r></w:ins>"
            "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
            "<m:oMath><m:r><m:t>E=mc</m:t></m:r></m:oMath></w:p></w:sdtContent></w:sdt>"
        ),
    )
    assert save(made).text == "new E=mc"


@pytest.mark.parametrize(
    "member",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><x/>'.encode("utf-16"),
    ],
)
def test_xml_with_a_dtd_is_refused(member):
    with pytest.raises(BrokenDocument, match="entities"):
        read(with_member(docx_sample(), "word/document.xml", member), "x.docx")


@pytest.mark.parametrize(
    ("member", "content", "found"),
    [
        ("word/document.xml", b" " * (limits.MAX_MEMBER_BYTES + 1), "a member of 50 MB"),
        ("word/media/a.bin", bytes(limits.RATIO_MATTERS_BYTES * 5), "times its size"),
    ],
)
def test_a_zip_bomb_is_refused_before_it_is_parsed(member, content, found):
    with pytest.raises(BrokenDocument, match=found):
        read(with_member(docx_sample(), member, content), "x.docx")


def test_too_many_members_are_refused():
    members = {f"word/{n}.xml": b"" for n in range(limits.MAX_MEMBERS)} | {"word/document.xml": b""}
    with pytest.raises(BrokenDocument, match="2,001 members"):
        read(archive(members), "x.docx")


def test_a_lying_size_is_refused():
    data = docx_sample()
    start = data.index(b"PK\x01\x02")  # the first entry of the directory; bytes 24 to 28 its size
    lie = data[: start + 24] + (10).to_bytes(4, "little") + data[start + 28 :]
    with pytest.raises(BrokenDocument):
        read(lie, "x.docx")


def test_a_docx_without_a_body_part_is_broken():
    with pytest.raises(BrokenDocument):
        read(archive({"word/document.xml": b"<x/>"}), "x.docx")
