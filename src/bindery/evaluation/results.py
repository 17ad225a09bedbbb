"""What an evaluation compares, and what it finds, as values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from itertools import product
from statistics import mean, median
from typing import Any

from bindery.errors import InvalidValue
from bindery.evaluation.metrics import Difference, QuestionFigures
from bindery.evaluation.questions import JudgedQuestion
from bindery.jobs.recipe import Recipe
from bindery.options import SearchMode
from bindery.types import table_html

LATE_MODE = "late"
"""The passages of the mode dense, ranked again by the vectors of their tokens."""

MODES = (*SearchMode, LATE_MODE)


@dataclass(frozen=True, slots=True)
class EvaluationProgress:
    """How far an evaluation is: what it does now, and how many of all questions it has asked.

    Each question counts once for each setting.
    """

    doing: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """The settings to compare: every combination of these, beside the collection as it is.

    Without values an axis stays as the collection has it. ``budget_tokens`` is the room for
    passages in a prompt, for the figure ``recall_in_budget``.
    """

    models: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    dimensions: tuple[int, ...] = ()
    modes: tuple[str, ...] = (SearchMode.HYBRID,)
    budget_tokens: int = 1_000

    def __post_init__(self) -> None:
        for mode in self.modes:
            if mode not in MODES:
                raise InvalidValue(
                    f"Unknown mode {mode[:80]!r}.",
                    remedy=f"Use {', '.join(MODES)}.",
                    param="modes",
                )
        if not self.modes:
            raise InvalidValue("modes must have at least one mode.", param="modes")
        if self.budget_tokens < 1:
            raise InvalidValue(
                f"budget_tokens must be at least 1, got {self.budget_tokens}.",
                param="budget_tokens",
            )

    @property
    def ordered_modes(self) -> tuple[str, ...]:
        """The modes, the usual one first."""
        return tuple(sorted(dict.fromkeys(self.modes), key=lambda mode: mode != SearchMode.HYBRID))

    def recipes(self) -> Iterator[dict[str, Any]]:
        """What differs from the collection's recipe, for each other one to try."""
        axes: Mapping[str, Sequence[Any]] = {
            "model": self.models,
            "strategy": self.strategies,
            "size": self.sizes,
            "dimensions": self.dimensions,
        }
        wanted = {name: values for name, values in axes.items() if values}
        for values in product(*wanted.values()):
            if values:
                yield dict(zip(wanted, values, strict=True))


@dataclass(frozen=True, slots=True)
class SettingResult:
    """How a setting answered: means over the questions, and each question's figures in order.

    ``milliseconds`` is the median of a search. ``against`` is the difference of nDCG@10 from the
    baseline, None for the baseline itself.
    """

    name: str
    recipe: Recipe
    mode: str
    chunks: int
    index_bytes: int
    figures: tuple[QuestionFigures, ...]
    against: Difference | None = None

    @property
    def ndcg_10(self) -> float:
        """The mean of nDCG@10."""
        return mean(one.ndcg_10 for one in self.figures)

    @property
    def milliseconds(self) -> float:
        """The median time of a search."""
        return median(one.milliseconds for one in self.figures)

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        columns = zip(*(one.recall for one in self.figures), strict=True)
        recall_1, recall_5, recall_10 = (round(mean(column), 4) for column in columns)
        return {
            "name": self.name,
            "model": self.recipe.model,
            "strategy": self.recipe.chunks.strategy,
            "size": self.recipe.chunks.size,
            "dimensions": self.recipe.dimensions,
            "mode": self.mode,
            "ndcg_10": round(self.ndcg_10, 4),
            "mrr": round(mean(one.reciprocal_rank for one in self.figures), 4),
            "recall_1": recall_1,
            "recall_5": recall_5,
            "recall_10": recall_10,
            "recall_in_budget": round(mean(one.recall_in_budget for one in self.figures), 4),
            "milliseconds": round(self.milliseconds, 2),
            "chunks": self.chunks,
            "index_bytes": self.index_bytes,
            "against_baseline": None if self.against is None else asdict(self.against),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The settings with their figures; the first is the baseline: the collection as it is.

    It is asked in the mode hybrid if that is one of the modes, or else in the first one.
    ``missing`` are names of files that questions expect and that the collection does not have.
    """

    collection: str
    questions: tuple[JudgedQuestion, ...]
    settings: tuple[SettingResult, ...]
    budget_tokens: int
    missing: tuple[str, ...] = field(default=())

    def _repr_html_(self) -> str:
        columns = ("ndcg_10", "mrr", "recall_5", "recall_in_budget", "milliseconds", "chunks")
        facts = [one.facts() for one in self.settings]
        rows = ([escape(one["name"]), *(str(one[name]) for name in columns)] for one in facts)
        return table_html(("setting", *columns), rows)

    @property
    def recommended(self) -> SettingResult | None:
        """The setting with the best nDCG@10, if it is better than the baseline for certain."""
        best = max(self.settings, key=lambda one: one.ndcg_10)
        is_better = best.against is not None and best.against.is_better
        return best if is_better else None

    def won_and_lost(
        self, setting: SettingResult
    ) -> tuple[list[JudgedQuestion], list[JudgedQuestion]]:
        """The questions that a setting answers better than the baseline, and worse."""
        pairs = zip(self.questions, setting.figures, self.settings[0].figures, strict=True)
        gains = [(question, one.ndcg_10 - other.ndcg_10) for question, one, other in pairs]
        won = [question for question, gain in gains if gain > 0]
        return won, [question for question, gain in gains if gain < 0]

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        best = self.recommended
        return {
            "collection": self.collection,
            "questions": len(self.questions),
            "budget_tokens": self.budget_tokens,
            "baseline": self.settings[0].name,
            "recommended": None if best is None else best.name,
            "missing": list(self.missing),
            "settings": [
                {
                    **setting.facts(),
                    "won": [one.text for one in self.won_and_lost(setting)[0]],
                    "lost": [one.text for one in self.won_and_lost(setting)[1]],
                    "figures": [
                        {"question": question.text, **asdict(one)}
                        for question, one in zip(self.questions, setting.figures, strict=True)
                    ],
                }
                for setting in self.settings
            ],
        }
