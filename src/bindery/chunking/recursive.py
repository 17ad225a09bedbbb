"""The best boundary near the budget: section, paragraph, line, sentence, clause, word."""

from bindery.chunking import boundaries
from bindery.chunking.characters import distinct, without
from bindery.chunking.outline import Outline, Source

# A quarter and a half are alike in quality (MiniLM, 276 questions, share of the gold text within
# 1,000 retrieved tokens: .915 both at 128 tokens, .878 and .869 at 254); the lower one respects
# more sections and paragraphs.
_LEAST_FILL = 0.25


def recursive(source: Source) -> Outline:
    """Cut where the author paused longest, and never between a heading and what it heads."""
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
        least_fill=_LEAST_FILL,
        balanced=True,
    )
