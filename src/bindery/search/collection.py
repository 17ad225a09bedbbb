"""Collections: made, listed, searched and deleted."""

import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

from bindery.errors import InvalidValue, UnknownCollection, UnknownFile, did_you_mean
from bindery.jobs.recipe import Recipe, open_recipe
from bindery.jobs.values import IntoCollection, JobRequest
from bindery.library import Library
from bindery.options import SearchOptions, names_of
from bindery.search.answering import search_index
from bindery.search.answers import SearchAnswer
from bindery.search.attributes import fixed_attributes
from bindery.search.confidence import ChanceScores, chance_scores
from bindery.search.deleting import DeletionReceipt, copies_of, evaluations_folder, receipt_of
from bindery.search.describing import describe, naming
from bindery.search.generations import Generations, HasGenerations
from bindery.search.index import CollectionIndex, OpenIndexes
from bindery.search.marks import Marks
from bindery.search.segment_files import remove_folder
from bindery.search.why_not import PassageName, WhyNot, why_not
from bindery.store import collections as catalog
from bindery.store import placements
from bindery.store.collections import CollectionFile, StoredCollection
from bindery.store.deletion import delete_collection, remove_files
from bindery.store.placements import FileCount
from bindery.store.values import CollectionSettings

DEFAULT_COLLECTION = "default"

TIME_DIGITS = 12
TIMED_ID = re.compile(r"[0-9a-f]{26}")
"""The rest of an id that begins with the time in milliseconds; older ids are shorter and random."""


