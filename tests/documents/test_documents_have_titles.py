"""The title of a document: what its metadata say, else its first heading, else nothing."""

import io

import docx
import pytest
from tests.documents.packages import docx_of
from tests.documents.samples import HEADING, SAMPLES, with_member

from bindery.documents import parse, read
from bindery.errors import InvalidValue
from bindery.types import Document

PROPERTIES = (
    b'<?xml version="1.0"?><p xmlns:dc="http://purl.org/dc/elements/1.1/">'
    b"<dc:title>  On\n Binding </dc:title></p>"
)


@pytest.mark.parametrize(
    ("kind", "member"),
    [("docx", "docProps/core.xml"), ("pptx", "docProps/core.xml"), ("odt", "meta.xml")],
)
def test_a_containers_properties_say_its_title(kind, member):
    titled = with_member(SAMPLES[kind](), member, PROPERTIES)
    assert parse(titled, f"x.{kind}").title == "On Binding"


@pytest.mark.parametrize(("kind", "member"), [("pptx", "docProps/core.xml"), ("odt", "meta.xml")])
def test_broken_properties_cost_the_title_alone(kind, member):
    broken = with_member(SAMPLES[kind](), member, b"<p")
    assert read(broken, f"x.{kind}").text == read(SAMPLES[kind](), f"x.{kind}").text


def test_what_a_page_of_html_calls_itself_is_its_title():
    assert read(b"<html><title>On\nBinding</title><h1>Part</h1>", "x").title == "On Binding"


@pytest.mark.parametrize("kind", ["docx", "odt", "epub", "eml", "ipynb", "markdown"])
def test_without_metadata_the_first_heading_is_the_title(kind):
    assert read(SAMPLES[kind](), "x").title == HEADING


@pytest.mark.parametrize(
    ("sizes", "title"),
    [
        ({"Ministry": 24, "Handbook for": 72, "Trustees": 72, "2012": 40}, "Handbook for Trustees"),
        ({"Ministry": 24, "Text": 28}, ""),
        ({str(n): 72 for n in "abcdefgh"}, ""),
    ],
)
def test_the_largest_lines_on_the_cover_of_a_word_document_are_its_title(sizes, title):
    body = "".join(
        f'<w:p><w:r><w:rPr><w:sz w:val="{size}"/></w:rPr><w:t>{text}</w:t></w:r></w:p>'
        for text, size in sizes.items()
    )
    assert read(docx_of(body), "x.docx").title == title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("On\nBinding\n===\n\nwords", "On Binding"),
        ("# On Binding ##\n", "On Binding"),
        ("## Part\n\nwords", ""),
        ("# 1 Introduction\n\nwords", ""),
        ("# 1984\n\nwords", "1984"),
        ("words", ""),
    ],
)
def test_titles_of_markdown(text, title):
    assert read(text.encode(), "x.md").title == title


def test_what_a_program_wrote_for_want_of_a_title_is_none():
    made = docx.Document()
    made.core_properties.title = "Microsoft Word - draft.doc"
    made.add_paragraph("words")
    file = io.BytesIO()
    made.save(file)
    assert read(file.getvalue(), "x.docx").title == ""


@pytest.mark.parametrize("title", ["two\nlines", "\ud800"])
def test_a_title_is_one_line_of_text(title):
    with pytest.raises(InvalidValue, match="title"):
        Document("text", "text", "x", title=title)
