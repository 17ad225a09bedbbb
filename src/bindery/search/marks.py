"""Marks: passages that a user called right or wrong answers, which become an evaluation set."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bindery.errors import NotFound, UnknownFile
from bindery.library import Library
from bindery.search.answers import text_of
from bindery.search.index import CollectionIndex
from bindery.search.queries import check_queries
from bindery.store import collections as catalog
from bindery.store import derived, placements
from bindery.store import marks as rows
from bindery.store.collections import StoredCollection
from bindery.types import Span, utc_text


@dataclass(frozen=True, slots=True)
class Mark:
    """A passage that answers a question, or does not if ``is_right`` is false.

    ``text`` is empty if the file has another content than when the passage was marked: such a mark
    does not count. ``made_at`` is a date in ISO 8601.
    """

    id: int
    query: str
    file: str
    file_id: str
    span: Span
    text: str
    is_right: bool
    made_at: str

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a collection, newest first."""

    library: Library
    stored: StoredCollection
    index: CollectionIndex

    def __iter__(self) -> Iterator[Mark]:
        with self.library.database.reading() as connection:
            kept = rows.list_marks(connection, self.stored.id)
        return iter(self._marks(kept))

    def add(self, query: str, passage_id: str, *, is_right: bool = True) -> Mark:
        """Mark the passage of a hit, by its id, as a right or a wrong answer to a question.

        What was said of it for the same question before is replaced. Raises UnknownFile if the
        collection has no such passage, and InvalidValue for a blank question.
        """
        check_queries([query])
        number, start, end = self._place(passage_id)
        with self.library.database.writing() as connection:
            [file] = catalog.list_files(connection, self.stored.id, [number])
            place = (number, file.content, start, end)
            kept = rows.put_mark(connection, query, place, is_right=is_right)
        return self._marks([kept])[0]

    def delete(self, mark_id: int) -> None:
        """Delete a mark. Raises NotFound."""
        with self.library.database.writing() as connection:
            if not rows.delete_mark(connection, self.stored.id, mark_id):
                raise NotFound(f"{self.stored.name!r} has no mark {mark_id}.", param="mark_id")

    def _place(self, passage_id: str) -> tuple[int, int, int]:
        """The number of the file of a passage, and the start and end of the passage."""
        try:
            key = np.frombuffer(bytes.fromhex(passage_id), dtype=np.uint8)
        except ValueError:
            key = np.zeros(0, dtype=np.uint8)
        for segment in self.index.view().segments:
            table = segment.table
            if len(key) != table.ids.shape[1]:
                break
            for row in np.flatnonzero(segment.alive & (table.ids == key).all(axis=1)).tolist():
                return int(table.files[row]), int(table.starts[row]), int(table.ends[row])
        raise UnknownFile(
            f"{self.stored.name!r} has no passage with the id {passage_id[:80]!r}.",
            remedy="Send the id of a hit.",
            param="id",
        )

    def _marks(self, kept: Sequence[rows.StoredMark]) -> list[Mark]:
        numbers = sorted({one.file for one in kept})
        texts: dict[int, tuple[int, str]] = {}
        with self.library.database.reading() as connection:
            files = {
                one.number: one for one in catalog.list_files(connection, self.stored.id, numbers)
            }
            sets = placements.chunk_sets_of(connection, self.index.generation, numbers)
            for number, key in sets.items():
                chunks = [one for part in derived.read_chunks(connection, key) for one in part]
                if chunks:
                    texts[number] = (chunks[0].span.start, text_of(chunks))
        found: list[Mark] = []
        for one in kept:
            file = files[one.file]
            first, text = texts.get(one.file, (0, ""))
            is_same = file.content == one.content
            found.append(
                Mark(
                    one.id,
                    one.query,
                    file.name,
                    file.id,
                    Span(one.start, one.end),
                    text[one.start - first : one.end - first] if is_same else "",
                    one.is_right,
                    utc_text(one.made_at),
                )
            )
        return found
