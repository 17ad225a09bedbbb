"""The figures of a question are those of trec_eval, and intervals are right about differences."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindery.evaluation.metrics import QuestionFigures, difference, judge
from bindery.evaluation.questions import Expected, JudgedQuestion
from bindery.search.answers import Hit
from bindery.types import Span

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "metrics.json").read_text())


def hit(file: str, text: str = "one two three") -> Hit:
    return Hit(f"{file}:{text}", file, text, Span(0, len(text)), 1.0, {}, {})


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def judged(
    question: JudgedQuestion, hits: Sequence[Hit], budget_tokens: int = 1_000
) -> QuestionFigures:
    return judge(question, hits, 1.0, budget_tokens=budget_tokens, count_tokens=words)


@pytest.mark.parametrize("case", GOLDEN)
def test_figures_equal_the_reference(case: dict) -> None:
    expected = tuple(Expected(name, grade=grade) for name, grade in case["grades"].items())
    # Further passages of a file change nothing: it counts by its best.
    hits = [hit(name, text) for name in case["ranking"] for text in ("a b", "c d")]
    figures = judged(JudgedQuestion("1", "?", expected), hits)
    assert figures.ndcg_10 == pytest.approx(case["ndcg_10"], abs=1e-5)
    assert figures.reciprocal_rank == pytest.approx(case["reciprocal_rank"], abs=1e-5)
    assert figures.recall == pytest.approx(case["recall"], abs=1e-5)


@given(st.data())
def test_figures_are_shares_and_more_room_never_finds_less(data: st.DataObject) -> None:
    texts = st.text("ab ", min_size=1, max_size=12)
    expected = data.draw(st.lists(st.builds(Expected, quote=st.text("ab", min_size=1, max_size=4))))
    if not expected:
        expected = [Expected("a")]
    hits = [hit("f", text) for text in data.draw(st.lists(texts, max_size=12))]
    question = JudgedQuestion("1", "?", tuple(expected))
    figures, richer = judged(question, hits, 3), judged(question, hits, 6)
    assert 0 <= figures.ndcg_10 <= 1
    assert 0 <= figures.recall_in_budget <= richer.recall_in_budget <= 1
    assert tuple(sorted(figures.recall)) == figures.recall
    assert (figures.first_rank is None) == (figures.reciprocal_rank == 0)


def test_a_budget_is_spent_in_the_order_of_the_hits() -> None:
    question = JudgedQuestion("1", "?", (Expected(quote="gold"),))
    hits = [hit("f", "four words are here"), hit("f", "gold is here")]
    assert judged(question, hits, 6).recall_in_budget == 0
    assert judged(question, hits, 7).recall_in_budget == 1
    assert judged(question, [], 7).ndcg_10 == 0


def test_an_interval_tells_a_difference_from_chance() -> None:
    draw = np.random.default_rng(1)
    before = draw.random(200)
    noise = draw.normal(0, 0.1, 200)
    same = difference(before + noise - noise.mean(), before)
    better = difference(before + 0.1 + noise, before)
    assert same.low < 0 < same.high
    assert 0 < better.low < better.mean < better.high
    assert better == difference(before + 0.1 + noise, before)
    wider = difference(before + 0.1 + noise, before, comparisons=20)
    assert wider.low < better.low < better.high < wider.high
    assert better.is_better
    assert not same.is_better


def test_few_questions_show_nothing() -> None:
    for count in range(1, 6):
        certain = difference([1.0] * count, [0.5] * count)
        assert not certain.is_better
        assert certain.p >= 2.0 ** (1 - count) * 0.8
    assert difference([1.0] * 12, [0.5] * 12).is_better
