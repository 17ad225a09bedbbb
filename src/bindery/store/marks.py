"""Passages that users marked as right or wrong answers to a question.

A mark names a span of a file and keeps none of its text: it is deleted with the file, and does not
count once the file has another content. Every function works within the caller's transaction.
"""

import time
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from bindery.store.database.tables import collection_files, marks


@dataclass(frozen=True, slots=True)
class StoredMark:
    """A mark; ``file`` is the number of its file, and ``content`` was the file's SHA-256.

    ``made_at`` is in seconds since 1970.
    """

    id: int
    query: str
    file: int
    content: str
    start: int
    end: int
    is_right: bool
    made_at: float


_COLUMNS: list[Any] = [marks.c[one.name] for one in fields(StoredMark)]


def put_mark(
    connection: Connection,
    query: str,
    place: tuple[int, str, int, int],
    *,
    is_right: bool,
) -> StoredMark:
    """Mark a passage, in place of what was said of it for the same question before.

    ``place`` are the file, its content, and the start and end of the passage.
    """
    columns = marks.c
    file, content, start, end = place
    same = (columns.file == file, columns.start == start, columns.end == end)
    connection.execute(delete(marks).where(columns.query == query, *same))
    now = time.time()
    row = {"query": query, "file": file, "content": content, "start": start, "end": end}
    added = insert(marks).values(**row, is_right=is_right, made_at=now)
    key = connection.execute(added).inserted_primary_key
    assert key is not None, "the database numbers marks"
    return StoredMark(int(key[0]), query, file, content, start, end, is_right, now)


def list_marks(connection: Connection, collection: str) -> list[StoredMark]:
    """The marks of a collection, newest first."""
    found = select(*_COLUMNS).where(marks.c.file.in_(_files_of(collection)))
    return [StoredMark(*row) for row in connection.execute(found.order_by(marks.c.id.desc()))]


def delete_mark(connection: Connection, collection: str, mark: int) -> bool:
    """Delete a mark of a collection; whether there was one."""
    this = delete(marks).where(marks.c.id == mark, marks.c.file.in_(_files_of(collection)))
    return connection.execute(this).rowcount == 1


def _files_of(collection: str) -> Any:  # noqa: ANN401 - a select
    columns = collection_files.c
    return select(columns.number).where(columns.collection == collection)
