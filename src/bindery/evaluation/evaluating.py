"""A collection is asked the same questions with several settings.

Settings that need other chunks or vectors than the collection has are tried in a collection of
their own, which is made by an ordinary job, resumes if the evaluation is stopped, and is deleted at
the end. The figures of each setting are kept in the home folder until the collection changes.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from bindery.disk import storage_errors, whole_file
from bindery.errors import InputError, InvalidValue
from bindery.evaluation.metrics import QuestionFigures, difference, judge
from bindery.evaluation.questions import JudgedQuestion
from bindery.evaluation.results import (
    LATE_MODE,
    EvaluateOptions,
    Evaluation,
    EvaluationProgress,
    SettingResult,
)
from bindery.jobs import FileState, Jobs
from bindery.jobs.into_collection import CollectionFiles
from bindery.jobs.recipe import Recipe, open_recipe
from bindery.library import Library
from bindery.options import SearchMode, SearchOptions
from bindery.search.answers import Hit
from bindery.search.collection import Collection, Collections
from bindery.search.deleting import copy_name, evaluations_folder
from bindery.search.maintenance import FEW_ROWS, seal
from bindery.search.view import names_of

_DEPTH = 100
_FIGURES_VERSION = 1
_RERANKED = 50

Run: TypeAlias = Callable[[Jobs, str], object]
"""Runs a job by its id, until it is over."""
Tell: TypeAlias = Callable[[EvaluationProgress], object]
"""Is told how far the work is. What it raises ends the evaluation."""


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
    recipes = _recipes(collection, options)
    total = len(recipes) * len(options.ordered_modes) * len(questions)
    told = _Told(tell, total)
    work = _Work(collections, collection, questions, options, run, told, _digest(asked))
    results: list[SettingResult] = []
    for recipe in recipes:
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


@dataclass(slots=True)
class _Told:
    """Counts the questions that were asked, and tells how many."""

    tell: Tell
    total: int
    done: int = 0
    doing: str = field(default="")

    def begin(self, doing: str) -> None:
        self.doing = doing
        self.add(0)

    def add(self, count: int) -> None:
        self.done += count
        self.tell(EvaluationProgress(self.doing, self.done, self.total))


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
    told: _Told
    asked: str

    @property
    def library(self) -> Library:
        return self.collections.library

    def try_recipe(self, recipe: Recipe) -> list[SettingResult]:
        """The results of a recipe in each mode."""
        kept = {mode: self._kept(recipe, mode) for mode in self.options.ordered_modes}
        found = {mode: self._read(recipe, mode, path) for mode, path in kept.items()}
        known = [result for result in found.values() if result is not None]
        self.told.add(len(known) * len(self.questions))
        if len(known) == len(found):
            return known
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

    def _ask(self, asked: Collection, recipe: Recipe, mode: str) -> SettingResult:
        name = self._name_of(recipe, mode)
        self.told.begin(f"asking {len(self.questions):,} questions: {name}")
        own = open_recipe(self.library, self.collection.recipe)
        count_tokens = self.library.measure(own.loaded_as).tokeniser.count_tokens
        figures: list[QuestionFigures] = []
        for question in self.questions:
            hits, milliseconds = self._found(asked, question.text, mode)
            budget = self.options.budget_tokens
            figures.append(
                judge(question, hits, milliseconds, budget_tokens=budget, count_tokens=count_tokens)
            )
            self.told.add(1)
        facts = asked.facts()
        return SettingResult(
            name, recipe, mode, facts["chunks"], facts["index_bytes"], tuple(figures)
        )

    def _found(self, asked: Collection, query: str, mode: str) -> tuple[Sequence[Hit], float]:
        """The hits of a query, best first, and the milliseconds of the search."""
        chosen = SearchMode.DENSE if mode == LATE_MODE else SearchMode(mode)
        answer = asked.search(query, SearchOptions(chosen, _DEPTH))
        milliseconds = sum(stage.milliseconds for stage in answer.stages)
        # The mode dense of a late-interaction model compares tokens already.
        if mode != LATE_MODE or asked.recipe.has_many_vectors:
            return answer.hits, milliseconds
        started = time.perf_counter()
        first = answer.hits[:_RERANKED]
        model = open_recipe(self.library, asked.recipe).loaded_as
        _, reranked = self.library.rerank(model, query, [hit.text for hit in first])
        milliseconds += (time.perf_counter() - started) * 1000
        hits = [first[one.index] for one in reranked.ranked]
        return [*hits, *answer.hits[_RERANKED:]], milliseconds

    def _filled(self, recipe: Recipe) -> Collection:
        """A collection with the files of the other one, made by a recipe."""
        digest = _digest(recipe.facts())
        name = copy_name(self.collection.id, digest)
        made = self.collections.find(name) or self.collections.create(name, recipe)
        self.told.begin(f"making a collection: {_name_of(recipe, self.collection.recipe)}")
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

    def _name_of(self, recipe: Recipe, mode: str) -> str:
        return f"{_name_of(recipe, self.collection.recipe)}, {mode}"

    def _kept(self, recipe: Recipe, mode: str) -> Path:
        """Where the figures of a setting are kept, for these questions and files."""
        digest = _digest([self.asked, recipe.facts(), mode])
        return evaluations_folder(self.library, self.collection.id) / f"{digest[:32]}.json"

    def _read(self, recipe: Recipe, mode: str, path: Path) -> SettingResult | None:
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
