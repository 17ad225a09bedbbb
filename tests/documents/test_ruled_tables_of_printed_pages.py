"""Tables of PDFs with lines around their cells, and centred headings."""

from itertools import pairwise

import pytest
from tests.documents.samples import pdf_of

from bindery.documents import read


def words(x: float, y: float, text: str, size: int = 10) -> str:
    return f"BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET "


def lines(columns: list[float], rows: list[float]) -> str:
    """Lines through the whole table."""
    down = "".join(f"{x} {rows[0]} m {x} {rows[-1]} l S " for x in columns)
    return down + "".join(f"{columns[0]} {y} m {columns[-1]} {y} l S " for y in rows)


def boxes(columns: list[float], rows: list[float]) -> str:
    """A box around each cell."""
    return "".join(
        f"{left} {low} {right - left} {high - low} re S "
        for left, right in pairwise(columns)
        for low, high in pairwise(rows)
    )


COLUMNS: list[float] = [72, 200, 330]
ROWS: list[float] = [600, 620, 640, 660]
CELLS = "".join(
    words(x, y, text)
    for x, y, text in (
        (75, 646, "Name"), (203, 646, "Role"),
        (75, 626, "Ann"), (203, 626, "Binder"),
        (75, 606, "Bob"), (203, 606, "Printer"),
    )
)  # fmt: skip
TABLE = "| Name | Role |\n| --- | --- |\n| Ann | Binder |\n| Bob | Printer |"


@pytest.mark.parametrize("draw", [lines, boxes])
def test_a_table_with_lines_is_a_table(draw):
    page = words(72, 700, "Before it.") + draw(COLUMNS, ROWS) + CELLS + words(72, 560, "After it.")
    document = read(pdf_of([page]), "x.pdf")
    assert document.text == f"Before it.\n\n{TABLE}\n\nAfter it."
    kinds = [block.kind for block in document.blocks]
    assert kinds == ["page", "paragraph", "table", "paragraph"]


def test_a_turned_table_is_read_as_an_upright_one():
    page = "0 1 -1 0 612 0 cm 1 0 0 1 0 -200 cm " + lines(COLUMNS, ROWS) + CELLS
    assert read(pdf_of([page], page="/Rotate 90"), "x.pdf").text == TABLE


@pytest.mark.parametrize(
    ("drawn", "texts", "table"),
    [
        (  # narrow columns, between whose words there is no wide gap
            lines([72, 95, 118], ROWS),
            [(74, 646, "ABC"), (96.5, 646, "DEF"), (74, 626, "GHI"), (96.5, 626, "JKL")],
            "| ABC | DEF |\n| --- | --- |\n| GHI | JKL |",
        ),
        (  # a cell of two lines
            lines(COLUMNS, [600, 640, 680]),
            [
                (75, 668, "One"),
                (75, 656, "goes on"),
                (203, 662, "b"),
                (75, 626, "c"),
                (203, 626, "d"),
            ],
            "| One goes on | b |\n| --- | --- |\n| c | d |",
        ),
        (  # rows without lines between them
            lines(COLUMNS, [600, 640, 680]),
            [
                *((75, 668, "a"), (203, 668, "b"), (75, 656, "c"), (203, 656, "d")),
                *((75, 626, "e"), (203, 626, "f"), (75, 614, "g"), (203, 614, "h")),
            ],
            "| a | b |\n| --- | --- |\n| c | d |\n| e | f |\n| g | h |",
        ),
        (  # a cell over all columns
            boxes(COLUMNS, ROWS[:3]) + boxes([72, 330], [640, 660]),
            [
                (75, 646, "A title over all of it"),
                *((x, y, "w") for x in (75, 203) for y in (606, 626)),
            ],
            "| A title over all of it |  |\n| --- | --- |\n| w | w |\n| w | w |",
        ),
    ],
)
def test_cells_of_tables_with_lines(drawn, texts, table):
    page = drawn + "".join(words(*text) for text in texts)
    assert read(pdf_of([page]), "x.pdf").text == table


@pytest.mark.parametrize(
    "drawn",
    [
        boxes([72, 460], [600, 660]),  # a box around a paragraph
        lines([72, 300, 460], [600, 620, 640, 660]),  # only one column is filled
    ],
)
def test_boxes_around_text_are_no_tables(drawn):
    texts = words(75, 646, "A remark in a box") + words(75, 630, "of two lines.")
    document = read(pdf_of([drawn + texts]), "x.pdf")
    assert [block.kind for block in document.blocks] == ["page", "paragraph"]


def test_a_centred_line_in_title_case_is_a_heading():
    full = "This is a full line of ordinary words that runs over the whole page width here."
    body = "".join(words(72, y, full) for y in (692, 680, 668))
    after = "".join(words(72, y, full) for y in (608, 596, 584))
    authors = words(160, 540, "John Smith and Mary Jones") + words(190, 528, "The University Press")
    page = body + words(180, 640, "Statements of Operations") + after + authors
    document = read(pdf_of([page]), "x.pdf")
    headings = [document.quote(block.span) for block in document.blocks if block.level]
    assert headings == ["# Statements of Operations"]
