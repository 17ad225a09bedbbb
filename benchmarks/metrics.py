"""Quality measures, computed like the tools that papers use."""
# pyright: basic

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]


def ndcg(
    scores: Scores,
    queries: Sequence[str],
    documents: Sequence[str],
    answers: Mapping[str, Mapping[str, int]],
    depth: int = 10,
) -> float:
    """Mean normalised discounted cumulative gain at ``depth`` (Järvelin and Kekäläinen, 2002).

    scores: (queries, documents), higher is better. Gain is the grade, the discount of rank r (from
    1) is log2(r + 1). Ties are ordered like trec_eval: by document id as bytes, the greater first.
    Queries without relevant documents are excluded.
    """
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    # lexsort is ascending, so both keys are negated: the score by its sign, the id by its rank
    names = np.array([document.encode() for document in documents])
    descending = np.empty(len(documents), dtype=np.int64)
    descending[np.argsort(names)[::-1]] = np.arange(len(documents))

    gains = []
    for row, query in enumerate(queries):
        grades = answers[query]
        best: list[int] = np.lexsort((descending, -scores[row]))[:depth].tolist()
        reached = (
            np.array([grades.get(documents[index], 0) for index in best]) @ discounts[: len(best)]
        )
        ideal = sorted(grades.values(), reverse=True)[:depth]
        gains.append(reached / (np.array(ideal) @ discounts[: len(ideal)]))
    return float(np.mean(gains))


def spearman(first: Scores, second: Scores) -> float:
    """Spearman's rank correlation; equal values get the mean of their ranks."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def cosines(first: Scores, second: Scores) -> npt.NDArray[np.float64]:
    """Row-wise cosines of two arrays, (n,), in float64."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / lengths


def _ranks(values: Scores) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - (counts - 1) / 2)[places]).astype(np.float64)
