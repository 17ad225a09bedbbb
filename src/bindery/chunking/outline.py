"""What a strategy decides: where a text may be cut, best places first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.chunking.characters import Characters, Positions, read_characters
from bindery.chunking.context import NO_CONTEXTS, Contexts
from bindery.chunking.tokens import Tokeniser, Tokens, locate_tokens
from bindery.errors import InvalidValue
from bindery.types import Document, Span


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a chunk may have, and how many of them it may share with the one before.

    Raises InvalidValue where no chunk could be made.
    """

    size: int
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidValue(
                f"A chunk cannot have a size of {self.size} tokens.",
                remedy="Choose 1 or more.",
                param="size",
            )
        if not 0 <= self.overlap < self.size:
            raise InvalidValue(
                f"Chunks of {self.size} tokens cannot overlap by {self.overlap}.",
                remedy=f"Choose 0 to {self.size - 1}.",
                param="overlap",
            )


# Half of all-MiniLM-L6-v2's window: 1,000 tokens of the chunks that 276 questions find hold .915 of
# what answers them where a chunk has 128, and .878 where it has 254 (docs/chunking.md).
_USUAL_SIZE = 128


def usual_size(room: int) -> int:
    """The size of chunks where nobody chooses one, for a window with room for so many tokens."""
    return min(room, _USUAL_SIZE)


Embed: TypeAlias = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts in, a row for each out; what strategies are given that go by meaning."""

Divide: TypeAlias = Callable[[Document], Sequence[Sequence[int]]]
"""A program in, the code points where its definitions, members and statements begin, by depth."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What a strategy sees: the document, its characters, its tokens and who counts them.

    ``embed`` gives vectors of sentences, for those that ask; None where nothing does. ``divide``
    likewise tells where a program may be cut.
    ``parent_size`` is how many tokens the larger pieces may have, for those that make such.
    ``contexts`` is what is put before each chunk and counts as a part of it.
    """

    document: Document
    characters: Characters
    tokens: Tokens
    tokeniser: Tokeniser
    embed: Embed | None = None
    divide: Divide | None = None
    parent_size: int = 0
    contexts: Contexts = NO_CONTEXTS

    @classmethod
    def read(cls, document: Document, tokeniser: Tokeniser, embed: Embed | None = None) -> "Source":
        """Read the whole text: its characters once, its tokens once."""
        characters = read_characters(document.text)
        return cls(document, characters, locate_tokens(characters, tokeniser), tokeniser, embed)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Where a strategy would cut.

    ``ranks`` holds places for a chunk to start, best rank first. A chunk ends at the last place of
    the best rank that leaves it within its budget and, but for the last rank, more than
    ``least_fill`` (0 to 1) full. Where no rank has a place, it is cut between tokens.
    ``balanced``: where a stretch between better places takes a few chunks, they share it evenly.
    ``steps`` holds places for an overlap to start, best first. ``walls`` are places that no chunk
    reaches over, not even to overlap. ``parents`` are larger pieces, in order, each of which holds
    the chunks that begin in it; there must be a wall before each.
    """

    ranks: tuple[Positions, ...]
    steps: tuple[Positions, ...]
    least_fill: float = 0.0
    balanced: bool = False
    walls: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    parents: tuple[Span, ...] = ()


Chunker: TypeAlias = Callable[[Source], Outline]
"""A strategy: it says where a text may be cut, packing and fitting do the rest."""
