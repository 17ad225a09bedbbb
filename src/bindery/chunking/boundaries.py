"""Where a text may be cut: sorted positions, each kind found in one pass.

Every function gives the places at which a next chunk could start.
"""

import re

import numpy as np

from bindery.chunking.characters import Characters, Positions
from bindery.types import Document

_CLOSING = r"""["'”’»›)\]}」』）】》〉〕]"""

# No sentence ends with these and a full stop: single letters (initials, "e.g.", "U.S."), common
# titles and references, and the number of a list item at the start of a line. Wrong guesses cost
# little, a missed or an extra place to cut. Look-behinds need a fixed width: one per length.
_NO_ABBREVIATION = (
    r"(?<!\b[^\W\d_]\.)"
    r"(?<!\b(?:Mr|Ms|Dr|St|Jr|Sr|vs|cf|No|pp|al)\.)"
    r"(?<!\b(?:Mrs|Fig|Sec|Vol|Gen|Gov|Sen|Rep|Eds)\.)"
    r"(?<!\b(?:Prof|Figs)\.)"
    r"(?<!\n\d\.)(?<!\n\d\d\.)"
)

# Each pattern begins with a set of characters, which the engine skips to. The possessive
# quantifiers and the first look-behind keep a long run of stops from being read again from each of
# its characters. The point of a number has no blank after it and so ends nothing.
_SENTENCE_ENDS = (
    re.compile(rf"[.!?…](?<![.!?…][.!?…])(?:[.!?…]++|{_NO_ABBREVIATION}){_CLOSING}*+(?=\s)"),
    re.compile(rf"[。！？｡؟۔।॥]++{_CLOSING}*+"),
)
_CLAUSE_ENDS = (re.compile(rf"[;:,—–]{_CLOSING}*+(?=\s)"), re.compile(r"[，、；：،؛]"))

_MARKDOWN_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t].*$", re.MULTILINE)

# How strongly the start of a block parts a text. A page may end in the middle of a sentence, and
# the items of a list belong together more than paragraphs do.
_PARAGRAPH_BLOCKS = frozenset({"heading", "paragraph", "table", "code"})


def words(characters: Characters) -> Positions:
    """Starts of words: what follows whitespace."""
    return characters.cuts(characters.word_starts[1:])


def lines(characters: Characters, *, at_least: int = 1) -> Positions:
    """Words before which at least so many lines end: with 2, those after a blank line."""
    ends_of_lines = np.flatnonzero(characters.newline)
    gap_starts, gap_ends = characters.word_ends[:-1], characters.word_starts[1:]
    ended = np.searchsorted(ends_of_lines, gap_ends) - np.searchsorted(ends_of_lines, gap_starts)
    return characters.cuts(gap_ends[ended >= at_least])


def sentences(characters: Characters) -> Positions:
    """What follows the end of a sentence."""
    return _after(_SENTENCE_ENDS, characters)


def clauses(characters: Characters) -> Positions:
    """What follows a comma, semicolon or colon."""
    return _after(_CLAUSE_ENDS, characters)


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
    return np.setdiff1d(starts, ends, assume_unique=True)


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


def _after(patterns: tuple[re.Pattern[str], ...], characters: Characters) -> Positions:
    found = (match.end() for pattern in patterns for match in pattern.finditer(characters.text))
    return characters.cuts(np.fromiter(found, dtype=np.int64))
