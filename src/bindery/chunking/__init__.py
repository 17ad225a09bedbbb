"""Document in, chunks out.

A strategy says where a text may be cut, best positions first (an :class:`Outline`); packing chooses
among them by counting tokens that were located once; fitting recounts the chunks whose count
arithmetic cannot guarantee. For every strategy:

- ``document.text[start:end]`` is the chunk, exactly;
- a chunk with its context has at most ``size`` tokens when tokenised alone: ``tokens``;
- starts rise and ends rise, and neighbours share at most ``overlap`` tokens;
- together the chunks cover all text except whitespace, and none begins or ends with whitespace;
- no grapheme cluster is cut unless it alone is over the budget;
- time grows linearly with the text.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bindery.chunking.context import CONTEXTS, Context, contexts_of
from bindery.chunking.fitting import fit, truncated
from bindery.chunking.outline import (
    Budget,
    Chunker,
    ChunkingInput,
    Divide,
    Embed,
    Outline,
    usual_size,
)
from bindery.chunking.semantic import SEMANTIC, semantic
from bindery.chunking.strategies import (
    LATE,
    PARENT_CHILD,
    code,
    fixed,
    late,
    markdown,
    page,
    parent_child,
    parent_size_of,
    recursive,
    sentence,
)
from bindery.chunking.structure import Structure, find_structure
from bindery.chunking.tokens import OffsetTokeniser
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
    "ChunkingInput",
    "Context",
    "Divide",
    "Embed",
    "OffsetTokeniser",
    "Outline",
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
    tokeniser: OffsetTokeniser,
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

    ``strategy`` is a key of :data:`CHUNKERS`. Each chunk repeats up to ``overlap`` tokens of the
    one before it. Special tokens and the model's prompt are not counted in ``size``. A document
    that is empty or only whitespace has no chunks.

    ``context``, one of :data:`CONTEXTS`, is put before each chunk when it is embedded: its tokens
    count, up to half of ``size``. ``parent_size`` is only for ``parent-child``; by default it is 4
    times ``size``. ``embed`` gives ``semantic`` the vectors of its sentences, and ``divide`` tells
    ``code`` where a program may be cut (:func:`bindery.documents.divide`).

    Raises UnknownStrategy; InvalidValue for a size or overlap that allows no chunk, for a size that
    a single character of the text exceeds, and for any other invalid option; and whatever ``embed``
    and ``divide`` raise.
    """
    budget = Budget(size, overlap)
    if strategy not in CHUNKERS:
        raise UnknownStrategy(
            f"Unknown chunking strategy {strategy!r}.",
            remedy=f"Choose one of: {', '.join(CHUNKERS)}.",
            param="strategy",
        )
    if strategy == LATE and context != "none":
        raise InvalidValue(
            f"The strategy 'late' takes no context, got {context!r}: the model already reads the "
            "text around each chunk.",
            remedy="Choose the context 'none', or another strategy.",
            param="context",
        )
    structure = find_structure(document)
    source = replace(
        ChunkingInput.read(document, tokeniser, embed),
        divide=divide,
        parent_size=parent_size_of(parent_size, strategy=strategy, size=size),
        contexts=contexts_of(context, structure, tokeniser, size=size),
    )
    outline = CHUNKERS[strategy](source)
    return _located(fit(source, outline, budget), outline.parents, structure)


def _located(chunks: Sequence[Chunk], parents: Sequence[Span], structure: Structure) -> list[Chunk]:
    """The chunks with their page, headings and parent."""
    starts = [parent.start for parent in parents]
    return [
        replace(
            chunk,
            page=structure.page(chunk.span.start),
            headings=structure.headings(chunk.span.start),
            parent=parents[bisect_right(starts, chunk.span.start) - 1] if parents else None,
        )
        for chunk in chunks
    ]
