"""Document in, chunks out.

A strategy says where a text may be cut, best places first (an :class:`Outline`); packing chooses
among them by counting tokens that were located once; fitting counts again what arithmetic cannot
vouch for. Whatever the strategy:

- ``document.text[start:end]`` is the chunk, exactly;
- the chunk alone has at most ``size`` tokens, and ``tokens`` is that count;
- starts rise and ends rise, and neighbours share at most ``overlap`` tokens;
- together the chunks cover the text but for whitespace, and none begins or ends with whitespace;
- no grapheme cluster is cut unless it is over the budget alone;
- time grows linearly with the text.
"""

from collections.abc import Mapping

from bindery.chunking.fitting import fit
from bindery.chunking.fixed import fixed
from bindery.chunking.markdown import markdown
from bindery.chunking.outline import Budget, Chunker, Outline, Source
from bindery.chunking.page import page
from bindery.chunking.recursive import recursive
from bindery.chunking.sentence import sentence
from bindery.chunking.tokens import Tokeniser
from bindery.errors import UnknownStrategy
from bindery.types import Chunk, Document

__all__ = ["CHUNKERS", "Budget", "Chunker", "Outline", "Source", "Tokeniser", "chunk"]

CHUNKERS: Mapping[str, Chunker] = {
    "fixed": fixed,
    "sentence": sentence,
    "recursive": recursive,
    "markdown": markdown,
    "page": page,
}


def chunk(
    document: Document,
    tokeniser: Tokeniser,
    *,
    strategy: str = "recursive",
    size: int,
    overlap: int = 0,
) -> list[Chunk]:
    """Cut a document into chunks of at most ``size`` tokens, in order.

    ``strategy`` is a key of :data:`CHUNKERS`. Chunks repeat up to ``overlap`` tokens of the one
    before them. Special tokens and the model's prompt are not counted: ``size`` is what they leave.
    A document without text, or of whitespace alone, has no chunks.

    Raises UnknownStrategy, and InvalidValue for a size or overlap that allows no chunk or a size
    that a single character of the text exceeds.
    """
    budget = Budget(size, overlap)
    if strategy not in CHUNKERS:
        raise UnknownStrategy(
            f"There is no chunking strategy {strategy!r}.",
            remedy=f"Choose one of: {', '.join(CHUNKERS)}.",
            param="strategy",
        )
    source = Source.read(document, tokeniser)
    return fit(source, CHUNKERS[strategy](source), budget)
