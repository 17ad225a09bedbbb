"""Receipts of deletions: what was deleted, what is still on the disk, where else the text is."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bindery.library import Library
from bindery.search.index import CollectionIndex
from bindery.search.maintenance import REWRITTEN_WITHIN_S, erase
from bindery.search.segment_files import size_of
from bindery.search.view import names_of
from bindery.store import collections as catalog
from bindery.store import placements
from bindery.store.collections import StoredCollection
from bindery.store.deletion import MOST_KEPT, Deletion, KeptIn, KeptText
from bindery.types import utc_text

_REASONS: Mapping[KeptIn, str] = {
    KeptIn.STORED_FILE: "The file was uploaded and is stored: delete it, too.",
    KeptIn.COLLECTION: "The same content is in a collection: remove it there, too.",
    KeptIn.JOB: "A job has it among its results: delete the job.",
    KeptIn.PASSAGE: "Another file has a passage with the same text.",
    KeptIn.EVALUATION: "An evaluation asks for its passages: delete the evaluation.",
}


_ID_DIGITS = 12


def evaluations_folder(library: Library, collection_id: str) -> Path:
    """The folder of what is asked of a collection, and of its scores. It is deleted with it."""
    return library.home / "evaluations" / collection_id


def copy_name(collection_id: str, made_by: str) -> str:
    """The name of a copy of a collection that an evaluation makes by another recipe."""
    return f"evaluation-{collection_id[-_ID_DIGITS:]}-{made_by[:_ID_DIGITS]}"


def copies_of(library: Library, collection_id: str) -> list[StoredCollection]:
    """The copies of a collection that evaluations have made and not deleted yet."""
    begins = copy_name(collection_id, "")
    with library.database.reading() as connection:
        return [one for one in catalog.list_collections(connection) if one.name.startswith(begins)]


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """What a deletion removed, and what is left.

    ``chunks`` and ``vectors`` were stored for these ``files`` alone, and are gone from the
    database. ``entries`` counts by leg the rows of indexes that no search finds any more.
    ``job_results`` are files of jobs whose results were deleted, ``cached_vectors`` those that the
    cache of this process dropped. ``marks`` were on passages of the files. ``evaluations`` are
    files with questions, results and scores, which are deleted with a whole collection.
    ``kept`` are the first 100 places that have the same text.

    ``segments_left`` files of the index, ``bytes_left`` in all, still hold words and vectors of
    these rows. A server writes them again by ``rewritten_by`` (seconds since 1970), and deleting
    with ``now`` does so at once.
    """

    collection: str
    files: tuple[str, ...]
    chunks: int
    vectors: int
    entries: Mapping[str, int]
    job_results: int
    cached_vectors: int
    marks: int
    kept: tuple[KeptText, ...]
    evaluations: int = 0
    segments_left: int = 0
    bytes_left: int = 0
    rewritten_by: float | None = None

    def facts(self) -> dict[str, Any]:
        """The same for JSON, with the reason for each place that keeps the text."""
        by = self.rewritten_by
        kept = [
            {**asdict(one), "kind": str(one.kind), "reason": _REASONS[one.kind]}
            for one in self.kept
        ]
        until = None if by is None else utc_text(by)
        return {
            **asdict(self),
            "files": list(self.files),
            "kept": kept,
            "rewritten_by": until,
        }


def receipt_of(
    library: Library,
    collection: StoredCollection,
    files: Sequence[str],
    deletion: Deletion,
    indexes: Iterable[CollectionIndex],
    *,
    now: bool,
) -> DeletionReceipt:
    """The receipt of a deletion that is committed. With ``now`` nothing is left in the indexes.

    Raises StorageError if the disk has no room for the segments that are written again.
    """
    cached, left, size = 0, set[str](), 0
    for index in indexes:
        if now:
            erase(index)
        with library.database.reading() as connection:
            mine = deletion.segments & set(placements.segment_rows(connection, index.generation))
        left |= mine
        size += sum(size_of(index.folder, name) for name in mine)
    if now:
        cached = library.clear_cache()
    return DeletionReceipt(
        collection=collection.name,
        files=tuple(files),
        chunks=deletion.chunks,
        vectors=deletion.vectors,
        entries={"dense": deletion.entries, "lexical": deletion.entries},
        job_results=deletion.job_results,
        cached_vectors=cached,
        marks=deletion.marks,
        kept=(*deletion.kept, *_evaluations(library, collection, files))[:MOST_KEPT],
        segments_left=len(left),
        bytes_left=size,
        rewritten_by=time.time() + REWRITTEN_WITHIN_S if left else None,
    )


def _evaluations(
    library: Library, collection: StoredCollection, files: Sequence[str]
) -> Iterator[KeptText]:
    """The evaluations that expect passages of these files, which they may quote."""
    for path in sorted(evaluations_folder(library, collection.id).glob("eval_*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            asked: list[dict[str, Any]] = json.loads(path.read_bytes())["questions"]
            expected = {part["file"] for question in asked for part in question["expected"]}
            for name in files:
                if not expected.isdisjoint(names_of(name)):
                    yield KeptText(KeptIn.EVALUATION, name, path.stem, collection.name)
