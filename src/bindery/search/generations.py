"""Other generations of a collection: begun, filled, compared, switched to, taken back, dropped.

::

    begin ──> fill (a job) ──> compare ──> switch ──> the former one stays, until the next begin
                  ^                                        │
                  └──────── take back: fill what came ─────┘

The old generation answers until the switch, which is one transaction. Taking back is the same the
other way round: the former generation first gets the files that were added or changed since.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from bindery.errors import InputError, InvalidValue, ModelBroken, ModelMissing, UnknownCollection
from bindery.jobs.jobs import Jobs
from bindery.jobs.recipe import Recipe, check_request, make_recipe, open_recipe
from bindery.jobs.values import IntoCollection, JobRequest
from bindery.library import Library
from bindery.options import ChunkOptions, VectorOptions, names_of
from bindery.search.comparing import RebuildEstimate, compare, estimate
from bindery.search.index import CollectionIndex, OpenIndexes
from bindery.search.maintenance import FEW_ROWS, remove_unnamed, seal
from bindery.search.verifying import VerifyReport, make_again, verify
from bindery.store import collections as catalog
from bindery.store import generations as rows
from bindery.store import placements
from bindery.store.collections import CollectionFile, StoredCollection
from bindery.store.database import Transaction
from bindery.store.generations import StoredGeneration

_NAMED = 5

Run: TypeAlias = Callable[[Jobs, str], object]
"""Runs a job by its id, until it is over."""

OpenIndex: TypeAlias = Callable[[int, Recipe], CollectionIndex]
"""Opens the index of a generation, by its number and recipe."""


@dataclass(frozen=True, slots=True)
class GenerationFacts:
    """A generation as users see it; ``state`` is active, filling or former.

    ``files_missing`` counts the files of the collection that it lacks. ``comparison`` is how it
    answered beside the former one when it became the active one.
    """

    id: int
    state: str
    model: str
    dimensions: int
    strategy: str
    size: int | None
    overlap: int
    context: str
    files_missing: int
    comparison: Mapping[str, Any] | None

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


class Generations:
    """The generations of a collection. Safe to use from several threads and processes."""

    def __init__(self, library: Library, collection_id: str, open_index: OpenIndex) -> None:
        self._library = library
        self._database = library.database
        self._id = collection_id
        self._open_index = open_index
        self._others: dict[int, CollectionIndex] = {}

    def __iter__(self) -> Iterator[GenerationFacts]:
        with self._database.reading() as connection:
            active = rows.active_generation(connection, self._id)
            found = rows.list_generations(connection, self._id)
            missing = [len(rows.missing_files(connection, self._id, one.id)) for one in found]
        for one, count in zip(found, missing, strict=True):
            yield _facts(one, count, is_active=one.id == active)

    def indexes(self, active: CollectionIndex) -> list[CollectionIndex]:
        """The indexes of all generations, of which one is open already."""
        with self._database.reading() as connection:
            found = rows.list_generations(connection, self._id)
        known = {**self._others, active.generation: active}
        self._others = {
            one.id: known.get(one.id) or self._open_index(one.id, Recipe.from_facts(one.recipe))
            for one in found
        }
        return list(self._others.values())

    def wanted(
        self, model: str | None, options: Mapping[str, object], *, may_be_same: bool = False
    ) -> Recipe:
        """The recipe of a rebuild: that of the collection, with other values. Loads the model.

        ``options`` are fields of ChunkOptions and VectorOptions. Raises what submitting a job does,
        and InvalidValue if nothing would change, unless the recipe ``may_be_same``.
        """
        _, active = self._active()
        given = {
            kind: {name: options[name] for name in names_of(kind) if name in options}
            for kind in (ChunkOptions, VectorOptions)
        }
        if unknown := options.keys() - given[ChunkOptions].keys() - given[VectorOptions].keys():
            raise InvalidValue(f"Unknown option {sorted(unknown)[0]!r}.", param=sorted(unknown)[0])
        request = JobRequest(
            ("-",),
            self._library.find(model) if model else open_recipe(self._library, active).loaded_as,
            replace(active.chunks, **given[ChunkOptions]),
            replace(active.vectors, **given[VectorOptions]),
        )
        check_request(self._library, request)
        recipe = make_recipe(self._library, request)
        if recipe == active and not may_be_same:
            raise InvalidValue(
                "The collection was made with these options already.",
                remedy="Without options, a rebuild makes its index files again.",
            )
        return recipe

    def estimate(self, recipe: Recipe) -> RebuildEstimate:
        """What a rebuild by a recipe will cost, without what its generation has already."""
        number, active = self._active()
        with self._database.reading() as connection:
            files = catalog.list_files(connection, self._id)
        return estimate(self._library, self._open_index(number, active), recipe, files)

    def begin(self, recipe: Recipe) -> int:
        """The generation of a recipe, which may be filled in part; any other one is dropped."""
        number, _ = self._active()
        with self._database.freeing() as connection:
            self._hold(connection)
            found = rows.list_generations(connection, self._id)
            others = [one for one in found if one.id != number]
            same = [one.id for one in others if Recipe.from_facts(one.recipe) == recipe]
            names = self._drop(connection, [one.id for one in others if one.id not in same])
            number = same[0] if same else rows.add_generation(connection, self._id, recipe.facts())
        remove_unnamed(self._open_index(number, recipe), names)
        return number

    def drop(self) -> int:
        """Drop every generation but the active one; how many."""
        number, recipe = self._active()
        with self._database.freeing() as connection:
            self._hold(connection)
            found = rows.list_generations(connection, self._id)
            others = [one.id for one in found if one.id != number]
            names = self._drop(connection, others)
        remove_unnamed(self._open_index(number, recipe), names)
        return len(others)

    def former(self) -> int:
        """The generation to which the collection can be taken back. Raises InvalidValue."""
        with self._database.reading() as connection:
            active = rows.active_generation(connection, self._id)
            found = rows.list_generations(connection, self._id)
        for one in found:
            if one.id != active and one.switched_at is not None:
                return one.id
        raise InvalidValue(
            "The collection has no former generation to go back to.",
            remedy="A rebuild keeps the former one until the next rebuild, or until it is dropped.",
        )

    # Filling and switching

    def submit(
        self, jobs: Jobs, generation: int, *, accepts_loss: bool = False, owner: str = ""
    ) -> str | None:
        """The id of the job that fills a generation and switches to it.

        It may be one that was submitted before. None if the generation lacks no file: it has been
        switched to. Raises ModelMissing or ModelBroken if its model cannot be used and files are
        missing, unless the loss of these is accepted.
        """
        missing = self._missing(generation)
        into = IntoCollection(self._id, generation, is_rebuild=True, accepts_loss=accepts_loss)
        if not missing:
            came = self.end(into, [])
            if not came:
                return None
            return self.submit(jobs, generation, accepts_loss=accepts_loss, owner=owner)
        try:
            recipe = open_recipe(self._library, Recipe.from_facts(self._get(generation).recipe))
        except (ModelMissing, ModelBroken) as error:
            if not accepts_loss:
                raise type(error)(
                    f"{_named(missing)} cannot be embedded for this generation. {error.message}",
                    remedy=f"{error.remedy} Or accept that they are not found.",
                    param="accepts_loss",
                ) from error
            self.end(into, [file.name for file in missing])
            return None
        for job in jobs.list():
            if job.request.into == into and not job.state.is_over:
                return job.id
        names = tuple(file.name for file in missing)
        request = JobRequest(names, recipe.loaded_as, recipe.chunks, recipe.vectors, into=into)
        return jobs.submit(request, owner=owner).id

    def fill(self, generation: int, *, accepts_loss: bool, run: Run) -> None:
        """Fill a generation by a job that ``run`` runs, and switch to it.

        A job that was left by a crash is resumed. Raises what :meth:`submit` and the job do.
        """
        jobs = Jobs(self._library, when_filled=self.end)
        owner = f"collection:{self._id}"
        job_id = self.submit(jobs, generation, accepts_loss=accepts_loss, owner=owner)
        if job_id is None:
            return
        try:
            run(jobs, job_id)
        finally:
            job = jobs.get(job_id)
            if job.state.is_over and job.owner == owner:
                jobs.delete(job_id)
        if job.error is not None:  # another process has run it
            raise InputError(job.error.message, remedy=job.error.remedy)

    def end(self, into: IntoCollection, failed: Sequence[str]) -> list[str]:
        """Compare a filled generation and switch to it: see jobs.into_collection.WhenFilled.

        Raises InputError if files have failed whose loss is not accepted.
        """
        number, active = self._active()
        if into.generation == number:  # it was switched to before the process ended
            return []
        if left := _left(self._missing(into.generation), failed, into):
            return left
        wanted = self._get(into.generation)
        recipe = Recipe.from_facts(wanted.recipe)
        index = self._open_index(into.generation, recipe)
        seal(index, least_rows=FEW_ROWS)
        report = None
        if wanted.switched_at is None:
            report = compare(
                self._library,
                self._stored(),
                (self._open_index(number, active), lambda: open_recipe(self._library, active)),
                (index, lambda: open_recipe(self._library, recipe)),
            )
        with self._database.writing() as connection:
            self._hold(connection)
            missing = rows.missing_files(connection, self._id, into.generation)
            if left := _left(missing, failed, into):
                return left
            facts = None if report is None else report.facts()
            rows.switch_generation(connection, self._id, into.generation, facts)
        return []

    def _stored(self) -> StoredCollection:
        with self._database.reading() as connection:
            stored = catalog.get_collection(connection, self._id)
        if stored is None:
            raise _gone()
        return stored

    def _active(self) -> tuple[int, Recipe]:
        stored = self._stored()
        return stored.generation, Recipe.from_facts(stored.recipe)

    def _get(self, generation: int) -> StoredGeneration:
        with self._database.reading() as connection:
            found = rows.list_generations(connection, self._id)
        for one in found:
            if one.id == generation:
                return one
        raise _gone()

    def _missing(self, generation: int) -> list[CollectionFile]:
        with self._database.reading() as connection:
            return rows.missing_files(connection, self._id, generation)

    def _hold(self, connection: Transaction) -> None:
        if not catalog.count_change(connection, self._id):
            raise _gone()

    def _drop(self, connection: Transaction, numbers: Sequence[int]) -> set[str]:
        """Drop generations; the names of the segments that there were."""
        names = placements.segment_names(connection, self._id)
        for number in numbers:
            rows.drop_generation(connection, number)
        return names


class HasGenerations:
    """What can be done with the generations of a collection, of which ``index`` is active."""

    _library: Library
    _indexes: OpenIndexes
    _new_index: Callable[[StoredCollection], CollectionIndex]
    stored: StoredCollection
    index: CollectionIndex
    generations: Generations

    def see(self, stored: StoredCollection) -> None:
        """Take over what the catalog says now: another generation may be the active one."""
        former, self.stored = self.stored, stored
        if stored.generation != former.generation:
            self._indexes.drop(self.index)
            self.index = self._new_index(stored)
            vars(self).pop("_opened_recipe", None)

    def _is_current(self, index: CollectionIndex) -> bool:
        """Whether an index is of the active generation; if not, that of this one is opened."""
        if index.is_active:
            return True
        with self._library.database.reading() as connection:
            stored = catalog.get_collection(connection, self.stored.id)
        self.see(stored or self.stored)
        return False

    def rebuild(
        self,
        model: str | None = None,
        *,
        accepts_loss: bool = False,
        run: Run = Jobs.finish,
        **options: Any,  # noqa: ANN401 - fields of ChunkOptions and VectorOptions
    ) -> None:
        """Make everything again by another model or other options, and then answer from that.

        The same call resumes what was stopped. The former generation stays for :meth:`rollback`.
        Raises InputError for files that cannot be read any more, unless ``accepts_loss``;
        InvalidValue for options that are wrong or change nothing.
        """
        generation = self.generations.begin(self.generations.wanted(model, options))
        self.generations.fill(generation, accepts_loss=accepts_loss, run=run)

    def rollback(self, *, accepts_loss: bool = False, run: Run = Jobs.finish) -> None:
        """Answer from the former generation again.

        It first gets the files that came since. Raises InvalidValue if there is none; ModelMissing,
        ModelBroken and InputError if files cannot be embedded for it, unless ``accepts_loss``.
        """
        self.generations.fill(self.generations.former(), accepts_loss=accepts_loss, run=run)

    def indexes(self) -> list[CollectionIndex]:
        """The indexes of all generations; that of the one which answers is ``index``."""
        return self.generations.indexes(self.index)

    def rebuild_index(self) -> None:
        """Make all files of the index again from the catalog."""
        make_again(self.index)

    def verify(self) -> VerifyReport:
        """Compare every file and every row of the index with the catalog."""
        return verify(self.index)


def _left(
    missing: Sequence[CollectionFile], failed: Sequence[str], into: IntoCollection
) -> list[str]:
    """The missing files that have not failed. Raises InputError for a loss that is not accepted."""
    left = [file.name for file in missing if file.name not in failed]
    if missing and not left and not into.accepts_loss:
        raise InputError(
            f"{_named(missing)} cannot be made again, so the former generation still answers.",
            remedy="Add them again, or remove them from the collection, and repeat the command; "
            "or accept that they are not found.",
            param="accepts_loss",
        )
    return left


def _named(files: Sequence[CollectionFile]) -> str:
    names = ", ".join(file.name for file in files[:_NAMED])
    more = ", ..." if len(files) > _NAMED else ""
    return f"{len(files):,} of the files ({names}{more})"


def _gone() -> UnknownCollection:
    return UnknownCollection(
        "The collection or its generation has been deleted.",
        remedy="List the collections that there are.",
    )


def _facts(one: StoredGeneration, missing: int, *, is_active: bool) -> GenerationFacts:
    recipe = Recipe.from_facts(one.recipe)
    return GenerationFacts(
        id=one.id,
        state="active" if is_active else "filling" if one.switched_at is None else "former",
        model=recipe.model,
        dimensions=recipe.dimensions,
        strategy=recipe.chunks.strategy,
        size=recipe.chunks.size,
        overlap=recipe.chunks.overlap,
        context=recipe.chunks.context,
        files_missing=missing,
        comparison=one.report,
    )
