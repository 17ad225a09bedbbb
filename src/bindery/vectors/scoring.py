"""Similarity scores, as short reference implementations that faster ones are checked against."""

import numpy as np
import numpy.typing as npt

from bindery.errors import InvalidValue
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.forms import CodedEmbeddings

Scores = npt.NDArray[np.float32]


def cosine(queries: Embeddings, documents: Embeddings) -> Scores:
    """Cosine similarity of every query with every document, which must have one row per text.

    Returns (queries, documents) in float32, each in [-1, 1]. A zero row scores 0.
    """
    for side in (queries, documents):
        if not side.is_dense:
            raise InvalidValue(
                "Cosine needs one vector per text, but these texts have several.",
                remedy="Use maxsim.",
            )
    _check_widths(queries.width, documents.width)

    return queries.normalised().rows @ documents.normalised().rows.T


def maxsim(queries: Embeddings, documents: Embeddings) -> Scores:
    """Late interaction of every query with every document.

    score[q, d] = sum over the rows of q of the best dot product with a row of d
    (Khattab and Zaharia, 2020, ColBERT, eq. 3; arXiv:2004.12832). With one row on both sides this
    is the dot product, so it also serves dense models.

    Returns (queries, documents) in float32, summed in float32; higher is better. Rows are not
    normalised. A document without rows scores -inf; a query without rows scores 0 against every
    document with rows.
    """
    _check_widths(queries.width, documents.width)

    scores = np.full((len(queries), len(documents)), -np.inf, dtype=np.float32)
    filled = np.flatnonzero(np.diff(documents.offsets))
    if not len(filled):
        return scores
    for query in range(len(queries)):
        products = queries[query] @ documents.rows.T
        # reduceat over the starts of documents with rows, so no maximum crosses into a neighbour
        best = np.maximum.reduceat(products, documents.offsets[filled], axis=1)
        scores[query, filled] = best.sum(axis=0, dtype=np.float32)
    return scores


def mean_maxsim(queries: Embeddings, documents: Embeddings) -> Scores:
    """MaxSim for each row of the query: maxsim / rows of q, in [-1, 1] for rows of length 1.

    Within one query the order is that of the sum; only the mean can be compared across queries of
    different length, or with a cosine. Returns (queries, documents) in float32, with the special
    cases of :func:`maxsim`.
    """
    rows = np.maximum(np.diff(queries.offsets), 1).astype(np.float32)
    return maxsim(queries, documents) / rows[:, None]


def hamming(queries: CodedEmbeddings, documents: CodedEmbeddings) -> npt.NDArray[np.int64]:
    """The number of differing bits of every query and document, which must have one row per text.

    Returns (queries, documents), 0 to the dimensions; lower is better. Raises InvalidValue for
    other forms than bits.
    """
    _check_widths(queries.dimensions, documents.dimensions)
    if not (queries.is_dense and documents.is_dense):
        raise InvalidValue("Hamming distance needs one vector per text; these texts have several.")

    differing = queries.bits[:, None, :] ^ documents.bits[None, :, :]
    return np.bitwise_count(differing).sum(axis=-1, dtype=np.int64)


def _check_widths(queries: int, documents: int) -> None:
    if queries != documents:
        raise InvalidValue(f"Vectors of {queries} and {documents} values cannot be compared.")
