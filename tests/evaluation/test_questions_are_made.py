"""Marks and questions made of a collection become evaluation sets."""

import json

import pytest
from tests.homes import home_with
from typer.testing import CliRunner

from bindery.errors import InvalidValue, NotFound
from bindery.evaluation.generating import SOURCES, check_set, make_questions, questions_of
from bindery.evaluation.questions import Expected, JudgedQuestion
from bindery.evaluation.results import EvaluateOptions
from bindery.evaluation.runs import EvaluationRuns
from bindery.faces.cli.app import app
from bindery.library import Library
from bindery.options import SearchOptions
from bindery.search.deleting import copy_name, evaluations_folder
from bindery.store.deletion import KeptIn
from bindery.workspace import Workspace

WORDS = ["heliotrope", "vault", "quetzal", "marmalade", "gondola", "thimble", "otter", "lantern"]
COLOURS = ["amber", "brown", "crimson", "green", "ivory", "orange", "purple", "yellow"]
PLACES = ["harbour", "garden", "market", "library", "station", "bakery", "museum", "theatre"]


def text_of(word: str, place: str, colour: str) -> str:
    return (
        f"# About the {word}\n\n"
        f"Long ago the {colour} {word} came to the {place}, by the {colour} {place} gate.\n\n"
        f"Who has seen a {word}?\n\n"
        f"People of the {place} have seen it.\n"
    )


