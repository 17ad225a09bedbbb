"""The second stage: put the documents that a first search found in a better order.

A dense model compares a query with a document by one vector each, and throws away what it knew of
every single token. Its token vectors, compared by late interaction, put the best documents first,
with no training and no second model; docs/reranking.md has the figures.
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
"""What the mean MaxSim counts in the mix; docs/reranking.md tells how it was chosen."""

# 100 documents of 256 tokens of 384 values are 40 MB, as much as is held at once.
_DOCUMENTS_AT_ONCE = 100
# As unlike as two texts can be, for documents without tokens: they never come before others.
_LEAST = -1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document's place in the order: ``index`` is its place among the documents as given.

    ``score`` is what they are ordered by: the mix of cosine and mean MaxSim for a dense model,
    MaxSim for a late-interaction model (the sum over the query's vectors), the cosine for a remote
    one. ``normalised`` is in [-1, 1] for every model: MaxSim as a mean, else the score itself.
    """

    index: int
    score: float
    normalised: float


@dataclass(frozen=True, slots=True, eq=False)
class Reranked:
    """Documents in order, with an account of each text: the query first, then as they were given.

    ``tokens_used`` and ``tokens_cut`` are (1 + documents,) int64, as :class:`Encoded` has them.
    """

    ranked: tuple[Ranked, ...]
    tokens_used: Counts
    tokens_cut: Counts
    tokens_billed: int | None = None

    @property
    def total_tokens(self) -> int:
        """The tokens of all texts, for a remote model what its vendor counted, or UNKNOWN."""
        return total_tokens(self.tokens_used, self.tokens_billed)


def rerank(
    encoder: Encoder,
    query: str,
    documents: Sequence[str],
    *,
    top_n: int | None = None,
    weight: float = DEFAULT_WEIGHT,
) -> list[Ranked]:
    """Order documents by how well they answer a query, the best first, ties as they were given.

    ``top_n`` None gives all of them. ``weight`` is as :func:`mix` has it and counts for models of
    one vector per text alone. A remote model shows no tokens, so its cosines decide. A document
    without tokens scores the least there is. Raises InvalidValue for a ``top_n`` below 1, for a
    weight outside 0 to 1 and for what is not text.
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

    Some documents run at a time, and the next only while the ``cancellation`` holds. Raises what
    :meth:`Encoder.submit_tokens` and its value do besides.
    """
    _check(top_n, weight)
    if isinstance(documents, str):
        raise InvalidValue("Documents come as a list, not as one string.", param="documents")
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
    """The order by the cosine between a query and documents, which are the two requests."""
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
    """The same error, told of documents that were counted from ``first`` on."""
    message = f"Of the documents from {first} on: {error.message}"
    if isinstance(error, TextTooLong):
        return TextTooLong(message, remedy=error.remedy, param="documents")
    places = tuple(first + place for place in error.places)
    return TextFailed(message, remedy=error.remedy, param="documents", places=places)


def reorder(
    query: TokenVectors,
    documents: TokenVectors,
    *,
    top_n: int | None = None,
    weight: float = DEFAULT_WEIGHT,
) -> list[Ranked]:
    """The same as :func:`rerank`, with vectors that were kept.

    ``query`` holds one text. Raises InvalidValue where it does not, where only one side has pooled
    vectors, and for another ``top_n`` or weight than :func:`rerank` takes.
    """
    _check(top_n, weight)
    if len(query.tokens) != 1:
        raise InvalidValue(f"One query orders documents, not {len(query.tokens)}.", param="query")
    if (query.pooled is None) != (documents.pooled is None):
        raise InvalidValue(
            "Of query and documents only one has pooled vectors: they are of two models."
        )
    return _in_order(_scores(query, documents, weight), _rows_in_sum(query), top_n)


def mix(cosines: Scores, mean_maxsims: Scores, weight: float) -> Scores:
    """(1 - weight) * cosine + weight * mean MaxSim, each (n,) and in [-1, 1].

    Weight 0 is the cosine alone, 1 is late interaction alone. A document without rows (mean MaxSim
    -inf) scores -1, the least there is, whatever the weight.
    """
    reached = np.isfinite(mean_maxsims)
    known = np.where(reached, mean_maxsims, 0)
    return np.where(reached, (1 - weight) * cosines + weight * known, _LEAST).astype(np.float32)


def _scores(query: TokenVectors, documents: TokenVectors, weight: float) -> Scores:
    """Each document's score, normalised: (n,) in [-1, 1]."""
    means = mean_maxsim(query.tokens, documents.tokens)[0]
    if query.pooled is None or documents.pooled is None:
        return np.where(np.isfinite(means), means, _LEAST).astype(np.float32)
    # A query without tokens has nothing to interact: its cosines decide.
    share = weight if len(query.tokens.rows) else 0
    return mix(cosine(query.pooled, documents.pooled)[0], means, share)


def _rows_in_sum(query: TokenVectors) -> int:
    """By how much the sum of a late-interaction model is more than its mean."""
    return max(len(query.tokens.rows), 1) if query.pooled is None else 1


def _in_order(normalised: Scores, rows: int, top_n: int | None) -> list[Ranked]:
    order = np.argsort(-normalised, kind="stable")[:top_n]
    return [
        Ranked(int(index), float(normalised[index]) * rows, float(normalised[index]))
        for index in order
    ]


def _check(top_n: int | None, weight: float) -> None:
    if top_n is not None and top_n < 1:
        raise InvalidValue(f"The best {top_n} documents are none.", param="top_n")
    if not 0 <= weight <= 1:
        raise InvalidValue(f"A weight is from 0 to 1, not {weight}.", param="weight")
