"""After a file is deleted, nothing of it or of what was made from it is in any file of the home."""

import random
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, insert, select
from tests.store.conftest import OpenStore

from bindery.store.blobs import open_blobs
from bindery.store.database import Database
from bindery.store.database.tables import (
    chunk_parts,
    chunk_sets,
    contents,
    metadata,
    vector_uses,
    vectors,
)
from bindery.store.files import FileStore

CANARY = b"canary-8d1f-"


def found_in(home: Path) -> list[str]:
    return [path.name for path in home.rglob("*") if path.is_file() and CANARY in path.read_bytes()]


def upload(store: FileStore, number: int) -> str:
    with store.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(CANARY * 50 + str(number).encode())
        return incoming.keep(f"{CANARY.decode()}{number}").id


def derive(database: Database, number: int, sha256: str) -> None:
    """What a job keeps of a file: chunks of many sizes, and their vectors."""
    key, sizes = number.to_bytes(32), random.Random(number)
    with database.writing() as connection:
        row = {"key": key, "content": sha256, "document": "", "chunks": 9, "warnings": []}
        connection.execute(insert(chunk_sets).values(**row, is_whole=True))
        for part in range(9):
            data = CANARY * sizes.randrange(1, 900)
            vector = (number * 100 + part).to_bytes(32)
            connection.execute(insert(chunk_parts).values(key=key, part=part, data=data))
            connection.execute(
                insert(vectors).values(
                    key=vector, dimensions=1, tokens_used=1, tokens_cut=0, data=data
                )
            )
            connection.execute(insert(vector_uses).values(vector=vector, chunk_set=key))


def test_nothing_is_left_of_deleted_files(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    database = Database.open(f"sqlite:///{tmp_path / 'bindery.db'}")
    store = FileStore(database, open_blobs("", folder), folder)
    ids = [upload(store, number) for number in range(12)]
    for number, file_id in enumerate(ids):
        derive(database, number, file_id)
    database.close()
    assert len(found_in(tmp_path)) == 1 + len(ids)

    database = Database.open(f"sqlite:///{tmp_path / 'bindery.db'}")
    store = FileStore(database, open_blobs("", folder), folder)
    random.Random(1).shuffle(ids)
    for file_id in ids:
        store.delete(file_id)

    assert found_in(tmp_path) == []
    database.close()


def test_all_that_was_derived_goes_with_the_last_file_of_a_content(
    open_store: OpenStore, open_database: Callable[[], Database]
) -> None:
    store, database = open_store(), open_database()
    kept, gone = upload(store, 1), upload(store, 2)
    derive(database, 1, kept)
    derive(database, 2, gone)
    with store.receive(limit_bytes=1 << 20) as incoming, store.open(gone) as file:
        incoming.write(file.read())
        again = incoming.keep("again", purpose="batch").id

    store.delete(gone)
    assert count(database) == {"contents": 2, "files": 2, "chunk_sets": 2} | parts(18)
    store.delete(again)
    assert count(database) == {"contents": 1, "files": 1, "chunk_sets": 1} | parts(9)
    with database.reading() as connection:
        assert connection.scalars(select(contents.c.sha256)).all() == [kept]


def parts(number: int) -> dict[str, int]:
    return dict.fromkeys(("chunk_parts", "vectors", "vector_uses"), number)


def count(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        counts = {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in metadata.sorted_tables
        }
    return {name: number for name, number in counts.items() if number}


def test_the_search_sees_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5000 + CANARY)
    assert found_in(tmp_path) == ["a"]
