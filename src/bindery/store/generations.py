"""Generations: what each recipe has made of a collection, and which of them answers.

A collection has one active generation. At most one other is kept beside it: one that is being
filled, or the former one, to which the collection can be taken back. Deleting a file removes it
from both. A file that is added goes to the active one, and a file whose content changes leaves the
other, which therefore never answers with a former version: :func:`missing_files` are what it lacks.
Every function works within the caller's transaction.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from bindery.store.collections import CollectionFile, list_files
from bindery.store.database.tables import (
    collection_files,
    collections,
    generations,
    placements,
    segments,
)
from bindery.store.derived import forget_sets
from bindery.store.placements import note_changes


@dataclass(frozen=True, slots=True)
class StoredGeneration:
    """A generation; times are in seconds since 1970.

    ``switched_at`` is when it last became the active one; None if it never has. ``report`` is how
    it compared with the former one then, as JSON has it.
    """

    id: int
    recipe: Mapping[str, Any]
    created_at: float
    switched_at: float | None
    report: Mapping[str, Any] | None


def list_generations(connection: Connection, collection_id: str) -> list[StoredGeneration]:
    """The generations of a collection, oldest first."""
    found = select(generations).where(generations.c.collection == collection_id)
    return [
        StoredGeneration(row.id, row.recipe, row.created_at, row.switched_at, row.report)
        for row in connection.execute(found.order_by(generations.c.id))
    ]


def active_generation(connection: Connection, collection_id: str) -> int | None:
    """The generation that answers; None if there is no such collection any more."""
    this = select(collections.c.generation).where(collections.c.id == collection_id)
    return connection.scalar(this)


def add_generation(connection: Connection, collection_id: str, recipe: Mapping[str, Any]) -> int:
    """Add an empty generation, which does not answer yet; its number."""
    values = {"collection": collection_id, "recipe": dict(recipe), "created_at": time.time()}
    key = connection.execute(insert(generations).values(values)).inserted_primary_key
    assert key is not None, "the database numbers generations"
    return int(key[0])


def missing_files(
    connection: Connection, collection_id: str, generation: int
) -> list[CollectionFile]:
    """The files of a collection of which a generation has nothing."""
    columns = collection_files.c
    placed = exists().where(
        placements.c.generation == generation, placements.c.file == columns.number
    )
    found = select(columns.number).where(columns.collection == collection_id, ~placed)
    numbers = connection.scalars(found).all()
    return list_files(connection, collection_id, numbers) if numbers else []


def place_file(
    connection: Connection, generation: int, file: CollectionFile, chunk_set: bytes
) -> bool:
    """Give a generation the chunks of a file; False if the generation has been dropped."""
    this = exists().where(generations.c.id == generation)
    if not connection.scalar(select(this)):
        return False
    mine = (placements.c.generation == generation, placements.c.file == file.number)
    connection.execute(delete(placements).where(*mine))
    row = {"generation": generation, "file": file.number, "chunk_set": chunk_set, "segment": None}
    connection.execute(insert(placements).values(row))
    note_changes(connection, [file.number])
    return True


def switch_generation(
    connection: Connection,
    collection_id: str,
    generation: int,
    report: Mapping[str, Any] | None = None,
) -> None:
    """Have another generation answer from now on; without a new report its former one stays."""
    this = update(generations).where(generations.c.id == generation)
    changed = {"switched_at": time.time(), **({"report": dict(report)} if report else {})}
    connection.execute(this.values(changed))
    of_it = update(collections).where(collections.c.id == collection_id)
    connection.execute(of_it.values(generation=generation))


def drop_generation(connection: Connection, generation: int) -> None:
    """Remove a generation with all that was made for it alone."""
    mine = placements.c.generation == generation
    sets = connection.scalars(select(placements.c.chunk_set).where(mine).distinct()).all()
    note_changes(connection, connection.scalars(select(placements.c.file).where(mine)).all())
    connection.execute(delete(placements).where(mine))
    connection.execute(delete(segments).where(segments.c.generation == generation))
    connection.execute(delete(generations).where(generations.c.id == generation))
    forget_sets(connection, sets)
