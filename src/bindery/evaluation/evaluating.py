"""A collection is asked the same questions with several settings.

Settings that need other chunks or vectors than the collection has are tried in a collection of
their own, which is made by an ordinary job, resumes if the evaluation is stopped, and is deleted at
the end. The figures of each setting are kept in the home folder until the collection changes.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any, TypeAlias

from bindery.disk import storage_errors, whole_file
from bindery.errors import InputError, InvalidValue
from bindery.evaluation.metrics import Difference, QuestionFigures, difference, judge
from bindery.evaluation.questions import JudgedQuestion, names_of
from bindery.jobs import FileState, Jobs
from bindery.jobs.into_collection import CollectionFiles
from bindery.jobs.recipe import Recipe, open_recipe
from bindery.library import Library
from bindery.options import SearchMode, SearchOptions
from bindery.search.collection import Collection, Collections
from bindery.search.maintenance import FEW_ROWS, seal

_DEPTH = 100
_FIGURES_VERSION = 1
_ID_DIGITS = 12

Run: TypeAlias = Callable[[Jobs, str], object]
"""Runs a job by its id, until it is over."""
Tell: TypeAlias = Callable[[str], object]
"""Is told what is done next."""


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
            if mode not in tuple(SearchMode):
                raise InvalidValue(
                    f"Unknown mode {mode[:80]!r}.",
                    remedy=f"Use {', '.join(SearchMode)}.",
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
    def ordered_modes(self) -> tuple[SearchMode, ...]:
        """The modes, the usual one first."""
        modes = tuple(dict.fromkeys(map(SearchMode, self.modes)))
        return tuple(sorted(modes, key=lambda mode: mode is not SearchMode.HYBRID))

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


def evaluate(
    collections: Collections,
    name: str,
    questions: Sequence[JudgedQuestion],
    options: EvaluateOptions,
    *,
    run: Run = Jobs.run,
    tell: Tell = lambda _: None,
) -> Evaluation:
    """Ask a collection the questions with each setting.

    Raises UnknownCollection, what :meth:`Generations.wanted` does for settings that cannot be, and
    InputError if a file of the collection cannot be read for another setting.
    """
    collection = collections.get(name)
    if not questions:
        raise InvalidValue("There are no questions.", param="questions")
    asked = [
        _FIGURES_VERSION,
        collection.id,
        sorted((file.name, file.content) for file in collection.files()),
        asdict(collection.stored.settings),
        options.budget_tokens,
        [asdict(question) for question in questions],
    ]
    work = _Work(collections, collection, questions, options, run, tell, _digest(asked))
    results: list[SettingResult] = []
    for recipe in _recipes(collection, options):
        results += work.try_recipe(recipe)
    baseline = [one.ndcg_10 for one in results[0].figures]
    others = [
        replace(
            one,
            against=difference(
                [figures.ndcg_10 for figures in one.figures], baseline, comparisons=len(results) - 1
            ),
        )
        for one in results[1:]
    ]
    return Evaluation(
        name,
        tuple(questions),
        (results[0], *others),
        options.budget_tokens,
        _missing(collection, questions),
    )


def _recipes(collection: Collection, options: EvaluateOptions) -> list[Recipe]:
    """The collection's recipe, and each other one once."""
    found = [collection.recipe]
    for changes in options.recipes():
        model = changes.pop("model", None)
        if "dimensions" in changes:
            changes["any_dimensions"] = True
        recipe = collection.generations.wanted(model, changes, may_be_same=True)
        if recipe not in found:
            found.append(recipe)
    return found


