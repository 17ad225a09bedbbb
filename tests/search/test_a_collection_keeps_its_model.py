"""A collection made with the model of a folder is searched by other processes, or says why not."""

import shutil
from pathlib import Path

import pytest
from tests.engines.checkpoints import TINY

from bindery.errors import ModelBroken, ModelMissing
from bindery.library import Library
from bindery.options import ModelOptions, SearchOptions
from bindery.workspace import Workspace

F32 = ModelOptions(precision="f32", threads=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two collections, of two models in folders with one name."""
    for part in ("first", "second"):
        shutil.copytree(TINY / "gte", tmp_path / part / "model")
    config = tmp_path / "second" / "model" / "config.json"
    config.write_text(config.read_text() + " ")
    (tmp_path / "a.txt").write_text("The heliotrope turns to the sun.")
    for part in ("first", "second"):
        with opened(tmp_path, takes_folders=True) as workspace:
            workspace.add([tmp_path / "a.txt"], part, model=str(tmp_path / part / "model"))
    return tmp_path


def opened(home: Path, *, takes_folders: bool = False) -> Workspace:
    return Workspace(Library(home / "home", F32, takes_folders=takes_folders))


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_a_new_process_searches_and_adds(home: Path, order: tuple[str, str]) -> None:
    (home / "b.txt").write_text("Vaults are opened on Mondays.")
    with opened(home) as workspace:
        for name in order:
            found = workspace.search("heliotrope", name, mode="dense")
            assert [hit.file for hit in found.hits] == ["a.txt"]
            assert found.model == "model"
            report = workspace.add([home / "b.txt"], name)
            assert not report.failed
            assert len(workspace.search("vaults", name, mode="dense").hits) == 2


def test_the_same_folder_fits_the_collection(home: Path) -> None:
    with opened(home, takes_folders=True) as workspace:
        model = str(home / "second" / "model")
        assert not workspace.add([home / "a.txt"], "second", model=model).failed


def test_a_model_that_has_changed_is_named(home: Path) -> None:
    config = home / "first" / "model" / "config.json"
    config.write_text(config.read_text() + "\n")
    with opened(home) as workspace:
        with pytest.raises(ModelBroken, match="but the model is at revision") as caught:
            workspace.search("heliotrope", "first")
        assert "bindery collections rebuild NAME --model MODEL" in caught.value.remedy
        with pytest.raises(ModelBroken):
            workspace.add([home / "a.txt"], "first")
        assert workspace.search("heliotrope", "first", mode="lexical").hits


def test_a_model_that_is_gone_is_named(home: Path) -> None:
    (home / "first").rename(home / "moved")
    with opened(home) as workspace:
        with pytest.raises(ModelMissing, match="The model 'model' of the collection is gone"):
            workspace.search("heliotrope", "first")
        assert workspace.search("heliotrope", "second").hits
    (home / "moved").rename(home / "first")
    with opened(home) as workspace:
        assert workspace.search("heliotrope", "first", SearchOptions(top=1)).hits
