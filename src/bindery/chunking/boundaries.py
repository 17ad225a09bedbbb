"""Where a text may be cut: sorted positions, each kind found in one pass.

Every function gives the places at which a next chunk could start.
"""

import re

import numpy as np

from bindery.chunking.characters import (
    Characters,
    Kind,
    Positions,
    distinct,
    runs,
    without,
)
from bindery.types import Document

# A lone full stop that ends no sentence: behind single letters (initials, "e.g.", "U.S."), common
# titles and references, and the number of a list item at the start of a line. Wrong guesses cost
# little, a missed or an extra place to cut. Look-behinds need a fixed width: one per length.
_ABBREVIATION = re.compile(
    r"(?<=\b[^\W\d_]\.)"
    r"|(?<=\b(?:Mr|Ms|Dr|St|Jr|Sr|vs|cf|No|pp|al)\.)"
    r"|(?<=\b(?:Mrs|Fig|Sec|Vol|Gen|Gov|Sen|Rep|Eds)\.)"
    r"|(?<=\b(?:Prof|Figs)\.)"
    r"|(?<=\n\d\.)|(?<=\n\d\d\.)"
)

# Begins with the one character that the engine then skips to.
_MARKDOWN_HEADING = re.compile(
    r"#(?:(?<=^#)|(?<=^ #)|(?<=^ {2}#)|(?<=^ {3}#))#{0,5}[ \t].*$", re.MULTILINE
)

# How strongly the start of a block parts a text. A page may end in the middle of a sentence, and
# the items of a list belong together more than paragraphs do.
_PARAGRAPH_BLOCKS = frozenset({"heading", "paragraph", "table", "code"})


def words(characters: Characters) -> Positions:
    """Starts of words: what follows whitespace."""
    return characters.cuts(characters.word_starts[1:])


def lines(characters: Characters, *, at_least: int = 1) -> Positions:
    """Words before which at least so many lines end: with 2, those after a blank line."""
    ends_of_lines = np.flatnonzero(characters.newline)
    starts = characters.word_starts
    ended = np.bincount(starts.searchsorted(ends_of_lines, "right"), minlength=len(starts) + 1)
    return characters.cuts(starts[1:][ended[1:-1] >= at_least])


def sentences(characters: Characters) -> Positions:
    """What follows the end of a sentence."""
    # The point of a number has no blank after it and so ends nothing.
    stops, ends = runs(characters.are(Kind.STOP))
    closed = _closed(ends, characters)
    before_space = np.append(characters.space, False)[closed]
    stops, ends, closed = stops[before_space], ends[before_space], closed[before_space]
    is_abbreviation, text = _ABBREVIATION.match, characters.text
    is_end = np.ones(len(ends), dtype=np.bool_)
    for index in np.flatnonzero(ends - stops == 1).tolist():
        is_end[index] = is_abbreviation(text, int(ends[index])) is None
    wide = _closed(runs(characters.are(Kind.WIDE_STOP))[1], characters)
    return characters.cuts(distinct(closed[is_end], wide))


def clauses(characters: Characters) -> Positions:
    """What follows a comma, semicolon or colon."""
    ends = _closed(runs(characters.are(Kind.PAUSE))[1], characters)
    ends = ends[np.append(characters.space, False)[ends]]
    return characters.cuts(distinct(ends, np.flatnonzero(characters.are(Kind.WIDE_PAUSE)) + 1))


def headings(document: Document, characters: Characters) -> tuple[Positions, Positions]:
    """Starts of headings, and of what follows each of them.

    Taken from the document's blocks where it has any, else from lines that Markdown takes for one.
    """
    if document.blocks:
        spans = [block.span for block in document.blocks if block.kind == "heading"]
        pairs = [(span.start, span.end) for span in spans]
    else:
        pairs = [found.span() for found in _MARKDOWN_HEADING.finditer(characters.text)]
    starts, ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return characters.cuts(starts), characters.cuts(ends)


def sections(document: Document, characters: Characters) -> Positions:
    """Starts of headings, but for those that stand right under another heading."""
    starts, ends = headings(document, characters)
    return without(starts, ends)


def pages(document: Document, characters: Characters) -> Positions:
    """Starts of pages, slides or sheets."""
    starts = [block.span.start for block in document.blocks if block.kind == "page"]
    return characters.cuts(np.array(starts, dtype=np.int64))


def blocks(document: Document, characters: Characters, *, strong: bool) -> Positions:
    """Starts of the document's blocks: of those that part it strongly, or of the others."""
    starts = [
        block.span.start for block in document.blocks if (block.kind in _PARAGRAPH_BLOCKS) == strong
    ]
    return characters.cuts(np.array(starts, dtype=np.int64))


def _closed(ends: Positions, characters: Characters) -> Positions:
    """Each end moved on over the quotation marks and brackets that close there."""
    closing = characters.are(Kind.CLOSING)
    first, last = runs(closing)
    on_closing = np.append(closing, False)[ends]
    moved = ends.copy()
    moved[on_closing] = last[first.searchsorted(ends[on_closing], "right") - 1]
    return moved
