"""Dense models: one vector per text, or one per token for late interaction."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.encoders.base import Encoded, TokenVectors
from bindery.encoders.checks import (
    check_no_dimensions,
    check_options,
    check_texts,
    prompt_of,
    refuse_spans,
)
from bindery.encoders.head import Head, cut, normalised, pool
from bindery.encoders.local import LocalEncoder, counts, hidden_width
from bindery.encoders.model_tokeniser import model_tokeniser
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.encoders.scheduling import Ids, Vectors
from bindery.encoders.spans import means, sums, windows_of
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Engine
from bindery.models.card import Pooling
from bindery.models.layouts import Layout
from bindery.vectors.embeddings import Embeddings

Rows: TypeAlias = npt.NDArray[np.float32]

# A change of length costs OpenVINO half a millisecond of 3, and so do 4 tokens of padding. These
# lengths were the fastest for SciFact's queries of ten words.
_QUICK_LENGTHS = (12, 20, 28, 40, 64)


class DenseEncoder(LocalEncoder):
    """An Encoder for any engine and any folder in the layout of sentence-transformers.

    ``queue_tokens`` is how many tokens may wait, None for no limit. Raises ModelBroken for a broken
    tokeniser or module.
    """

    def __init__(self, layout: Layout, engine: Engine, *, queue_tokens: int | None = None) -> None:
        self._hidden_width = hidden_width(layout)
        self._readout = _Readout(layout)
        super().__init__(
            layout.card,
            engine,
            model_tokeniser(layout),
            width=self._hidden_width,
            queue_tokens=queue_tokens,
            quick_length=_quick_length,
        )

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder. The full dimensions give the same result as None."""
        dimensions = request.options.dimensions
        check_options(self.card, request.options)
        tokens = self._tokens(request, cancellation)

        def finished(found: list[Vectors]) -> Encoded:
            embeddings = self._dense([vector for (vector,) in found])
            return Encoded(cut(self.card, embeddings, dimensions), *counts(tokens))

        return self._run(tokens, self._readout.vectors, cancellation).then(finished)

    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """See Encoder. The tokens are the body's last hidden states, before pooling and head."""
        check_no_dimensions(request)
        tokens = self._tokens(request, cancellation)

        def finished(found: list[Vectors]) -> TokenVectors:
            return TokenVectors(
                Embeddings.ragged([rows for rows, _ in found], self._hidden_width),
                self._dense([vector for _, vector in found]),
                *counts(tokens),
            )

        return self._run(tokens, self._readout.token_vectors, cancellation).then(finished)

    def submit_spans(
        self, request: SpansRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder."""
        if self.card.pooling != (Pooling.MEAN,):
            kinds = " and ".join(self.card.pooling)
            refuse_spans(self.card, f"pools a text by {kinds}, not by mean")
        check_options(self.card, request.options)
        check_texts([spanned.text for spanned in request.texts])
        self._scheduler.check(cancellation)
        windows = windows_of(
            self.tokeniser.of_role(request.options.role),
            request.texts,
            prompt_of(self.card, request.options.role),
            pools_prompt=self._readout.pools_prompt,
        )
        spans = sum(len(spanned.spans) for spanned in request.texts)

        def finished(found: list[Vectors]) -> Encoded:
            pooled, counts = means(windows, found, spans, self._hidden_width)
            embeddings = self._dense(self._readout.head(pooled))
            return Encoded(
                cut(self.card, embeddings, request.options.dimensions),
                tokens_used=counts,
                tokens_cut=np.zeros_like(counts),
                tokens_billed=sum(map(len, windows)),
            )

        return self._run(windows, sums, cancellation).then(finished)

    def _dense(self, vectors: Sequence[Rows] | Rows) -> Embeddings:
        matrix = np.zeros((len(vectors), self.card.dimensions), dtype=np.float32)
        for text, vector in enumerate(vectors):
            matrix[text] = vector
        return Embeddings.dense(matrix)


class _Readout:
    """From hidden states to vectors: pooling and the head, or the tokens as well."""

    def __init__(self, layout: Layout) -> None:
        self._kinds = layout.card.pooling
        self.pools_prompt = layout.pools_prompt
        self.head = Head(layout.steps)

    def vectors(self, hidden: Rows, mask: Ids, texts: list[Tokens]) -> Sequence[Vectors]:
        """The vector (d,) of each text."""
        return [(vector,) for vector in self._pooled(hidden, mask, texts)]

    def token_vectors(self, hidden: Rows, mask: Ids, texts: list[Tokens]) -> Sequence[Vectors]:
        """The text's own tokens (t, h), each of length 1, and its vector (d,), for each text."""
        rows = [normalised(hidden[row, slice(*text.text)]) for row, text in enumerate(texts)]
        return list(zip(rows, self._pooled(hidden, mask, texts), strict=True))

    def _pooled(self, hidden: Rows, mask: Ids, texts: list[Tokens]) -> Rows:
        if not self.pools_prompt:
            mask = mask.copy()
            for row, text in enumerate(texts):
                mask[row, : text.prompt] = 0
        return self.head(pool(self._kinds, hidden, mask))


def _quick_length(tokens: int) -> int:
    return next(length for length in _QUICK_LENGTHS if length >= tokens)
