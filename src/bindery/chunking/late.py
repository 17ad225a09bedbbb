"""Late chunking: cut as ``recursive`` does; what differs is how the chunks are embedded."""

from bindery.chunking.outline import Outline, Source
from bindery.chunking.recursive import recursive

LATE = "late"
"""The strategy whose chunks are pooled from one pass over the document, and not embedded alone."""


def late(source: Source) -> Outline:
    """Cut as ``recursive`` does. The model then reads each chunk with what stands around it."""
    return recursive(source)
