"""Where a text may be cut: words, lines, sentences, clauses, headings, pages and blocks.

Every function returns the positions at which the next chunk could start, in order.
"""

import re

import numpy as np

from bindery.chunking.characters import (
    CharacterClass,
    Characters,
    Positions,
    distinct,
    runs,
    without,
)
from bindery.types import Document

# A single full stop that does not end a sentence: after single letters (initials, "e.g.", "U.S."),
# common titles and references, and the number of a list item at the start of a line. A wrong guess
# costs little: a missed or an extra position to cut. Look-behinds need a fixed width, so there is
# one for each length.
_ABBREVIATION = re.compile(
    r"(?<=\b[^\W\d_]\.)"
    r"|(?<=\b(?:Mr|Ms|Dr|St|Jr|Sr|vs|cf|No|pp|al)\.)"
    r"|(?<=\b(?:Mrs|Fig|Sec|Vol|Gen|Gov|Sen|Rep|Eds)\.)"
    r"|(?<=\b(?:Prof|Figs)\.)"
    r"|(?<=\n\d\.)|(?<=\n\d\d\.)"
)

# Begins with a literal character, which lets the regular expression engine skip to it.
_MARKDOWN_HEADING = re.compile(
    r"#(?:(?<=^#)|(?<=^ #)|(?<=^ {2}#)|(?<=^ {3}#))#{0,5}[ \t].*$", re.MULTILINE
)

# Blocks whose start is as good a boundary as that of a paragraph. A page may end in the middle of a
# sentence, and the items of a list belong together more closely than paragraphs do.
_PARAGRAPH_BLOCKS = frozenset({"heading", "paragraph", "table", "code"})


def words(characters: Characters) -> Positions:
    """Starts of words: positions after whitespace."""
    return characters.cuts(characters.word_starts[1:])


def lines(characters: Characters, *, at_least: int = 1) -> Positions:
    """Words that follow at least this many line ends: with 2, words after a blank line."""
    ends_of_lines = np.flatnonzero(characters.newline)
    starts = characters.word_starts
    ended = np.bincount(starts.searchsorted(ends_of_lines, "right"), minlength=len(starts) + 1)
    return characters.cuts(starts[1:][ended[1:-1] >= at_least])


def sentences(characters: Characters) -> Positions:
    """Positions after the end of a sentence."""
    # A decimal point has no blank after it, so it does not end a sentence.
    stops, ends = runs(characters.are(CharacterClass.STOP))
    closed = _closed(ends, characters)
    before_space = np.append(characters.space, False)[closed]
    stops, ends, closed = stops[before_space], ends[before_space], closed[before_space]
    is_abbreviation, text = _ABBREVIATION.match, characters.text
    is_end = np.ones(len(ends), dtype=np.bool_)
    for index in np.flatnonzero(ends - stops == 1).tolist():
        is_end[index] = is_abbreviation(text, int(ends[index])) is None
    wide = _closed(runs(characters.are(CharacterClass.WIDE_STOP))[1], characters)
    return characters.cuts(distinct(closed[is_end], wide))


def clauses(characters: Characters) -> Positions:
    """Positions after a comma, semicolon, colon or dash."""
    ends = _closed(runs(characters.are(CharacterClass.PAUSE))[1], characters)
    ends = ends[np.append(characters.space, False)[ends]]
    return characters.cuts(
        distinct(ends, np.flatnonzero(characters.are(CharacterClass.WIDE_PAUSE)) + 1)
    )


def headings(document: Document, characters: Characters) -> tuple[Positions, Positions]:
    """Starts of headings, and of the text after each of them.

    They come from the document's blocks if it has any, otherwise from Markdown heading lines.
    """
    if document.blocks:
        spans = [block.span for block in document.blocks if block.kind == "heading"]
        pairs = [(span.start, span.end) for span in spans]
    else:
        pairs = [found.span() for found in _MARKDOWN_HEADING.finditer(characters.text)]
    starts, ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return characters.cuts(starts), characters.cuts(ends)


def sections(document: Document, characters: Characters) -> Positions:
    """Starts of headings, except those directly under another heading."""
    starts, ends = headings(document, characters)
    return without(starts, ends)


def pages(document: Document, characters: Characters) -> Positions:
    """Starts of pages, slides or sheets."""
    starts = [block.span.start for block in document.blocks if block.kind == "page"]
    return characters.cuts(np.array(starts, dtype=np.int64))


def blocks(document: Document, characters: Characters, *, strong: bool) -> Positions:
    """Starts of blocks: of headings, paragraphs, tables and code, or of all others."""
    starts = [
        block.span.start for block in document.blocks if (block.kind in _PARAGRAPH_BLOCKS) == strong
    ]
    return characters.cuts(np.array(starts, dtype=np.int64))


def _closed(ends: Positions, characters: Characters) -> Positions:
    """Each end, moved past the closing quotation marks and brackets that follow it."""
    closing = characters.are(CharacterClass.CLOSING)
    first, last = runs(closing)
    on_closing = np.append(closing, False)[ends]
    moved = ends.copy()
    moved[on_closing] = last[first.searchsorted(ends[on_closing], "right") - 1]
    return moved
