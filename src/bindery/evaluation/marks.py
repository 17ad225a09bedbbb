"""Marks: passages that a user called right or wrong answers, which become an evaluation set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bindery.errors import NotFound, UnknownFile
from bindery.evaluation.questions import Expected, JudgedQuestion
from bindery.library import Library
from bindery.search.answers import text_of
from bindery.search.collection import Collection
from bindery.search.passages import read_passages
from bindery.search.queries import check_queries
from bindery.store import collections as catalog
from bindery.store import marks as rows
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


def mark_passage(
    library: Library, collection: Collection, query: str, passage_id: str, *, is_right: bool
) -> Mark:
    """Mark the passage of a hit, by its id, as a right or a wrong answer to a question.

    What was said of it for the same question before is replaced. Raises UnknownFile if the
    collection has no such passage, and InvalidValue for a blank question.
    """
    check_queries([query])
    view = collection.index.view()
    for segment in view.segments:
        table = segment.table
        width = table.ids.shape[1]
        try:
            key = np.frombuffer(bytes.fromhex(passage_id), dtype=np.uint8)
        except ValueError:
            break
        if len(key) != width:
            break
        for row in np.flatnonzero(segment.alive & (table.ids == key).all(axis=1)).tolist():
            number, start, end = (int(one[row]) for one in (table.files, table.starts, table.ends))
            with library.database.writing() as connection:
                [file] = catalog.list_files(connection, collection.id, [number])
                place = (number, file.content, start, end)
                kept = rows.put_mark(connection, query, place, is_right=is_right)
            return _marks(library, collection, [kept])[0]
    raise UnknownFile(
        f"{collection.name!r} has no passage with the id {passage_id[:80]!r}.",
        remedy="Send the id of a hit.",
        param="id",
    )


def list_marks(library: Library, collection: Collection) -> list[Mark]:
    """The marks of a collection, newest first."""
    with library.database.reading() as connection:
        kept = rows.list_marks(connection, collection.id)
    return _marks(library, collection, kept)


def delete_mark(library: Library, collection: Collection, mark_id: int) -> None:
    """Delete a mark. Raises NotFound."""
    with library.database.writing() as connection:
        if not rows.delete_mark(connection, collection.id, mark_id):
            raise NotFound(f"{collection.name!r} has no mark {mark_id}.", param="mark_id")


def questions_of(marks: Sequence[Mark]) -> list[JudgedQuestion]:
    """The marked questions with their right passages, oldest first.

    A question of which only wrong passages are known is left out.
    """
    found: dict[str, list[Expected]] = {}
    for one in reversed(marks):
        if one.is_right and one.text:
            found.setdefault(one.query, []).append(Expected(one.file, quote=one.text))
    return [
        JudgedQuestion(str(number), query, tuple(expected))
        for number, (query, expected) in enumerate(found.items(), 1)
    ]


def _marks(library: Library, collection: Collection, kept: Sequence[rows.StoredMark]) -> list[Mark]:
    with library.database.reading() as connection:
        numbers = sorted({one.file for one in kept})
        files = {one.number: one for one in catalog.list_files(connection, collection.id, numbers)}
    texts: dict[int, tuple[int, str]] = {}
    for number, file in files.items():
        chunks = read_passages(library, collection, file.id).chunks
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
