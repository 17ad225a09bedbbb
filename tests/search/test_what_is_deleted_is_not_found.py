"""Changes are seen at once, by every process, and survive damage to the index."""

import subprocess
import sys

import pytest

from bindery.errors import UnknownCollection, UnknownFile
from bindery.options import SearchMode
from bindery.search.collection import Collections
from bindery.search.index import ChangedMeanwhile
from bindery.search.maintenance import seal

MODES = list(SearchMode)
SECRET = "The vault passphrase is quetzal-4471."


def everywhere(sample, query: str) -> list[list[str]]:
    """What each mode finds: by the open collection, and by one that another process would open."""
    fresh = Collections(sample.library).get(sample.collection.name)
    return [
        sample.found(query, one, mode=mode) for one in (sample.collection, fresh) for mode in MODES
    ]


@pytest.mark.parametrize("seals", [False, True])
def test_a_removed_file_is_found_by_no_leg(sample, seals):
    sample.add({"a.txt": SECRET, "b.txt": "Vaults are opened on Mondays."})
    if seals:
        assert seal(sample.collection.index, least_rows=1)
    assert all(found[0] == "a.txt" for found in everywhere(sample, "quetzal-4471"))

    receipt = sample.collection.remove([sample.name("a.txt")])
    assert (receipt.files, receipt.chunks) == ((sample.name("a.txt"),), 1)

    assert all("a.txt" not in found for found in everywhere(sample, "quetzal-4471"))
    assert [file.name for file in sample.collection.files()] == [sample.name("b.txt")]


@pytest.mark.parametrize("seals", [False, True])
def test_a_changed_file_is_found_by_its_new_text_alone(sample, seals):
    sample.add({"a.txt": SECRET, "b.txt": "Vaults are opened on Mondays."})
    if seals:
        seal(sample.collection.index, least_rows=1)
    sample.add({"a.txt": "The heliotrope turns to the sun."})
    assert all(found[0] == "a.txt" for found in everywhere(sample, "heliotrope"))
    assert sample.found("quetzal", mode="lexical") == []
    assert len(sample.collection.files()) == 2


def test_what_was_deleted_leaves_the_scores(sample):
    sample.add({f"a{n}.txt": f"alpha filler {n}" for n in range(30)})
    sample.add({f"b{n}.txt": f"beta filler {n}" for n in range(4)})
    seal(sample.collection.index, least_rows=1)
    assert sample.found("alpha beta", mode="lexical")[0].startswith("b")
    sample.collection.remove([sample.name(f"a{n}.txt") for n in range(28)])
    before = sample.collection.search("alpha beta").hits
    assert sample.found("alpha beta", mode="lexical")[0].startswith("a")

    sample.add({"a28.txt": "alpha filler 28 again"})
    sample.add({"a28.txt": "alpha filler 28"})
    seal(sample.collection.index, least_rows=1)

    after = sample.collection.search("alpha beta").hits
    assert [hit.id for hit in before] == [hit.id for hit in after]
    assert [hit.score for hit in before] == pytest.approx([hit.score for hit in after], abs=1e-3)
    # One, or two if the server of another test has written the first again before.
    segments = sample.collection.index.view().segments
    assert len(segments) <= 2
    assert sum(map(len, segments)) < 34


def test_two_names_of_one_content_live_by_themselves(sample):
    sample.add({"a/same.yaml": "kind: Kustomization"}, team="red")
    sample.add({"b/same.yaml": "kind: Kustomization"}, team="blue")
    assert sample.found("Kustomization", filter='team = "blue"') == ["b/same.yaml"]
    sample.collection.remove([sample.name("a/same.yaml")])
    assert sample.found("Kustomization", mode="lexical") == ["b/same.yaml"]


def test_a_renamed_file_keeps_its_attributes(sample):
    sample.add({"a.md": "The heliotrope turns to the sun."}, rating=5)
    (sample.folder / "a.md").rename(sample.folder / "b.md")
    report = sample.add_paths(syncs=True)
    assert report.renamed == {sample.name("b.md"): sample.name("a.md")}
    assert (report.unchanged, report.added) == ((sample.name("b.md"),), ())
    assert sample.found("heliotrope", filter="rating = 5") == ["b.md"]
    assert [file.name for file in sample.collection.files()] == [sample.name("b.md")]


