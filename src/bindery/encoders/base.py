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


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Embeddings with an account of each text, in the same order.

    ``tokens_used`` counts what the model saw, special tokens and prompt included; ``tokens_cut``
    counts the tokens beyond the window, which it did not see. Both are (n,) int64.
    """

    embeddings: Embeddings
    tokens_used: Counts
    tokens_cut: Counts

    def __post_init__(self) -> None:
        texts = len(self.embeddings)
        if self.tokens_used.shape != (texts,) or self.tokens_cut.shape != (texts,):
            raise InvalidValue(f"{texts} texts need as many counts of tokens used and cut.")


class Encoder(Protocol):
    """A model that turns texts into vectors. Safe to call from several threads."""

    @property
    def card(self) -> ModelCard:
        """What the model is."""
        ...

    @property
    def precision(self) -> str:
        """What it computes in, such as ``"bf16"``."""
        ...

    def encode(self, texts: Sequence[str], role: Role, dimensions: int | None = None) -> Embeddings:
        """The vectors of the texts, in order; no texts give no vectors.

        ``role`` is ``"query"``, ``"document"`` or a task of the model. ``dimensions`` cuts to one
        of the lengths the model was trained for and brings the vectors back to length 1; None
        keeps them as the model gives them. Raises InvalidValue for any other role or length and
        for what is not text.
        """
        ...

    def encode_counted(
        self, texts: Sequence[str], role: Role, dimensions: int | None = None
    ) -> Encoded:
        """The same, with the tokens used and cut of each text."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text alone: no special tokens, no prompt, nothing cut."""
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
