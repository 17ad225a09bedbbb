"""The figures of one question, and intervals of the differences between settings.

nDCG is that of Järvelin and Kekäläinen (2002) as trec_eval computes it: the gain is the grade, the
discount of rank r is log2(r + 1), and the ideal order has the highest grades first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bindery.evaluation.questions import JudgedQuestion
from bindery.search.answers import Hit

DEPTHS = (1, 5, 10)
_RESAMPLES = 5_000
_MOST_P = 0.05
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class QuestionFigures:
    """How a question was answered: each figure 0 to 1, except the milliseconds.

    ``recall`` are the shares of the expected passages among the first 1, 5 and 10, and
    ``recall_in_budget`` that among the first passages of together as many tokens as the budget.
    ``first_rank`` is that of the first expected passage, None if none was found.
    """

    ndcg_10: float
    reciprocal_rank: float
    recall: tuple[float, ...]
    recall_in_budget: float
    first_rank: int | None
    milliseconds: float


def judge(
    question: JudgedQuestion,
    hits: Sequence[Hit],
    milliseconds: float,
    *,
    budget_tokens: int,
    count_tokens: Callable[[Sequence[str]], Sequence[int]],
) -> QuestionFigures:
    """The figures of a question by its hits, best first.

    If every expected passage is a whole file, each file counts once, by its best passage.
    """
    spent = np.cumsum(count_tokens([hit.text for hit in hits])) if hits else np.zeros(0)
    affordable = int(np.searchsorted(spent, budget_tokens, side="right"))
    ranks = _ranks(question, hits)
    gains = [0.0] * len(question.expected)
    for place, rank in enumerate(ranks):
        if rank is not None and rank <= DEPTHS[-1]:
            gains[place] = question.expected[place].grade / np.log2(rank + 1)
    ideal = sorted((one.grade for one in question.expected), reverse=True)[: DEPTHS[-1]]
    best = sum(grade / np.log2(rank + 1) for rank, grade in enumerate(ideal, 1))
    found = [rank for rank in ranks if rank is not None]
    in_budget = [one for one in _ranks(question, hits[:affordable]) if one is not None]
    return QuestionFigures(
        # A passage that holds two of the expected ones counts as the two best ranks at most.
        min(1.0, float(sum(gains) / best)),
        1 / min(found) if found else 0.0,
        tuple(sum(rank <= depth for rank in found) / len(ranks) for depth in DEPTHS),
        len(in_budget) / len(ranks),
        min(found, default=None),
        milliseconds,
    )


def _ranks(question: JudgedQuestion, hits: Sequence[Hit]) -> list[int | None]:
    """The rank, from 1, at which each expected passage is found first."""
    counted = hits
    if all(one.is_file for one in question.expected):
        best_of: dict[str, Hit] = {}
        for hit in hits:
            best_of.setdefault(hit.file, hit)
        counted = list(best_of.values())
    return [
        next((rank for rank, hit in enumerate(counted, 1) if one.matches(hit)), None)
        for one in question.expected
    ]


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference of paired figures, and the interval that it is in.

    ``p`` is how often chance alone gives a difference as large: the share of random signs of the
    questions' differences that do (Fisher's randomisation test), for all comparisons together.
    With few questions the interval is too narrow, and ``p`` large.
    """

    mean: float
    low: float
    high: float
    p: float

    @property
    def is_better(self) -> bool:
        """Whether the figures are better for certain."""
        return self.low > 0 and self.p < _MOST_P

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def difference(
    figures: Sequence[float], baseline: Sequence[float], *, comparisons: int = 1
) -> Difference:
    """How much better figures are than those of the same questions, by a paired bootstrap.

    The interval holds with 95 % for all ``comparisons`` together (Bonferroni). The same figures
    give the same interval.
    """
    differences: npt.NDArray[np.float64] = np.asarray(figures) - np.asarray(baseline)
    draw = np.random.default_rng(_SEED)
    count = len(differences)
    means = np.empty(_RESAMPLES)
    for n in range(_RESAMPLES):
        means[n] = differences[draw.integers(0, count, count)].mean()
    tail = 0.025 / max(1, comparisons)
    low, high = np.quantile(means, [tail, 1 - tail])
    mean = float(differences.mean())
    signs = draw.choice([-1.0, 1.0], (_RESAMPLES, count))
    as_large = int(np.count_nonzero(np.abs(signs @ differences) >= count * abs(mean) - 1e-9))
    p = min(1.0, (1 + as_large) / (1 + _RESAMPLES) * max(1, comparisons))
    return Difference(mean, float(low), float(high), p)
