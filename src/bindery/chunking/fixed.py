"""As many words as fit, wherever that ends."""

from bindery.chunking import boundaries
from bindery.chunking.outline import Outline, Source


def fixed(source: Source) -> Outline:
    """Cut at the last word that fits; inside a word only where it is over the budget alone."""
    words = boundaries.words(source.characters)
    return Outline(ranks=(words,), steps=(words, source.characters.cuts(source.tokens.starts)))
