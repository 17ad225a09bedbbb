"""Collections as OpenAI's vector stores: described, filled in batches, expiring, and searched.

A store is a collection, a batch is the job that adds its files, and a file keeps the id that its
upload returned. Ids are the collections' and jobs' own with another beginning.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bindery.errors import InvalidValue, UnknownCollection, UnknownFile, UnknownJob
from bindery.jobs import Job, Jobs
from bindery.jobs.recipe import Recipe
from bindery.options import SearchOptions
from bindery.search.answers import Hit, SearchAnswer
from bindery.search.attributes import fixed_attributes
from bindery.search.collection import TIME_DIGITS, TIMED_ID, Collection, Collections
from bindery.search.queries import check_queries
from bindery.store import collections as catalog
from bindery.store import vector_stores as rows
from bindery.store.database import Transaction
from bindery.store.files import FileStore
from bindery.store.vector_stores import Attachment, StoreFacts, StoreFile, StoreFileState

MOST_BATCH = 2000
"""How many files one batch may have."""

_STORE, _COLLECTION = "vs_", "col-"
_BATCH, _JOB = "vsfb_", "job-"
# A search of a store that expires notes its time, but not more often than this.
_NOTED_S = 60.0


@dataclass(frozen=True, slots=True)
class VectorStore:
    """A collection as a vector store, at one moment."""

    collection: Collection
    facts: StoreFacts
    counts: Mapping[StoreFileState, int]
    usage_bytes: int

    @property
    def id(self) -> str:
        """The id of the store, whatever it is called."""
        return self.collection.id.replace(_COLLECTION, _STORE, 1)

    @property
    def order(self) -> tuple[float, int, str]:
        """What lists are sorted by."""
        return order_of_id(self.id) or (self.created_at * 1000, 0, self.id)

    @property
    def name(self) -> str:
        """The name that its client gave it, which need not be unique, or the collection's."""
        return self.collection.name if self.facts.name is None else self.facts.name

    @property
    def created_at(self) -> float:
        """In seconds since 1970."""
        return self.collection.stored.created_at


