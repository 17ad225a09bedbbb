"""Small chunks to be found by, each with the larger piece to be shown in its place."""

import itertools
from dataclasses import replace

import numpy as np

from bindery.chunking.context import NO_CONTEXTS
from bindery.chunking.outline import Budget, Outline, Source
from bindery.chunking.packing import pack
from bindery.chunking.recursive import recursive
from bindery.errors import InvalidValue
from bindery.types import Span

PARENT_CHILD = "parent-child"

# A chunk of 254 tokens, the window of a small model, then stands for two pages of a book.
_PARENT_CHUNKS = 4


def parent_child(source: Source) -> Outline:
    """Cut into parents as ``recursive`` would, whole sections where they fit, and these again.

    No chunk reaches over two parents. Nothing embeds a parent, so its tokens are counted by
    arithmetic, which tokenisers that do not split at blanks may miss by a few.
    """
    characters = source.characters
    outline = recursive(source)
    plain = replace(source, contexts=NO_CONTEXTS)
    starts = list(pack(plain, outline, Budget(source.parent_size)))
    parents = tuple(
        Span(start, characters.trimmed_end(end))
        for start, end in itertools.pairwise([*starts, characters.last])
    )
    return replace(outline, walls=np.array(starts, dtype=np.int64), parents=parents)


def parent_size_of(given: int | None, *, strategy: str, size: int) -> int:
    """How many tokens a parent may have. Raises InvalidValue where there is none, or a smaller."""
    if given is None:
        return _PARENT_CHUNKS * size
    if strategy != PARENT_CHILD:
        raise InvalidValue(
            f"The strategy {strategy!r} makes no parents, so they cannot have {given} tokens.",
            remedy=f"Leave the size of parents out, or choose {PARENT_CHILD!r}.",
            param="parent_size",
        )
    if given < size:
        raise InvalidValue(
            f"A parent of {given} tokens cannot hold a chunk of {size}.",
            remedy=f"Choose {size} or more.",
            param="parent_size",
        )
    return given
