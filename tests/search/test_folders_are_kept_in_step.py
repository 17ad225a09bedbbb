"""Adding a folder again: what is new, changed, gone or renamed, and what only seems to be gone."""

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.search.conftest import SampleCollection

from bindery.errors import InputError, MostFilesGone, UnknownFile
from bindery.options import ChunkOptions
from bindery.search.collection import Collections
from bindery.search.exchange import export_collection
from bindery.search.foreign import import_collection
from bindery.search.maintenance import seal
from bindery.search.segments import Segment

AS_ROOT = os.name != "nt" and os.geteuid() == 0


def fill(folder, number=6, word="shelf"):
    for n in range(number):
        path = folder / f"{n % 2}" / f"{n}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"The {word} number {n} holds {n * 7} books.")


def names(sample):
    return {file.name for file in sample.collection.files()}


def test_the_report_says_what_became_of_each_file(sample):
    fill(sample.folder, 4)
    (sample.folder / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    (sample.folder / ".hidden.md").write_text("hidden")
    (sample.folder / "node_modules").mkdir()
    first = sample.add_paths()
    assert sorted(first.added) == [f"texts/{n % 2}/{n}.md" for n in (0, 2, 1, 3)]
    assert [(file.name, file.error_code) for file in first.failed] == [
        ("texts/bad.pdf", "broken_document")
    ]
    assert set(first.skipped.values()) == {"hidden", "ignored"}
    assert not first.is_complete

    (sample.folder / "0" / "0.md").write_text("The heliotrope turns to the sun.")
    (sample.folder / "1" / "1.md").unlink()
    (sample.folder / "new.md").write_text("A new file.")
    (sample.folder / "bad.pdf").unlink()
    second = sample.add_paths()
    assert second.added == ("texts/new.md",)
    assert second.changed == ("texts/0/0.md",)
    assert set(second.unchanged) == {"texts/0/2.md", "texts/1/3.md"}
    assert (second.gone, second.removed) == (("texts/1/1.md",), ())
    assert second.is_complete
    assert "texts/1/1.md" in names(sample)
    assert sample.found("heliotrope", top=1) == ["0/0.md"]

    third = sample.add_paths(syncs=True)
    assert (third.gone, third.removed) == ((), ("texts/1/1.md",))
    assert "texts/1/1.md" not in names(sample)
    assert third.facts()["removed"] == ["texts/1/1.md"]


def test_what_a_missing_disk_held_is_not_gone(sample, tmp_path):
    fill(sample.folder, 10)
    other = tmp_path / "other"
    fill(other, 20, "drawer")
    sample.add_paths(sample.folder, other, syncs=True)
    everything = names(sample)
    away = tmp_path / "away"

    # The folder is missing.
    sample.folder.rename(away)
    with pytest.raises(UnknownFile):
        sample.add_paths(syncs=True)
    report = sample.add_paths(sample.folder, other, syncs=True)
    assert (report.missing, report.removed) == ((str(sample.folder),), ())

    # It is empty, as a folder where no disk is mounted: a third of all files.
    sample.folder.mkdir()
    for paths in ([sample.folder], [sample.folder, other]):
        with pytest.raises(MostFilesGone, match=r"10 of 10 files of .*texts' are gone"):
            sample.add_paths(*paths, syncs=True)
    assert names(sample) == everything
    with pytest.raises(InputError, match="There is no file to add"):
        sample.add_paths()

    # It is back: nothing is embedded again.
    sample.folder.rmdir()
    away.rename(sample.folder)
    report = sample.add_paths(sample.folder, other, syncs=True)
    assert len(report.unchanged) == 30

    # Most files are really gone.
    for n in range(6):
        (sample.folder / f"{n % 2}" / f"{n}.md").unlink()
    with pytest.raises(MostFilesGone, match="6 of 10"):
        sample.add_paths(syncs=True)
    assert len(sample.add_paths(syncs=True, confirms=True).removed) == 6


@pytest.mark.skipif(AS_ROOT, reason="root may read everything")
def test_what_cannot_be_read_is_named_and_not_gone(sample):
    fill(sample.folder)
    sample.add_paths(syncs=True)
    closed = sample.folder / "1"
    closed.chmod(0)
    try:
        report = sample.add_paths(syncs=True)
        assert report.unreadable == {str(closed): "Permission denied"}
        assert not report.removed
        assert not report.is_complete
    finally:
        closed.chmod(0o755)
    sample.folder.chmod(0)
    try:
        with pytest.raises(UnknownFile, match="cannot be read"):
            sample.add_paths()
    finally:
        sample.folder.chmod(0o755)
    assert len(names(sample)) == 6


def test_a_folder_that_cannot_be_listed_is_not_gone(sample, monkeypatch):
    """As above, also for root: the system refuses to list one folder."""
    fill(sample.folder)
    sample.add_paths(syncs=True)
    closed = str(sample.folder.resolve() / "1")
    scan = os.scandir

    def scandir(path="."):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = sample.add_paths(syncs=True)
    assert report.unreadable == {str(sample.folder / "1"): "Permission denied"}
    assert not report.removed
    assert len(report.unchanged) == 3


def test_odd_things_in_a_folder_fail_alone(sample):
    fill(sample.folder, 4)
    os.mkfifo(sample.folder / "pipe.md")
    (sample.folder / "circle").symlink_to(sample.folder, target_is_directory=True)
    (sample.folder / "outside.md").symlink_to("/etc/hosts")
    (sample.folder / "dangling.md").symlink_to(sample.folder / "nothing")
    where = Path.cwd()
    os.chdir(sample.folder)  # a path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket.md")
    finally:
        os.chdir(where)
    for _ in range(2):
        report = sample.add_paths(syncs=True)
        assert report.is_complete
        assert {name.rpartition("/")[2] for name in report.skipped} == {
            "pipe.md", "circle", "outside.md", "dangling.md", "socket.md",
        }  # fmt: skip
    assert len(names(sample)) == 4


def test_a_file_that_vanishes_after_it_was_listed_fails_alone(sample):
    fill(sample.folder, 4)

    def run(jobs, job_id):
        (sample.folder / "0" / "2.md").unlink()
        jobs.run(job_id)

    report = sample.add_paths(run=run)
    assert [file.error_code for file in report.failed] == ["unknown_file"]
    assert len(report.added) == 3


def test_a_renamed_folder_keeps_attributes_ids_and_vectors(sample, tmp_path):
    fill(sample.folder)
    for same in ("0/licence.txt", "1/licence.txt"):  # one content under two names
        (sample.folder / same).write_text("Everyone may copy this.")
    sample.add_paths(attributes={"rating": 5})
    sample.collection.set_attributes("texts/0/licence.txt", {"rating": 3})
    before = {hit.text: hit.id for hit in sample.collection.search("shelf").hits}

    moved = sample.folder.rename(tmp_path / "moved")
    report = sample.add_paths(moved, syncs=True)

    assert all(new == former.replace("texts", "moved") for new, former in report.renamed.items())
    assert (len(report.renamed), report.added, report.changed) == (8, (), ())
    assert len(report.unchanged) == 8
    assert names(sample) == set(report.renamed)
    assert {file.source for file in sample.collection.files()} == {
        str(path) for path in moved.rglob("*.*")
    }
    ratings = {file.name: file.attributes["rating"] for file in sample.collection.files()}
    assert (ratings.pop("moved/0/licence.txt"), set(ratings.values())) == (3, {5})
    assert {hit.text: hit.id for hit in sample.collection.search("shelf").hits} == before


def test_files_are_renamed_in_both_directions_and_swapped(sample):
    texts = {"a.md": "The heliotrope.", "b2.md": "The quetzal.", "x.md": "One.", "y.md": "Two."}
    sample.add(texts, rating=1)
    folder = sample.folder
    (folder / "a.md").rename(folder / "b.md")
    (folder / "b2.md").rename(folder / "a2.md")
    (folder / "x.md").rename(folder / "z")
    (folder / "y.md").rename(folder / "x.md")
    (folder / "z").rename(folder / "y.md")
    report = sample.add_paths(syncs=True)
    assert len(report.renamed) == 2
    assert names(sample) == {"texts/b.md", "texts/a2.md", "texts/x.md", "texts/y.md"}
    assert sample.found("heliotrope", mode="lexical") == ["b.md"]
    assert sample.found("quetzal", mode="lexical") == ["a2.md"]
    assert sample.found("two", mode="lexical") == ["x.md"]
    assert sample.found("one", mode="lexical") == ["y.md"]
    assert all(file.attributes == {"rating": 1} for file in sample.collection.files())


@pytest.mark.parametrize("is_sealed", [False, True])
def test_ids_and_words_of_a_renamed_file_are_the_same_in_every_process(
    sample, new_name, tmp_path, is_sealed
):
    sample.add({"quetzal.md": "It flies.", "b.md": "The second one."})
    if is_sealed:
        seal(sample.collection.index, least_rows=1)
    before = {hit.text: hit.id for hit in sample.collection.search("one").hits}
    (sample.folder / "quetzal.md").rename(sample.folder / "toucan.md")
    assert len(sample.add_paths(syncs=True).renamed) == 1

    (other,) = [one for one in Collections(sample.library) if one.name == sample.collection.name]
    for collection in (sample.collection, other):
        assert {hit.text: hit.id for hit in collection.search("one").hits} == before
        assert sample.found("toucan", collection, mode="lexical") == ["toucan.md"]
        assert sample.found("quetzal", collection, mode="lexical") == []
    export_collection(sample.collection, tmp_path / "all.parquet")
    import_collection(sample.collections, name := new_name(), tmp_path / "all.parquet")
    again = sample.collections.get(name)
    assert {hit.text: hit.id for hit in again.search("one").hits} == before

    sample.add({"quetzal.md": "It flies."})  # another file has the former name
    now = [hit.id for hit in sample.collection.search("one").hits]
    assert len(set(now)) == 3
    assert set(before.values()) < set(now)
    assert sample.collection.verify().problems == ()


def test_a_file_that_is_renamed_while_it_is_sealed_is_found_by_its_new_name(sample, monkeypatch):
    sample.add({"quetzal.md": "It flies.", "b.md": "The second one."})
    index, write = sample.collection.index, Segment.write

    def write_and_rename(segment: Segment, folder: Path) -> str:
        monkeypatch.undo()
        new, former = sample.name("toucan.md"), sample.name("quetzal.md")
        sample.collection.rename({new: former}, {new: str(sample.folder / "toucan.md")})
        return write(segment, folder)

    monkeypatch.setattr(Segment, "write", write_and_rename)
    seal(index, least_rows=1)
    index.close()
    assert sample.found("toucan", mode="lexical") == ["toucan.md"]
    assert sample.found("quetzal", mode="lexical") == []


CONTENTS = [
    f"{word}\n\n" + f"The {word} is described in many words here.\n\n" * paragraphs
    for word, paragraphs in {"oak": 9, "elm": 9, "ash": 1, "yew": 5}.items()
]


@given(order=st.permutations(CONTENTS), batch=st.integers(1, 5))
@example(order=[CONTENTS[1], CONTENTS[0], *CONTENTS[2:]], batch=2)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_part_of_a_file_is_lost_if_contents_change_places(
    library, collections, tmp_path, new_name, order, batch
):
    """A batch that replaces a file frees its content, of which another file has its first parts."""
    folder = tmp_path / "texts"
    folder.mkdir(exist_ok=True)
    sample = SampleCollection(library, collections, new_name(), folder, ChunkOptions(size=16))
    texts: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bindery.jobs.reading._PART_CHUNKS", 1)
        patch.setattr("bindery.jobs.parts.BATCH_PARTS", batch)
        for contents in (CONTENTS, order):
            # Another collection with the same contents would keep them.
            own = [text.replace("many", sample.collection.name) for text in contents]
            texts = {f"{number}.md": text for number, text in enumerate(own)}
            sample.add(texts)
    index = sample.collection.index
    assert sample.collection.verify().problems == ()
    view = index.view()
    for file in view.files.values():
        places = [
            (n, int(row))
            for n, segment in enumerate(view.segments)
            for row in np.flatnonzero(segment.alive & (segment.table.files == file.number))
        ]
        found = " ".join(chunk.text for chunk in index.chunks(view, places))
        assert found.split() == texts[Path(file.name).name].split()


def test_a_copy_is_not_a_rename(sample, tmp_path):
    fill(sample.folder, 2)
    sample.add_paths(syncs=True)
    shutil.copytree(sample.folder, tmp_path / "copy")
    report = sample.add_paths(tmp_path / "copy", syncs=True)
    assert (len(report.added), report.renamed) == (2, {})
    assert len(names(sample)) == 4


def test_what_is_ignored_now_is_removed_by_a_sync(sample):
    fill(sample.folder, 6)
    sample.add_paths(syncs=True)
    (sample.folder / ".binderyignore").write_text("4.md\n/1/5.md\n")
    assert set(sample.add_paths(syncs=True).removed) == {"texts/0/4.md", "texts/1/5.md"}


def test_only_some_paths_are_looked_at(sample):
    fill(sample.folder, 4)
    sample.add_paths()
    (sample.folder / "0" / "0.md").write_text("The heliotrope turns.")
    (sample.folder / "1" / "1.md").unlink()
    (sample.folder / "1" / "3.md").unlink()
    (sample.folder / "0" / "2.md").unlink()
    only = frozenset({str(sample.folder / "0" / "0.md"), str(sample.folder / "1" / "1.md")})
    with pytest.raises(MostFilesGone):
        sample.add_paths(syncs=True, only=only)
    report = sample.add_paths(syncs=True, only=only, confirms=True)
    assert (report.changed, report.removed) == (("texts/0/0.md",), ("texts/1/1.md",))
    assert (report.added, report.unchanged) == ((), ())


def test_a_linked_folder_is_the_folder_that_was_named(sample, tmp_path):
    fill(sample.folder, 2)
    link = tmp_path / "link"
    link.symlink_to(sample.folder, target_is_directory=True)
    for _ in range(2):
        report = sample.add_paths(link, syncs=True)
        assert names(sample) == {"link/0/0.md", "link/1/1.md"}
    assert len(report.unchanged) == 2