def _missing(collection: Collection, questions: Sequence[JudgedQuestion]) -> tuple[str, ...]:
    names = [file.name for file in collection.files()]
    short = {part for name in names for part in names_of(name)}
    expected = {one.file for question in questions for one in question.expected if one.file}
    return tuple(sorted(expected - short))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Work:
    """What all settings of one evaluation share.

    ``asked`` is a digest of the files and the questions, by which figures are kept.
    """

    collections: Collections
    collection: Collection
    questions: Sequence[JudgedQuestion]
    options: EvaluateOptions
    run: Run
    tell: Tell
    asked: str

    @property
    def library(self) -> Library:
        return self.collections.library

    def try_recipe(self, recipe: Recipe) -> list[SettingResult]:
        """The results of a recipe in each mode."""
        kept = {mode: self._kept(recipe, mode) for mode in self.options.ordered_modes}
        found = {mode: self._read(recipe, mode, path) for mode, path in kept.items()}
        if all(result is not None for result in found.values()):
            return [result for result in found.values() if result is not None]
        is_own = recipe == self.collection.recipe
        asked = self.collection if is_own else self._filled(recipe)
        results: list[SettingResult] = []
        for mode, path in kept.items():
            result = found[mode] or self._ask(asked, recipe, mode)
            _write(path, result)
            results.append(result)
        if not is_own:
            self.collections.delete(asked.name)
        return results

    def _ask(self, asked: Collection, recipe: Recipe, mode: SearchMode) -> SettingResult:
        name = self._name_of(recipe, mode)
        self.tell(f"asking {len(self.questions):,} questions: {name}")
        own = open_recipe(self.library, self.collection.recipe)
        count_tokens = self.library.measure(own.loaded_as).tokeniser.count_tokens
        options = SearchOptions(mode, _DEPTH)
        figures: list[QuestionFigures] = []
        for question in self.questions:
            answer = asked.search(question.text, options)
            figures.append(
                judge(
                    question,
                    answer.hits,
                    sum(stage.milliseconds for stage in answer.stages),
                    budget_tokens=self.options.budget_tokens,
                    count_tokens=count_tokens,
                )
            )
        facts = asked.facts()
        return SettingResult(
            name, recipe, mode, facts["chunks"], facts["index_bytes"], tuple(figures)
        )

    def _filled(self, recipe: Recipe) -> Collection:
        """A collection with the files of the other one, made by a recipe."""
        digest = _digest(recipe.facts())
        name = f"evaluation-{self.collection.id[-_ID_DIGITS:]}-{digest[:_ID_DIGITS]}"
        made = self.collections.find(name) or self.collections.create(name, recipe)
        self.tell(f"making a collection: {_name_of(recipe, self.collection.recipe)}")
        jobs = Jobs(
            self.library, source=CollectionFiles(self.library, self.collection.id, timeout_s=30)
        )
        owner = f"collection:{made.id}"
        jobs.delete_stopped(owner)
        # With roots, which no stored file has, a server of this home leaves the job to us.
        request = made.request(
            [file.name for file in self.collection.files()], roots={self.collection.id: ""}
        )
        job = jobs.submit(request, owner=owner, known=made.chunk_sets())
        self.run(jobs, job.id)
        failed = [file for file in jobs.files(job.id) if file.state is FileState.FAILED]
        jobs.delete(job.id)
        if failed:
            raise InputError(
                f"{failed[0].name!r} cannot be read for another setting. "
                f"{failed[0].error_message or ''}".strip(),
                remedy="Add the file again, or remove it from the collection.",
            )
        seal(made.index, least_rows=FEW_ROWS)
        return made

    def _name_of(self, recipe: Recipe, mode: SearchMode) -> str:
        return f"{_name_of(recipe, self.collection.recipe)}, {mode}"

    def _kept(self, recipe: Recipe, mode: SearchMode) -> Path:
        """Where the figures of a setting are kept, for these questions and files."""
        digest = _digest([self.asked, recipe.facts(), mode])
        return self.library.home / "evaluations" / f"{digest[:32]}.json"

    def _read(self, recipe: Recipe, mode: SearchMode, path: Path) -> SettingResult | None:
        """The figures that are kept; None if there are none, or if they cannot be read."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept: dict[str, Any] = json.loads(path.read_bytes())
            rows: list[dict[str, Any]] = kept["figures"]
            figures = [replace(QuestionFigures(**row), recall=tuple(row["recall"])) for row in rows]
            chunks, index_bytes = int(kept["chunks"]), int(kept["index_bytes"])
            name = self._name_of(recipe, mode)
            return SettingResult(name, recipe, mode, chunks, index_bytes, tuple(figures))
        return None


def _name_of(recipe: Recipe, own: Recipe) -> str:
    """What differs from the collection's own recipe."""
    parts = [
        (recipe.model, own.model, recipe.model),
        (recipe.chunks.strategy, own.chunks.strategy, recipe.chunks.strategy),
        (recipe.chunks.size, own.chunks.size, f"size {recipe.chunks.size}"),
        (recipe.dimensions, own.dimensions, f"{recipe.dimensions} dimensions"),
    ]
    return ", ".join(shown for value, usual, shown in parts if value != usual) or "as it is"


def _write(path: Path, result: SettingResult) -> None:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "chunks": result.chunks,
        "index_bytes": result.index_bytes,
        "figures": [asdict(one) for one in result.figures],
    }
    with whole_file(path) as file:
        file.write(json.dumps(kept).encode())
