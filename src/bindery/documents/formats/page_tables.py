"""Tables of printed pages: aligned columns of numbers become rows of cells.

PDF has no tables. Rows are found by their numbers, and columns by the places of the cells.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bindery.documents.formats.builder import markdown_table
from bindery.documents.formats.page_layout import Line

_NUMBER = re.compile(
    r"[(\[]?[-+\u2212]?[$€£¥]?[ ]?[(]?[-+\u2212]?(?:\d(?:[\d,.']*\d)?|[.,]\d+)"
    r"(?:%|x|bps|pts)?[ ]?[)\]]?%?"
)
_FILLER = re.compile(r"[-\u2010-\u2015\u2212.*n/a]{1,3}|[$€£¥%)(]+|N/?[AM]", re.IGNORECASE)
_CURRENCIES = "$€£¥"
_CURRENCY = re.compile(rf"([{_CURRENCIES}])")
_BEFORE = frozenset(_CURRENCIES) | {"US$", "$(", "("}
_AFTER = frozenset({"%", ")", ")%", "pts", "x"})
_LAST_SIGNS = frozenset(")]%-\u2013\u2014xsaA")
_LEADERS = re.compile(r"(?:\s?\.){4,}|…+|_{4,}")
"""Dots between the name of a row and its numbers."""

_LEAST_ROWS = 3
_MOST_BETWEEN = 3
"""Rows without numbers between rows with numbers, such as names of sections."""

_MOST_HEAD_ROWS = 5
_CELL_GAP = 0.8
_NUMBER_GAP = 0.35
"""Widths of a letter that divide cells, and numbers; a blank has a quarter to a third of one."""

_POINTS_BEFORE = 10.0
_MOST_COLUMNS = 40
_LEAST_NUMBERS = 0.75
"""Share of the cells beside the first column that are numbers or stand for one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line and its left and right edge, in points."""

    text: str
    left: float
    right: float

    @property
    def is_number(self) -> bool:
        """Whether it is a number, or what stands for one in a table."""
        text = self.text.strip()
        return bool(_NUMBER.fullmatch(text) or _FILLER.fullmatch(text))


def widest_gap(before: str, after: str) -> float:
    """The widest gap between two signs of one cell, as a share of the font size."""
    is_after_number = before.isdigit() or before in ")%"
    if is_after_number and after in _CURRENCIES:
        return 0.0  # the currency of the next column
    is_number_next = after.isdigit() or after in "(-\u2014"
    return _NUMBER_GAP if is_after_number and is_number_next else _CELL_GAP


Measure = Callable[[Line], Sequence[Cell]]
"""Divides a line at its wide gaps."""

_Edges = tuple[float, float]

_Row = list[int]
"""The places of the lines of one row."""


def with_tables(lines: Sequence[Line], measure: Measure) -> list[Line]:
    """The lines with each table as one line, whose text is the table in Markdown."""
    rows = _rows(lines)
    found: dict[int, Line] = {}
    in_tables: set[int] = set()
    for first, last in _stretches([_has_numbers(lines, row) for row in rows]):
        top = max(0, first - _MOST_HEAD_ROWS)
        measured = [_measured(lines, row, measure) for row in rows[top : last + 1]]
        table = _table(measured, first - top)
        if table is None:
            continue
        used, text = table
        places = [place for row in rows[top + used : last + 1] for place in row]
        if in_tables.intersection(places):
            continue
        in_tables.update(places)
        above, below = lines[rows[top + used][0]], lines[rows[last][0]]
        found[min(places)] = replace(
            above, text=text, last_height=below.last_height, is_bold=False, is_table=True
        )
    return [
        found.get(place, line)
        for place, line in enumerate(lines)
        if place in found or place not in in_tables
    ]


def _rows(lines: Sequence[Line]) -> list[_Row]:
    """Lines at the same height that follow each other, as rows."""
    rows: list[_Row] = []
    for place, line in enumerate(lines):
        last = lines[rows[-1][-1]] if rows else None
        is_beside = last and abs(last.first_height - line.first_height) < 0.3 * max(line.size, 1)
        if last and is_beside and last.is_upright and line.is_upright:
            rows[-1].append(place)
        else:
            rows.append([place])
    return rows


def _has_numbers(lines: Sequence[Line], row: _Row) -> bool:
    """Whether a row ends with at least two numbers."""
    last = lines[row[-1]].text[-1:]
    if not (last.isdigit() or last in _LAST_SIGNS) or not lines[row[0]].is_upright:
        return False
    words = _CURRENCY.sub(r" \1", " ".join(lines[place].text for place in row)).split()
    numbers = 0
    for word in reversed(words):
        if _NUMBER.fullmatch(word):
            numbers += 1
        elif not _FILLER.fullmatch(word):
            break
    return numbers > 1


def _stretches(numeric: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """The first and last row of each table: rows with numbers and a few others between them."""
    places = [place for place, is_numeric in enumerate(numeric) if is_numeric]
    first = 0
    for index, (place, following) in enumerate(pairwise([*places, len(numeric) + 99])):
        if following - place > _MOST_BETWEEN + 1:
            if index + 1 - first >= _LEAST_ROWS:
                yield places[first], place
            first = index + 1


def _measured(lines: Sequence[Line], row: _Row, measure: Measure) -> list[Cell]:
    cells = sorted((cell for place in row for cell in measure(lines[place])), key=_left)
    joined: list[Cell] = []
    for cell in cells:
        text = _LEADERS.sub(" ", cell.text).strip()
        if joined and (joined[-1].text in _BEFORE or text in _AFTER):
            last = joined.pop()
            joined.append(Cell(last.text + text, last.left, cell.right))
        elif text:
            joined.append(replace(cell, text=text))
    return joined


def _left(cell: Cell) -> float:
    return cell.left


def _table(rows: Sequence[list[Cell]], first: int) -> tuple[int, str] | None:
    """The first row that belongs to the table and its text; None if the columns do not agree.

    ``first`` is the first row with numbers. Rows above it that lie over the columns are its head.
    """
    columns = _columns([cell for row in rows[first:] for cell in row if cell.is_number])
    if not 1 < len(columns) <= _MOST_COLUMNS:
        return None
    body = [row for row in rows[first:] if row]
    if any(_is_across(row, columns) for row in body):
        return None
    beside = [cell for row in body for cell in row if cell.right > columns[0][0]]
    if sum(cell.is_number for cell in beside) < _LEAST_NUMBERS * len(beside):
        return None
    top = first
    while top > 0 and rows[top - 1] and _is_over(rows[top - 1], columns):
        top -= 1
    has_labels = any(cell.right < columns[0][0] for row in body for cell in row)
    edges = [(float("-inf"), columns[0][0] - 1), *columns] if has_labels else columns
    head_rows = [*rows[top:first]]
    while body and not any(cell.right < columns[0][0] for cell in body[0]) and has_labels:
        head_rows.append(body.pop(0))  # years above the columns
    if len(body) < _LEAST_ROWS - 1:
        return None
    head = [""] * len(edges)
    for row in head_rows:
        for cell in row:
            covered = _covered(cell, edges)
            words = cell.text.split()
            each = words if len(words) == len(covered) else [cell.text] * len(covered)
            for column, text in zip(covered, each, strict=True):
                head[column] = f"{head[column]} {text}".strip()
    cells = [head, *_body(body, edges)] if any(head) else list(_body(body, edges))
    return top, markdown_table(cells)


def _columns(cells: Sequence[Cell]) -> list[_Edges]:
    """The left and right edge of each column: numbers that lie above one another.

    The widest numbers come first, because a closing parenthesis may reach into the next column.
    """
    columns: list[_Edges] = []
    for cell in sorted(cells, key=lambda cell: cell.left - cell.right):
        mine = next((n for n, column in enumerate(columns) if _share(cell, column)), None)
        if mine is None:
            columns.append((cell.left, cell.right))
        else:
            left, right = columns[mine]
            columns[mine] = min(left, cell.left), max(right, cell.right)
    return sorted(columns)


def _share(cell: Cell, column: _Edges) -> bool:
    """Whether the middle of one lies within the other."""
    left, right = column
    middle, centre = (cell.left + cell.right) / 2, (left + right) / 2
    return left <= middle <= right or cell.left <= centre <= cell.right


def _is_over(row: Sequence[Cell], columns: Sequence[_Edges]) -> bool:
    """Whether a row lies over the columns, as a head does, and not across the whole table."""
    return not _is_across(row, columns) and any(cell.right > columns[0][0] for cell in row)


def _is_across(row: Sequence[Cell], columns: Sequence[_Edges]) -> bool:
    """Whether a row is text that runs from before the columns into them."""
    start = columns[0][0]
    return any(cell.left < start - _POINTS_BEFORE and cell.right > start + 2 for cell in row)


def _covered(cell: Cell, edges: Sequence[_Edges]) -> list[int]:
    """The columns that a cell of the head lies over, at least the nearest."""
    found = [place for place, column in enumerate(edges) if _share(cell, column)]
    return found or [_nearest(cell, edges)]


def _nearest(cell: Cell, edges: Sequence[_Edges]) -> int:
    """The column that has most of a cell in it, or else the one beside it."""

    def within(place: int) -> float:
        left, right = edges[place]
        return min(right, cell.right) - max(left, cell.left)

    return max(range(len(edges)), key=within)


def _body(rows: Sequence[Sequence[Cell]], edges: Sequence[_Edges]) -> list[list[str]]:
    """The cells of each row by column; a label that goes on in the next row is joined."""
    written: list[list[str]] = []
    for row in rows:
        cells = [""] * len(edges)
        for cell in row:
            column = _nearest(cell, edges)
            cells[column] = f"{cells[column]} {cell.text}".strip()
        is_continued = bool(written) and cells[0][:1].islower() and not any(written[-1][1:])
        if is_continued:
            cells[0] = f"{written.pop()[0]} {cells[0]}"
        written.append(cells)
    return written
