"""Headings of printed pages: by the outline, the size and weight of type, and capitals."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from bindery.documents.formats.page_layout import NUMBERED, Paragraph, differ

_LONGEST_HEADING = 200
_LONGEST_IN_USUAL_SIZE = 120
_MOST_IN_HEADINGS = 0.4
"""Share of a document's letters: more is text in many sizes, as on posters, and not headings."""

_MOST_BOLD = 0.3
"""Share of a document's letters: if more are bold, weight says nothing."""

_PAGES_PER_LISTED = 3
"""With fewer entries found in an outline than one per three pages, other signs count too."""

_DEEPEST_HEADING = 6
_NUMBER = re.compile(r"^(?:\d{1,2}(?:\.\d{1,2}){0,4}|[A-Z]|[IVX]{1,5})\.?\s+")
_LEAST_CAPITALS = 0.8
_DIGIT = re.compile(r"\d")
_LONGEST_SMALL_WORD = 4
"""Letters: in titles "of", "from" or "with" begin with a small letter."""

_MOST_WORDS = 10

_Levels = list[list[int]]


def heading_levels(
    pages: Sequence[Sequence[Paragraph]], outline: Mapping[tuple[int, str], int]
) -> _Levels:
    """The level of each paragraph as a heading, 0 for none.

    ``outline`` holds the document's own headings (bookmarks), by page (from 0) and title as
    :func:`folded`. If few of them are found, these signs add headings below them: short paragraphs
    in a larger font than most of the text, the largest first; then bold ones that have a number,
    are in capitals or centred; then other bold ones, those in capitals, and centred ones in title
    case between text that is not centred.
    """
    listed = [
        [_listed_level(paragraph.text, number, outline) for paragraph in page]
        for number, page in enumerate(pages)
    ]
    count = sum(level > 0 for page in listed for level in page)
    if count > 1 and count * _PAGES_PER_LISTED >= len(pages):
        return listed
    above = max((level for page in listed for level in page), default=0) if count > 1 else 0
    signs = _by_signs(pages)
    amount = sum(len(paragraph.text) for page in pages for paragraph in page)
    headed = sum(
        len(paragraph.text)
        for page, levels in zip(pages, signs, strict=True)
        for paragraph, level in zip(page, levels, strict=True)
        if level
    )
    if headed > _MOST_IN_HEADINGS * amount:
        return listed
    return [
        [
            own or (min(above + sign, _DEEPEST_HEADING) if sign else 0)
            for own, sign in zip(*each, strict=True)
        ]
        for each in zip(listed, signs, strict=True)
    ]


def folded(text: str) -> str:
    """A title for comparison: only letters and digits, in lower case."""
    return "".join(filter(str.isalnum, text.replace("\ufffe", ""))).casefold()


def _listed_level(text: str, page: int, outline: Mapping[tuple[int, str], int]) -> int:
    if not outline or len(text) > _LONGEST_HEADING:
        return 0
    # An outline often leaves out the numbers of headings.
    return next(
        (
            outline[page, title]
            for title in (folded(text), folded(_NUMBER.sub("", text)))
            if (page, title) in outline
        ),
        0,
    )


def _by_signs(pages: Sequence[Sequence[Paragraph]]) -> _Levels:
    amounts: Counter[float] = Counter()
    bold = 0
    for page in pages:
        for paragraph in (each for each in page if not each.is_table):
            amounts[round(paragraph.size, 1)] += len(paragraph.text) * paragraph.is_upright
            bold += len(paragraph.text) * paragraph.is_bold
    usual = max(amounts, key=lambda size: amounts[size], default=0.0)
    is_weight_a_sign = bold <= _MOST_BOLD * amounts.total()
    signs = [
        [
            _sign(paragraph, usual, is_weight_a_sign=is_weight_a_sign)
            or _sign_of_place(paragraph, usual, [*page[max(n - 1, 0) : n], *page[n + 1 : n + 2]])
            for n, paragraph in enumerate(page)
        ]
        for page in pages
    ]
    ranks = {
        sign: min(rank, _DEEPEST_HEADING)
        for rank, sign in enumerate(sorted({s for page in signs for s in page if s}), 1)
    }
    return [[ranks[sign] if sign else 0 for sign in page] for page in signs]


def _sign(
    paragraph: Paragraph, usual: float, *, is_weight_a_sign: bool
) -> tuple[float, int] | None:
    """What makes a paragraph a heading, to be sorted by importance; None if it is not one."""
    if not _may_be_heading(paragraph):
        return None
    if paragraph.size > usual and differ(paragraph.size, usual):
        return -round(paragraph.size, 1), 0
    if len(paragraph.text) > _LONGEST_IN_USUAL_SIZE:
        return None
    is_bold = paragraph.is_bold and is_weight_a_sign
    is_numbered = NUMBERED.match(paragraph.text) is not None
    is_capitals = _is_in_capitals(paragraph.text)
    is_marked = is_capitals or paragraph.is_centred
    if paragraph.is_bold and (is_numbered or (is_bold and is_marked)):
        return 0.0, 1
    is_smaller = differ(paragraph.size, usual)
    return (0.0, 2) if (is_bold or is_capitals) and not is_smaller else None


def _sign_of_place(
    paragraph: Paragraph, usual: float, beside: Sequence[Paragraph]
) -> tuple[float, int] | None:
    """The sign of a centred line in title case; lines of a title page stand together."""
    text = paragraph.text
    if not paragraph.is_centred or not _may_be_heading(paragraph) or _DIGIT.search(text):
        return None
    words = text.split()
    long = [word for word in words if len(word) > _LONGEST_SMALL_WORD]
    is_title = 1 < len(words) <= _MOST_WORDS and bool(long) and all(w[0].isupper() for w in long)
    is_alone = bool(beside) and not any(each.is_centred or each.is_table for each in beside[-1:])
    return (0.0, 2) if is_title and is_alone and not differ(paragraph.size, usual) else None


def _is_in_capitals(text: str) -> bool:
    letters = [sign for sign in text if sign.isalpha()]
    capitals = sum(map(str.isupper, letters))
    return len(letters) > 3 and " " in text.strip() and capitals >= _LEAST_CAPITALS * len(letters)


def _may_be_heading(paragraph: Paragraph) -> bool:
    text = paragraph.text
    return (
        paragraph.is_upright
        and not paragraph.is_table
        and len(text) <= _LONGEST_HEADING
        and text.count("\n") < 4
        and not text.rstrip().endswith((".", ",", ";"))
        and sum(map(str.isalpha, text)) > 1
    )