@pytest.fixture(scope="module")
def workspace(minilm_folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("home")
    folder = root / "texts"
    folder.mkdir()
    for words in zip(WORDS, PLACES, COLOURS, strict=True):
        (folder / f"{words[0]}.md").write_text(text_of(*words))
    code = 'def oil(hinge):\n    """Put oil on a hinge, so that it turns."""\n    return hinge\n'
    (folder / "tools.py").write_text(code)
    library = Library(home_with(minilm_folder, root / "home"))
    with Workspace(library) as found:
        found.add([folder])
        yield found


@pytest.fixture
def collection(workspace):
    return workspace.collections.get("default")


def test_marks_are_kept_listed_and_deleted(workspace, collection):
    library = workspace.library
    [first, second, *_] = collection.search("seen a quetzal").hits
    right = collection.marks.add("seen a quetzal", first.id, is_right=True)
    collection.marks.add("seen a quetzal", second.id, is_right=True)
    assert right.text == first.text
    assert right.span == first.span
    again = collection.marks.add("seen a quetzal", second.id, is_right=False)
    assert [*collection.marks] == [again, right]
    [question] = questions_of([*collection.marks])
    assert question.text == "seen a quetzal"
    assert question.expected == (Expected(first.file, quote=first.text),)
    assert question.expected[0].matches(first)
    assert make_questions(library, collection, "marks") == [question]
    collection.marks.delete(again.id)
    with pytest.raises(NotFound):
        collection.marks.delete(again.id)
    with pytest.raises(NotFound, match="no passage"):
        collection.marks.add("q", "00", is_right=True)
    collection.marks.delete(right.id)
    with pytest.raises(InvalidValue, match="no questions by the source 'marks'"):
        make_questions(library, collection, "marks")


def test_a_mark_goes_with_its_file_and_not_counts_for_another_content(workspace, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    (folder / "a.txt").write_text("The axolotl smiles.")
    workspace.add([folder], "gone")
    collection = workspace.collections.get("gone")
    [hit] = collection.search("axolotl").hits
    collection.marks.add("axolotl", hit.id, is_right=True)
    (folder / "a.txt").write_text("The newt frowns.")
    workspace.add([folder], "gone")
    [mark] = [*collection.marks]
    assert mark.text == ""
    assert questions_of([mark]) == []
    collection.remove([hit.file])
    assert [*collection.marks] == []


def test_what_was_asked_of_a_collection_goes_with_it(workspace, tmp_path):
    folder = tmp_path / "asked"
    folder.mkdir()
    (folder / "a.txt").write_text("The pangolin sleeps.")
    (folder / "b.txt").write_text("The numbat eats.")
    workspace.add([folder], "asked")
    collections, library = workspace.collections, workspace.library
    collection = collections.get("asked")
    asked = SearchOptions("lexical", min_confidence=0)
    hit, other = (collection.search(word, asked).hits[0] for word in ("pangolin", "numbat"))
    question = JudgedQuestion("1", "the jerboaquest", (Expected("a.txt", quote=hit.text),))
    workspace.evaluate([question], "asked", EvaluateOptions(modes=("lexical",)))
    run = EvaluationRuns(collections).submit(collection, [question], EvaluateOptions())
    copy = collections.create(copy_name(collection.id, "0" * 12), collection.recipe)
    for one in (hit, other):
        collection.marks.add("the jerboaquest", one.id, is_right=True)

    collection.change(name="renamed")
    assert len([*collection.marks]) == 2
    assert EvaluationRuns(collections).list(collection) == [run]
    removed = collection.remove([hit.file], now=True)
    assert (removed.marks, removed.evaluations) == (1, 0)
    assert [(one.kind, one.name, one.id) for one in removed.kept] == [
        (KeptIn.EVALUATION, hit.file, run.id)
    ]
    receipt = collections.delete("renamed", now=True)

    assert receipt.marks == 1
    assert receipt.evaluations == 3  # the run, the figures of a setting, and off-topic scores
    assert collections.find(copy.name) is None
    assert not evaluations_folder(library, collection.id).exists()
    files = [path for path in library.home.rglob("*") if path.is_file()]
    assert not any(b"jerboaquest" in path.read_bytes() for path in files)


@pytest.mark.parametrize("source", sorted(set(SOURCES) - {"marks"}))
def test_each_source_names_the_passage_that_it_is_from(workspace, collection, source, monkeypatch):
    monkeypatch.setattr("bindery.evaluation.generating._MOST_WORDS_NDCG", 1.0)
    monkeypatch.setattr("bindery.evaluation.generating._MOST_RANDOM_NDCG", 1.0)
    questions = make_questions(workspace.library, collection, source)
    assert questions
    assert len({one.text for one in questions}) == len(questions)
    for question in questions:
        [expected] = question.expected
        hits = collection.search(question.text).hits
        assert any(expected.matches(hit) for hit in hits), question
    if source == "sentences":
        assert all(len(one.text.split()) > 3 for one in questions)
        assert not any(
            one.text in text_of(*words)
            for one in questions
            for words in zip(WORDS, PLACES, COLOURS, strict=True)
        )


def test_a_set_that_tells_nothing_apart_is_refused_with_the_figure(workspace, collection):
    with pytest.raises(InvalidValue, match=r"refused: words alone reach an nDCG@10 of 1\.000"):
        make_questions(workspace.library, collection, "headings")
    with pytest.raises(InvalidValue, match="Unknown source of questions 'x'"):
        make_questions(workspace.library, collection, "x")
    everywhere = [JudgedQuestion("1", "zzz", (Expected(quote="a"), Expected(quote="b")))] * 3
    found = check_set(collection, everywhere)
    assert found.words == 0
    assert 0 < found.random <= 1


def test_marks_are_made_listed_and_deleted_on_the_command_line(workspace, collection):
    [hit, *_] = collection.search("seen an otter").hits

    def run(*words):
        env = {"BINDERY_HOME": str(workspace.library.home)}
        shown = CliRunner().invoke(app, ["marks", *words], env=env)
        assert shown.exit_code == 0, shown.output
        return shown.output

    made = json.loads(run("add", "seen an otter", hit.id, "--wrong", "--json"))
    assert [made] == json.loads(run("list", "--json"))["marks"]
    assert (made["query"], made["text"], made["is_right"]) == ("seen an otter", hit.text, False)
    assert "seen an otter" in run("list")
    assert f"Mark {made['id']} is deleted." in run("delete", str(made["id"]))
    assert list(collection.marks) == []
