"""What SQL does for collections, in SQLite and in PostgreSQL."""

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.homes import home_with
from tests.search.synthetic import MODES, found, open_synthetic, put

from bindery.errors import InvalidValue
from bindery.jobs import JobRequest, Jobs
from bindery.library import Library
from bindery.search.collection import Collections
from bindery.search.maintainer import Maintainer
from bindery.search.maintenance import erase, seal, state_of, sweep_index
from bindery.search.vector_stores import VectorStores
from bindery.store import vector_stores as rows
from bindery.store.deletion import KeptIn
from bindery.store.vector_stores import StoreFacts, StoreFileState


@pytest.fixture
def home(tmp_path: Path, database_url: str):
    library = Library(tmp_path / "home", database_url=database_url)
    yield library
    library.close()


def test_a_collection_is_filled_searched_and_emptied(home):
    collection = open_synthetic(home)
    put(home, collection, {f"{n}.txt": [f"text{n}"] for n in range(70)}, {"year": 2024})
    put(home, open_synthetic(home, "other"), {"part.txt": ["begin", "text1"], "1.txt": ["text1"]})
    seal(collection.index, least_rows=1)
    for mode in MODES:
        assert found(collection, "text7", mode)[0] == "text7"

    receipt = collection.remove(["1.txt", "2.txt"])

    assert receipt.entries == {"dense": 2, "lexical": 2}
    assert {(one.kind, one.name) for one in receipt.kept} == {
        (KeptIn.COLLECTION, "1.txt"),
        (KeptIn.PASSAGE, "part.txt"),
    }
    assert receipt.segments_left == 1
    (size,) = state_of(collection.index).segments
    assert (size.living, size.rows) == (68, 70)
    Maintainer(home, lambda: [collection]).run_once()
    erase(collection.index)
    sweep_index(collection.index)
    (size,) = state_of(collection.index).segments
    assert (size.living, size.rows) == (68, 68)
    assert "text1" not in found(collection, "text1", MODES[1], top=100)
    assert len(Collections(home).delete("synthetic").files) == 68


def test_types_of_attributes_follow_the_files(home):
    collection = open_synthetic(home)
    key = 'ye"ar_%'
    put(home, collection, {"a.txt": ["text"], "b.txt": ["other"]})
    for name in ("a.txt", "b.txt"):
        collection.set_attributes(name, {key: 2024})
    with pytest.raises(InvalidValue, match="it is a number"):
        collection.set_attributes("a.txt", {key: "MMXXIV"})
    collection.remove(["b.txt"])
    collection.set_attributes("a.txt", {key: "MMXXIV"})
    assert collection.files()[0].attributes == {key: "MMXXIV"}


def test_files_of_a_vector_store_are_counted_and_expire(home, minilm_folder):
    """Files that a job adds, that are added otherwise, and that were removed."""
    home_with(minilm_folder, home.home)
    collection = open_synthetic(home)
    put(home, collection, {f"{n}.txt": [f"text{n}"] for n in range(3)})
    jobs, stored = Jobs(home), []
    for n in range(3):
        with home.files.receive(limit_bytes=100) as incoming:
            incoming.write(b"%d" % n)
            stored.append(incoming.keep(f"{n}.txt", purpose="assistants").id)
    stores = VectorStores(Collections(home), jobs, home.files)
    job = jobs.submit(JobRequest(tuple(stored)))
    attached = [rows.Attachment(one, f"attached {one}", None) for one in stored]
    with home.database.writing() as connection:
        rows.attach(connection, collection.id, job.id, attached)
    stores.remove("synthetic", stored[0])

    def counted():
        with home.database.reading() as connection:
            counts, size_bytes = rows.count_store_files(connection, collection.id)
            listed = rows.list_store_files(connection, collection.id)
        assert {state: n for state, n in counts.items() if n} == Counter(f.state for f in listed)
        assert size_bytes == sum(one.usage_bytes for one in listed)
        return [counts.get(state, 0) for state in StoreFileState]

    assert counted() == [2, 3, 0, 0]
    jobs.cancel(job.id)
    assert counted() == [0, 3, 2, 0]

    expired = StoreFacts(expires_days=1, last_active_at=time.time() - 25 * 3600)
    for facts, total in ((replace(expired, expires_days=2), 5), (expired, 0)):
        with home.database.writing() as connection:
            rows.put_facts(connection, collection.id, facts)
        stores.empty_expired()
        assert sum(counted()) == total
