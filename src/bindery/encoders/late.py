"""Late-interaction models: one vector per token."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bindery.encoders.base import Encoded, TokenVectors
from bindery.encoders.checks import (
    check_dimensions,
    check_no_dimensions,
    refuse_spans,
)
from bindery.encoders.head import Head
from bindery.encoders.local import LocalEncoder, counts
from bindery.encoders.model_tokeniser import LateTokeniser
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.encoders.scheduling import Ids, Vectors
from bindery.encoders.token_pooling import check_factor, pool_tokens
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Engine
from bindery.errors import UnsupportedModel
from bindery.models.layouts import Dense, Layout
from bindery.types import DOCUMENT, Role
from bindery.vectors.embeddings import Embeddings, Rows


class LateEncoder(LocalEncoder):
    """An Encoder over any engine and any layout of late interaction.

    ``pooling_factor`` clusters the tokens of documents (:func:`pool_tokens`): 1 is off, None what
    the model says. ``reads_special_tokens`` is that of :class:`LateTokeniser`, ``queue_tokens``
    that of :class:`DenseEncoder`.
    """

    def __init__(
        self,
        layout: Layout,
        engine: Engine,
        *,
        pooling_factor: float | None = None,
        reads_special_tokens: bool = False,
        queue_tokens: int | None = None,
    ) -> None:
        late = layout.late
        if late is None:
            raise UnsupportedModel(f"{layout.card.id} is no late-interaction model.")
        self._pooling_factor = late.pooling_factor if pooling_factor is None else pooling_factor
        self._protected_tokens = late.protected_tokens
        check_factor(self._pooling_factor, self._protected_tokens)
        self._project = _Projection(Head(layout.steps))
        self._marked = LateTokeniser(layout, late, reads_special_tokens=reads_special_tokens)
        super().__init__(
            layout.card,
            engine,
            self._marked,
            width=_hidden_width(layout),
            queue_tokens=queue_tokens,
            attends_to_expansion=late.attends_to_expansion,
        )

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder: one row for each token that the role keeps.

        What queries are filled up with does not count as used.
        """
        dimensions = request.dimensions
        check_dimensions(self.card, dimensions, any_dimensions=request.any_dimensions)

        def finished(found: TokenVectors) -> Encoded:
            embeddings = found.tokens
            if dimensions is not None and dimensions != self.card.dimensions:
                embeddings = embeddings.cut(dimensions)
            return Encoded(embeddings, tokens_used=found.tokens_used, tokens_cut=found.tokens_cut)

        return self.submit_tokens(replace(request, dimensions=None), cancellation).then(finished)

    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """See Encoder: the rows that :meth:`encode` gives, of full width."""
        check_no_dimensions(request)
        tokens = self._tokens(request, cancellation)

        def finished(found: list[Vectors]) -> TokenVectors:
            embeddings = self._kept([rows for (rows,) in found], tokens, request.role)
            return TokenVectors(embeddings, None, *counts(tokens))

        return self._run(tokens, self._project, cancellation).then(finished)

    def submit_spans(
        self, request: SpansRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder: several vectors for a span are nothing to pool."""
        del request, cancellation
        refuse_spans(self.card, "gives a vector for each token and never one for a text")

    def _kept(self, rows: Sequence[Rows], tokens: Sequence[Tokens], role: Role) -> Embeddings:
        kept = [one[self._marked.kept(text, role)] for one, text in zip(rows, tokens, strict=True)]
        embeddings = Embeddings.ragged(kept, self.card.dimensions)
        if role == DOCUMENT and self._pooling_factor > 1:
            return pool_tokens(embeddings, self._pooling_factor, self._protected_tokens)
        return embeddings


class _Projection:
    """Hidden states to one vector for each token: the steps after the body."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def __call__(
        self, hidden: npt.NDArray[np.float32], mask: Ids, texts: list[Tokens]
    ) -> Sequence[Vectors]:
        """Of each text (s, d), with a row for every id."""
        del mask
        states = [row[: len(text)] for row, text in zip(hidden, texts, strict=True)]
        rows = self._head(np.concatenate(states))
        ends = np.cumsum([len(text) for text in texts[:-1]])
        return [(of_text,) for of_text in np.split(rows, ends)]


def _hidden_width(layout: Layout) -> int:
    """How many values the body gives for a token."""
    return next(
        (step.inputs for step in layout.steps if isinstance(step, Dense)), layout.card.dimensions
    )
