"""How alike two texts are: short reference scores, with their shapes and papers.

They are written to be read and to judge faster ones by.
"""

import numpy as np
import numpy.typing as npt

from bindery.errors import InvalidValue
from bindery.vectors.embeddings import BinaryEmbeddings, Embeddings

Scores = npt.NDArray[np.float32]


def cosine(queries: Embeddings, documents: Embeddings) -> Scores:
    """Cosine similarity of every query with every document; needs one row per text on both sides.

    Returns (queries, documents) in float32, each in [-1, 1]. A zero row scores 0.
    """
    for side in (queries, documents):
        if not side.is_dense:
            raise InvalidValue(
                "Cosine compares one vector per text; these have several.", remedy="Use maxsim."
            )
    _same_width(queries, documents)

    return queries.normalised().rows @ documents.normalised().rows.T


def maxsim(queries: Embeddings, documents: Embeddings) -> Scores:
    """Late interaction of every query with every document.

    score[q, d] = sum over the rows of q of the best dot product with a row of d
    (Khattab and Zaharia, 2020, ColBERT, eq. 3; arXiv:2004.12832). With one row on both sides it is
    the dot product, so dense models need no other score.

    Returns (queries, documents) in float32, sums in float32, higher is better. Rows are taken as
    they are: normalise first for cosines. A document without rows scores -inf, a query without
    rows 0 against all that have some.
    """
    _same_width(queries, documents)

    scores = np.full((len(queries), len(documents)), -np.inf, dtype=np.float32)
    filled = np.flatnonzero(np.diff(documents.offsets))
    if not len(filled):
        return scores
    for query in range(len(queries)):
        products = queries[query] @ documents.rows.T
        # reduceat over the starts of the filled documents: a maximum never crosses into a neighbour
        best = np.maximum.reduceat(products, documents.offsets[filled], axis=1)
        scores[query, filled] = best.sum(axis=0, dtype=np.float32)
    return scores


def mean_maxsim(queries: Embeddings, documents: Embeddings) -> Scores:
    """MaxSim for each row of the query: maxsim / rows of q, in [-1, 1] for rows of length 1.

    Within one query it orders as the sum does; beside a cosine, and across queries of different
    length, only the mean can be compared. Returns (queries, documents) in float32; a document
    without rows scores -inf, a query without rows 0 against all that have some.
    """
    rows = np.maximum(np.diff(queries.offsets), 1).astype(np.float32)
    return maxsim(queries, documents) / rows[:, None]


def hamming(queries: BinaryEmbeddings, documents: BinaryEmbeddings) -> npt.NDArray[np.int64]:
    """Number of differing bits of every query with every document; one row per text on both sides.

    Returns (queries, documents); lower is better, 0 to ``width``.
    """
    if queries.width != documents.width:
        raise InvalidValue(f"Widths {queries.width} and {documents.width} cannot be compared.")
    if not (queries.is_dense and documents.is_dense):
        raise InvalidValue("Hamming compares one vector per text; these have several.")

    differing = queries.bits[:, None, :] ^ documents.bits[None, :, :]
    return np.bitwise_count(differing).sum(axis=-1, dtype=np.int64)


def _same_width(queries: Embeddings, documents: Embeddings) -> None:
    if queries.width != documents.width:
        raise InvalidValue(f"Widths {queries.width} and {documents.width} cannot be compared.")
