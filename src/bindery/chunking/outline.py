"""What a strategy decides: where a text may be cut, best places first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from bindery.chunking.characters import Characters, Positions, read_characters
from bindery.chunking.tokens import Tokeniser, Tokens, locate_tokens
from bindery.errors import InvalidValue
from bindery.types import Document


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


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What a strategy sees: the document, its characters, its tokens and who counts them."""

    document: Document
    characters: Characters
    tokens: Tokens
    tokeniser: Tokeniser

    @classmethod
    def read(cls, document: Document, tokeniser: Tokeniser) -> "Source":
        """Read the whole text: its characters once, its tokens once."""
        characters = read_characters(document.text)
        return cls(document, characters, locate_tokens(characters, tokeniser), tokeniser)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Where a strategy would cut.

    ``ranks`` holds places for a chunk to start, best rank first. A chunk ends at the last place of
    the best rank that leaves it within its budget and, but for the last rank, more than
    ``least_fill`` (0 to 1) full. Where no rank has a place, it is cut between tokens.
    ``balanced``: where a stretch between better places takes a few chunks, they share it evenly.
    ``steps`` holds places for an overlap to start, best first. ``walls`` are places that no chunk
    reaches over, not even to overlap.
    """

    ranks: tuple[Positions, ...]
    steps: tuple[Positions, ...]
    least_fill: float = 0.0
    balanced: bool = False
    walls: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


Chunker: TypeAlias = Callable[[Source], Outline]
"""A strategy: it says where a text may be cut, packing and fitting do the rest."""
