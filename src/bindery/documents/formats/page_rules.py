"""Tables of printed pages by the lines that are drawn around their cells."""

# pypdfium2 has no type annotations.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import ctypes
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pypdfium2
import pypdfium2.raw as pdfium

from bindery.documents.formats.builder import markdown_table
from bindery.documents.formats.page_layout import Line
from bindery.documents.formats.page_tables import Cell

_MOST_OBJECTS = 4_000
"""A page with more is a drawing or a map."""

_MOST_RULES = 300
_THIN_POINTS = 2.5
_SHORTEST_POINTS = 8.0
_TOUCHING_POINTS = 2.0
_SMALLEST_CELL_POINTS = 5.0
_LONGEST_CELL = 600
"""Characters: a box with more is a part of the page's layout."""

_LEAST_FILLED = 0.4
"""Share of a table's cells that hold text."""

_LEAST_THROUGH = 0.7
"""Share of the lines between two rules that fill several columns, to be rows of their own."""

_MOST_COLUMNS = 40

Box = tuple[float, float, float, float]
"""Left, bottom, right and top, in points."""

Measure = Callable[[Line, Sequence[float]], Sequence[Cell]]
"""Divides a line at its wide gaps and at the given places, from the left."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal or vertical line: its place, and where it starts and ends along it."""

    place: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The lines of a page, or those that touch each other, as the page is shown."""

    horizontal: Sequence[Rule] = ()
    vertical: Sequence[Rule] = ()


def rules_of(page: pypdfium2.PdfPage, shown: Callable[[Box], Box]) -> Rules:
    """The lines and edges of boxes drawn on a page; ``shown`` turns a box with the page."""
    horizontal: list[Rule] = []
    vertical: list[Rule] = []
    numbers = [ctypes.c_float() for _ in range(4)]
    count = pdfium.FPDFPage_CountObjects(page.raw)
    for index in range(count if count <= _MOST_OBJECTS else 0):
        drawn = pdfium.FPDFPage_GetObject(page.raw, index)
        if pdfium.FPDFPageObj_GetType(drawn) != pdfium.FPDF_PAGEOBJ_PATH:
            continue
        if pdfium.FPDFPageObj_GetBounds(drawn, *numbers):
            left, bottom, right, top = shown(_box_of(numbers))
            if top - bottom <= _THIN_POINTS:
                horizontal.append(Rule((bottom + top) / 2, left, right))
            elif right - left <= _THIN_POINTS:
                vertical.append(Rule((left + right) / 2, bottom, top))
            else:
                horizontal += [Rule(bottom, left, right), Rule(top, left, right)]
                vertical += [Rule(left, bottom, top), Rule(right, bottom, top)]
    return Rules(_joined(horizontal), _joined(vertical))


def _box_of(numbers: Sequence[ctypes.c_float]) -> Box:
    left, bottom, right, top = (number.value for number in numbers)
    return left, bottom, right, top


def _joined(rules: Iterable[Rule]) -> list[Rule]:
    """Rules at the same place that touch each other as one; short ones are left out."""
    joined: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (round(rule.place), rule.start)):
        last = joined[-1] if joined else None
        is_same = last and abs(last.place - rule.place) <= _THIN_POINTS
        if last and is_same and rule.start <= last.end + _TOUCHING_POINTS:
            joined[-1] = replace(last, end=max(last.end, rule.end))
        else:
            joined.append(rule)
    return [rule for rule in joined if rule.end - rule.start >= _SHORTEST_POINTS]


def with_ruled_tables(lines: Sequence[Line], rules: Rules, measure: Measure) -> list[Line]:
    """The lines with each ruled table as one line, whose text is the table in Markdown."""
    if len(rules.horizontal) < 2 or len(rules.vertical) < 2:
        return list(lines)
    found: dict[int, Line] = {}
    in_tables: set[int] = set()
    for grid in _grids(rules):
        table = _table(lines, grid, measure)
        if table is None or in_tables.intersection(table[0]):
            continue
        places, text = table
        in_tables.update(places)
        first, last = lines[min(places)], lines[max(places)]
        found[min(places)] = replace(
            first, text=text, last_height=last.last_height, is_bold=False, is_table=True
        )
    return [
        found.get(place, line)
        for place, line in enumerate(lines)
        if place in found or place not in in_tables
    ]


def _grids(rules: Rules) -> Iterator[Rules]:
    """The groups of rules that touch each other."""
    waiting_h, waiting_v = list(rules.horizontal), list(rules.vertical)
    if len(waiting_h) + len(waiting_v) > _MOST_RULES:
        return
    while waiting_h:
        horizontal, vertical = [waiting_h.pop()], list[Rule]()
        grown = True
        while grown:
            crossing = [rule for rule in waiting_v if _touches(rule, horizontal)]
            waiting_v = [rule for rule in waiting_v if rule not in crossing]
            vertical += crossing
            more = [rule for rule in waiting_h if _touches(rule, crossing)]
            waiting_h = [rule for rule in waiting_h if rule not in more]
            horizontal += more
            grown = bool(more)
        if len(horizontal) > 2 and len(vertical) > 2:
            yield Rules(horizontal, vertical)


def _touches(rule: Rule, others: Sequence[Rule]) -> bool:
    """Whether a rule touches one of the rules in the other direction."""
    near = _TOUCHING_POINTS
    return any(
        rule.start - near <= other.place <= rule.end + near
        and other.start - near <= rule.place <= other.end + near
        for other in others
    )


def _edges(rules: Sequence[Rule]) -> list[float]:
    edges: list[float] = []
    for place in sorted(rule.place for rule in rules):
        if not edges or place - edges[-1] >= _SMALLEST_CELL_POINTS:
            edges.append(place)
    return edges


_Piece = tuple[float, int, str]
"""The baseline of a piece of text, its column, and its words."""


def _table(lines: Sequence[Line], grid: Rules, measure: Measure) -> tuple[list[int], str] | None:
    """The places of the lines of a table, and its text; None without a table."""
    heights, walls = _edges(grid.horizontal), _edges(grid.vertical)
    count, columns = len(heights) - 1, len(walls) - 1
    if count < 2 or not 1 < columns <= _MOST_COLUMNS:
        return None
    rows: list[list[_Piece]] = [[] for _ in range(count)]
    places: list[int] = []
    for place, line in enumerate(lines):
        middle = line.first_height + 0.3 * line.size
        row = count - bisect(heights, middle)
        if not 0 <= row < count or not line.is_upright:
            continue
        # A cell over several columns has no walls within it.
        between = sorted(each.place for each in grid.vertical if each.start < middle < each.end)
        pieces = [
            (line.first_height, bisect(walls, piece.left + 1) - 1, piece.text)
            for piece in measure(line, between)
        ]
        inside = [0 <= column < columns for _, column, _ in pieces]
        if all(inside):
            places.append(place)
            rows[row] += pieces
        elif any(inside):
            return None  # the table stands beside text that is drawn in the same line
    cells = [cells for pieces in rows for cells in _rows_of(pieces, columns)]
    return (places, markdown_table(_filled_columns(cells))) if _is_table(cells) else None


def _rows_of(pieces: Sequence[_Piece], columns: int) -> list[list[str]]:
    """The cells between two rules: one row, or several if most lines run through the columns."""
    heights: list[float] = []
    for height, _, _ in pieces:
        if all(abs(height - other) > _TOUCHING_POINTS for other in heights):
            heights.append(height)
    lines = [[""] * columns for _ in heights]
    joined = [""] * columns
    for height, column, text in pieces:
        nearest = min(range(len(heights)), key=lambda n: abs(heights[n] - height))
        for cells in (lines[nearest], joined):
            cells[column] = f"{cells[column]} {text}".strip()
    through = sum(sum(map(bool, line)) > 1 for line in lines)
    if len(lines) > 1 and through >= _LEAST_THROUGH * len(lines):
        return [line for _, line in sorted(zip(heights, lines, strict=True), reverse=True)]
    return [joined]


def _filled_columns(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    columns = [column for column in zip(*cells, strict=True) if any(column)]
    return [list(row) for row in zip(*columns, strict=True)]


def _is_table(cells: Sequence[Sequence[str]]) -> bool:
    """Whether boxes with texts are a table: short texts, in several rows and columns."""
    if max(len(text) for row in cells for text in row) > _LONGEST_CELL:
        return False
    rows = [[text for text in row if text] for row in cells]
    rows = [row for row in rows if row]
    columns = len(_filled_columns(cells)[0]) if rows else 0
    filled = sum(map(len, rows))
    full = sum(len(row) > 1 for row in rows)
    return columns > 1 and full > 1 and filled >= _LEAST_FILLED * columns * len(rows)
