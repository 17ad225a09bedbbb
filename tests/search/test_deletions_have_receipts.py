"""A deletion says what went and what is left, and leaves nothing when it is asked to."""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.search.synthetic import MODES, found, open_synthetic, put, vector_of

from bindery.errors import UnknownCollection, UnknownFile
from bindery.jobs import Jobs
from bindery.library import Library
from bindery.search.collection import Collections
from bindery.search.index import CollectionIndex
from bindery.search.maintenance import seal
from bindery.search.segment_files import read_arrays
from bindery.store import generations
from bindery.store.deletion import KeptIn
from bindery.store.placements import list_placements

SECRET = "the passphrase is secretquetzok"


def traces(home: Library, text: str, word: str) -> set[str]:
    """Where bytes of a text, of its words or of its vector are, in any file under the home."""
    vector = vector_of(text)
    needles = {
        "text": text.encode(),
        "word": word.encode(),
        "vector": vector.tobytes(),
        "index vector": vector.astype("<f2").tobytes(),
    }
    return {
        f"{kind} in {path.suffix}"
        for path in home.home.rglob("*")
        if path.is_file()
        for data in unpacked(path.read_bytes())
        for kind, needle in needles.items()
        if needle in data
    }


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what zlib has packed anywhere in them."""
    yield data
    at = data.find(b"\x78\x01")
    while at >= 0:
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[at:])
        at = data.find(b"\x78\x01", at + 1)


def test_a_receipt_counts_what_went_and_what_is_left(home, collection):
    put(home, collection, {"a.txt": [SECRET, "second"], "b.txt": ["other"]})
    seal(collection.index, least_rows=1)
    put(home, collection, {"c.txt": ["third"]})

    receipt = collection.remove(["a.txt", "c.txt"])

    assert receipt.files == ("a.txt", "c.txt")
    assert (receipt.chunks, receipt.vectors) == (3, 3)
    assert receipt.entries == {"dense": 3, "lexical": 3}
    assert receipt.kept == ()
    assert receipt.segments_left == 1
    assert receipt.bytes_left > 0
    assert receipt.rewritten_by is not None
    assert receipt.facts()["rewritten_by"].endswith("Z")
    for mode in MODES:
        assert SECRET not in found(collection, SECRET, mode)


@pytest.mark.parametrize("where", ["tail", "segment", "both"])
def test_nothing_is_left_on_the_disk_after_a_deletion_with_now(home, collection, where):
    put(home, collection, {"a.txt": [SECRET], "b.txt": ["other"]})
    if where != "tail":
        seal(collection.index, least_rows=1)
    if where == "both":
        put(home, collection, {"a.txt": [SECRET, "more"]})
    assert found(collection, SECRET, MODES[1]) == [SECRET]
    before = traces(home, SECRET, "secretquetzok")
    assert {"text in .db", "vector in .db"} <= before
    if where != "tail":
        assert {"word in .segment", "index vector in .segment"} <= before

    receipt = collection.remove(["a.txt"], now=True)

    assert (receipt.segments_left, receipt.bytes_left, receipt.rewritten_by) == (0, 0, None)
    assert traces(home, SECRET, "secretquetzok") == set()
    for one in (collection, open_synthetic(home)):
        assert found(one, "other", MODES[0]) == ["other"]
        assert found(one, SECRET, MODES[1]) == []
    view = collection.index.view()
    assert all(s.lexical.postings.of_term("secretquetzok") is None for s in view.segments)
    for path in collection.index.folder.glob("*.segment"):
        arrays, _ = read_arrays(path.parent, path.stem)
        assert b"secretquetzok" not in arrays["vocabulary"].tobytes()
        assert np.abs(arrays["vectors"] - vector_of(SECRET)).max(axis=1).min() > 0.1


def test_a_deletion_reaches_every_generation(home, collection):
    put(home, collection, {"a.txt": [SECRET], "b.txt": ["other"]})
    with home.database.writing() as connection:
        other = generations.add_generation(connection, collection.id, collection.recipe.facts())
        for file in collection.files():
            (key,) = {
                one.chunk_set
                for one in list_placements(connection, collection.stored.generation)
                if one.file == file.number
            }
            generations.place_file(connection, other, file, key)
    for index in collection.indexes():
        assert isinstance(index, CollectionIndex)
        seal(index, least_rows=1)
        assert index.view().rows == 2

    receipt = collection.remove(["a.txt"], now=True)

    assert receipt.entries == {"dense": 2, "lexical": 2}
    assert [index.view().rows for index in collection.indexes()] == [1, 1]
    assert traces(home, SECRET, "secretquetzok") == set()


def test_a_receipt_says_where_the_same_text_lives_on(home, collection):
    other = open_synthetic(home, "other")
    put(home, collection, {"a.txt": [SECRET, "alone"], "same.txt": [SECRET, "alone"]})
    put(home, other, {"a.txt": [SECRET, "alone"], "part.txt": ["beginning", SECRET]})

    receipt = collection.remove(["a.txt"], now=True)

    kept = {(one.kind, one.collection, one.name) for one in receipt.kept}
    assert kept == {
        (KeptIn.COLLECTION, "synthetic", "same.txt"),
        (KeptIn.COLLECTION, "other", "a.txt"),
        (KeptIn.PASSAGE, "other", "part.txt"),
    }
    assert (receipt.chunks, receipt.vectors) == (0, 0)
    assert all(one["reason"] for one in receipt.facts()["kept"])
    assert "text in .db" in traces(home, SECRET, "secretquetzok")

    for one, names in ((collection, ["same.txt"]), (other, ["a.txt", "part.txt"])):
        last = one.remove(names, now=True)
    assert last.kept == ()
    assert traces(home, SECRET, "secretquetzok") == set()


def test_a_deleted_collection_has_a_receipt_and_leaves_nothing(home, collection):
    put(home, collection, {"a.txt": [SECRET], "b.txt": ["other"]})
    seal(collection.index, least_rows=1)
    put(home, open_synthetic(home, "other"), {"b.txt": ["other"]})

    receipt = Collections(home).delete("synthetic", now=True)

    assert sorted(receipt.files) == ["a.txt", "b.txt"]
    assert receipt.entries["dense"] == 2
    assert [one.collection for one in receipt.kept] == ["other"]
    assert traces(home, SECRET, "secretquetzok") == set()
    assert not collection.index.folder.exists()
    with pytest.raises(UnknownCollection):
        collection.remove(["a.txt"])


def test_a_replaced_file_leaves_nothing_of_its_former_version(home, collection):
    put(home, collection, {"a.txt": [SECRET], "b.txt": ["other"]})
    seal(collection.index, least_rows=1)
    put(home, collection, {"a.txt": ["new"]})
    collection.remove(["b.txt"], now=True)
    assert traces(home, SECRET, "secretquetzok") == set()
    assert found(collection, "new", MODES[1]) == ["new"]


def test_an_unknown_file_is_refused_and_nothing_goes(home, collection):
    put(home, collection, {"a.txt": [SECRET]})
    with pytest.raises(UnknownFile):
        collection.remove(["a.txt", "none.txt"])
    assert found(collection, SECRET, MODES[1]) == [SECRET]


def test_a_job_that_added_a_file_keeps_no_result_of_it(sample):
    sample.add({"a.txt": "The vault passphrase is quetzal-4471.", "b.txt": "Mondays."})
    jobs = Jobs(sample.library)
    (job,) = [
        one
        for one in jobs.list()
        if one.request.into is not None and one.request.into.collection == sample.collection.id
    ]

    receipt = sample.collection.remove([sample.name("a.txt")])

    assert (receipt.job_results, receipt.chunks, receipt.vectors) == (1, 1, 1)
    assert [one.chunks for one in jobs.files(job.id)] == [0, 1]
    assert receipt.kept == ()


def test_a_stored_file_is_named(sample):
    library = sample.library
    with library.files.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(b"The vault passphrase is quetzal-4471.")
        stored = incoming.keep("upload.txt")
    sample.add({"a.txt": "The vault passphrase is quetzal-4471."})
    (kept,) = sample.collection.remove([sample.name("a.txt")]).kept
    assert (kept.kind, kept.name, kept.id) == (KeptIn.STORED_FILE, "upload.txt", stored.id)
    library.files.delete(stored.id)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="it reads Linux's list of maps")
def test_a_deleted_collection_takes_no_room_on_the_disk_any_more(home, collection):
    """A file that is deleted while it is open keeps its room until it is closed."""
    put(home, collection, {"a.txt": [SECRET]})
    with home.database.writing() as connection:
        other = generations.add_generation(connection, collection.id, collection.recipe.facts())
        (placed,) = list_placements(connection, collection.stored.generation)
        generations.place_file(connection, other, collection.files()[0], placed.chunk_set)
    collections = Collections(home)
    for index in collections.get("synthetic").indexes():
        seal(index, least_rows=1)
        assert index.view().rows == 1
    assert collection.id in Path("/proc/self/maps").read_text()

    collections.delete("synthetic")

    assert collection.id not in Path("/proc/self/maps").read_text()
