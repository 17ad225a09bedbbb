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

from bindery.chunking.context import contexts_of
from bindery.chunking.fitting import facts_of, fit, truncated
from bindery.chunking.outline import (
    Budget,
    Chunker,
    ChunkingInput,
    Divide,
    Embed,
    Outline,
)
from bindery.chunking.semantic import semantic
from bindery.chunking.strategies import (
    code,
    fixed,
    late,
    markdown,
    page,
    parent_child,
    recursive,
    sentence,
)
from bindery.chunking.structure import Structure, find_structure
from bindery.chunking.tokens import OffsetTokeniser
from bindery.options import LATE, PARENT_CHILD, SEMANTIC, USUAL_SIZE, ChunkOptions
from bindery.types import Chunk, Document, Span

__all__ = [
    "CHUNKERS",
    "Budget",
    "Chunker",
    "ChunkingInput",
    "Divide",
    "Embed",
    "OffsetTokeniser",
    "Outline",
    "chunk",
    "facts_of",
    "truncated",
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
"""The function for each of :data:`bindery.options.STRATEGIES`."""

# With chunks of 254 tokens, the window of a small model, a parent is two pages of a book.
_CHUNKS_PER_PARENT = 4


def chunk(
    document: Document,
    tokeniser: OffsetTokeniser,
    options: ChunkOptions = ChunkOptions(),
    *,
    embed: Embed | None = None,
    divide: Divide | None = None,
) -> list[Chunk]:
    """Cut a document into chunks as the options say, in order.

    A ``size`` of None means 128 tokens; :meth:`bindery.options.ChunkOptions.sized` limits it to the
    model's window. A document that is empty or only whitespace has no chunks.

    ``embed`` gives ``semantic`` the vectors of its sentences, and ``divide`` tells ``code`` where a
    program may be cut (:func:`bindery.documents.divide`).

    Raises InvalidValue for a size that a single character of the text exceeds, and whatever
    ``embed`` and ``divide`` raise.
    """
    size = USUAL_SIZE if options.size is None else options.size
    structure = find_structure(document)
    source = replace(
        ChunkingInput.read(document, tokeniser, embed),
        divide=divide,
        parent_size=options.parent_size or _CHUNKS_PER_PARENT * size,
        contexts=contexts_of(options.context, structure, tokeniser, size=size),
    )
    outline = CHUNKERS[options.strategy](source)
    budget = Budget(size, options.overlap)
    return _located(fit(source, outline, budget), outline.parents, structure)


def _located(chunks: Sequence[Chunk], parents: Sequence[Span], structure: Structure) -> list[Chunk]:
    """The chunks with their pages, headings and parent."""
    starts = [parent.start for parent in parents]
    return [
        replace(
            chunk,
            **structure.pages_of(chunk.span),
            headings=structure.headings(chunk.span.start),
            parent=parents[bisect_right(starts, chunk.span.start) - 1] if parents else None,
        )
        for chunk in chunks
    ]
