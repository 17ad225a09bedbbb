"""What a model would not see of a chunk."""

from bindery.chunking.tokens import Tokeniser
from bindery.types import Chunk, Span


def truncated(chunk: Chunk, tokeniser: Tokeniser, *, room: int) -> Span | None:
    """The end of the chunk that a model with room for so many tokens would cut off, if any.

    The context comes first and takes its share of the room.
    """
    if chunk.tokens <= room:
        return None
    offsets = tokeniser.token_offsets([chunk.context + chunk.text])[0]
    start, end = chunk.span.start, chunk.span.end
    seen = int(offsets[room, 0]) - len(chunk.context)
    # A tokeniser may give a token the blank before its word.
    cut = min(max(start + seen, start), end - 1)
    return Span(cut, end)
