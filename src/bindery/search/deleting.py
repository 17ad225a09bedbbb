"""Receipts of deletions: what was deleted, what is still on the disk, where else the text is."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bindery.library import Library
from bindery.search.index import CollectionIndex
from bindery.search.maintenance import REWRITTEN_WITHIN_S, erase
from bindery.search.segment_files import size_of
from bindery.store import placements
from bindery.store.deletion import Deletion, KeptIn, KeptText
from bindery.types import utc_text

_REASONS: Mapping[KeptIn, str] = {
    KeptIn.STORED_FILE: "The file was uploaded and is stored: delete it, too.",
    KeptIn.COLLECTION: "The same content is in a collection: remove it there, too.",
    KeptIn.JOB: "A job has it among its results: delete the job.",
    KeptIn.PASSAGE: "Another file has a passage with the same text.",
}


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """What a deletion removed, and what is left.

    ``chunks`` and ``vectors`` were stored for these ``files`` alone, and are gone from the
    database. ``entries`` counts by leg the rows of indexes that no search finds any more.
    ``job_results`` are files of jobs whose results were deleted, ``cached_vectors`` those that the
    cache of this process dropped. ``kept`` are the first 100 places that have the same text.

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
    kept: tuple[KeptText, ...]
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
    collection: str,
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
        collection=collection,
        files=tuple(files),
        chunks=deletion.chunks,
        vectors=deletion.vectors,
        entries={"dense": deletion.entries, "lexical": deletion.entries},
        job_results=deletion.job_results,
        cached_vectors=cached,
        kept=deletion.kept,
        segments_left=len(left),
        bytes_left=size,
        rewritten_by=time.time() + REWRITTEN_WITHIN_S if left else None,
    )
