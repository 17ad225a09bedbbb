"""PDF: aligned columns of numbers become tables, and page numbers and running titles are marked."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents.samples import placed_pdf

from bindery.documents import read
from bindery.documents.formats.page_layout import Line
from bindery.documents.formats.page_tables import Cell, with_tables

PROSE = [
    (72, 660 - 14 * place, 10, f"words of the text that go on and on {word}")
    for place, word in enumerate(("first", "second", "third", "fourth"))
]


def table_at(y, rows, *, edges=(72, 300, 400, 500)):
    """The cells of rows as drawn pieces; numbers end at the same place (Helvetica's digits)."""
    pieces = []
    for row in rows:
        for column, text in enumerate(row):
            width = 5.56 * len(text) if column else 0  # .556 of the size of 10
            pieces.append((int(edges[column] - width), y, 10, text))
        y -= 14
    return [piece for piece in pieces if piece[3]]


ROWS = [
    ["Net product sales", "94,665", "118,573", "141,915"],
    ["Net service sales", "41,322", "59,293", "90,972"],
    ["Operating expenses:", "", "", ""],
    ["Cost of sales", "88,265", "111,934", "139,156"],
    ["Interest", "-484", "-848", "-1,417"],
]


def quotes(document, kind):
    return [document.quote(block.span) for block in document.blocks if block.kind == kind]


def test_a_statement_becomes_a_table_with_its_head():
    head = [["", "2016", "2017", "2018"]]
    document = read(placed_pdf([[*PROSE, *table_at(580, head + ROWS)]]), "x.pdf")
    assert quotes(document, "table") == [
        "|  | 2016 | 2017 | 2018 |\n"
        "| --- | --- | --- | --- |\n"
        "| Net product sales | 94,665 | 118,573 | 141,915 |\n"
        "| Net service sales | 41,322 | 59,293 | 90,972 |\n"
        "| Operating expenses: |  |  |  |\n"
        "| Cost of sales | 88,265 | 111,934 | 139,156 |\n"
        "| Interest | -484 | -848 | -1,417 |"
    ]
    assert quotes(document, "paragraph")[0].startswith("words of the text")


def test_a_title_over_several_columns_is_in_the_head_of_each():
    head = [
        (270, 594, 10, "Year ended December 31,"),
        *table_at(580, [["", "2016", "2017", "2018"]]),
    ]
    document = read(placed_pdf([[*PROSE, *head, *table_at(566, ROWS)]]), "x.pdf")
    [table] = quotes(document, "table")
    assert table.count("Year ended December 31, 201") >= 2


def test_prose_with_years_is_no_table():
    lines = [
        (72, 600 - 14 * n, 11, f"sales rose in each of the years {n}, 2017 2018") for n in range(6)
    ]
    assert not quotes(read(placed_pdf([lines]), "x.pdf"), "table")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("abc", min_size=1, max_size=8),
            st.lists(st.integers(-9999, 99999), min_size=2, max_size=3),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_word_of_a_page_is_lost(rows):
    cells = [[name, *map(str, numbers)] for name, numbers in rows]
    text = read(placed_pdf([[*PROSE, *table_at(580, cells)]]), "x.pdf").text
    for row in cells:
        assert set(row) <= set(text.split())


@given(st.lists(st.tuples(st.text("a1 ,", min_size=1, max_size=9), st.floats(0, 800)), max_size=12))
def test_lines_are_never_lost_whatever_the_cells(lines):
    given_lines = [Line(text, y, y, y / 800, 10.0) for text, y in lines if text.strip()]

    def measure(line):
        words = line.text.split()
        return [Cell(word, 50.0 * n, 50.0 * n + 20) for n, word in enumerate(words)]

    found = " ".join(line.text for line in with_tables(given_lines, measure)).split()
    for line in given_lines:
        assert set(line.text.split()) <= set(found)


def marked(document, kind):
    return [(b.page, document.quote(b.span)) for b in document.blocks if b.kind == kind]


def test_numbers_that_rise_with_the_pages_are_page_numbers_at_whatever_height():
    pages = [[*PROSE, (300, 500 - 60 * n, 10, f"- {n + 7} -")] for n in range(4)]
    document = read(placed_pdf(pages), "x.pdf")
    footers = [text for kind in ("footer", "header") for _, text in marked(document, kind)]
    assert sorted(footers) == ["- 10 -", "- 7 -", "- 8 -", "- 9 -"]


def test_a_last_line_that_is_a_number_but_does_not_rise_is_text():
    pages = [[*PROSE, (300, 300, 10, str(number))] for number in (12, 40, 3, 99)]
    document = read(placed_pdf(pages), "x.pdf")
    assert not marked(document, "footer")


def test_a_running_title_may_change_its_height_within_the_margin():
    pages = [[(72, 780 - 9 * n, 10, "Table of Contents"), *PROSE] for n in range(4)]
    document = read(placed_pdf(pages), "x.pdf")
    assert [text for _, text in marked(document, "header")] == ["Table of Contents"] * 4


def test_what_lies_below_a_title_of_its_own_is_content():
    pages = [
        [(200, 760, 10, title), (200, 746, 10, "Years ended December 31"), *PROSE]
        for title in ("Balance sheets", "Cash flows", "Income", "Equity")
    ]
    document = read(placed_pdf(pages), "x.pdf")
    assert not marked(document, "header")
    assert document.text.count("Years ended December 31") == 4
