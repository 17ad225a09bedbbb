"""What an encoder promises: texts in, Embeddings out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bindery.embeddings import Embeddings
from bindery.errors import InvalidValue
from bindery.models.card import ModelCard
from bindery.types import Role

Counts = npt.NDArray[np.int64]


UNKNOWN = -1
"""A count that a remote vendor does not tell of a single text."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Embeddings with an account of each text, in the same order.

    ``tokens_used`` counts what the model saw, special tokens and prompt included; ``tokens_cut``
    counts the tokens beyond the window, which it did not see. Both are (n,) int64, ``UNKNOWN``
    where a remote vendor does not say. ``tokens_billed`` is what the vendor says of all texts
    together.
    """

    embeddings: Embeddings
    tokens_used: Counts
    tokens_cut: Counts
    tokens_billed: int | None = None

    def __post_init__(self) -> None:
        texts = len(self.embeddings)
        if self.tokens_used.shape != (texts,) or self.tokens_cut.shape != (texts,):
            raise InvalidValue(f"{texts} texts need as many counts of tokens used and cut.")

    @property
    def total_tokens(self) -> int:
        """The tokens of all texts, for a remote model what its vendor counted, or UNKNOWN."""
        return total_tokens(self.tokens_used, self.tokens_billed)


def total_tokens(used: Counts, billed: int | None) -> int:
    """What was billed, else the sum of what was used, or UNKNOWN where one of them is."""
    if billed is not None:
        return billed
    return UNKNOWN if (used == UNKNOWN).any() else int(used.sum())


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """A vector for each token of each text, for late interaction, with the pooled vectors beside.

    ``tokens`` holds rows of length 1: for a dense model those of the text's own tokens before
    pooling, special tokens and prompt left out, so an empty text has none; for a late-interaction
    model what it is trained to give. ``pooled`` is one vector for each text, or None for a model
    that has none.
    """

    tokens: Embeddings
    pooled: Embeddings | None
    tokens_used: Counts
    tokens_cut: Counts

    def __post_init__(self) -> None:
        texts = len(self.tokens)
        if self.tokens_used.shape != (texts,) or self.tokens_cut.shape != (texts,):
            raise InvalidValue(f"{texts} texts need as many counts of tokens used and cut.")
        if self.pooled is not None and len(self.pooled) != texts:
            raise InvalidValue(f"{texts} texts need as many pooled vectors.")


class Encoder(Protocol):
    """A model that turns texts into vectors. Safe to call from several threads."""

    @property
    def card(self) -> ModelCard:
        """What the model is."""
        ...

    @property
    def precision(self) -> str:
        """What it computes in, such as ``"bf16"``; ``"remote"`` where a vendor does."""
        ...

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
    ) -> Embeddings:
        """The vectors of the texts, in order; no texts give no vectors.

        ``role`` is ``"query"``, ``"document"`` or a task of the model. ``dimensions`` cuts to one
        of the lengths the model was trained for and brings the vectors back to length 1;
        ``any_dimensions`` permits other lengths; None keeps the vectors as the model gives them.
        ``titles`` are those of the documents, one for each text, None for one without. Raises
        InvalidValue for any other role or length, for titles where the model or role knows none,
        and for what is not text.
        """
        ...

    def encode_counted(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
    ) -> Encoded:
        """The same, with the tokens used and cut of each text."""
        ...

    def encode_tokens(
        self, texts: Sequence[str], role: Role, *, titles: Sequence[str | None] | None = None
    ) -> TokenVectors:
        """A vector for each token, and the pooled vectors of the same pass.

        Raises UnsupportedModel for a remote model, which shows no tokens.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text alone: no special tokens, no prompt, nothing cut.

        This and what follows raise UnsupportedModel for a remote model, whose tokeniser is not
        here.
        """
        ...

    def room(self, role: Role) -> int:
        """How many tokens of text fit beside the special tokens and the role's prompt."""
        ...

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Where each text's tokens lie: (n, 2) half-open ranges of code points, rising."""
        ...

    @property
    def splits_at_blanks(self) -> bool:
        """Whether the tokens of a text cut at a blank are the tokens of its parts."""
        ...

    def close(self) -> None:
        """Give the model's memory back."""
        ...
