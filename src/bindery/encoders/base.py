"""What an encoder promises: texts in, Embeddings out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from bindery.encoders.figures import EncoderFigures
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.errors import InvalidValue
from bindery.models.card import ModelCard
from bindery.types import Role, Truncate
from bindery.vectors.embeddings import Embeddings

Counts = npt.NDArray[np.int64]
_T = TypeVar("_T")


UNKNOWN = -1
"""A count that a remote vendor does not tell of a single text."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Embeddings with an account of each text, in the same order.

    ``tokens_used`` counts what the model saw, special tokens and prompt included; ``tokens_cut``
    counts the tokens beyond the window, which it did not see. Both are (n,) int64, ``UNKNOWN``
    where a remote vendor does not say. ``tokens_billed`` is what all texts together took where
    that is not their sum: what a vendor says, or what ran for overlapping windows.
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

    @property
    def until_room_s(self) -> int:
        """In how many seconds a request would be taken: 0 where it is just now, else Overloaded."""
        ...

    @property
    def fault(self) -> str | None:
        """Why it does not answer just now; None when it does."""
        ...

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """Line the texts up, and return without waiting for their vectors.

        Raises InvalidValue for a role, dimensions, titles or a ``truncate`` that the model does not
        take and for what is not text; TextTooLong, before anything runs, where a text is longer
        than the window and the request forbids cutting; Overloaded where no more may wait;
        Abandoned and DeadlineExceeded if it is already cancelled or too late; EngineError while
        the engine fails on everything. The value raises TextFailed for texts that the engine
        fails on, Abandoned once it is cancelled, and DeadlineExceeded if the deadline passed
        before they began.
        """
        ...

    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """The same for a vector for each token. Raises InvalidValue where dimensions are asked for.

        Raises UnsupportedModel for a remote model, which shows no tokens.
        """
        ...

    def submit_spans(
        self, request: SpansRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """The same for spans of longer texts, in order, each read with what stands around it.

        See :mod:`bindery.encoders.spans`; ``tokens_used`` counts the tokens that a span is pooled
        from. Raises InvalidValue for a model that does not pool by the mean of its tokens.
        """
        ...

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
        truncate: Truncate = Truncate.END,
    ) -> Embeddings:
        """The vectors of the texts, in order; no texts give no vectors.

        The arguments are those of :class:`EncodeRequest`. Raises what :meth:`submit` does.
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
        truncate: Truncate = Truncate.END,
    ) -> Encoded:
        """The same, with the tokens used and cut of each text."""
        ...

    def encode_tokens(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        titles: Sequence[str | None] | None = None,
        truncate: Truncate = Truncate.END,
    ) -> TokenVectors:
        """A vector for each token, and the pooled vectors of the same pass.

        Raises UnsupportedModel for a remote model, which shows no tokens.
        """
        ...

    def figures(self) -> EncoderFigures | None:
        """What it has done so far; None for a remote model."""
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


class Blocking(ABC):
    """The calls that wait, for an encoder that has those that do not."""

    @abstractmethod
    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder."""

    @abstractmethod
    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """See Encoder."""

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
        truncate: Truncate = Truncate.END,
    ) -> Embeddings:
        """See Encoder."""
        request = EncodeRequest(texts, role, dimensions, any_dimensions, titles, truncate)
        return _result(self.submit, request).embeddings

    def encode_counted(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
        truncate: Truncate = Truncate.END,
    ) -> Encoded:
        """See Encoder."""
        request = EncodeRequest(texts, role, dimensions, any_dimensions, titles, truncate)
        return _result(self.submit, request)

    def encode_tokens(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        titles: Sequence[str | None] | None = None,
        truncate: Truncate = Truncate.END,
    ) -> TokenVectors:
        """See Encoder."""
        request = EncodeRequest(texts, role, titles=titles, truncate=truncate)
        return _result(self.submit_tokens, request)


def _result(
    submit: Callable[[EncodeRequest, Cancellation | None], Pending[_T]], request: EncodeRequest
) -> _T:
    cancellation = Cancellation()
    try:
        return submit(request, cancellation).result()
    except BaseException:
        # Somebody at a keyboard interrupts: what has not run yet shall not.
        cancellation.cancel()
        raise
