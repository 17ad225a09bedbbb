"""The index of a collection, open: its view kept fresh, its segments written and merged."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from bindery.errors import StorageError, UnknownCollection
from bindery.jobs.recipe import Recipe, chunk_ids
from bindery.jobs.results import embeddings_of
from bindery.search.analysis import Analyser
from bindery.search.columns import AttributeType
from bindery.search.segment_files import DamagedSegment, files_of
from bindery.search.segments import IndexRow, Segment, merged
from bindery.search.view import IndexedFile, View
from bindery.store import collections as catalog
from bindery.store import derived
from bindery.store.collections import CollectionFile, Placement, StoredCollection
from bindery.store.database import Database
from bindery.store.values import KeptVectors
from bindery.types import Chunk

SEALED_ROWS = 4096
"""A tail with this many rows becomes a segment, because each process builds its own tail."""

_MOST_TAIL_SEGMENTS = 8
# A segment is merged with what is at least a quarter of its size: each row is written again a
# logarithmic number of times, and few segments are left.
_MERGE_FACTOR = 4
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, eq=False)
class _Tail:
    """Rows in memory of files that lie in no segment yet, with the chunk set of each file."""

    segment: Segment
    chunk_sets: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """What was read of one state of the catalog."""

    view: View
    sealed: Mapping[str, Segment]
    tails: tuple[_Tail, ...]
    placements: Mapping[int, Placement]


class CollectionIndex:
    """The index of one generation of a collection. Safe to use from several threads.

    Readers in other processes need nothing of it: whatever is published is in the catalog.
    """

    def __init__(self, database: Database, folder: Path, stored: StoredCollection) -> None:
        self._database = database
        self._folder = folder
        self._id = stored.id
        self.generation = stored.generation
        self.recipe = Recipe.from_facts(stored.recipe)
        self._analysers: dict[str, Analyser] = {}
        self._opened: _Opened | None = None
        self._refreshing = threading.Lock()
        self._sealing = threading.Lock()

    def analyser(self, language: str) -> Analyser:
        """The analyser of a language; its cache of words is shared."""
        return self._analysers.setdefault(language, Analyser(language))

    def view(self) -> View:
        """The newest state. Raises UnknownCollection if the collection is gone."""
        return self._current().view

    def _current(self) -> "_Opened":
        opened = self._opened
        with self._database.reading() as connection:
            state = catalog.state_of(connection, self._id)
        if state is None:
            raise UnknownCollection(
                "The collection has been deleted.", remedy="List the collections that there are."
            )
        if opened is None or opened.view.state != state:
            opened = self._refresh()
        return opened

    def _refresh(self) -> _Opened:
        with self._refreshing:
            for _ in range(_ATTEMPTS):
                try:
                    self._opened = self._read(self._opened)
                except ChangedMeanwhile:
                    continue
                return self._opened
        raise StorageError("The index changed all the time while it was read.", remedy="Try again.")

    def _read(self, former: _Opened | None) -> _Opened:
        with self._database.reading() as connection:
            state = catalog.state_of(connection, self._id)
            placed = {one.file: one for one in catalog.list_placements(connection, self.generation)}
            files = catalog.list_files(connection, self._id)
            schema = catalog.schema_of(connection, self._id)
        sealed = {
            name: self._sealed(
                name, [n for n, one in placed.items() if one.segment == name], former
            )
            for name in dict.fromkeys(one.segment for one in placed.values())
            if name is not None
        }
        tails = self._tails(files, placed, former)
        view = View(
            state or 0,
            [*sealed.values(), *(tail.segment for tail in tails)],
            [_indexed(file) for file in files],
            {key: AttributeType(value) for key, value in schema.items()},
            {number: one.chunk_set for number, one in placed.items()},
        )
        return _Opened(view, sealed, tails, placed)

    def _sealed(self, name: str, files: Sequence[int], former: _Opened | None) -> Segment:
        """The segment with the rows of these files alive; from what was open, if it was."""
        segment = former.sealed.get(name) if former else None
        if segment is None:
            try:
                segment = Segment.open(self._folder, name)
            except DamagedSegment as error:
                self._lose(name)
                raise ChangedMeanwhile from error
        return segment.of_files(files)

    def _lose(self, name: str) -> None:
        """Bring the rows of a segment that cannot be used back to the tail, and drop its files."""
        with self._database.writing() as connection:
            if not catalog.count_change(connection, self._id):
                return
            catalog.unplace_segment(connection, self.generation, name)
        self._remove(name)

    def _remove(self, name: str) -> None:
        for path in files_of(self._folder, name):
            with suppress(OSError):  # swept later
                path.unlink()

    # The tail

    def _tails(
        self,
        files: Sequence[CollectionFile],
        placed: Mapping[int, Placement],
        former: _Opened | None,
    ) -> tuple[_Tail, ...]:
        """The rows that lie in no segment: what was read before stays, what is new is read."""
        wanted = {n: one.chunk_set for n, one in placed.items() if one.segment is None}
        kept: list[_Tail] = []
        for tail in former.tails if former else ():
            still = {n: key for n, key in tail.chunk_sets.items() if wanted.get(n) == key}
            if still:
                kept.append(_Tail(tail.segment.of_files(list(still)), still))
                for number in still:
                    del wanted[number]
        if wanted:
            by_number = {file.number: file for file in files}
            kept.append(self._read_tail([by_number[number] for number in wanted], wanted))
        if len(kept) > _MOST_TAIL_SEGMENTS:
            sets = {n: key for tail in kept for n, key in tail.chunk_sets.items()}
            kept = [_Tail(merged([tail.segment for tail in kept]), sets)]
        return tuple(kept)

    def _read_tail(self, files: Sequence[CollectionFile], sets: Mapping[int, bytes]) -> _Tail:
        rows: list[IndexRow] = []
        kept: list[KeptVectors] = []
        for file in files:
            some, theirs = self._rows_of(file, sets[file.number])
            rows += some
            kept += theirs
        embeddings = embeddings_of(kept, self.recipe.dimensions)
        many = self.recipe.has_many_vectors
        return _Tail(Segment.in_memory(rows, embeddings, has_many_vectors=many), sets)

    def _rows_of(
        self, file: CollectionFile, key: bytes
    ) -> tuple[list[IndexRow], list[KeptVectors]]:
        """The rows of a file and their vectors, from its chunks in the catalog."""
        rows: list[IndexRow] = []
        vectors: list[KeptVectors] = []
        with self._database.reading() as connection:
            found = derived.find_chunks(connection, key)
            if found is None:  # deleted since the placements were read
                raise ChangedMeanwhile
            seen: dict[bytes, int] = {}
            extra = self.analyser(file.language).terms(f"{file.title} {file.name}")
            for part, chunks in enumerate(derived.read_chunks(connection, key)):
                keys = self.recipe.vector_keys(chunks, found.document)
                kept = derived.find_vectors(connection, keys)
                if not all(one in kept for one in keys):
                    raise ChangedMeanwhile
                vectors += [kept[one] for one in keys]
                ids = chunk_ids(file.name, chunks, seen)
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

    def texts(self, view: View, places: Sequence[tuple[int, int]]) -> list[str]:
        """The texts of rows of a view: each a segment's number and a row in it, in that order.

        Raises ChangedMeanwhile for a row whose file has been replaced or deleted since.
        """
        tables = [segment.table for segment in view.segments]
        wanted = [
            (int(tables[n].files[row]), int(tables[n].parts[row]), int(tables[n].places[row]))
            for n, row in places
        ]
        with self._database.reading() as connection:
            sets = catalog.chunk_sets_of(
                connection, self.generation, sorted({file for file, _, _ in wanted})
            )
            if any(sets.get(file) != view.chunk_sets[file] for file, _, _ in wanted):
                raise ChangedMeanwhile
            parts = {
                one: derived.read_part(connection, sets[one[0]], one[1])
                for one in dict.fromkeys((file, part) for file, part, _ in wanted)
            }
        return [parts[file, part][place].text for file, part, place in wanted]

    # Segments

    def seal(self, *, least_rows: int = SEALED_ROWS) -> str | None:
        """Write the tail as a segment, merged with those of its size; its name.

        None if the tail has fewer rows. What is added or removed meanwhile stays right.
        """
        with self._sealing:
            opened = self._current()
            tail = [one.segment for one in opened.tails]
            rows = sum(segment.lexical.rows for segment in tail)
            if rows < max(1, least_rows):
                return None
            chosen = self._to_merge(rows, opened.sealed)
            segment = merged([*tail, *(opened.sealed[name] for name in chosen)])
            name = segment.write(self._folder)
            names = {None, *chosen}
            moved = [one for one in opened.placements.values() if one.segment in names]
            with self._database.writing() as connection:
                if not catalog.count_change(connection, self._id):
                    self._remove(name)
                    return None
                catalog.publish_segment(connection, self.generation, name, len(segment), moved)
                left = set(catalog.segment_names(connection, self.generation))
            for former in chosen:
                if former not in left:
                    self._remove(former)
            return name

    def _to_merge(self, rows: int, sealed: Mapping[str, Segment]) -> list[str]:
        """The segments to merge with this many new rows: small ones, and those mostly dead."""
        chosen: list[str] = []
        by_size = sorted(sealed.items(), key=lambda item: (item[1].lexical.rows, item[0]))
        for name, segment in by_size:
            living = segment.lexical.rows
            if living <= _MERGE_FACTOR * rows or 2 * living < len(segment):
                chosen.append(name)
                rows += living
        return chosen


class ChangedMeanwhile(Exception):
    """What was read has changed since: it is read again."""


def _indexed(file: CollectionFile) -> IndexedFile:
    return IndexedFile(
        number=file.number,
        name=file.name,
        kind=file.kind,
        title=file.title,
        language=file.language,
        added_at=datetime.fromtimestamp(file.added_at, UTC).isoformat(),
        attributes=_attributes(file.attributes),
    )


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(cast("list[str]", v)) if isinstance(v, list) else v for k, v in values.items()}