class Collections:
    """The collections of a library. Safe to use from several threads and processes."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._folder = library.home / "indexes"
        self._open: dict[str, Collection] = {}
        self._indexes = OpenIndexes()
        self._lock = threading.Lock()
        self._only: frozenset[str] | None = None

    def limited(self, names: frozenset[str] | None) -> "Collections":
        """These collections, of which only those with these names can be seen; all for None."""
        if names is None:
            return self
        limited = copy(self)
        limited._only = names if self._only is None else names & self._only
        return limited

    def check_name(self, name: str) -> None:
        """Raise InvalidValue if a collection of this name could not be seen.

        The error is the same whether or not there is such a collection.
        """
        if not self.sees(name):
            raise InvalidValue(
                f"The name {name[:80]!r} is not one of those that this key is limited to.",
                remedy=f"Choose one of: {', '.join(sorted(self._only or ()))}.",
                param="name",
            )

    def sees(self, name: str) -> bool:
        """Whether a collection of this name can be seen."""
        return self._only is None or name in self._only

    def create(self, name: str, recipe: Recipe) -> "Collection":
        """Make a collection with a recipe. Raises InvalidValue for a name that it cannot have."""
        self.check_name(name)
        # Ids of vector stores are made of these, and say where a deleted store was in a list.
        milliseconds = f"{time.time_ns() // 1_000_000:0{TIME_DIGITS}x}"
        collection_id = f"col-{milliseconds}{secrets.token_hex(7)}"
        with naming(name), self.library.database.writing() as connection:
            catalog.create_collection(connection, collection_id, name, recipe.facts())
        return self.get(name)

    def get(self, name: str) -> "Collection":
        """Raises UnknownCollection that names the nearest."""
        found = self.find(name)
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> UnknownCollection:
        names = [one.name for one in self]
        hint = did_you_mean(name, names, f"Known: {', '.join(names[:10])}.")
        return UnknownCollection(
            f"There is no collection {name[:80]!r}.",
            remedy=hint if names else "Create one with `bindery add FOLDER`.",
            param="collection",
        )

    def find(self, name: str) -> "Collection | None":
        """The collection of a name, if there is one."""
        with self.library.database.reading() as connection:
            stored = catalog.find_collection(connection, name)
        return self._visible(stored)

    def find_by_id(self, collection_id: str) -> "Collection | None":
        """The collection of an id, if it is still there."""
        with self.library.database.reading() as connection:
            stored = catalog.get_collection(connection, collection_id)
        return self._visible(stored)

    def end_rebuild(self, into: IntoCollection, failed: Sequence[str]) -> Sequence[str]:
        """See :data:`bindery.jobs.into_collection.WhenFilled`."""
        collection = self.find_by_id(into.collection)
        if collection is None:
            raise UnknownCollection("The collection was deleted while it was rebuilt.")
        return collection.generations.end(into, failed)

    def __iter__(self) -> "Iterator[Collection]":
        """Every collection, by name."""
        with self.library.database.reading() as connection:
            rows = catalog.list_collections(connection)
        return iter([self._opened(row) for row in rows if self.sees(row.name)])

    def delete(self, name: str, *, now: bool = False) -> DeletionReceipt:
        """Delete a collection with its indexes, marks and evaluations. Stored files stay.

        With ``now`` the cache of vectors is emptied, too. Raises UnknownCollection.
        """
        collection = self.get(name)
        for copy_of_it in copies_of(self.library, collection.id):
            self._delete(self._opened(copy_of_it), now=now)
        return self._delete(collection, now=now)

    def _delete(self, collection: "Collection", *, now: bool) -> DeletionReceipt:
        files = [file.name for file in collection.files()]
        indexes = collection.indexes()
        with self.library.database.freeing() as connection:
            deletion = delete_collection(connection, collection.id)
        with self._lock:
            self._open.pop(collection.id, None)
        for index in indexes:
            self._indexes.drop(index)
        remove_folder(collection.index.folder)
        evaluations = remove_folder(evaluations_folder(self.library, collection.id))
        receipt = receipt_of(self.library, collection.stored, files, deletion, [], now=now)
        return replace(receipt, evaluations=evaluations)

    def _visible(self, stored: StoredCollection | None) -> "Collection | None":
        # A hidden collection is looked up, too, so that the answer takes as long as for none.
        return None if stored is None or not self.sees(stored.name) else self._opened(stored)

    def _opened(self, stored: StoredCollection) -> "Collection":
        with self._lock:
            known = self._open.get(stored.id)
            if known is None:
                folder = self._folder / stored.id
                known = self._open[stored.id] = Collection(
                    self.library, folder, stored, self._indexes
                )
            known.see(stored)
            return known


class Collection(HasGenerations):
    """A named set of files that are searched together."""

    def __init__(
        self, library: Library, folder: Path, stored: StoredCollection, indexes: OpenIndexes
    ) -> None:
        self._library = library
        self.stored = stored
        self._indexes = indexes
        self._counted: tuple[object, Sequence[FileCount]] = (None, ())
        self._new_index = partial(CollectionIndex, library.database, folder, indexes=indexes)
        self.index = self._new_index(stored)
        self.generations = Generations(library, stored.id, self._open_index)

    def _open_index(self, generation: int, recipe: Recipe) -> CollectionIndex:
        return self._new_index(replace(self.stored, generation=generation, recipe=recipe.facts()))

    def __repr__(self) -> str:
        return f"Collection({self.name!r}, {self.recipe.model})"

    @property
    def id(self) -> str:
        """What names the collection whatever it is called."""
        return self.stored.id

    @property
    def name(self) -> str:
        """What its user calls it."""
        return self.stored.name

    @property
    def recipe(self) -> Recipe:
        """How its files are cut and embedded."""
        return self.index.recipe

    @cached_property
    def _opened_recipe(self) -> Recipe:
        """The recipe, with its model found. Raises ModelMissing, ModelBroken."""
        return open_recipe(self._library, self.recipe)

    def files(self) -> list[CollectionFile]:
        """Its files, in the order in which they were first added."""
        with self._library.database.reading() as connection:
            return catalog.list_files(connection, self.id)

    def facts(self) -> dict[str, Any]:
        """What describes it, for JSON: from the catalog, so that its index is not opened."""
        with self._library.database.reading() as connection:
            stored = catalog.get_collection(connection, self.id)
            if stored is None:
                raise UnknownCollection("The collection has been deleted.")
            self.see(stored)
            if self._counted[0] != (state := (stored.generation, stored.state)):
                counts = placements.count_files(connection, self.id, stored.generation)
                self._counted = state, counts
        return describe(stored, self.recipe, self._counted[1], self.index.folder)

    # Changes

    def change(
        self,
        *,
        name: str | None = None,
        unset: Sequence[str] = (),
        **settings: Any,  # noqa: ANN401 - fields of CollectionSettings
    ) -> None:
        """Rename the collection, or change its settings; those that are ``unset`` become None.

        Raises InvalidValue for a name that is taken or cannot be one, and for wrong settings.
        """
        if unknown := {*settings, *unset} - {*names_of(CollectionSettings)}:
            raise InvalidValue(
                f"Unknown setting {min(unknown)[:80]!r}.",
                remedy=f"Known: {', '.join(names_of(CollectionSettings))}.",
                param="unset",
            )
        wanted = self.name if name is None else name
        with naming(wanted), self._library.database.writing() as connection:
            catalog.count_change(connection, self.id)
            if (stored := catalog.get_collection(connection, self.id)) is not None:
                chosen = replace(stored.settings, **dict.fromkeys(unset), **settings)
                changed = {"name": name or stored.name, "settings": asdict(chosen)}
                catalog.change_collection(connection, self.id, **changed)
                self.see(replace(stored, name=changed["name"], settings=chosen))

    def request(
        self,
        files: Sequence[str],
        *,
        attributes: Mapping[str, object] | None = None,
        roots: Mapping[str, str] | None = None,
    ) -> JobRequest:
        """The job that adds files, cut and embedded as the collection's recipe says.

        Raises InvalidValue for attributes that the collection cannot have, and ModelMissing or
        ModelBroken if its model is gone or has changed.
        """
        clean = None
        if attributes:
            with self._library.database.writing() as connection:
                clean = fixed_attributes(connection, self.id, attributes)
        into = IntoCollection(self.id, self.stored.generation, clean, roots or {})
        recipe = self._opened_recipe
        return JobRequest(tuple(files), recipe.loaded_as, recipe.chunks, recipe.vectors, into=into)

    def chunk_sets(self) -> dict[str, bytes]:
        """The keys of the chunk sets of its files, by the names of the files."""
        with self._library.database.reading() as connection:
            files = catalog.list_files(connection, self.id)
            placed = placements.list_placements(connection, self.stored.generation)
        keys = {one.file: one.chunk_set for one in placed}
        return {file.name: keys[file.number] for file in files if file.number in keys}

    def rename(self, names: Mapping[str, str], sources: Mapping[str, str]) -> None:
        """Give files other names, with their attributes: former names by new ones."""
        with self._library.database.writing() as connection:
            if not names or not catalog.count_change(connection, self.id):
                return
            for new, former in names.items():
                file = catalog.find_file(connection, self.id, former)
                if file is not None:
                    changed = {"name": new, "id_name": file.id_name, "source": sources[new]}
                    catalog.change_file(connection, file.number, **changed)
                    placements.unplace_file(connection, file.number)  # its name is among its terms

    def remove(self, names: Sequence[str], *, now: bool = False) -> DeletionReceipt:
        """Remove files with all that was made of them. No search finds them from then on.

        With ``now`` the segments that hold their rows are written again before this returns, and
        the cache of vectors is emptied. Raises UnknownFile, UnknownCollection.
        """
        with self._library.database.freeing() as connection:
            if not catalog.count_change(connection, self.id):
                raise UnknownCollection("The collection has been deleted.")
            found = [catalog.find_file(connection, self.id, name) for name in names]
            missing = [name for name, one in zip(names, found, strict=True) if one is None]
            if missing:
                known = catalog.list_files(connection, self.id)
                raise _unknown_file(missing[0], self.name, known)
            numbers = [one.number for one in found if one is not None]
            deletion = remove_files(connection, numbers)
        return receipt_of(self._library, self.stored, names, deletion, self.indexes(), now=now)

    def set_attributes(self, name: str, attributes: Mapping[str, object]) -> None:
        """Replace the attributes of a file. Raises InvalidValue, UnknownFile."""
        with self._library.database.writing() as connection:
            catalog.count_change(connection, self.id)
            file = catalog.find_file(connection, self.id, name)
            if file is None:
                raise _unknown_file(name, self.name, catalog.list_files(connection, self.id))
            clean = fixed_attributes(connection, self.id, attributes, of_file=file.number)
            catalog.change_file(connection, file.number, attributes=clean)

    # Search

    @property
    def marks(self) -> Marks:
        """Its passages that were marked as right or wrong answers to a question."""
        return Marks(self._library, self.stored, self.index)

    @overload
    def search(self, query: str, options: SearchOptions | None = None) -> SearchAnswer: ...

    @overload
    def search(
        self, query: list[str], options: SearchOptions | None = None
    ) -> list[SearchAnswer]: ...

    def search(
        self, query: str | list[str], options: SearchOptions | None = None
    ) -> SearchAnswer | list[SearchAnswer]:
        """The chunks that answer a query best; of a list, an answer for each query, in order.

        Raises InvalidValue for a blank query and for a filter on an attribute that the collection
        does not have; what loading the model and embedding the queries raise.
        """
        queries = [query] if isinstance(query, str) else query
        chosen = SearchOptions() if options is None else options
        while True:
            index = self.index
            answers = search_index(
                self._library,
                lambda: self._opened_recipe,
                index,
                self.stored,
                queries,
                chosen,
                weight=self.stored.settings.weight,
                chance=self._chance(index, chosen),
            )
            if self._is_current(index):
                return answers[0] if isinstance(query, str) else answers

    def _chance(self, index: CollectionIndex, options: SearchOptions) -> ChanceScores | None:
        """The scores that a least confidence needs."""
        if options.min_confidence is None:
            return None
        return chance_scores(self._library, index, options.mode, self.search)

    def why_not(
        self, query: str, wanted: PassageName, options: SearchOptions | None = None
    ) -> WhyNot:
        """Why a passage is not among the hits of a question, and what would bring it in.

        Raises what :meth:`search` does.
        """
        chosen = SearchOptions() if options is None else options
        return why_not(
            self._library,
            lambda: self._opened_recipe,
            self.index,
            self.stored,
            query,
            wanted,
            chosen,
            search=self.search,
            chance=self._chance(self.index, chosen),
        )


def _unknown_file(name: str, collection: str, files: Sequence[CollectionFile]) -> UnknownFile:
    # Comparing with all names of a large collection would take seconds.
    names = [one.name for one in files[:2000]]
    return UnknownFile(
        f"The collection {collection!r} has no file {name[:200]!r}.",
        remedy=did_you_mean(name, names, "`bindery collections files` lists its files."),
        param="file",
    )
