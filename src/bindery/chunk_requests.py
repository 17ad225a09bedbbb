"""What an encoder is asked for the chunks of a document, as their strategy has it."""

from collections.abc import Sequence

from bindery.chunking import LATE
from bindery.encoders.request import EncodeRequest, SpannedText, SpansRequest
from bindery.errors import InvalidValue
from bindery.types import Chunk, Document, Role


def chunks_request(
    document: Document,
    chunks: Sequence[Chunk],
    *,
    strategy: str,
    role: Role,
    dimensions: int | None = None,
    any_dimensions: bool = False,
) -> EncodeRequest | SpansRequest:
    """Chunks of late chunking are pooled from one pass over the document.

    Each of the others is a text of its own, its context before it. Raises InvalidValue for chunks
    of late chunking with a context, which the text around them is already.
    """
    if strategy != LATE:
        texts = [chunk.context + chunk.text for chunk in chunks]
        ids = [None if chunk.context else chunk.ids for chunk in chunks]
        return EncodeRequest(texts, role, dimensions, any_dimensions, ids=ids)
    if any(chunk.context for chunk in chunks):
        raise InvalidValue(
            "The strategy 'late' takes no context: the model already reads the surrounding text.",
            remedy="Choose the context none, or another strategy.",
            param="context",
        )
    spans = tuple(chunk.span for chunk in chunks)
    texts = [SpannedText(document.text, spans)] if spans else []
    return SpansRequest(texts, role, dimensions, any_dimensions)
