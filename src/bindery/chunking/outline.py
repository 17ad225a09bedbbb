"""Where a strategy would cut a text, best positions first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.chunking.characters import Characters, Positions, read_characters
from bindery.chunking.context import NO_CONTEXTS, Contexts
from bindery.chunking.tokens import OffsetTokeniser, TokenPositions, locate_tokens
from bindery.types import Document, Span


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a chunk may have, and how many of them it may share with the one before."""

    size: int
    overlap: int = 0


Embed: TypeAlias = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts in, one row for each out; used by strategies that compare meanings."""

Divide: TypeAlias = Callable[[Document], Sequence[Sequence[int]]]
"""A program in, the code points where its definitions, members and statements begin, by depth."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkingInput:
    """What a strategy works on: the document, its characters, its tokens and its tokeniser.

    ``embed`` and ``divide`` are None unless the caller passed them. ``parent_size`` is the most
    tokens of a parent. ``contexts`` are put before each chunk and count as part of it.
    """

    document: Document
    characters: Characters
    tokens: TokenPositions
    tokeniser: OffsetTokeniser
    embed: Embed | None = None
    divide: Divide | None = None
    parent_size: int = 0
    contexts: Contexts = NO_CONTEXTS

    @classmethod
    def read(
        cls, document: Document, tokeniser: OffsetTokeniser, embed: Embed | None = None
    ) -> "ChunkingInput":
        """Read the whole text: its characters once, its tokens once."""
        characters = read_characters(document.text)
        return cls(document, characters, locate_tokens(characters, tokeniser), tokeniser, embed)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Where a strategy would cut.

    ``ranks`` holds the positions at which a chunk may start, best rank first. A chunk ends at the
    last position of the best rank that keeps it within its budget and, except in the last rank,
    more than ``least_fill`` (0 to 1) full. If no rank has a position, it is cut between tokens.
    ``balanced``: a stretch between better positions that takes a few chunks is shared evenly.
    ``steps`` holds the positions at which an overlap may start, best first. No chunk crosses a
    position in ``walls``, not even to overlap. ``parents`` are larger pieces, in order; each holds
    the chunks that begin in it, and there must be a wall before each.
    """

    ranks: tuple[Positions, ...]
    steps: tuple[Positions, ...]
    least_fill: float = 0.0
    balanced: bool = False
    walls: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    parents: tuple[Span, ...] = ()


Chunker: TypeAlias = Callable[[ChunkingInput], Outline]
"""A strategy: it says where a text may be cut; packing and fitting do the rest."""
