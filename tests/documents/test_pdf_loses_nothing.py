"""Turned pages, filled forms and odd characters of PDFs are read as people see them."""

import io

import pypdf
import pytest
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)
from tests.documents.samples import pdf_of

from bindery.documents import read
from bindery.documents.formats.page_layout import unhyphenated

TURNED = {0: "", 90: "0 1 -1 0 612 0 cm ", 180: "-1 0 0 -1 612 792 cm ", 270: "0 -1 1 0 0 792 cm "}


@pytest.mark.parametrize("rotation", TURNED)
def test_a_turned_page_is_read_as_an_upright_one(rotation):
    top = 612 if rotation in {90, 270} else 792
    lines = "".join(
        f"BT /F1 {size} Tf 72 {top - below} Td ({text}) Tj ET "
        for size, below, text in (
            (8, 22, "Annual report"),
            (24, 150, "A heading"),
            (12, 190, "Some words of a paragraph that are the text."),
            (12, 205, "More words of it."),
        )
    )
    pages = [TURNED[rotation] + lines.replace("words", word) for word in ("apples", "pears")]
    document = read(pdf_of(pages, page=f"/Rotate {rotation}"), "x.pdf")
    assert [block.kind for block in document.blocks] == [
        "page",
        "header",
        "heading",
        "paragraph",
    ] * 2
    assert document.text.startswith("Annual report\n\n# A heading\n\nSome apples")


def form(value: str, shown: str) -> bytes:
    """A page with one field: its value, and how it is drawn."""
    writer = pypdf.PdfWriter(io.BytesIO(pdf_of(["BT /F1 12 Tf 72 700 Td (Name:) Tj ET"])))
    field = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/Subtype"): NameObject("/Widget"),
            NameObject("/FT"): NameObject("/Tx"),
            NameObject("/F"): NumberObject(4),
            NameObject("/V"): TextStringObject(value),
            NameObject("/Rect"): ArrayObject(map(NumberObject, (120, 690, 320, 710))),
        }
    )
    if shown:
        drawn = DecodedStreamObject()
        drawn.set_data(f"BT /F1 12 Tf 4 6 Td ({shown}) Tj ET".encode())
        drawn.update(
            {
                NameObject("/Subtype"): NameObject("/Form"),
                NameObject("/BBox"): ArrayObject(map(NumberObject, (0, 0, 200, 20))),
                NameObject("/Resources"): writer.pages[0]["/Resources"],
            }
        )
        normal = DictionaryObject({NameObject("/N"): writer._add_object(drawn)})
        field[NameObject("/AP")] = normal
    writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(field)])
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_values_of_forms_are_read_where_they_are_drawn():
    document = read(form("Ann Example", "Ann Example"), "x.pdf")
    assert document.text.split() == ["Name:", "Ann", "Example"]
    assert document.warnings == ()


def test_values_that_are_not_drawn_are_named():
    assert read(form("Ann Example", ""), "x.pdf").warnings == (
        "Some form fields on these pages were not read: 1.",
    )


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("state-of-the-\nart", "state-of-the-art"),
        ("state-of-the\ufffeart", "state-of-the-art"),
        ("state-of-\nthe-art", "state-of-the-art"),
        ("infor\ufffemation", "information"),
        ("well-\nknown", "well-known"),
        ("well-\nness", "wellness"),
        ("e-\nmail", "e-mail"),
        ("2019-\n2020", "2019-2020"),
    ],
)
def test_chains_of_hyphens_stay(text, joined):
    assert unhyphenated(text, {}) == joined


def test_bullets_in_control_codes_and_no_break_spaces():
    stream = "BT /F1 12 Tf 72 700 Td (~ one!two) Tj ET"
    document = read(pdf_of([stream], letters={"~": "\x95", "!": "\xa0"}), "x.pdf")
    assert document.text == "• one two"