def test_every_living_passage_finds_itself_through_churn(sample):
    texts = {f"{n}.txt": f"Item {n} is about {n * 7919 % 1009} and x{n}y." for n in range(60)}
    sample.add(texts)
    seal(sample.collection.index, least_rows=1)
    sample.collection.remove([sample.name(f"{n}.txt") for n in range(0, 60, 2)])
    changed = {f"{n}.txt": f"New item {n} tells of z{n}w." for n in range(1, 60, 6)}
    sample.add(changed)
    living = {name: text for name, text in {**texts, **changed}.items() if int(name[:-4]) % 2}
    for _ in range(2):
        for name, text in list(living.items())[::3]:
            assert sample.found(text, top=1) == [name]
            assert sample.found(text, mode="dense", top=1) == sample.found(text, mode="dense")[:1]
        seal(sample.collection.index, least_rows=1)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_segment_is_made_again(sample, damage):
    sample.add({"a.txt": SECRET, "b.txt": "Vaults are opened on Mondays."})
    name = seal(sample.collection.index, least_rows=1)
    folder = sample.library.home / "indexes" / sample.collection.id
    path = folder / f"{name}.segment"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        changes = {"flip": data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "cut": data[:-9]}
        path.write_bytes(changes.get(damage, b""))

    assert all(found[0] == "a.txt" for found in everywhere(sample, "quetzal-4471"))


def test_another_process_sees_every_change(sample):
    sample.add({"a.txt": SECRET})
    script = (
        "import sys; from pathlib import Path; from bindery.library import Library\n"
        "from bindery.search.collection import Collections\n"
        "from bindery.options import SearchOptions\n"
        "one = Collections(Library(Path(sys.argv[1]))).get(sys.argv[2])\n"
        "for line in sys.stdin:\n"
        "    hits = one.search(line, SearchOptions('lexical')).hits\n"
        "    print([hit.file for hit in hits], flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(sample.library.home), sample.collection.name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(query: str) -> str:
            process.stdin.write(query + "\n")
            process.stdin.flush()
            return process.stdout.readline()

        assert sample.name("a.txt") in ask("quetzal")
        sample.add({"b.txt": "heliotrope"})
        assert sample.name("b.txt") in ask("heliotrope")
        seal(sample.collection.index, least_rows=1)
        assert sample.name("b.txt") in ask("heliotrope")
        sample.collection.remove([sample.name("b.txt")])
        assert ask("heliotrope") == "[]\n"
        process.stdin.close()
    assert process.returncode == 0


def test_a_deleted_collection_is_gone(collections, sample):
    sample.add({"a.txt": SECRET})
    seal(sample.collection.index, least_rows=1)
    collections.delete(sample.collection.name)
    with pytest.raises(UnknownCollection):
        sample.collection.search("quetzal")
    with pytest.raises(UnknownCollection):
        collections.get(sample.collection.name)
    assert not (sample.library.home / "indexes" / sample.collection.id).exists()


@pytest.mark.parametrize("change", ["replace", "remove"])
def test_a_hit_never_has_the_text_of_another_version(sample, change):
    sample.add({"a.txt": SECRET})
    index = sample.collection.index
    view = index.view()
    assert [chunk.text for chunk in index.chunks(view, [(0, 0)])] == [SECRET]
    if change == "replace":
        sample.add({"a.txt": "The heliotrope turns to the sun."})
    else:
        sample.collection.remove([sample.name("a.txt")])
    with pytest.raises(ChangedMeanwhile):
        index.chunks(view, [(0, 0)])


def test_a_path_keeps_its_name_however_it_is_added(sample, tmp_path):
    for folder in ("a/docs", "b/docs"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.md").write_text(f"In {folder} there is a heliotrope.")
    first, second = tmp_path / "a" / "docs", tmp_path / "b" / "docs"
    for paths in ([first, second], [first / "x.md"], [second], [first]):
        sample.add_paths(*paths)
        sources = {file.name: file.source for file in sample.collection.files()}
        assert sources == {"docs/x.md": f"{first}/x.md", "b/docs/x.md": f"{second}/x.md"}


def test_paths_that_do_not_exist_are_reported_and_the_others_added(sample, tmp_path):
    (tmp_path / "one.txt").write_text("A heliotrope.")
    paths = [tmp_path / "none.txt", tmp_path / "one.txt"]
    report = sample.add_paths(*paths)
    assert report.missing == (str(tmp_path / "none.txt"),)
    assert [file.name for file in sample.collection.files()] == ["one.txt"]
    with pytest.raises(UnknownFile, match=r"There is no file '.*none\.txt'"):
        sample.add_paths(paths[0])
