"""Whole sentences, as many as fit."""

from bindery.chunking import boundaries
from bindery.chunking.characters import distinct
from bindery.chunking.outline import Outline, Source


def sentence(source: Source) -> Outline:
    """Cut between sentences; a sentence over the budget is cut as ``fixed`` would.

    A blank line and a heading end a sentence too. The overlap is whole sentences.
    """
    characters = source.characters
    starts, ends = boundaries.headings(source.document, characters)
    ends_of_sentences = distinct(
        boundaries.sentences(characters),
        boundaries.lines(characters, at_least=2),
        boundaries.blocks(source.document, characters, strong=True),
        starts,
        ends,
    )
    return Outline(
        ranks=(ends_of_sentences, boundaries.words(characters)), steps=(ends_of_sentences,)
    )
