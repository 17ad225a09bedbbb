"""The index of a collection, open: a view of its segments and its tail, kept fresh."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from bindery.errors import StorageError, UnknownCollection
from bindery.jobs.recipe import Recipe, chunk_ids
from bindery.library.cache import embeddings_of
from bindery.search.analysis import Analyser
from bindery.search.columns import AttributeType
from bindery.search.segment_files import DamagedSegment, MissingSegment, remove_files
from bindery.search.segments import IndexRow, Segment, merged
from bindery.search.view import IndexedFile, View
from bindery.store import collections as catalog
from bindery.store import derived, generations, placements
from bindery.store.collections import CollectionFile, StoredCollection
from bindery.store.database import Database, Transaction
from bindery.store.placements import ChunkPlace, Placement
from bindery.store.values import KeptVectors
from bindery.types import Chunk

T = TypeVar("T")

_log = logging.getLogger(__name__)

_MOST_TAIL_SEGMENTS = 8
_ATTEMPTS = 20
# How often a word of the title counts (BM25F with whole weights). On the training questions of
# SciFact, nDCG@10 of words alone is .702 with 1, .706 with 2 and .708 with 3.
_TITLE_WEIGHT = 3
_SEGMENTS_WITHOUT_LIMIT = 4096


@dataclass(frozen=True, slots=True, eq=False)
class _Tail:
    """Rows in memory of files that lie in no segment yet.

    ``made_of`` has the chunk set and the name of each file.
    """

    segment: Segment
    made_of: Mapping[int, tuple[bytes, str]]


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """What was read of one state of the catalog."""

    view: View
    files: Mapping[int, tuple[CollectionFile, IndexedFile]]
    placed: Mapping[int, Placement]
    sealed: Mapping[str, Segment]
    tails: tuple[_Tail, ...]
    active: int | None


class OpenIndexes:
    """The indexes of a process that have segments open, the least recently used first.

    A segment takes a file descriptor while it is open. An index that is closed for another one
    opens again when it is searched.
    """

    def __init__(self, most_segments: int | None = None) -> None:
        self._most = most_segments or _most_segments()
        self._lock = threading.Lock()
        self._segments: OrderedDict[CollectionIndex, int] = OrderedDict()

    def use(self, index: "CollectionIndex", segments: int) -> None:
        """Note that an index is used and how many segments it has open; close others for them."""
        with self._lock:
            self._segments[index] = segments
            self._segments.move_to_end(index)
            while sum(self._segments.values()) > self._most and len(self._segments) > 1:
                oldest, _ = self._segments.popitem(last=False)
                oldest.close()

    def drop(self, index: "CollectionIndex") -> None:
        """Forget an index that will not be used any more, and close it."""
        with self._lock:
            self._segments.pop(index, None)
        index.close()


class CollectionIndex:
    """The index of one generation of a collection. Safe to use from several threads.

    Readers in other processes need nothing of it: whatever is published is in the catalog.
    """

    def __init__(
        self, database: Database, folder: Path, stored: StoredCollection, indexes: OpenIndexes
    ) -> None:
        self.database = database
        self.folder = folder
        self.collection = stored.id
        self.generation = stored.generation
        self.recipe = Recipe.from_facts(stored.recipe)
        self._indexes = indexes
        self._analysers: dict[str, Analyser] = {}
        self._opened: _Opened | None = None
        self.elsewhere: set[str] = set()
        """Segments that a process with another home has published: their rows are in the tail."""
        self._known: frozenset[str | None] | None = None
        self.writing = threading.Lock()
        """Held by the thread that writes segments."""
        self._refreshing = threading.Lock()

    def analyser(self, language: str) -> Analyser:
        """The analyser of a language; its cache of words is shared."""
        return self._analysers.setdefault(language, Analyser(language))

    def view(self) -> View:
        """The newest state. Raises UnknownCollection if the collection is gone."""
        opened = self._opened
        with self.database.reading() as connection:
            state = catalog.state_of(connection, self.collection)
        if state is None:
            raise UnknownCollection(
                "The collection has been deleted.", remedy="List the existing collections."
            )
        if opened is None or opened.view.state != state:
            opened = self._refresh()
        self._indexes.use(self, len(opened.sealed))
        return opened.view

    @property
    def is_active(self) -> bool:
        """Whether its generation was the one that answers when the view was read."""
        opened = self._opened
        return opened is None or opened.active == self.generation

    def close(self) -> None:
        """Let go of all segments; those that a search still uses close when it ends."""
        self._opened = None

    def _refresh(self) -> _Opened:
        with self._refreshing:
            sealed = dict(self._opened.sealed) if self._opened else {}
            for _ in range(_ATTEMPTS):
                try:
                    self._opened = opened = self._read(self._opened, sealed)
                except ChangedMeanwhile:
                    continue
                return opened
        raise StorageError("The index kept changing while it was read.", remedy="Try again.")

    def _read(self, former: _Opened | None, sealed: dict[str, Segment]) -> _Opened:
        """The newest state, from what was open. Segments are added to ``sealed`` once open."""
        with self.database.reading() as connection:
            state = catalog.state_of(connection, self.collection) or 0
            changed = self._changed_since(connection, former, state)
            numbers = None if changed is None else sorted(changed)
            new = placements.list_placements(connection, self.generation, files=numbers)
            new_files = catalog.list_files(connection, self.collection, numbers)
            schema = catalog.schema_of(connection, self.collection)
            active = generations.active_generation(connection, self.collection)
        known = former if changed is not None else None
        some = changed or frozenset[int]()
        placed = _with(known.placed if known else {}, some, {one.file: one for one in new})
        files = _with(
            known.files if known else {},
            some,
            {file.number: (file, _indexed(file)) for file in new_files},
        )
        in_segment: dict[str | None, list[int]] = {None: []}
        for number, one in placed.items():
            in_segment.setdefault(one.segment, []).append(number)
        away = [n for name in self.elsewhere for n in in_segment.pop(name, ())]
        in_tail = {number: files[number][0] for number in [*in_segment.pop(None), *away]}
        before = known.placed if known else placed
        touched = {one[n].segment for one in (before, placed) for n in some if n in one}
        living: dict[str, Segment] = {}
        for name, inside in sorted(in_segment.items(), key=lambda one: min(one[1])):
            assert name is not None, "the tail is not among them"
            if known is None or name in touched:
                sealed[name] = self.segment(name, inside, sealed.get(name))
            living[name] = sealed[name] if known is None or name in touched else known.sealed[name]
        self._known = frozenset(in_segment)
        tails = self._tails(in_tail, placed, former)
        view = View(
            state,
            [*living.values(), *(tail.segment for tail in tails)],
            [indexed for _, indexed in files.values()],
            {key: AttributeType(value) for key, value in schema.items()},
            {number: one.chunk_set for number, one in placed.items()},
        )
        return _Opened(view, files, placed, living, tails, active)

    def _changed_since(
        self, connection: Transaction, former: _Opened | None, state: int
    ) -> set[int] | None:
        """The files that have changed since a state was read; None if all are to be read."""
        if former is None:
            return None
        since = former.view.state
        return placements.changed_since(connection, self.collection, since, state)

    def segment(self, name: str, files: Sequence[int], opened: Segment | None = None) -> Segment:
        """A segment with the rows of these files alive; from what was open, if it was.

        Raises ChangedMeanwhile if it is not there any more or is damaged, in which case its rows
        are in the tail from then on.
        """
        opened = opened or (self._opened and self._opened.sealed.get(name))
        if opened is None:
            try:
                opened = Segment.open(self.folder, name)
            except DamagedSegment as error:
                self._lose(name, error)
                raise ChangedMeanwhile from error
        return opened.of_files(files)

    def _lose(self, name: str, error: DamagedSegment) -> None:
        """Bring the rows of a segment that cannot be used back to the tail, and drop its files.

        One that another process has published a moment ago is not lost if it is not in this home.
        """
        with self.database.writing() as connection:
            if name not in placements.segment_names(connection, self.collection):
                return  # it was merged with others since the catalog was read
            is_new = self._known is not None and name not in self._known
            if isinstance(error, MissingSegment) and is_new:
                self.elsewhere.add(name)
                return
            catalog.count_change(connection, self.collection)
            placements.unplace_segment(connection, self.collection, name)
            remove_files(self.folder, name)
        _log.warning("A part of the index is made again: %s", error)

    # The tail

    def tail_of(self, files: Sequence[CollectionFile], placed: Sequence[Placement]) -> Segment:
        """A segment in memory of files that lie in no segment. Raises ChangedMeanwhile."""
        in_tail = {file.number: file for file in files}
        if any(one.file not in in_tail for one in placed):  # deleted since
            raise ChangedMeanwhile
        tails = self._tails(in_tail, {one.file: one for one in placed}, self._opened)
        return merged([tail.segment for tail in tails])

    def _tails(
        self,
        files: Mapping[int, CollectionFile],
        placed: Mapping[int, Placement],
        former: _Opened | None,
    ) -> tuple[_Tail, ...]:
        """The rows of files in no segment: what was read before stays, what is new is read."""
        wanted = {number: (placed[number].chunk_set, file.name) for number, file in files.items()}
        kept: list[_Tail] = []
        for tail in former.tails if former else ():
            still = {n: one for n, one in tail.made_of.items() if wanted.get(n) == one}
            if still:
                kept.append(_Tail(tail.segment.of_files(list(still)), still))
                for number in still:
                    del wanted[number]
        if wanted:
            kept.append(self._read_tail([files[number] for number in sorted(wanted)], wanted))
        if len(kept) > _MOST_TAIL_SEGMENTS:
            made_of = {n: one for tail in kept for n, one in tail.made_of.items()}
            kept = [_Tail(merged([tail.segment for tail in kept]), made_of)]
        return tuple(kept)

    def _read_tail(
        self, files: Sequence[CollectionFile], made_of: Mapping[int, tuple[bytes, str]]
    ) -> _Tail:
        rows: list[IndexRow] = []
        kept: list[KeptVectors] = []
        for file in files:
            some, theirs = self._rows_of(file, made_of[file.number][0])
            rows += some
            kept += theirs
        embeddings = embeddings_of(kept, self.recipe.dimensions)
        many = self.recipe.has_many_vectors
        return _Tail(Segment.in_memory(rows, embeddings, has_many_vectors=many), made_of)

    def _rows_of(
        self, file: CollectionFile, key: bytes
    ) -> tuple[list[IndexRow], list[KeptVectors]]:
        """The rows of a file and their vectors, from its chunks in the catalog."""
        rows: list[IndexRow] = []
        vectors: list[KeptVectors] = []
        with self.database.reading() as connection:
            found = derived.find_chunks(connection, key)
            if found is None:  # deleted since the placements were read
                raise ChangedMeanwhile
            seen: dict[bytes, int] = {}
            analyser = self.analyser(file.language)
            extra = [*_TITLE_WEIGHT * analyser.terms(file.title), *analyser.terms(file.name)]
            for part, chunks in enumerate(derived.read_chunks(connection, key)):
                keys = self.recipe.vector_keys(chunks, found.document)
                kept = derived.find_vectors(connection, keys)
                if not all(one in kept for one in keys):
                    raise ChangedMeanwhile
                vectors += [kept[one] for one in keys]
                ids = chunk_ids(file.id_name, chunks, seen)
                rows += [
                    self._row(file, extra, part, place, chunk, bytes.fromhex(ids[place]))
                    for place, chunk in enumerate(chunks)
                ]
        return rows, vectors

    def _row(
        self,
        file: CollectionFile,
        extra: Sequence[str],
        part: int,
        place: int,
        chunk: Chunk,
        chunk_id: bytes,
    ) -> IndexRow:
        analyser = self.analyser(file.language)
        headings = analyser.terms(" ".join(chunk.headings))
        return IndexRow(
            id=chunk_id,
            file=file.number,
            part=part,
            place=place,
            start=chunk.span.start,
            end=chunk.span.end,
            page=chunk.page,
            tokens=chunk.tokens,
            headings=chunk.headings,
            language=file.language,
            terms=[*analyser.terms(chunk.text), *headings, *extra],
        )

    def chunks(self, view: View, places: Sequence[tuple[int, int]]) -> list[Chunk]:
        """The chunks of rows of a view: each a segment's number and a row in it, in that order.

        Raises ChangedMeanwhile for a row whose file has been replaced or deleted since.
        """
        tables = [segment.table for segment in view.segments]
        wanted: list[ChunkPlace] = []
        for number, row in places:
            table = tables[number]
            file = int(table.files[row])
            chunk_set = view.chunk_sets[file]
            wanted.append(
                ChunkPlace(file, chunk_set, int(table.parts[row]), int(table.places[row]))
            )
        with self.database.reading() as connection:
            chunks = placements.placed_chunks(connection, self.generation, wanted)
        if chunks is None:
            raise ChangedMeanwhile
        return chunks


class ChangedMeanwhile(Exception):
    """What was read has changed since: it is read again."""


def _with(former: Mapping[int, T], changed: Collection[int], new: Mapping[int, T]) -> dict[int, T]:
    """The former values without those that have changed, and the new ones."""
    if not former:
        return dict(new)
    kept = dict(former)
    for number in changed:
        kept.pop(number, None)
    kept.update(new)
    return kept


def _indexed(file: CollectionFile) -> IndexedFile:
    return IndexedFile(
        number=file.number,
        name=file.name,
        kind=file.kind,
        title=file.title,
        language=file.language,
        added_at=datetime.fromtimestamp(file.added_at, UTC).isoformat(),
        attributes=_attributes(file.attributes),
        id=file.id,
    )


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(cast("list[str]", v)) if isinstance(v, list) else v for k, v in values.items()}


def _most_segments() -> int:
    """A quarter of the file descriptors that this process may have."""
    try:
        import resource  # not on Windows, which has no such limit
    except ImportError:
        return _SEGMENTS_WITHOUT_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _SEGMENTS_WITHOUT_LIMIT
    return max(1, min(soft // 4, _SEGMENTS_WITHOUT_LIMIT))
