"""The numbers of list items and headings, as word processors count them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    )
)
_MOST_ROMAN = 3_999
_COUNTED = re.compile(r"%([1-9])")

BULLET = "-"


def letters(number: int) -> str:
    """a, b, ..., z, aa, bb, ... as word processors count."""
    times, index = divmod(number - 1, 26)
    return chr(ord("a") + index) * min(times + 1, 50) if number > 0 else str(number)


def roman(number: int) -> str:
    """A Roman numeral in lower case; numbers without one stay decimal."""
    if not 0 < number <= _MOST_ROMAN:
        return str(number)
    written = ""
    for value, numeral in _ROMAN:
        times, number = divmod(number, value)
        written += numeral * times
    return written


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, ..."""
    end = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{end}"


_FORMATS: Mapping[str, Callable[[int], str]] = {
    "lowerLetter": letters,
    "upperLetter": lambda number: letters(number).upper(),
    "lowerRoman": roman,
    "upperRoman": lambda number: roman(number).upper(),
    "decimalZero": lambda number: f"{number:02}",
    "ordinal": ordinal,
}


@dataclass(frozen=True, slots=True)
class ListLevel:
    """How the items of one level are numbered.

    ``format`` is a name from Office Open XML (``decimal``, ``lowerLetter``, ...); ``bullet`` and
    ``none`` are not numbers. In ``text``, ``%1`` stands for the number of the first level, and so
    on; ``is_legal`` writes them all as decimals. A level that never ``restarts`` goes on counting
    below the next item of a level above.
    """

    format: str = "bullet"
    text: str = ""
    start: int = 1
    restarts: bool = True
    is_legal: bool = False

    @property
    def is_numbered(self) -> bool:
        """Whether its items have numbers."""
        return self.format not in {"bullet", "none"}

    def written(self, number: int) -> str:
        """A number in this format."""
        return _FORMATS.get(self.format, str)(number)


_BULLETS = ListLevel()

Levels = Mapping[int, ListLevel]
"""The levels of a list by depth, from 0."""


class ListCounter:
    """Counts the items of the lists of a document."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = {}

    def restart(self, key: str, depth: int, number: int) -> None:
        """Let the next item of a list at this depth have ``number``."""
        counts = self._counts.setdefault(key, {})
        counts[depth] = number - 1

    def end(self, key: str, depth: int) -> None:
        """Let the list begin again at this depth and below."""
        counts = self._counts.get(key, {})
        for other in [other for other in counts if other >= depth]:
            del counts[other]

    def label(self, key: str, levels: Levels, depth: int) -> str:
        """Count one more item of the list ``key`` and return its label, such as "1." or "(a)"."""
        counts = self._counts.setdefault(key, {})
        for deeper in [other for other in counts if other > depth]:
            if levels.get(deeper, _BULLETS).restarts:
                del counts[deeper]
        level = levels.get(depth, _BULLETS)
        if not level.is_numbered:
            return BULLET
        counts[depth] = counts.get(depth, level.start - 1) + 1

        def counted(found: re.Match[str]) -> str:
            above = int(found[1]) - 1
            other = levels.get(above, ListLevel("decimal"))
            if level.is_legal:
                other = replace(other, format="decimal")
            return other.written(counts.get(above, other.start))

        label = _COUNTED.sub(counted, level.text or f"%{depth + 1}.").strip()
        return label or BULLET
