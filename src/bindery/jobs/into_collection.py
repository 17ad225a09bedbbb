"""Jobs for collections: files that are added to one, and generations that are filled with them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from bindery.errors import UnknownCollection, UnknownFile
from bindery.jobs.sources import Content, LocalFiles, StoredFiles, gone
from bindery.jobs.values import FileState, IntoCollection
from bindery.library import Library
from bindery.store import collections, derived, generations, vector_stores
from bindery.store.collections import IMPORTED, CollectionFile, NewCollectionFile, Outdated
from bindery.store.database import Transaction
from bindery.store.values import JobFileRow

WhenFilled: TypeAlias = Callable[[IntoCollection, Sequence[str]], Sequence[str]]
"""Makes a generation the active one, given the files that failed. The names of files that came
meanwhile, which the generation still lacks: it is called again once they are in it."""


class GenerationSwitched(Exception):
    """Another generation of the collection is active since the run began."""


class CollectionFiles:
    """The files of a collection by their names, from wherever they were added.

    A file that has changed since then is refused, so that only what was added is read.
    """

    is_store = False

    def __init__(self, library: Library, collection_id: str, *, timeout_s: float) -> None:
        self._library = library
        self._collection = collection_id
        self._timeout_s = timeout_s

    def look(self, file_id: str) -> tuple[str, int]:
        """See FileSource."""
        return file_id, self._find(file_id).size_bytes

    def open(self, file_id: str, *, lines: bool = False) -> Content:
        """See FileSource."""
        file = self._find(file_id)
        if file.source == IMPORTED:
            raise UnknownFile(
                f"{file_id!r} was imported without its document.",
                remedy="Add the document itself under the same name first.",
            )
        path = Path(file.source)
        if not path.is_absolute():
            stored = StoredFiles(self._library, timeout_s=self._timeout_s)
            return stored.open(file.source, lines=lines)
        name = path.name
        local = LocalFiles(
            {name: path}, timeout_s=self._timeout_s, limit_bytes=0, unlimited=(name,)
        )
        content = local.open(name, lines=lines)
        if content.sha256() != file.content:
            raise UnknownFile(
                f"{file_id!r} has changed since it was added.", remedy="Add it again first."
            )
        return content

    def _find(self, file_id: str) -> CollectionFile:
        with self._library.database.reading() as connection:
            file = collections.find_file(connection, self._collection, file_id)
        if file is None:
            raise gone(file_id)
        return file


def is_in_collection(
    transaction: Transaction, into: IntoCollection, name: str, content: str
) -> bool:
    """Whether a collection still has a file with this content."""
    file = collections.find_file(transaction, into.collection, name)
    return file is not None and file.content == content


def place(transaction: Transaction, into: IntoCollection, ended: Sequence[JobFileRow]) -> None:
    """Have a generation find files that are done, in place of their former versions.

    Raises UnknownCollection if it is gone, and GenerationSwitched if files that are added are for
    another one by now.
    """
    if not collections.count_change(transaction, into.collection):
        raise UnknownCollection("The collection was deleted while files were added to it.")
    active = generations.active_generation(transaction, into.collection)
    if not into.is_rebuild and active != into.generation:
        raise GenerationSwitched
    outdated: list[Outdated] = []
    for file in ended:
        if file.state is FileState.DONE and file.chunk_set is not None:
            if into.is_rebuild:
                _place_again(transaction, into, file, file.chunk_set)
            elif former := _add(transaction, into, file, file.chunk_set):
                outdated.append(former)
    collections.forget_outdated(transaction, into.collection, outdated)


def _add(
    transaction: Transaction, into: IntoCollection, file: JobFileRow, chunk_set: bytes
) -> Outdated | None:
    name, attributes = file.name, into.attributes
    if into.is_attached:
        attached = vector_stores.find_attachment(transaction, into.collection, file.file_id)
        if attached is None:  # it was removed meanwhile
            return None
        name, attributes = attached.name, attached.attributes
        vector_stores.change_attachment(transaction, into.collection, file.file_id, None)
    made = derived.find_chunks(transaction, chunk_set)
    assert made is not None, "the transaction has kept them"
    added = NewCollectionFile(
        name=name,
        source=into.source_of(file.file_id),
        content=made.content,
        size_bytes=file.size_bytes,
        kind=made.kind,
        title=made.title,
        language=made.language,
        attributes=attributes,
    )
    return collections.put_file(transaction, into.collection, into.generation, added, made.key)


def _place_again(
    transaction: Transaction, into: IntoCollection, file: JobFileRow, chunk_set: bytes
) -> None:
    had = collections.find_file(transaction, into.collection, file.file_id)
    if had and not generations.place_file(transaction, into.generation, had, chunk_set):
        raise UnknownCollection("The generation was dropped while it was filled.")
