"""The second stage of a search: rank the documents that were found by late interaction.

A dense model compares a query with a document by one vector each, which loses information about
single tokens. Comparing its token vectors ranks documents better, without training or a second
model; docs/reranking.md has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bindery.encoders.base import Counts, Encoder, TokenVectors, total_tokens
from bindery.encoders.pending import Cancellation
from bindery.encoders.request import EncodeRequest
from bindery.errors import InvalidValue, TextFailed, TextTooLong, UnsupportedModel
from bindery.options import VectorOptions
from bindery.types import DOCUMENT, QUERY, Truncate
from bindery.vectors.scoring import Scores, cosine, mean_maxsim

DEFAULT_WEIGHT = 0.8
"""The weight of the mean MaxSim in the score; docs/reranking.md says how it was chosen."""

# 100 documents of 256 tokens of 384 values take 40 MB.
_DOCUMENTS_AT_ONCE = 100
# The lowest score, for documents without tokens, so that they never come before others.
_LEAST = -1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranked document; ``index`` is its position among the given documents.

    ``score`` is the mix of cosine and mean MaxSim for a dense model, MaxSim (the sum over the
    query's vectors) for a late-interaction model, and the cosine for a remote one. ``normalised``
    is in [-1, 1] for every model: the mean MaxSim, or else the score itself.
    """

    index: int
    score: float
    normalised: float


@dataclass(frozen=True, slots=True, eq=False)
class Reranked:
    """Documents in order of their scores, with token counts.

    ``tokens_used`` and ``tokens_cut`` are (1 + documents,) int64 like in :class:`Encoded`: the
    query first, then the documents in the given order.
    """

    ranked: tuple[Ranked, ...]
    tokens_used: Counts
    tokens_cut: Counts
    tokens_billed: int | None = None

    @property
    def total_tokens(self) -> int:
        """The tokens of all texts; for a remote model as billed by its vendor, or UNKNOWN."""
        return total_tokens(self.tokens_used, self.tokens_billed)


def rerank(
    encoder: Encoder,
    query: str,
    documents: Sequence[str],
    *,
    top_n: int | None = None,
    weight: float = DEFAULT_WEIGHT,
) -> list[Ranked]:
    """Rank documents by how well they answer a query, best first; ties stay in the given order.

    ``top_n`` None returns all of them. ``weight`` is that of :func:`mix`, and only matters for
    dense models. A remote model has no token vectors, so it ranks by cosine. A document without
    tokens has the lowest score, -1. Raises InvalidValue for a ``top_n`` below 1, a weight outside 0
    to 1, and values that are not text.
    """
    return list(rerank_counted(encoder, query, documents, top_n=top_n, weight=weight).ranked)


def rerank_counted(
    encoder: Encoder,
    query: str,
    documents: Sequence[str],
    *,
    top_n: int | None = None,
    weight: float = DEFAULT_WEIGHT,
    truncate: Truncate = Truncate.END,
    cancellation: Cancellation | None = None,
) -> Reranked:
    """The same, with the tokens used and cut of each text.

    Documents run in batches until the ``cancellation`` is cancelled. Also raises the errors of
    :meth:`Encoder.submit_tokens` and its result.
    """
    _check(top_n, weight)
    if isinstance(documents, str):
        raise InvalidValue("documents must be a list, got one string.", param="documents")
    question = EncodeRequest([query], VectorOptions(QUERY, truncate=truncate))
    answers = VectorOptions(DOCUMENT, truncate=truncate)
    try:
        asked = encoder.submit_tokens(question, cancellation).result()
    except UnsupportedModel:  # a remote model
        both = [question, EncodeRequest(documents, answers)]
        return _rerank_by_cosine(encoder, both, top_n, cancellation)

    scores = [np.zeros(0, dtype=np.float32)]
    used, cut = [asked.tokens_used], [asked.tokens_cut]
    for first in range(0, len(documents), _DOCUMENTS_AT_ONCE):
        texts = documents[first : first + _DOCUMENTS_AT_ONCE]
        try:
            some = encoder.submit_tokens(EncodeRequest(texts, answers), cancellation).result()
        except (TextTooLong, TextFailed) as error:
            raise _renamed(error, first) from error
        scores.append(_scores(asked, some, weight))
        used.append(some.tokens_used)
        cut.append(some.tokens_cut)
    ranked = _in_order(np.concatenate(scores), _rows_in_sum(asked), top_n)
    return Reranked(tuple(ranked), np.concatenate(used), np.concatenate(cut))