def order_of_id(store_id: str) -> tuple[float, int, str] | None:
    """The place in lists of a store, also of one that is deleted; None for ids without a time."""
    digits = store_id.removeprefix(_STORE)
    if not re.fullmatch(TIMED_ID, digits):
        return None
    return float(int(digits[:TIME_DIGITS], 16)), 0, store_id


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A stored file to attach, and the attributes that it gets; None leaves those that it had."""

    file_id: str
    attributes: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class StoreBatch:
    """Files that were attached together, and their states as the job has them."""

    id: str
    job: Job
    files: tuple[StoreFile, ...]


class VectorStores:
    """The collections that a caller may see, as vector stores.

    ``stored`` are the stored files that it may see, and ``owner`` is whose jobs add them.
    """

    def __init__(
        self, collections: Collections, jobs: Jobs, stored: FileStore, *, owner: str = ""
    ) -> None:
        self._collections = collections
        self._jobs = jobs
        self._stored = stored
        self._owner = owner
        self._database = collections.library.database

    def create(self, facts: StoreFacts, recipe: Recipe) -> VectorStore:
        """Make a collection named as the store, or similarly if it cannot have that name."""
        collection = self._made(facts.name or "", recipe)
        named = None if facts.name == collection.name else facts.name or ""
        kept = replace(facts, name=named, last_active_at=time.time())
        with self._database.writing() as connection:
            rows.put_facts(connection, collection.id, kept)
        return self._store(collection)

    def _made(self, name: str, recipe: Recipe) -> Collection:
        mark = f"{time.time_ns():x}"[-8:]
        error: InvalidValue | None = None
        for wanted in (name, f"{name.strip()[:80]} {mark}", f"store {mark}"):
            if wanted.strip(f" {mark}"):
                try:
                    return self._collections.create(wanted, recipe)
                except InvalidValue as refused:
                    error = error or refused
        assert error is not None, "the last name is not empty"
        raise error

    def get(self, store_id: str) -> VectorStore:
        """The store of an id, or the collection of a name. Raises UnknownCollection."""
        return self._store(self.collection(store_id))

    def collection(self, store_id: str) -> Collection:
        """The collection of a store's id or of a collection's name. Raises UnknownCollection."""
        found = None
        if store_id.startswith(_STORE):
            found = self._collections.find_by_id(store_id.replace(_STORE, _COLLECTION, 1))
        found = found or self._collections.find(store_id)
        if found is None:
            raise UnknownCollection(
                f"There is no vector store {store_id[:80]!r}.",
                remedy="GET /v1/vector_stores lists all stores.",
                param="vector_store_id",
            )
        return found

    def all(self) -> list[VectorStore]:
        """Every store, oldest first."""
        stores = [self._store(one) for one in self._collections]
        return sorted(stores, key=lambda one: one.order)

    def _store(self, collection: Collection) -> VectorStore:
        facts = self._facts(collection)
        with self._database.reading() as connection:
            counts, usage_bytes = rows.count_store_files(connection, collection.id)
        return VectorStore(collection, facts, counts, usage_bytes)

    def _facts(self, collection: Collection) -> StoreFacts:
        """What is said of a store, which has no files any more if it has expired."""
        with self._database.reading() as connection:
            found = rows.find_facts(connection, collection.id)
        facts = found or StoreFacts(last_active_at=collection.stored.created_at)
        if facts.is_expired:
            self._empty(collection)
        return facts

    def empty_expired(self) -> None:
        """Remove the files of stores that have expired."""
        with self._database.reading() as connection:
            expired = rows.expired_stores(connection)
        for one in filter(None, map(self._collections.find_by_id, expired)):
            self._facts(one)

    def _empty(self, collection: Collection) -> None:
        with self._database.reading() as connection:
            files = rows.list_store_files(connection, collection.id)
            open_jobs = [*rows.open_store_jobs(connection, collection.id)]
        if not files:
            return
        for job_id in open_jobs:
            self._jobs.cancel(job_id)
        collection.remove([file.name for file in collection.files()])
        with self._database.writing() as connection:
            for file in files:
                rows.mark_removed(connection, collection.id, file)

    def change(self, store_id: str, change: Callable[[StoreFacts], StoreFacts]) -> VectorStore:
        """Change what is said of a store, which counts as activity. Raises UnknownCollection."""
        store = self.get(store_id)
        changed = replace(change(store.facts), last_active_at=time.time())
        with self._database.writing() as connection:
            rows.put_facts(connection, store.collection.id, changed)
        return replace(store, facts=changed)

    def delete(self, store_id: str) -> str:
        """Delete a store with its collection; its id. Stored files stay."""
        store = self.get(store_id)
        self._collections.delete(store.collection.name)
        return store.id

    def id_of(self, store_id: str) -> str:
        """The id of a store, given that or the name of its collection. Raises UnknownCollection."""
        return self.collection(store_id).id.replace(_COLLECTION, _STORE, 1)

    # Files

    def check(self, files: Sequence[AttachedFile]) -> Mapping[str, str]:
        """The names of stored files by their ids.

        Raises UnknownFile, and InvalidValue for too many files and for one that is named twice.
        """
        if len(files) > MOST_BATCH:
            raise InvalidValue(
                f"A batch must have 1 to {MOST_BATCH:,} files, got {len(files):,}.",
                remedy="Send several batches.",
                param="file_ids",
            )
        names = {one.file_id: self._stored.get(one.file_id).name for one in files}
        if len(names) < len(files):
            raise InvalidValue("A file is named twice.", remedy="Name it once.", param="file_ids")
        return names

    def filenames(self, file_ids: Sequence[str]) -> Mapping[str, str]:
        """See :func:`bindery.store.vector_stores.filenames`."""
        with self._database.reading() as connection:
            return rows.filenames(connection, file_ids)

    def attach(self, store_id: str, files: Sequence[AttachedFile]) -> StoreBatch:
        """Add stored files in the background.

        Raises UnknownCollection, UnknownFile, and InvalidValue for files that are named twice,
        attributes that the store cannot have, and a store that has expired.
        """
        collection, facts = self._active(store_id)
        names = self.check(files)
        wanted = collection.request([file.file_id for file in files])
        assert wanted.into is not None, "a collection asks for a job that fills it"
        request = replace(wanted, into=replace(wanted.into, is_attached=True))

        def note(connection: Transaction, job_id: str) -> None:
            attached: list[Attachment] = []
            taken: set[str] = set()
            for file in files:
                name = names[file.file_id]
                if name in taken:  # of another file of this batch
                    name = rows.marked_name(file.file_id, name)
                name = rows.free_name(connection, collection.id, file.file_id, name)
                taken.add(name)
                clean = file.attributes
                if clean is not None:
                    clean = fixed_attributes(connection, collection.id, clean)
                attached.append(Attachment(file.file_id, name, clean))
            rows.attach(connection, collection.id, job_id, attached)

        job = self._jobs.submit(request, owner=self._owner, names=names, also=note)
        self._note_activity(collection, facts)
        return self._batch(collection, job)

    def files(self, store_id: str) -> list[StoreFile]:
        """The files of a store, oldest first. Raises UnknownCollection."""
        collection = self.collection(store_id)
        self._facts(collection)
        with self._database.reading() as connection:
            return rows.list_store_files(connection, collection.id)

    def removed_order(self, store_id: str, file_id: str) -> tuple[float, int, str] | None:
        """The place in lists of a file that was removed."""
        collection = self.collection(store_id)
        with self._database.reading() as connection:
            return rows.removed_order(connection, collection.id, file_id)

    def file(self, store_id: str, file_id: str) -> StoreFile:
        """A file of a store. Raises UnknownCollection, UnknownFile."""
        return self._file(self.collection(store_id), file_id)

    def _file(self, collection: Collection, file_id: str) -> StoreFile:
        with self._database.reading() as connection:
            found = rows.list_store_files(connection, collection.id, only=file_id)
        if not found:
            raise UnknownFile(
                f"The vector store has no file {file_id[:80]!r}.",
                remedy="GET /v1/vector_stores/{vector_store_id}/files lists its files.",
                param="file_id",
            )
        return found[0]

    def set_attributes(
        self, store_id: str, file_id: str, attributes: Mapping[str, object]
    ) -> StoreFile:
        """Replace the attributes of a file. Raises UnknownFile, InvalidValue."""
        collection = self.collection(store_id)
        file = self._file(collection, file_id)
        if file.state is StoreFileState.COMPLETED:
            collection.set_attributes(file.name, attributes)
        else:
            with self._database.writing() as connection:
                clean = fixed_attributes(connection, collection.id, attributes)
                rows.change_attachment(connection, collection.id, file_id, clean)
        return self._file(collection, file_id)

    def remove(self, store_id: str, file_id: str) -> None:
        """Remove a file from a store, also while it is added. The stored file stays.

        Raises UnknownCollection, UnknownFile.
        """
        collection = self.collection(store_id)
        file = self._file(collection, file_id)
        with self._database.writing() as connection:  # first, so that no job adds it from now on
            rows.mark_removed(connection, collection.id, file)
            is_added = catalog.find_file(connection, collection.id, file.name) is not None
        if is_added:
            collection.remove([file.name])
        elif file.job_id and file.state is StoreFileState.IN_PROGRESS:
            self._cancel_alone(file.job_id)

    def _cancel_alone(self, job_id: str) -> None:
        """Cancel a job that adds one file."""
        if len(self._jobs.files(job_id)) == 1:
            self._jobs.cancel(job_id)

    # Batches

    def batch(self, store_id: str, batch_id: str) -> StoreBatch:
        """A batch of a store. Raises UnknownCollection, UnknownJob."""
        collection = self.collection(store_id)
        unknown = UnknownJob(
            f"The vector store has no batch {batch_id[:80]!r}.",
            remedy="The id of a batch is in the answer to the request that attached its files.",
            param="batch_id",
        )
        try:
            job = self._jobs.get(batch_id.replace(_BATCH, _JOB, 1))
        except UnknownJob as error:
            raise unknown from error
        into = job.request.into
        if into is None or into.collection != collection.id or not batch_id.startswith(_BATCH):
            raise unknown
        return self._batch(collection, job)

    def cancel(self, store_id: str, batch_id: str) -> StoreBatch:
        """Stop adding the files of a batch; those that are in the store stay."""
        batch = self.batch(store_id, batch_id)
        job = self._jobs.cancel(batch.job.id)
        return self._batch(self.collection(store_id), job)

    def _batch(self, collection: Collection, job: Job) -> StoreBatch:
        with self._database.reading() as connection:
            files = rows.list_store_files(connection, collection.id)
        mine = tuple(file for file in files if file.job_id == job.id)
        return StoreBatch(job.id.replace(_JOB, _BATCH, 1), job, mine)

    # Search

    def search(
        self, store_id: str, queries: Sequence[str], options: SearchOptions
    ) -> tuple[list[Hit], list[SearchAnswer]]:
        """The best hits of all queries, and the answer of each.

        A passage that several queries find has its best score. Raises what
        :meth:`Collection.search` does, and InvalidValue for a store that has expired.
        """
        collection, facts = self._active(store_id)
        check_queries(queries)  # before a list is made of what may be none
        answers = collection.search([*queries], options)
        self._note_activity(collection, facts)
        best: dict[str, Hit] = {}
        for hit in (hit for answer in answers for hit in answer.hits):
            if hit.id not in best or hit.score > best[hit.id].score:
                best[hit.id] = hit
        if len(answers) == 1:
            return [*best.values()], answers
        return sorted(best.values(), key=lambda hit: (-hit.score, hit.id))[: options.top], answers

    def _active(self, store_id: str) -> tuple[Collection, StoreFacts | None]:
        collection = self.collection(store_id)
        with self._database.reading() as connection:
            facts = rows.find_facts(connection, collection.id)
        if facts is not None and facts.is_expired:
            raise InvalidValue(
                f"The vector store {store_id[:80]!r} has expired.",
                remedy="Change expires_after to use it again; its files have been removed.",
                param="vector_store_id",
            )
        return collection, facts

    def _note_activity(self, collection: Collection, facts: StoreFacts | None) -> None:
        now = time.time()
        if facts is None or now - facts.last_active_at < _NOTED_S:
            return
        with self._database.writing() as connection:
            if rows.find_facts(connection, collection.id):  # it was not deleted meanwhile
                rows.put_facts(connection, collection.id, replace(facts, last_active_at=now))
