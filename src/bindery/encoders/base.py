"""The interface of every model: texts in, Embeddings out."""

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bindery.encoders.figures import EncoderFigures
from bindery.encoders.model_tokeniser import ModelTokeniser
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.errors import InvalidValue
from bindery.models.card import ModelCard
from bindery.options import VectorOptions
from bindery.types import DOCUMENT, Role, Truncate
from bindery.vectors.embeddings import Embeddings

Counts = npt.NDArray[np.int64]
_T = TypeVar("_T")

UNKNOWN = -1
"""A token count that a remote vendor does not report for a single text."""

# Enough to fill several batches, and few enough that the progress line moves.
_TEXTS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Embeddings, with the token counts of each text in the same order.

    ``tokens_used`` counts the tokens that the model read, including special tokens and prompt;
    ``tokens_cut`` counts those beyond its window. Both are (n,) int64, and ``UNKNOWN`` if a remote
    vendor does not report them. ``tokens_billed`` is the total of all texts if it differs from the
    sum of ``tokens_used``: as billed by a vendor, or because overlapping windows ran.
    """

    embeddings: Embeddings
    tokens_used: Counts
    tokens_cut: Counts
    tokens_billed: int | None = None

    def __post_init__(self) -> None:
        texts = len(self.embeddings)
        if self.tokens_used.shape != (texts,) or self.tokens_cut.shape != (texts,):
            raise InvalidValue(f"{texts} texts need {texts} counts of tokens used and cut.")

    @property
    def total_tokens(self) -> int:
        """The tokens of all texts; for a remote model as billed by its vendor, or UNKNOWN."""
        return total_tokens(self.tokens_used, self.tokens_billed)


def total_tokens(used: Counts, billed: int | None) -> int:
    """The billed tokens, or else the sum of the used ones; UNKNOWN if one of them is."""
    if billed is not None:
        return billed
    return UNKNOWN if (used == UNKNOWN).any() else int(used.sum())


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """A vector for each token of each text, for late interaction, and the pooled vectors.

    ``tokens`` holds rows of length 1. For a dense model they are the text's own tokens before
    pooling, without special tokens and prompt, so an empty text has none; for a late-interaction
    model they are its usual output. ``pooled`` has one vector for each text, or is None if the
    model does not pool.
    """

    tokens: Embeddings
    pooled: Embeddings | None
    tokens_used: Counts
    tokens_cut: Counts

    def __post_init__(self) -> None:
        texts = len(self.tokens)
        if self.tokens_used.shape != (texts,) or self.tokens_cut.shape != (texts,):
            raise InvalidValue(f"{texts} texts need {texts} counts of tokens used and cut.")
        if self.pooled is not None and len(self.pooled) != texts:
            raise InvalidValue(f"{texts} texts need {texts} pooled vectors.")


class Encoder(ABC):
    """A model that turns texts into vectors. Thread-safe.

    ``card`` describes the model; ``precision`` is what it computes in, such as ``"bf16"``, or
    ``"remote"``. A model that is not remote gives shorter vectors by
    :func:`bindery.encoders.head.cut`.
    """

    card: ModelCard
    precision: str
    is_remote: bool = False
    _has_warned = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.card.id}, {self.card.dimensions}, {self.precision})"

    @property
    @abstractmethod
    def tokeniser(self) -> ModelTokeniser:
        """How the model reads texts. Raises UnsupportedModel for a remote model."""

    @property
    def until_room_s(self) -> int:
        """0 if a request would be accepted now; otherwise the seconds until there is room."""
        return 0

    @property
    def fault(self) -> str | None:
        """Why the model does not answer at the moment; None if it does."""
        return None

    def figures(self) -> EncoderFigures | None:
        """Counters of the work so far; None for a remote model."""
        return None

    @abstractmethod
    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """Queue texts, and return without waiting for their vectors.

        Raises InvalidValue for a role, dimensions, titles or a ``truncate`` that the model does not
        take, and for values that are not text; TextTooLong if a text exceeds the window and the
        request forbids cutting; Overloaded if the queue is full; Abandoned and DeadlineExceeded
        from ``cancellation``; EngineError while the engine fails on everything. Waiting for the
        result raises TextFailed for texts that the engine fails on, and Abandoned or
        DeadlineExceeded if the request ended before its texts ran.
        """

    @abstractmethod
    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """The same for a vector for each token. Raises InvalidValue if dimensions are given.

        Raises UnsupportedModel for a remote model.
        """

    @abstractmethod
    def submit_spans(
        self, request: SpansRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """The same for spans of longer texts, in order, each read with the text around it.

        See :mod:`bindery.encoders.spans`; ``tokens_used`` counts the tokens that a span's vector is
        pooled from. Raises InvalidValue for a model that does not pool by the mean of its tokens.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the model's memory."""

    def encode(
        self,
        texts: Sequence[str],
        role: Role = DOCUMENT,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
        truncate: Truncate | None = None,
        progress: bool = False,
    ) -> Embeddings:
        """The vectors of the texts, in order: :class:`bindery.Embeddings` of (n, d) for one each.

        ``role``, ``dimensions``, ``any_dimensions`` and ``truncate`` are those of
        :class:`bindery.VectorOptions`; ``titles`` has one for each text, None for a text without.
        Without ``truncate`` a text that is longer than the model's window is cut at its end, and
        the first time that this happens it is a Python warning. ``progress`` shows on standard
        error how many texts are done. No texts give no vectors. Raises what :meth:`submit` and
        waiting for its result raise.
        """
        options = VectorOptions(role, dimensions, any_dimensions, truncate=truncate or Truncate.END)
        request = EncodeRequest(texts, options, titles)
        encoded = _with_progress(self, request) if progress else _result(self.submit, request)
        cut = encoded.tokens_cut
        if truncate is None and not self._has_warned and (cut > 0).any():
            self._has_warned = True
            warnings.warn(
                f"{self.card.id} did not read {cut[cut > 0].sum()} tokens beyond its window, in "
                f"{(cut > 0).sum()} of {len(cut)} texts. Chunk them, or choose truncate.",
                stacklevel=2,
            )
        return encoded.embeddings

    def encode_counted(
        self,
        texts: Sequence[str],
        role: Role = DOCUMENT,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
        truncate: Truncate = Truncate.END,
    ) -> Encoded:
        """The same, with the tokens used and cut of each text."""
        request = EncodeRequest(
            texts, VectorOptions(role, dimensions, any_dimensions, truncate=truncate), titles
        )
        return _result(self.submit, request)

    def encode_tokens(
        self,
        texts: Sequence[str],
        role: Role = DOCUMENT,
        *,
        titles: Sequence[str | None] | None = None,
        truncate: Truncate = Truncate.END,
    ) -> TokenVectors:
        """A vector for each token, and the pooled vectors of the same pass.

        Raises UnsupportedModel for a remote model.
        """
        request = EncodeRequest(texts, VectorOptions(role, truncate=truncate), titles)
        return _result(self.submit_tokens, request)


def _result(
    submit: Callable[[EncodeRequest, Cancellation | None], Pending[_T]], request: EncodeRequest
) -> _T:
    cancellation = Cancellation()
    try:
        return submit(request, cancellation).result()
    except BaseException:
        # After Ctrl-C the texts that have not run yet must not run.
        cancellation.cancel()
        raise


def _with_progress(encoder: Encoder, request: EncodeRequest) -> Encoded:
    """The same as one request, with a line on standard error that counts the texts."""
    parts: list[Encoded] = []
    for first in range(0, max(len(request.texts), 1), _TEXTS_AT_ONCE):
        some = slice(first, first + _TEXTS_AT_ONCE)
        titles = None if request.titles is None else request.titles[some]
        texts = request.texts[some]
        parts.append(_result(encoder.submit, EncodeRequest(texts, request.options, titles)))
        done = min(first + _TEXTS_AT_ONCE, len(request.texts))
        sys.stderr.write(f"\r{done:,} of {len(request.texts):,} texts")
        sys.stderr.flush()
    sys.stderr.write("\n")
    return Encoded(
        Embeddings.joined([part.embeddings for part in parts]),
        np.concatenate([part.tokens_used for part in parts]),
        np.concatenate([part.tokens_cut for part in parts]),
    )
