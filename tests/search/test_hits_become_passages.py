"""Scenario 35, and pages at every door: neighbours joined, parents shown, few hits of a file."""

import pytest
from tests.search.conftest import SampleCollection

from bindery.options import ChunkOptions, SearchMode

MODES = list(SearchMode)
SECTIONS = [
    f"Section {n}. "
    + f"Fragile paper number {n} needs a binding, and paper number {n} is loose. " * 6
    for n in range(8)
]
LONG = "\n\n".join(SECTIONS).rstrip()


@pytest.mark.parametrize(("mode", "overlap"), [("hybrid", 0), ("lexical", 30), ("dense", 30)])
def test_neighbours_are_one_passage(library, collections, new_name, tmp_path, doors, mode, overlap):
    (tmp_path / "texts").mkdir()
    chunks = ChunkOptions(size=60, overlap=overlap)
    sample = SampleCollection(library, collections, new_name(), tmp_path / "texts", chunks)
    sample.add({"long.txt": LONG, "other.txt": "Vaults are opened on Mondays."})
    name, asked = sample.collection.name, {"mode": mode, "top": 40}

    (alone,) = doors["python"](name, ["fragile paper"], **asked)
    for door in doors if mode == "lexical" else ("python",):
        (answer,) = doors[door](name, ["fragile paper"], passage="joined", **asked)
        whole = next(hit for hit in answer["hits"] if hit["file"].endswith("long.txt"))
        assert len([hit for hit in answer["hits"] if hit["file"].endswith("long.txt")]) == 1
        assert whole["text"].split() == LONG.split()
        assert (whole["start"], whole["end"]) == (0, len(LONG))
        found = sorted(
            (hit["start"], hit["end"]) for hit in alone["hits"] if hit["file"].endswith("long.txt")
        )
        assert [(span["start"], span["end"]) for span in whole["spans"]] == found
        for hit in alone["hits"]:
            if hit["file"].endswith("long.txt"):
                assert whole["text"][hit["start"] : hit["end"]] == hit["text"]
        assert whole["score"] == max(hit["score"] for hit in alone["hits"])


def test_parents_are_shown_instead_of_children(library, collections, new_name, tmp_path, doors):
    (tmp_path / "texts").mkdir()
    chunks = ChunkOptions(strategy="parent-child", size=30, parent_size=200)
    sample = SampleCollection(library, collections, new_name(), tmp_path / "texts", chunks)
    sample.add({"long.txt": LONG})
    name = sample.collection.name

    (children,) = doors["python"](name, ["paper number 3"], passage="chunk", top=100)
    (parents,) = doors["python"](name, ["paper number 3"], top=100)

    assert len(parents["hits"]) < len(children["hits"])
    spans = [(hit["start"], hit["end"]) for hit in parents["hits"]]
    assert len(set(spans)) == len(spans)
    for hit in parents["hits"]:
        assert hit["text"].split() == LONG[hit["start"] : hit["end"]].split()
        assert len(hit["text"]) == hit["end"] - hit["start"]
    inside = [span for hit in parents["hits"] for span in hit["spans"]]
    assert len(inside) == len(children["hits"]), "every child is in one parent"
    (few,) = doors["python"](name, ["paper number 3"], limit_per_file=1)
    assert len(few["hits"]) == 1


def test_only_chunks_with_parents_have_them(sample, doors):
    sample.add({"one.txt": "a text"})
    for ask in doors.values():
        error = ask(sample.collection.name, ["text"], passage="parent", mode="lexical")
        assert (error["code"], error["param"]) == ("invalid_value", "passage")
        assert "The chunks of the strategy 'recursive' have no parents." in error["message"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "more", [{}, {"limit_per_file": 1}, {"diversity": 0.5}, {"passage": "joined"}]
)
def test_pages_of_a_real_collection_join_to_one(sample, doors, mode, more):
    same = {f"s{n}.txt": "The same text." for n in range(25)}
    sample.add({**same, **{f"o{n}.txt": f"Another text about {n} boats." for n in range(15)}})
    name = sample.collection.name
    asked = {"mode": mode.value, "top": 10, **more}

    shown, cursor = [], None
    while True:
        (answer,) = doors["python"](name, ["the same text"], cursor=cursor, **asked)
        shown += [hit["id"] for hit in answer["hits"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        if len(shown) == 10:
            sample.add({"new.txt": "The same text."})
            sample.collection.remove([sample.name("o3.txt")])
    (whole,) = doors["python"](name, ["the same text"], **{**asked, "top": 100})
    assert len(set(shown)) == len(shown)
    assert set(shown) <= {hit["id"] for hit in whole["hits"]} | set(shown[:10])
    if mode is not SearchMode.LEXICAL:
        assert len(shown) in {39, 40}
    assert whole["next_cursor"] is None


def test_every_door_turns_the_page(sample, doors):
    sample.add({f"s{n}.txt": f"The same text {n}." for n in range(7)})
    name, asked = sample.collection.name, {"mode": "lexical", "top": 3}
    (whole,) = doors["python"](name, ["same text"], mode="lexical")
    for door, ask in doors.items():
        (first,) = ask(name, ["same text"], **asked)
        (second,) = ask(name, ["same text"], cursor=first["next_cursor"], **asked)
        (third,) = ask(name, ["same text"], cursor=second["next_cursor"], **asked)
        pages = [hit["id"] for one in (first, second, third) for hit in one["hits"]]
        assert pages == [hit["id"] for hit in whole["hits"]], door
        assert third["next_cursor"] is None
        cursor = first["next_cursor"]
        for queries, more, message in [
            (["other"], {}, "The cursor belongs to another query"),
            (["same text"], {"mode": "dense"}, "The cursor belongs to another query"),
            (["same text", "other"], {}, "A cursor belongs to one query, got 2."),
            (["same text"], {"cursor": cursor[:-9]}, "The cursor is damaged"),
            (["same text"], {"cursor": "!"}, "The cursor is damaged"),
        ]:
            if door == "cli" and more.get("mode") == "dense":
                continue  # it would load the model only to be refused
            error = ask(name, queries, **{**asked, "cursor": cursor, **more})
            assert (error["code"], error["param"]) == ("invalid_cursor", "cursor"), door
            assert message in error["message"]


def test_versions_of_one_passage_do_not_fill_the_answer(sample, doors):
    policy = "Staff must report the loss of a badge to the front desk within {} hours. " * 2
    sample.add({f"v{n}.txt": policy.format(n, n) for n in range(8)})
    sample.add(
        {
            "lost.txt": "A lost badge is blocked by security, who issue a new one.",
            "desk.txt": "The front desk is open from eight to six, and takes lost badges.",
        }
    )
    answers = doors["python"](
        sample.collection.name, ["lost badge front desk", "report the loss"], top=5, diversity=0.6
    )
    for answer in answers:
        ids = [hit["id"] for hit in answer["hits"]]
        assert len(set(ids)) == len(ids) == 5
    names = {hit["file"].rpartition("/")[2] for hit in answers[0]["hits"]}
    assert {"lost.txt", "desk.txt"} <= names
    (few,) = doors["python"](sample.collection.name, ["badge"], top=10, limit_per_file=1)
    assert len(few["hits"]) == 10
