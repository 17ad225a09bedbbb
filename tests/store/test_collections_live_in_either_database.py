"""What SQL does for collections, in SQLite and in PostgreSQL."""

from pathlib import Path

import pytest
from tests.search.synthetic import MODES, found, open_synthetic, put

from bindery.errors import InvalidValue
from bindery.library import Library
from bindery.search.collection import Collections
from bindery.search.maintainer import Maintainer
from bindery.search.maintenance import erase, seal, state_of, sweep_index
from bindery.store.deletion import KeptIn


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
