"""Damaged, swapped and outdated files of an index are found by verify, and made again."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.search.conftest import SampleCollection

from bindery.options import SearchOptions
from bindery.search import maintenance, segment_files
from bindery.search.analysis import Analyser
from bindery.search.collection import Collection
from bindery.search.maintainer import Maintainer
from bindery.search.maintenance import seal
from bindery.search.segments import Segment
from bindery.store import placements

WORDS = ["heliotrope", "vault", "quetzal", "marmalade"]


@pytest.fixture
def collection(sample: SampleCollection) -> Collection:
    """Two segments, of which the first is too large to be merged; another file is in the tail."""
    for words in (WORDS[:3], WORDS[3:]):
        fillers = {f"{n}.txt": f"Filler number {n}." for n in range(9)} if len(words) > 1 else {}
        texts = {f"{word}.txt": f"The {word} is here, {word} and all." for word in words}
        sample.add(texts | fillers)
        seal(sample.collection.index, least_rows=1)
    sample.add({"tail.txt": "A zeppelin is in the tail."})
    return sample.collection


def files(collection: Collection) -> list[Path]:
    return sorted(collection.index.folder.glob("*.segment"))


def all_are_found(collection: Collection) -> bool:
    asked = [*WORDS, "zeppelin"]
    answers = [collection.search(word).hits for word in asked]
    return all(word in hits[0].text for word, hits in zip(asked, answers, strict=True))


def messages(collection: Collection) -> list[str]:
    return [problem.message for problem in collection.verify().problems]


def test_a_sound_index_has_no_problems(collection):
    report = collection.verify()
    assert report.problems == ()
    assert (report.segments, report.files, report.chunks) == (2, 14, 14)
    assert report.facts()["is_sound"] is True


def test_a_flipped_byte_is_found_anywhere(collection):
    path = files(collection)[0]
    whole = path.read_bytes()
    for n in range(20):
        place = n * len(whole) // 20
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert messages(collection) == [f"{path.name} is not what its name says."]
    path.write_bytes(whole[:-9])
    assert messages(collection) == [f"{path.name} is not what its name says."]
    path.write_bytes(b"")
    assert len(messages(collection)) == 1
    path.unlink()
    assert "cannot be read" in messages(collection)[0]
    assert all_are_found(collection)
    assert messages(collection) == []


def test_two_files_that_were_swapped_are_found(collection, tmp_path):
    one, two = files(collection)
    shutil.copy(one, tmp_path / "kept")
    shutil.copy(two, one)
    shutil.copy(tmp_path / "kept", two)
    expected = [f"{path.name} is not what its name says." for path in (one, two)]
    assert messages(collection) == expected
    assert all_are_found(collection)
    assert messages(collection) == []


def test_the_valid_copy_of_yesterday_is_found(collection, sample, tmp_path):
    yesterday = files(collection)[0]
    shutil.copy(yesterday, tmp_path / "copy")
    sample.add({"heliotrope.txt": "Instead of it there is a barometer."})
    collection.rebuild_index()
    (today,) = files(collection)
    assert today.name != yesterday.name

    shutil.copy(tmp_path / "copy", today)  # whole and valid, but of another content

    assert messages(collection) == [f"{today.name} is not what its name says."]
    assert "barometer" in collection.search("barometer").hits[0].text


def test_a_row_that_is_not_as_the_catalog_has_it_is_found(collection, sample):
    """The file is whole, and another one than the catalog means."""
    with sample.library.database.writing() as connection:
        for path in files(collection):
            placements.unplace_segment(connection, collection.id, path.stem)
        placed = placements.list_placements(connection, collection.index.generation)
        name = files(collection)[0].stem
        placements.publish_segment(connection, collection.index.generation, name, 2, placed)
    found = messages(collection)
    assert "The segment has 0 rows of it, and the catalog 1 chunks." in found
    collection.rebuild_index()
    assert messages(collection) == []
    assert all_are_found(collection)


def test_an_unknown_format_is_made_again(collection, monkeypatch):
    monkeypatch.setattr(segment_files, "FORMAT", "99")
    collection.rebuild_index()
    monkeypatch.undo()
    collection.index.close()
    assert "has format '99'" in messages(collection)[0]
    assert all_are_found(collection)
    assert messages(collection) == []


def test_a_renamed_file_is_indexed_under_its_new_name(collection, sample):
    former, new = sample.name("vault.txt"), sample.name("barometer.txt")
    collection.rename({new: former}, {new: str(sample.folder / "barometer.txt")})
    assert messages(collection) == []
    found = collection.search("barometer", SearchOptions("lexical")).hits
    assert [hit.file for hit in found] == [new]


def test_segments_with_the_words_of_an_older_version_are_made_again(sample, monkeypatch):
    monkeypatch.setattr(maintenance, "_BATCH_ROWS", 5)
    collection, write = sample.collection, Segment.write
    sample.add({f"{n}.txt": f"The shelf {word}{n}." for n in range(6) for word in WORDS[:2]})
    with pytest.MonkeyPatch.context() as older:
        older.setattr(Analyser, "terms", lambda _, text: [f"old{one}" for one in text.split()])
        older.setattr(Segment, "write", lambda one, at: write(replace(one, terms_version=1), at))
        collection.index.close()
        seal(collection.index, least_rows=1)
    collection.remove([sample.name("3.txt")])
    collection.index.close()
    assert len(collection.search("shelf").hits) == 5
    assert sample.found("vault4", mode="lexical") == []
    assert len(messages(collection)) == len(files(collection))

    monkeypatch.setattr("bindery.search.maintainer._IDLE_S", 0.0)
    Maintainer(sample.library, lambda: [collection]).run_once()

    assert messages(collection) == []
    assert sample.found("vault4", mode="lexical")[0] == "4.txt"
    assert "3.txt" not in sample.found("vault3", mode="lexical")
