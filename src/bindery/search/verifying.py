"""The index of a generation compared with the catalog, file for file and row for row.

:func:`verify` repairs nothing. A damaged segment is made again from the catalog when a search opens
it; :func:`make_again` makes all of them again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bindery.jobs.recipe import chunk_ids
from bindery.search.index import CollectionIndex
from bindery.search.maintenance import remove_unnamed, seal
from bindery.search.segment_files import DamagedSegment, verify_files
from bindery.search.segments import TERMS_VERSION, Segment
from bindery.store import collections as catalog
from bindery.store import derived, placements
from bindery.store.collections import CollectionFile
from bindery.store.placements import Placement
from bindery.types import Chunk

_OLD = "Its words were found by an older version. A server makes it again within minutes."


@dataclass(frozen=True, slots=True)
class IndexProblem:
    """What is wrong with a segment, or with the rows of a file in it; either may be empty."""

    segment: str
    file: str
    message: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How many segments, files and chunks of a generation were compared, and what is wrong."""

    generation: int
    segments: int
    files: int
    chunks: int
    problems: tuple[IndexProblem, ...]

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**asdict(self), "is_sound": not self.problems}


def verify(index: CollectionIndex) -> VerifyReport:
    """Compare every file and every row of an index with the catalog. All of them are read."""
    with index.database.reading() as connection:
        placed = placements.list_placements(connection, index.generation)
        files = {one.number: one for one in catalog.list_files(connection, index.collection)}
        names = placements.segment_rows(connection, index.generation)
    problems: list[IndexProblem] = []
    opened: dict[str, Segment] = {}
    for name in names:
        try:
            verify_files(index.folder, name)
            opened[name] = segment = Segment.open(index.folder, name)
            if segment.terms_version < TERMS_VERSION:
                problems.append(IndexProblem(name, "", _OLD))
        except DamagedSegment as error:
            problems.append(IndexProblem(name, "", str(error)))
    for one in placed:
        if one.segment is not None and one.segment not in names:
            message = f"Its rows are said to be in {one.segment}, which the catalog does not have."
            problems.append(IndexProblem(one.segment, files[one.file].name, message))
        elif one.segment is None or one.segment in opened:
            segment = opened.get(one.segment or "")
            found = _of_file(index, segment, one, files[one.file])
            problems += [IndexProblem(one.segment or "", files[one.file].name, m) for m in found]
    chunks = sum(one.chunks for one in placed)
    return VerifyReport(index.generation, len(names), len(placed), chunks, tuple(problems))


def make_again(index: CollectionIndex) -> None:
    """Make the files of an index again from the catalog. Raises StorageError."""
    with index.writing, index.database.writing() as connection:
        names = list(placements.segment_rows(connection, index.generation))
        if not catalog.count_change(connection, index.collection):
            return
        for name in names:
            placements.unplace_segment(connection, index.collection, name)
    remove_unnamed(index, names)
    seal(index, least_rows=1)


def _of_file(
    index: CollectionIndex, segment: Segment | None, placed: Placement, file: CollectionFile
) -> Iterator[str]:
    """What is wrong with the rows of a file; without a segment they are in the tail."""
    key = placed.chunk_set
    with index.database.reading() as connection:
        now = placements.chunk_sets_of(connection, index.generation, [file.number])
        if now.get(file.number) != key:
            return  # it has changed since
        kept = derived.find_chunks(connection, key)
        parts = [] if kept is None else list(derived.read_chunks(connection, key))
        chunks = [chunk for part in parts for chunk in part]
        keys = index.recipe.vector_keys(chunks, "" if kept is None else kept.document)
        vectors = derived.known_vectors(connection, keys)
    if kept is None or len(chunks) != kept.chunks:
        yield "The catalog does not have all of its chunks."
        return
    if lost := sum(one not in vectors for one in keys):
        yield f"The catalog lacks the vectors of {lost} of its chunks."
    if segment is not None:
        yield from _of_rows(index, segment, file, parts)


def _of_rows(
    index: CollectionIndex, segment: Segment, file: CollectionFile, parts: Sequence[Sequence[Chunk]]
) -> Iterator[str]:
    table = segment.table
    rows = np.flatnonzero(table.files == file.number)
    rows = rows[np.lexsort((table.places[rows], table.parts[rows]))]
    chunks = [chunk for part in parts for chunk in part]
    if len(rows) != len(chunks):
        yield f"The segment has {len(rows)} rows of it, and the catalog {len(chunks)} chunks."
        return
    seen: dict[bytes, int] = {}
    ids = [one for part in parts for one in chunk_ids(file.id_name, part, seen)]
    spans = np.array([(one.span.start, one.span.end) for one in chunks]).reshape(-1, 2)
    if ids != [table.ids[row].tobytes().hex() for row in rows]:
        yield "The ids of its rows are not those of its chunks."
    if not np.array_equal(spans, np.column_stack([table.starts[rows], table.ends[rows]])):
        yield "The spans of its rows are not those of its chunks."
    if not len(rows):
        return
    centres = segment.dense.centres(rows)
    if centres.shape[1] != index.recipe.dimensions:
        yield f"Its vectors have {centres.shape[1]} dimensions, not {index.recipe.dimensions}."
    elif not np.isfinite(centres).all():
        yield "Its vectors have numbers that are not finite."
