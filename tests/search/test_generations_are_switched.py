"""Another recipe is a new generation: the old one answers until the switch, and can come back."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.checkpoints import TINY

from bindery.errors import InputError, InvalidValue, ModelMissing
from bindery.jobs import Jobs
from bindery.library import Library
from bindery.options import ModelOptions, SearchOptions
from bindery.search.collection import Collection
from bindery.workspace import Workspace

F32 = ModelOptions(precision="f32", threads=1)
WORDS = ["heliotrope", "vault", "quetzal", "marmalade", "gondola", "thimble"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Texts of several paragraphs, each with a word of its own."""
    path = tmp_path / "texts"
    path.mkdir()
    for word in WORDS:
        paragraphs = [f"The {word} is mentioned here, as number {n} of many." for n in range(12)]
        (path / f"{word}.txt").write_text("\n\n".join(paragraphs))
    shutil.copytree(TINY / "gte", tmp_path / "gte")
    return path


def opened(home: Path) -> Workspace:
    return Workspace(Library(home / "home", F32, takes_folders=True))


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with opened(folder.parent) as found:
        found.add([folder], "c", model=str(folder.parent / "gte"))
        yield found


@pytest.fixture
def collection(workspace: Workspace) -> Collection:
    return workspace.collections.get("c")


def found(collection: Collection, word: str) -> set[str]:
    """The files that are found by a word."""
    return {
        hit.file
        for hit in collection.search(word, SearchOptions("lexical")).hits
        if word in hit.text
    }


def states(collection: Collection) -> list[str]:
    return [one.state for one in collection.generations]


def test_a_rebuild_is_estimated_compared_and_switched(workspace, collection):
    before = collection.facts()
    estimate = collection.generations.estimate(collection.generations.wanted(None, {"size": 10}))
    assert estimate.files == len(WORDS)
    assert estimate.chunks > before["chunks"]
    assert estimate.chunks_known == 0
    assert estimate.tokens > 0
    assert estimate.minutes is not None
    assert estimate.size_bytes > 0
    assert not estimate.unreadable
    held = collection.search("vault")

    collection.rebuild(size=10)

    after = workspace.collections.get("c").facts()
    assert (before["size"], after["size"]) == (64, 40) or after["size"] == 10
    assert after["chunks"] > before["chunks"]
    assert collection.search("vault").generation > held.generation
    assert states(collection) == ["former", "active"]
    comparison = list(collection.generations)[1].comparison
    assert comparison["queries"] == min(20, before["chunks"])
    assert 0 <= comparison["overlap"] <= 1
    # The passages are much alike, and the last digits of a vector depend on its batch: .5 to .6.
    assert comparison["found"] > 0.3
    assert comparison["chunks_before"] == before["chunks"]
    for word in WORDS:
        assert found(collection, word) == {f"texts/{word}.txt"}


def test_what_another_collection_has_is_not_made_again(workspace, collection, folder):
    workspace.collections.create("other", collection.generations.wanted(None, {"size": 10}))
    workspace.add([folder], "other")
    recipe = collection.generations.wanted(None, {"size": 10})
    estimate = collection.generations.estimate(recipe)
    assert (
        estimate.chunks
        == estimate.chunks_known
        == workspace.collections.get("other").facts()["chunks"]
    )
    assert estimate.tokens == 0
    tokens = []
    collection.rebuild(
        size=10, run=lambda jobs, job: tokens.append(jobs.finish(job).progress.tokens)
    )
    assert tokens == [0]


def test_options_that_change_nothing_are_refused(collection):
    with pytest.raises(InvalidValue, match="was made with these options already"):
        collection.rebuild(size=collection.recipe.chunks.size)
    with pytest.raises(InvalidValue, match="Unknown option 'sise'"):
        collection.rebuild(sise=40)
    with pytest.raises(InvalidValue, match="no former generation"):
        collection.rollback()


def test_what_comes_meanwhile_reaches_the_new_generation(workspace, collection, folder):
    """Added, changed, renamed and deleted files, while the job runs and before it switches."""

    def change_and_run(jobs: Jobs, job_id: str) -> None:
        (folder / "new.txt").write_text("A zeppelin came meanwhile.")
        (folder / "vault.txt").write_text("Instead of it there is a barometer.")
        (folder / "quetzal.txt").unlink()
        workspace.add([folder], "c")
        workspace.collections.get("c").remove(["texts/quetzal.txt"])
        jobs.finish(job_id)

    collection.rebuild(size=10, run=change_and_run)

    assert found(collection, "zeppelin") == {"texts/new.txt"}
    assert found(collection, "barometer") == {"texts/vault.txt"}
    assert found(collection, "vault") == set()
    assert found(collection, "quetzal") == set()
    assert collection.facts()["files_missing"] == 0
    assert collection.facts()["files"] == len(WORDS)