def _rerank_by_cosine(
    encoder: Encoder,
    requests: Sequence[EncodeRequest],
    top_n: int | None,
    cancellation: Cancellation | None,
) -> Reranked:
    """Rank by cosine; the two requests are the query and the documents."""
    pending = [encoder.submit(request, cancellation) for request in requests]
    asked, found = [one.result() for one in pending]
    cosines = cosine(asked.embeddings, found.embeddings)[0]
    billed = (asked.tokens_billed, found.tokens_billed)
    return Reranked(
        tuple(_in_order(cosines, 1, top_n)),
        np.concatenate([asked.tokens_used, found.tokens_used]),
        np.concatenate([asked.tokens_cut, found.tokens_cut]),
        None if None in billed else sum(count or 0 for count in billed),
    )


def _renamed(error: TextTooLong | TextFailed, first: int) -> TextTooLong | TextFailed:
    """The same error for a batch of documents that starts at index ``first``."""
    message = f"In the documents from {first} on: {error.message}"
    if isinstance(error, TextTooLong):
        return TextTooLong(message, remedy=error.remedy, param="documents")
    indices = tuple(first + index for index in error.indices)
    return TextFailed(message, remedy=error.remedy, param="documents", indices=indices)


def reorder(
    query: TokenVectors,
    documents: TokenVectors,
    *,
    top_n: int | None = None,
    weight: float = DEFAULT_WEIGHT,
) -> list[Ranked]:
    """The same as :func:`rerank`, for stored vectors.

    Raises InvalidValue if ``query`` is not exactly one text, if only one side has pooled vectors,
    and for a ``top_n`` or weight that :func:`rerank` refuses.
    """
    _check(top_n, weight)
    if len(query.tokens) != 1:
        raise InvalidValue(f"query must be one text, got {len(query.tokens)}.", param="query")
    if (query.pooled is None) != (documents.pooled is None):
        raise InvalidValue(
            "Either query or documents have no pooled vectors: they are from different models."
        )
    return _in_order(_scores(query, documents, weight), _rows_in_sum(query), top_n)


def mix(cosines: Scores, mean_maxsims: Scores, weight: float) -> Scores:
    """(1 - weight) * cosine + weight * mean MaxSim, each (n,) and in [-1, 1].

    A document without rows (mean MaxSim -inf) has the lowest score, -1, whatever the weight.
    """
    reached = np.isfinite(mean_maxsims)
    known = np.where(reached, mean_maxsims, 0)
    return np.where(reached, (1 - weight) * cosines + weight * known, _LEAST).astype(np.float32)


def _scores(query: TokenVectors, documents: TokenVectors, weight: float) -> Scores:
    """The normalised score of each document: (n,) in [-1, 1]."""
    means = mean_maxsim(query.tokens, documents.tokens)[0]
    if query.pooled is None or documents.pooled is None:
        return np.where(np.isfinite(means), means, _LEAST).astype(np.float32)
    # A query without tokens is ranked by cosine alone.
    share = weight if len(query.tokens.rows) else 0
    return mix(cosine(query.pooled, documents.pooled)[0], means, share)


def _rows_in_sum(query: TokenVectors) -> int:
    """The factor between the sum and the mean of a late-interaction model."""
    return max(len(query.tokens.rows), 1) if query.pooled is None else 1


def _in_order(normalised: Scores, rows: int, top_n: int | None) -> list[Ranked]:
    order = np.argsort(-normalised, kind="stable")[:top_n]
    return [
        Ranked(int(index), float(normalised[index]) * rows, float(normalised[index]))
        for index in order
    ]


def _check(top_n: int | None, weight: float) -> None:
    if top_n is not None and top_n < 1:
        raise InvalidValue(f"top_n must be at least 1, got {top_n}.", param="top_n")
    if not 0 <= weight <= 1:
        raise InvalidValue(f"weight must be between 0 and 1, got {weight}.", param="weight")
