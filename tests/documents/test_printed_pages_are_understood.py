"""PDF: headers, footers, headings, columns and divided words, on pages made here."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents.samples import pdf_of, placed_pdf

from bindery.documents import read
from bindery.documents.formats.page_headings import heading_levels
from bindery.documents.formats.page_layout import Line, Paragraph, furniture, unhyphenated
from bindery.types import Document

BODY = ("Loose paper is lost, as every", "binder of books will tell you.")


def page(number: int, *, header: str = "", footer: str = "") -> list[tuple[int, int, int, str]]:
    lines = [(72, 600 - 14 * place, 12, f"{line} {number}") for place, line in enumerate(BODY)]
    head = [(72, 750, 10, header)] if header else []
    foot = [(290, 40, 10, footer)] if footer else []
    return [*head, *lines, *foot]


def marked(document: Document, kind: str) -> list[tuple[int | None, str]]:
    return [(b.page, document.quote(b.span)) for b in document.blocks if b.kind == kind]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(1, 900), st.booleans())
def test_what_repeats_at_the_edge_of_pages_is_marked_and_kept(count, first, footer_comes_first):
    pages = [page(n, header="On binding", footer=f"Page {first + n}") for n in range(count)]
    if footer_comes_first:  # the order in which a program draws says nothing of the place
        pages = [lines[::-1] for lines in pages]
    document = read(placed_pdf(pages), "x.pdf")
    assert marked(document, "header") == [(n + 1, "On binding") for n in range(count)]
    assert marked(document, "footer") == [(n + 1, f"Page {first + n}") for n in range(count)]
    for line in (line for lines in pages for *_, line in lines):
        assert line in document.text


def test_left_and_right_pages_may_have_headers_of_their_own():
    pages = [page(n, header=("A chapter", "A book")[n % 2]) for n in range(6)]
    assert len(marked(read(placed_pdf(pages), "x.pdf"), "header")) == 6


@pytest.mark.parametrize("place", [300, 600])
def test_what_repeats_amid_pages_is_text(place):
    pages = [[*page(n), (72, place - 60, 10, "Total")] for n in range(4)]
    document = read(placed_pdf(pages), "x.pdf")
    assert not marked(document, "header")
    assert not marked(document, "footer")


def test_what_comes_once_at_an_edge_is_text():
    pages = [page(1, header="A letter"), *(page(n) for n in range(2, 6))]
    assert not marked(read(placed_pdf(pages), "x.pdf"), "header")


@given(st.lists(st.lists(st.tuples(st.text("ab1", max_size=3), st.floats(0, 1)), max_size=6)))
def test_no_line_is_both_header_and_footer(pages):
    lines = [[Line(text, at * 800, at * 800, at, 12.0) for text, at in page] for page in pages]
    for on_page, (headers, footers) in zip(lines, furniture(lines), strict=True):
        assert not headers & footers
        assert headers | footers <= set(range(len(on_page)))


def test_larger_type_makes_headings_by_rank():
    lines = [
        *((72, 700, 20, "A book"), (72, 660, 15, "A chapter")),
        *((72, 640 - 14 * n, 11, "words of the text that go on and on") for n in range(8)),
        *((72, 500, 15, "Another"), (72, 480, 11, "and its words."), (72, 460, 15, "Third")),
        (72, 440, 11, "and more of them."),
    ]
    document = read(placed_pdf([lines]), "x.pdf")
    headings = [(b.level, document.quote(b.span)) for b in document.blocks if b.level]
    assert headings == [(1, "# A book"), (2, "## A chapter"), (2, "## Another"), (2, "## Third")]
    assert document.title == "A book"


BODY_LINES = [f"Words of the text that go on and on in line {n} of it" for n in range(9)]


def typed(lines):
    """A page of lines at equal distances; a line that begins with "*" is bold, without it."""
    places = [(2 if line[:1] == "*" else 1, 740 - 14 * n, line) for n, line in enumerate(lines)]
    return pdf_of(
        [
            "".join(
                f"BT /F{font} 11 Tf 72 {y} Td ({line.strip('*')}) Tj ET "
                for font, y, line in places
            )
        ]
    )


def headings_of(data):
    document = read(data, "x.pdf")
    return [(b.level, document.quote(b.span).lstrip("# ")) for b in document.blocks if b.level]


def test_bold_lines_and_capitals_are_headings_also_without_a_gap():
    lines = ["*CASH FLOWS AND DEBT", *BODY_LINES[:4], "*Leases", *BODY_LINES[4:], "BALANCE SHEETS"]
    assert headings_of(typed(lines)) == [(1, "CASH FLOWS AND DEBT"), (2, "Leases")]
    apart = [*BODY_LINES[:5], "", "", "BALANCE SHEETS", "", "", *BODY_LINES[5:]]
    assert headings_of(typed(apart)) == [(1, "BALANCE SHEETS")]


@pytest.mark.parametrize(
    "line", ["*A bold sentence that ends here.", "*Bold words begin", "a name"]
)
def test_bold_words_of_a_sentence_are_no_heading(line):
    lines = [*BODY_LINES[:4], line, "and small letters go on.", *BODY_LINES[4:]]
    assert headings_of(typed(lines)) == []


def test_where_most_is_bold_weight_says_nothing():
    assert (
        headings_of(
            typed([*(f"*{line}" for line in BODY_LINES), "", "*Title", "", *BODY_LINES[:2]])
        )
        == []
    )


def test_a_sparse_outline_and_other_signs_count_together():
    text = Paragraph("words of the text " * 20, 11.0)
    first, second, third = (Paragraph(title, 15.0) for title in ("One", "Two", "Three"))
    pages = [[first, text], [second, text], *([[text]] * 6), [third, text]]
    outline = {(0, "one"): 1, (1, "two"): 1}
    levels = heading_levels(pages, outline)
    assert [levels[0][0], levels[1][0], levels[8][0]] == [1, 1, 2]
    assert heading_levels(pages[:2], outline) == [[1, 0], [1, 0]]


def test_text_up_the_side_of_a_page_is_no_heading():
    upright = "".join(f"BT /F1 11 Tf 72 {600 - 14 * n} Td (some words) Tj ET " for n in range(8))
    turned = "BT /F1 30 Tf 0 1 -1 0 40 200 Tm (Draft) Tj ET"
    document = read(pdf_of([upright + turned]), "x.pdf")
    assert "Draft" in document.text
    assert not any(block.level for block in document.blocks)


def test_columns_are_read_one_after_the_other():
    column = [f"word {n}" for n in range(10)]
    lines = [(72, 700 - 14 * n, 11, f"left {word}") for n, word in enumerate(column)]
    lines += [(320, 700 - 14 * n, 11, f"right {word}") for n, word in enumerate(column)]
    text = read(placed_pdf([lines]), "x.pdf").text
    assert re.findall("left|right", text) == ["left"] * 10 + ["right"] * 10


def test_the_title_is_that_of_the_metadata_unless_a_program_made_it_up():
    assert read(placed_pdf([page(1)], Title="On Binding"), "x.pdf").title == "On Binding"
    for made_up in ("Microsoft Word - x.doc", "untitled", "scan_01.tif", ""):
        assert read(placed_pdf([page(1)], Title=made_up), "x.pdf").title == ""


@pytest.mark.parametrize("mark", ["\ufffe", "-\n"])
@pytest.mark.parametrize(
    ("known", "whole"),
    [({}, "coworker"), ({"co-worker": 1}, "co-worker"), ({"co": 2, "worker": 3}, "co-worker")],
)
def test_a_divided_word_is_joined_as_the_document_writes_it(mark, known, whole):
    assert unhyphenated(f"a co{mark}worker came", known) == f"a {whole} came"


def test_a_hyphen_before_a_capital_or_between_numbers_is_the_authors():
    assert unhyphenated("Jean-\nLuc and 1990-\n1995", {}) == "Jean-Luc and 1990-1995"


def test_words_divided_at_line_ends_of_a_pdf_are_joined():
    lines = [(72, 600, 12, "Paper that is not bound will cer-"), (72, 586, 12, "tainly be lost.")]
    assert "certainly be lost" in read(placed_pdf([lines]), "x.pdf").text


def test_arabic_letters_of_one_sign_come_in_the_order_of_reading():
    # Drawn from the left, as programs do; "a" is lam-alef, which is one sign, and "dc" are two.
    letters = {"a": "\u0644\u0627", "b": "\u0628", "c": "\u0627", "d": "\u0644"}
    data = pdf_of(["BT /F1 12 Tf 72 700 Td (ba bdc) Tj ET"], letters=letters)
    assert read(data, "x.pdf").text == "\u0627\u0644\u0628 \u0644\u0627\u0628"


def test_words_of_different_directions_are_apart():
    letters = {"b": "\u0628", "c": "\u062a", "d": "\u0645"}
    data = pdf_of(["BT /F1 12 Tf 72 700 Td (cbdRcb bcd) Tj ET"], letters=letters)
    assert " R " in read(data, "x.pdf").text
