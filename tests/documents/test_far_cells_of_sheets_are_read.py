"""A stray cell far from the others costs no memory: what is empty between them is left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents.hostile.sheets import (
    SHEETS,
    far_cells_of_ods,
    far_cells_of_xlsx,
    xls_reaching_to,
)
from tests.documents.samples import with_member, xls_sample, xlsx_sample

from bindery.documents import parse, read
from bindery.documents.formats import sparse_sheets
from bindery.errors import FileTooLarge

Cells = dict[tuple[int, int], str]

LAST = (1 << 20, 1 << 14)
MADE = {"xlsx": far_cells_of_xlsx, "ods": far_cells_of_ods}
near, far = st.integers(1, 9), st.tuples(st.integers(1, LAST[0]), st.integers(1, LAST[1]))
sheets = st.dictionaries(
    st.tuples(near, near) | far | st.just(LAST), st.sampled_from("ab"), min_size=1, max_size=20
)


def table_of(cells: Cells) -> str:
    """The rows and columns that hold something, and no others."""
    columns = sorted({column for _, column in cells})
    lines = [
        [cells.get((row, c), "") for c in columns] for row in sorted({row for row, _ in cells})
    ]
    lines.insert(1, ["---"] * len(columns))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def places_in(cells: Cells) -> int:
    return len({row for row, _ in cells}) * len({column for _, column in cells})


@pytest.mark.parametrize("kind", MADE)
@given(cells=sheets)
def test_nothing_but_what_is_empty_is_left_out(kind, cells):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sparse_sheets, "MAX_CELLS", {kind: places_in(cells)})
        document = read(MADE[kind](cells), f"x.{kind}")
        heading, _, table = document.text.partition("\n\n")
        assert (heading[:3], table) == ("## ", table_of(cells))
        patched.setattr(sparse_sheets, "MAX_CELLS", {kind: places_in(cells) - 1})
        with pytest.raises(FileTooLarge, match=f"{places_in(cells):,} cells"):
            read(MADE[kind](cells), f"x.{kind}")


@pytest.mark.parametrize("kind", MADE)
def test_the_last_cell_of_all_is_read_within_the_limits(kind):
    document = parse(MADE[kind]({(1, 1): "a", LAST: "b"}), f"x.{kind}")
    assert document.text.endswith("| a |  |\n| --- | --- |\n|  | b |")
    assert document.warnings == ("Empty rows and columns between distant cells were left out.",)


@pytest.mark.parametrize("kind", MADE)
def test_cells_that_lie_together_keep_their_empty_neighbours(kind):
    document = parse(MADE[kind]({(1, 1): "a", (9, 3): "b"}), f"x.{kind}")
    assert document.text.endswith("| a |  |  |\n| --- | --- | --- |\n|  |  | b |")
    assert document.warnings == ()


def test_what_cannot_be_left_out_is_told_before_memory_is_asked_for():
    stairs = {(row, row): "a" for row in range(1, 5_000)}
    with pytest.raises(FileTooLarge, match=r"'x.xlsx' .*sheet1.xml.* the cell GJG4999, "):
        parse(far_cells_of_xlsx(stairs), "x.xlsx")
    with pytest.raises(FileTooLarge, match=r"IV65536, .* 16,777,216 cells") as caught:
        parse(xls_reaching_to(1 << 16, 1 << 8), "x.xls")
    assert "as XLSX" in caught.value.remedy
    with pytest.raises(FileTooLarge, match="17,179,869,184 cells"):
        parse(SHEETS["repeated-text.ods"](), "x.ods")
    assert read(xls_sample(), "x.xls").text


def test_cells_without_a_place_of_their_own_are_not_moved():
    """They stand beside the one before them, wherever that is."""
    cells = '<c r="A1"><v>1</v></c><c><v>2</v></c><c r="XFD1048576"><v>3</v></c>'
    sheet = f'<worksheet><sheetData><row r="1">{cells}</row></sheetData></worksheet>'
    with pytest.raises(FileTooLarge, match="17,179,869,184 cells"):
        parse(with_member(xlsx_sample(), "xl/worksheets/sheet1.xml", sheet.encode()), "x.xlsx")
