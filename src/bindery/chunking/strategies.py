"""The strategies that need only the text and its structure; see also :mod:`.semantic`."""

import itertools
from dataclasses import replace

import numpy as np

from bindery.chunking import boundaries
from bindery.chunking.characters import distinct, without
from bindery.chunking.context import NO_CONTEXTS
from bindery.chunking.outline import Budget, ChunkingInput, Outline
from bindery.chunking.packing import pack
from bindery.errors import InvalidValue
from bindery.types import Span

LEAST_FILL = 0.25
"""How full a chunk must be before it may end at a better boundary.

A quarter and a half are alike in quality (MiniLM, 276 questions, share of the gold text within
1,000 retrieved tokens: .915 for both at 128 tokens, .878 and .869 at 254); the lower value respects
more sections and paragraphs.
"""


def fixed(source: ChunkingInput) -> Outline:
    """Cut at the last word that fits; inside a word only if the word alone is over the budget."""
    words = boundaries.words(source.characters)
    return Outline(ranks=(words,), steps=(words, source.characters.cuts(source.tokens.starts)))


def sentence(source: ChunkingInput) -> Outline:
    """Cut between sentences; a sentence over the budget is cut as in ``fixed``.

    A blank line and a heading also end a sentence. The overlap consists of whole sentences.
    """
    characters = source.characters
    starts, ends = boundaries.headings(source.document, characters)
    sentence_starts = distinct(
        boundaries.sentences(characters),
        boundaries.lines(characters, at_least=2),
        boundaries.blocks(source.document, characters, strong=True),
        starts,
        ends,
    )
    return Outline(ranks=(sentence_starts, boundaries.words(characters)), steps=(sentence_starts,))


def recursive(source: ChunkingInput) -> Outline:
    """Cut at the best boundary near the budget, and never between a heading and its text.

    From best to worst: section, paragraph, line, sentence, clause, word.
    """
    characters, document = source.characters, source.document
    sections, after_headings = boundaries.headings(document, characters)
    paragraphs = distinct(
        boundaries.lines(characters, at_least=2),
        boundaries.blocks(document, characters, strong=True),
    )
    lines = distinct(
        boundaries.lines(characters), boundaries.blocks(document, characters, strong=False)
    )
    sentences = boundaries.sentences(characters)
    words = boundaries.words(characters)
    ranks = (sections, paragraphs, lines, sentences, boundaries.clauses(characters), words)
    ranks = tuple(without(rank, after_headings) for rank in ranks)
    return Outline(
        ranks=ranks,
        steps=(distinct(*ranks[:4]), words, characters.cuts(source.tokens.starts)),
        least_fill=LEAST_FILL,
        balanced=True,
    )


def markdown(source: ChunkingInput) -> Outline:
    """Cut as ``recursive`` does, and at every heading, so that no chunk spans two sections.

    This works for every document with headings, not only for Markdown. A heading directly under
    another one stays with it.
    """
    walls = boundaries.sections(source.document, source.characters)
    return replace(recursive(source), walls=walls)


def page(source: ChunkingInput) -> Outline:
    """Cut as ``recursive`` does, and at the start of each page.

    A document without pages counts as one page.
    """
    return replace(recursive(source), walls=boundaries.pages(source.document, source.characters))


def code(source: ChunkingInput) -> Outline:
    """Cut a program at definitions, then at their members, then at statements, then at lines.

    Raises InvalidValue if the input has no ``divide`` function, and whatever that function raises:
    for a program in an unknown language, or one that its grammar cannot process.
    """
    if source.divide is None:
        raise InvalidValue(
            "The strategy 'code' needs a function that finds definitions and statements.",
            remedy="Chunk through a Library, or pass divide=bindery.documents.divide to chunk().",
            param="strategy",
        )
    characters = source.characters
    ranks = [
        characters.cuts(np.array(starts, dtype=np.int64))
        for starts in source.divide(source.document)
    ]
    lines, words = boundaries.lines(characters), boundaries.words(characters)
    return Outline(
        ranks=(*ranks, lines, words),
        steps=(distinct(*ranks, lines), words, characters.cuts(source.tokens.starts)),
        least_fill=LEAST_FILL,
        balanced=True,
    )


def parent_child(source: ChunkingInput) -> Outline:
    """Cut into parents as ``recursive`` would, then cut each parent into chunks.

    Chunks are what a search compares; the parent is the larger piece to show. No chunk crosses the
    edge of its parent. Parents are never embedded, so their tokens are counted by arithmetic, which
    can be off by a few for tokenisers that do not split at blanks.
    """
    characters = source.characters
    outline = recursive(source)
    plain = replace(source, contexts=NO_CONTEXTS)
    starts = list(pack(plain, outline, Budget(source.parent_size)))
    parents = tuple(
        Span(start, characters.trimmed_end(end))
        for start, end in itertools.pairwise([*starts, characters.last])
    )
    return replace(outline, walls=np.array(starts, dtype=np.int64), parents=parents)


def late(source: ChunkingInput) -> Outline:
    """Cut as ``recursive`` does. The model then reads each chunk together with its surroundings."""
    return recursive(source)
