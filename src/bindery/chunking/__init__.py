"""Document in, chunks out.

A strategy says where a text may be cut, best places first (an :class:`Outline`); packing chooses
among them by counting tokens that were located once; fitting counts again what arithmetic cannot
vouch for. Whatever the strategy:

- ``document.text[start:end]`` is the chunk, exactly;
- the chunk alone, its context before it, has at most ``size`` tokens, and ``tokens`` is that count;
- starts rise and ends rise, and neighbours share at most ``overlap`` tokens;
- together the chunks cover the text but for whitespace, and none begins or ends with whitespace;
- no grapheme cluster is cut unless it is over the budget alone;
- time grows linearly with the text.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bindery.chunking.code import code
from bindery.chunking.context import CONTEXTS, Context, contexts_of
from bindery.chunking.fitting import fit
from bindery.chunking.fixed import fixed
from bindery.chunking.late import LATE, late
from bindery.chunking.markdown import markdown
from bindery.chunking.outline import (
    Budget,
    Chunker,
    Divide,
    Embed,
    Outline,
    Source,
    usual_size,
)
from bindery.chunking.page import page
from bindery.chunking.parent_child import PARENT_CHILD, parent_child, parent_size_of
from bindery.chunking.places import Places, find_places
from bindery.chunking.recursive import recursive
from bindery.chunking.semantic import SEMANTIC, semantic
from bindery.chunking.sentence import sentence
from bindery.chunking.tokens import Tokeniser
from bindery.chunking.truncation import truncated
from bindery.errors import InvalidValue, UnknownStrategy
from bindery.types import Chunk, Document, Span

__all__ = [
    "CHUNKERS",
    "CONTEXTS",
    "LATE",
    "PARENT_CHILD",
    "SEMANTIC",
    "Budget",
    "Chunker",
    "Context",
    "Divide",
    "Embed",
    "Outline",
    "Source",
    "Tokeniser",
    "chunk",
    "truncated",
    "usual_size",
]

CHUNKERS: Mapping[str, Chunker] = {
    "fixed": fixed,
    "sentence": sentence,
    "recursive": recursive,
    "markdown": markdown,
    "page": page,
    "code": code,
    PARENT_CHILD: parent_child,
    SEMANTIC: semantic,
    LATE: late,
}


def chunk(
    document: Document,
    tokeniser: Tokeniser,
    *,
    strategy: str = "recursive",
    size: int,
    overlap: int = 0,
    context: str = "none",
    parent_size: int | None = None,
    embed: Embed | None = None,
    divide: Divide | None = None,
) -> list[Chunk]:
    """Cut a document into chunks of at most ``size`` tokens, in order.

    ``strategy`` is a key of :data:`CHUNKERS`. Chunks repeat up to ``overlap`` tokens of the one
    before them. Special tokens and the model's prompt are not counted: ``size`` is what they leave.
    A document without text, or of whitespace alone, has no chunks.

    ``context``, one of :data:`CONTEXTS`, is what each chunk is embedded with: its tokens count, up
    to half of ``size``. ``parent_size`` is for ``parent-child`` alone, 4 times ``size`` by default.
    ``embed`` gives ``semantic`` the vectors of its sentences, ``divide`` tells ``code`` where a
    program may be cut (:func:`bindery.documents.divide`).

    Raises UnknownStrategy; InvalidValue for a size or overlap that allows no chunk, for a size that
    a single character of the text exceeds, and for another option that is none; and what ``embed``
    and ``divide`` raise.
    """
    budget = Budget(size, overlap)
    if strategy not in CHUNKERS:
        raise UnknownStrategy(
            f"There is no chunking strategy {strategy!r}.",
            remedy=f"Choose one of: {', '.join(CHUNKERS)}.",
            param="strategy",
        )
    if strategy == LATE and context != "none":
        raise InvalidValue(
            "Late chunking reads a chunk with what stands around it, and takes no other context.",
            remedy="Choose the context none, or another strategy.",
            param="context",
        )
    places = find_places(document)
    source = replace(
        Source.read(document, tokeniser, embed),
        divide=divide,
        parent_size=parent_size_of(parent_size, strategy=strategy, size=size),
        contexts=contexts_of(context, places, tokeniser, size=size),
    )
    outline = CHUNKERS[strategy](source)
    return _placed(fit(source, outline, budget), outline.parents, places)


def _placed(chunks: Sequence[Chunk], parents: Sequence[Span], places: Places) -> list[Chunk]:
    """The chunks with their page, their headings and their parent."""
    starts = [parent.start for parent in parents]
    return [
        replace(
            chunk,
            page=places.page(chunk.span.start),
            headings=places.headings(chunk.span.start),
            parent=parents[bisect_right(starts, chunk.span.start) - 1] if parents else None,
        )
        for chunk in chunks
    ]
