"""Structure from the lines of printed pages: headers and footers, paragraphs, hyphens.

Pure functions of :class:`Line`, whether lines come from a text layer or from recognition (OCR).
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

_WIDER_GAP = 1.25
"""A gap between lines this many times the usual one begins a paragraph."""

_OTHER_SIZE = 0.08
"""Relative difference of two font sizes that the eye can see; less is rounding."""

_MARGIN = 0.15
"""Share of a page's height, at the top and at the bottom, for headers and footers."""

_PLACE_POINTS = 4.0
"""How exactly headers and footers keep their position."""

_DENSE = 0.4
"""Share of a run of pages with the same header: left and right pages may have different ones."""

_LEAST_ROOM = 0.08
"""Share of the width of a page's text on both sides of a centred line."""

_MOST_OUTER = 3
_PAGE_NUMBER = re.compile(
    r"(?:page\s+)?[-\u2013\u2014|\s]*([A-Z]{1,2}-)?(\d{1,4})[-\u2013\u2014|\s]*"
    r"(?:(?:of|/|von|sur|de)\s*\d{1,4})?",
    re.IGNORECASE,
)

_LONGEST_RUN_IN = 100
_IN_SENTENCE = (".", ",", ";", ":")

NUMBERED = re.compile(r"(?:\d{1,2}(?:\.\d{1,2}){0,4}\.?|[A-Z]\.|[IVX]{1,5}\.)\s+\w")
_BROKEN_WORD = re.compile(r"((?:-[^\W\d_]{1,30}|[^\W\d_]+))(\ufffe|-\n)([^\W\d_]+)")
_BROKEN_RANGE = re.compile(r"(?<=\d)(?:\ufffe|-\n)(?=\d)")
# First parts of English compounds, unless the rest is an ending: well-known, but wellness.
_FIRST_PART = re.compile(r"well|self|high|low|long|short|cross", re.IGNORECASE)
_ENDING = re.compile(r"(?:er|est|ly|ness|ing|ed|age|ish|less|land|en|ful|ened|hand|s)$|.{1,2}$")
_COMPOUND = re.compile(r"[^\W\d_]+-[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\uffff\xa0]")
# Fonts without a mapping have the characters of Windows here, or a bullet.
_C1 = re.compile(r"[\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and its position.

    ``first_height`` and ``last_height`` are the baselines of its first and last character, in
    points above the bottom of the page; ``place`` is its height as a share of the page's, 1 at the
    top. Vertical text is not upright. ``start`` is the index of its first character in the text of
    the page; ``left`` and ``right`` are its edges in points, 0 if they were not measured. The text
    of a table is Markdown.
    """

    text: str
    first_height: float
    last_height: float
    place: float
    size: float
    is_bold: bool = False
    is_upright: bool = True
    start: int = 0
    is_table: bool = False
    left: float = 0.0
    right: float = 0.0


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that belong together, in one font size; or a table.

    It is centred if every line has as much room on its left as on its right.
    """

    text: str
    size: float
    is_bold: bool = False
    is_upright: bool = True
    is_table: bool = False
    is_centred: bool = False


def furniture(pages: Sequence[Sequence[Line]]) -> list[tuple[frozenset[int], frozenset[int]]]:
    """For each page, the indexes of its header lines and of its footer lines.

    These are the outermost lines of pages that have the same text, apart from digits, at the same
    height or as the outermost line of many pages of a run, and page numbers: at least three, or
    half of the pages of a shorter document. A line with other text outside of it is content.
    """
    least = max(2, min(3, (len(pages) + 1) // 2))
    ordered = [sorted(range(len(lines)), key=lambda n: -lines[n].place) for lines in pages]
    keyed = [
        {place: list(_keys(lines, order, place, number)) for place in order}
        for number, (lines, order) in enumerate(zip(pages, ordered, strict=True))
    ]
    found: dict[object, list[int]] = {}
    for number, on_page in enumerate(keyed):
        for key in {key for keys in on_page.values() for key in keys}:
            found.setdefault(key, []).append(number)
    repeated = {
        key
        for key, on in found.items()
        if len(on) >= least and len(on) >= _DENSE * (on[-1] - on[0] + 1)
    }
    marked: list[tuple[frozenset[int], frozenset[int]]] = []
    for lines, order, on_page in zip(pages, ordered, keyed, strict=True):
        known = {place for place, keys in on_page.items() if not repeated.isdisjoint(keys)}
        heads = _outermost([place for place in order if lines[place].place > 1 / 2], known, lines)
        feet = _outermost([place for place in reversed(order) if place not in heads], known, lines)
        marked.append((heads, feet))
    return marked


def _keys(lines: Sequence[Line], order: Sequence[int], place: int, page: int) -> Iterator[object]:
    """What a line has in common with the headers or footers of other pages."""
    line = lines[place]
    is_in_margin = not _MARGIN < line.place < 1 - _MARGIN
    if not is_in_margin and place not in (*order[:_MOST_OUTER], *order[-_MOST_OUTER:]):
        return
    text = line.text.strip()
    if is_in_margin:
        yield re.sub(r"\d+", "#", text), round(line.first_height / _PLACE_POINTS)
    for side, outer in (("top", order[:_MOST_OUTER]), ("bottom", order[-_MOST_OUTER:])):
        if place not in outer:
            continue
        if is_in_margin and place == outer[0 if side == "top" else -1]:
            yield text, side
        if numbered := _PAGE_NUMBER.fullmatch(text):
            yield numbered[1], side, int(numbered[2]) - page


def _outermost(order: Sequence[int], known: set[int], lines: Sequence[Line]) -> frozenset[int]:
    """The known lines from the edge of the page to the first line that is content."""
    found: list[int] = []
    for place in order:
        if place in known:
            found.append(place)
        elif lines[place].is_upright:
            break
    return frozenset(found)


def paragraphs(lines: Sequence[Line]) -> list[Paragraph]:
    """Join lines into paragraphs: a wider gap or another font size begins a new one.

    A line above the line before it begins a new column, into which the paragraph may continue.
    """
    gaps = [above.last_height - below.first_height for above, below in pairwise(lines)]
    usual = median([gap for gap in gaps if gap > 1] or [0.0])
    usual_size = median([line.size for line in lines] or [1.0]) or 1.0
    measured = [line for line in lines if line.right and line.is_upright and not line.is_table]
    edges = [(line.left, line.right) for line in measured]
    page = min((left for left, _ in edges), default=0.0), max((r for _, r in edges), default=0.0)
    found: list[Paragraph] = []
    for line, above, gap in zip(lines, [None, *lines], [0.0, *gaps], strict=False):
        is_new_line = abs(gap) > usual / 2  # otherwise a superscript or subscript within the line
        widest = usual * _WIDER_GAP * max(line.size / usual_size, 1.0)
        if (
            above is None
            or line.is_table
            or above.is_table
            or gap > widest
            or line.is_upright != found[-1].is_upright
            or (not -1.5 * usual < gap < 0.7 * usual and differ(line.size, found[-1].size))
            or (is_new_line and _begins_section(above, line))
        ):
            is_centred = _is_centred(line, *page)
            found.append(
                Paragraph(
                    line.text, line.size, line.is_bold, line.is_upright, line.is_table, is_centred
                )
            )
            continue
        between = "\n" if is_new_line else "" if line.text[0] in ",.;:)" else " "
        last = found[-1]
        found[-1] = replace(
            last,
            text=last.text + between + line.text,
            # A line may be in pieces (with a superscript first): the longest piece tells the size.
            size=last.size if len(last.text) >= len(line.text) else line.size,
            is_bold=last.is_bold and line.is_bold,
            is_centred=last.is_centred and (not is_new_line or _is_centred(line, *page)),
        )
    return [paragraph for paragraph in found if paragraph.text.strip()]


def _is_centred(line: Line, left: float, right: float) -> bool:
    """Whether a line stands in the middle between the edges of the page's text."""
    if not line.right:
        return False
    before, after = line.left - left, right - line.right
    room = _LEAST_ROOM * (right - left)
    return min(before, after) >= room > 0 and abs(before - after) <= room / 2


def _begins_section(above: Line, line: Line) -> bool:
    """Whether a bold line is a heading of the lines around it, without a wider gap."""
    if line.is_bold == above.is_bold:
        return False
    if NUMBERED.match(line.text):
        return True
    bold, other = (line, above) if line.is_bold else (above, line)
    is_short = len(bold.text) <= _LONGEST_RUN_IN and not bold.text.rstrip().endswith(_IN_SENTENCE)
    # A bold beginning of a sentence goes on in small letters.
    return is_short and bold.text[:1].isupper() and other.text.lstrip()[:1].isupper()


def differ(size: float, other: float) -> bool:
    """Whether the eye can see that two font sizes differ."""
    return abs(size - other) > _OTHER_SIZE * max(size, other)


def vocabulary(pages: Sequence[Sequence[Line]]) -> Counter[str]:
    """How often each word, and each compound with a hyphen, occurs within a line."""
    words: Counter[str] = Counter()
    for lines in pages:
        text = _BROKEN_WORD.sub(" ", "\n".join(line.text for line in lines).casefold())
        words.update(_WORD.findall(text))
        words.update(_COMPOUND.findall(text))
    return words


def unhyphenated(text: str, known: Mapping[str, int]) -> str:
    """Join words divided at the end of a line.

    The hyphen stays if a capital follows, after a single letter and between numbers, in well-known
    compounds, if the document has the compound elsewhere, or if it has both halves as words and
    never the whole word. Otherwise typesetting added it.
    """

    def joined(match: re.Match[str]) -> str:
        first, second = match[1], match[3]
        is_chain = first.startswith("-")  # state-of-the-art
        if is_chain or (_FIRST_PART.fullmatch(first) and not _ENDING.match(second)):
            return f"{first}-{second}"
        whole, compound = (first + second).casefold(), f"{first}-{second}".casefold()
        halves = min(known.get(first.casefold(), 0), known.get(second.casefold(), 0))
        is_compound = not known.get(whole) and (known.get(compound) or halves)
        # Typesetting divides no word after its first letter: e-mail, x-ray.
        kept = second[0].isupper() or len(first) == 1 or is_compound
        return f"{first}-{second}" if kept else first + second

    return _BROKEN_WORD.sub(joined, _BROKEN_RANGE.sub("-", text))


def clear_text(text: str) -> str:
    """The text without control characters; PDFium writes U+FFFE for a hyphen at a line's end."""
    text = _CONTROL.sub(" ", text.replace("\ufffe", "-").replace("\r", " "))
    return _C1.sub(_windows, text)


def _windows(found: re.Match[str]) -> str:
    return found[0].encode("latin-1").decode("cp1252", "replace").replace("\ufffd", "•")