def test_taking_back_brings_what_came_since(workspace, collection, folder):
    collection.rebuild(size=10)
    (folder / "new.txt").write_text("A zeppelin came since.")
    (folder / "vault.txt").write_text("Instead of it there is a barometer.")
    workspace.add([folder], "c")
    collection.remove(["texts/quetzal.txt"])
    assert [one.files_missing for one in collection.generations] == [2, 0]

    collection.rollback()

    assert states(collection) == ["active", "former"]
    assert collection.facts()["size"] != 10
    assert found(collection, "zeppelin") == {"texts/new.txt"}
    assert found(collection, "barometer") == {"texts/vault.txt"}
    assert found(collection, "vault") == found(collection, "quetzal") == set()
    collection.rollback()  # and forward again
    assert collection.facts()["size"] == 10
    assert collection.generations.drop() == 1
    assert states(collection) == ["active"]
    assert found(collection, "barometer") == {"texts/vault.txt"}
    assert not collection.verify().problems


def test_files_that_cannot_be_read_are_named_before_the_switch(collection, folder):
    (folder / "vault.txt").unlink()
    (folder / "quetzal.txt").write_text("It is another text now.")
    recipe = collection.generations.wanted(None, {"size": 10})
    assert set(collection.generations.estimate(recipe).unreadable) == {
        "texts/vault.txt",
        "texts/quetzal.txt",
    }
    with pytest.raises(InputError, match=r"2 of the files \(texts/quetzal.txt, texts/vault.txt\)"):
        collection.rebuild(size=10)
    assert states(collection) == ["active", "filling"]
    assert found(collection, "vault") == {"texts/vault.txt"}

    collection.rebuild(size=10, accepts_loss=True)

    assert found(collection, "vault") == set()
    assert collection.facts()["files_missing"] == 2
    collection.rollback()
    assert found(collection, "vault") == {"texts/vault.txt"}


def test_a_former_model_that_is_gone_is_named(workspace, collection, folder):
    shutil.copytree(folder.parent / "gte", folder.parent / "bert")
    config = folder.parent / "bert" / "config.json"
    config.write_text(config.read_text() + " ")
    collection.rebuild(str(folder.parent / "bert"))
    (folder / "new.txt").write_text("A zeppelin came since.")
    workspace.add([folder], "c")
    workspace.close()
    (folder.parent / "gte").rename(folder.parent / "elsewhere")
    with opened(folder.parent) as other:
        again = other.collections.get("c")
        with pytest.raises(ModelMissing, match=r"1 of the files \(texts/new.txt\) cannot be"):
            again.rollback()
        assert found(again, "zeppelin") == {"texts/new.txt"}
        again.rollback(accepts_loss=True)
        assert again.facts()["files_missing"] == 1
        assert found(again, "vault") == {"texts/vault.txt"}


def test_a_search_held_elsewhere_sees_the_switch(workspace, collection, folder):
    """A second process, whose collection was opened before the switch."""
    with opened(folder.parent) as other:
        elsewhere = other.collections.get("c")
        assert elsewhere.search("vault").hits
        collection.rebuild(size=10)
        assert elsewhere.search("vault").generation == collection.search("vault").generation
        assert elsewhere.facts()["size"] == 10


KILLED = """
import os
import sys
from pathlib import Path
from bindery.library import Library
from bindery.options import ModelOptions, SearchOptions
from bindery.jobs import parts
from bindery.jobs.database_sink import DatabaseSink
from bindery.workspace import Workspace

kept, left = DatabaseSink.keep, [int(sys.argv[2])]
def keep(self, landed, counts):
    found = kept(self, landed, counts)
    left[0] -= 1
    if left[0] <= 0:
        os._exit(9)
    return found
DatabaseSink.keep = keep
parts.BATCH_PARTS = 2
library = Library(Path(sys.argv[1]), ModelOptions(precision="f32", threads=1), takes_folders=True)
Workspace(library).collections.get("c").rebuild(size=10)
"""


@pytest.mark.parametrize("batches", [1, 2])
def test_a_rebuild_that_was_killed_goes_on(workspace, collection, folder, batches):
    """Killed after a batch is stored: the old generation answers, and nothing is done twice."""
    home = folder.parent / "home"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home), str(batches)], check=False, timeout=120
    )
    assert killed.returncode == 9
    assert states(collection) == ["active", "filling"]
    for word in WORDS:
        assert found(collection, word) == {f"texts/{word}.txt"}

    collection.rebuild(size=10)

    assert states(collection) == ["former", "active"]
    assert not collection.verify().problems
    assert Jobs(workspace.library).list(f"collection:{collection.id}") == []
    for word in WORDS:
        assert found(collection, word) == {f"texts/{word}.txt"}
