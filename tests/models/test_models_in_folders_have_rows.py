"""A row with a folder, and each sub-folder of one's own models, is a model like any other."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.engines.checkpoints import TINY, retensor

import bindery
from bindery.errors import InvalidValue, ModelBroken, ModelMissing, UnknownModel
from bindery.faces.http.app import create_app
from bindery.faces.python import open_library
from bindery.library import ModelState
from bindery.models.card import Family, FolderRow, Lengths
from bindery.models.catalog import read_catalog
from bindery.settings import read_settings
from bindery.workspace import Workspace

pytestmark = pytest.mark.usefixtures("own_environment")

ROW = """
[models.mine]
folder = "./my-model"
languages = ["de"]
nested_dimensions = [16]
[models.mine.prompts]
query = "Suche: "
"""


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog file with one row, and the model beside it."""
    shutil.copytree(TINY / "gte", tmp_path / "my-model")
    path = tmp_path / "models.toml"
    path.write_text(ROW)
    monkeypatch.setenv("BINDERY_CATALOG", str(path))
    return path


def opened() -> Workspace:
    return bindery.open(precision="f32")


def test_a_row_needs_only_a_folder(catalog: Path) -> None:
    plain = bindery.load(catalog.parent / "my-model", precision="f32").card
    with opened() as workspace:
        library = workspace.library
        entry = library.entry("mine")
        assert entry.verified  # its row is made of its files
        card = entry.card
        assert library.find(str(catalog.parent / "my-model")) == "mine"
        assert library.status("mine").state is ModelState.PRESENT
        encoded = workspace.embed(["Eiche"], model="mine", role="query", dimensions=16)
        assert encoded.embeddings.rows.shape == (1, 16)
        assert library.preload(["mine"], [], progress=lambda *_: None)[0].error is None
    assert re.fullmatch("[0-9a-f]{40}", card.revision)
    assert (card.id, card.languages, card.family) == ("mine", ("de",), Family.MATRYOSHKA)
    assert card.prompts == {**plain.prompts, "query": "Suche: "}
    assert (card.dimensions, card.max_tokens) == (plain.dimensions, plain.max_tokens)
    assert bindery.load("mine", precision="f32").card == card


def test_rows_of_folders_are_checked(catalog: Path) -> None:
    assert read_catalog(catalog)["mine"].folder == catalog.parent / "my-model"
    catalog.write_text('[models.late]\nfolder = "/a"\nquery_length = 48')
    assert read_catalog(catalog) == {
        "late": FolderRow("late", Path("/a"), lengths=Lengths(query=48))
    }
    catalog.write_text('[models.mine]\nfolder = "./my-model"\nrevision = "abc"')
    with pytest.raises(InvalidValue, match="unknown key revision"):
        read_catalog(catalog)


def test_a_folder_that_is_missing_or_broken_leaves_the_others(catalog: Path) -> None:
    broken = catalog.parent / "broken"
    shutil.copytree(TINY / "gte", broken)
    (broken / "config.json").write_text("{")
    catalog.write_text(
        '[models.gone]\nfolder = "./gone"\n[models.broken]\nfolder = "broken"\n' + ROW
    )
    with opened() as workspace:
        library = workspace.library
        assert "mine" in [status.card.id for status in library.statuses()]
        assert list(library.unreadable) == ["gone", "broken"]
        with pytest.raises(ModelMissing, match="does not exist") as caught:
            library.status("gone")
        assert "`folder`" in caught.value.remedy
        with pytest.raises(ModelBroken):
            library.load("broken")


def test_each_sub_folder_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    for name in ("Small One", "group/gte", "vanilla"):
        shutil.copytree(TINY / "gte", own / name)
    monkeypatch.setenv("BINDERY_MODELS", str(own))
    with opened() as workspace:
        listed = [status.card.id for status in workspace.library.statuses()]
        # A folder with the id of a known model is a source of its files.
        assert listed[-1] == "small-one"
        assert not {"group", "gte"} & set(listed)
        assert workspace.embed(["oak"], model="small-one").embeddings.width == 32
        with pytest.raises(UnknownModel, match="small-on") as caught:
            workspace.library.find("small-on")
        assert caught.value.remedy.startswith("Did you mean 'small-one'?")
    assert bindery.load("small-one", precision="f32").card.dimensions == 32


def test_vectors_of_two_models_are_never_mixed(catalog: Path) -> None:
    """A model that was trained on, or has another prompt, is another embedder."""
    folder = catalog.parent / "my-model"
    document = catalog.parent / "a.txt"
    document.write_text("The heliotrope turns to the sun.")

    def add() -> None:
        with opened() as workspace:
            assert not workspace.add([document], "notes", model="mine").failed
            assert workspace.search("heliotrope", "notes").hits

    def assert_refused() -> None:
        with opened() as workspace:
            with pytest.raises((ModelBroken, InvalidValue), match="model"):
                workspace.add([document], "notes", model="mine")
            with pytest.raises(ModelBroken, match="at revision"):
                workspace.search("heliotrope", "notes", mode="dense")

    add()
    folder.rename(catalog.parent / "moved")
    catalog.write_text(ROW.replace("./my-model", "./moved"))
    add()
    catalog.write_text(ROW.replace("./my-model", "./moved").replace("Suche", "Frage"))
    assert_refused()
    catalog.write_text(ROW.replace("./my-model", "./moved"))
    retensor(catalog.parent / "moved", lambda all: {k: v * 1.25 for k, v in all.items()})
    assert_refused()


def test_a_server_serves_them_and_shows_no_path(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere" / "secret"
    shutil.copytree(TINY / "gte", elsewhere)
    (elsewhere / "config.json").write_text("{")
    catalog.write_text(f'{ROW}\n[models.broken]\nfolder = "{elsewhere}"')
    shutil.copytree(TINY / "gte", tmp_path / "own" / "my-model")
    monkeypatch.setenv("BINDERY_MODELS", str(tmp_path / "own"))
    settings = replace(read_settings(os.environ), precision="f32")

    app = create_app(open_library(settings, serves=True), settings)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        listed = client.get("/v1/models").json()["data"]
        assert {"mine", "my-model"} <= {one["id"] for one in listed}
        for model in ("mine", "my-model"):
            answer = client.post("/v1/embeddings", json={"model": model, "input": "oak"})
            assert len(answer.json()["data"][0]["embedding"]) == 32, answer.text
        refused = client.post("/v1/embeddings", json={"model": "broken", "input": "oak"})
        assert refused.status_code == 424
        unknown = client.post("/v1/embeddings", json={"model": str(elsewhere), "input": "oak"})
        assert unknown.status_code == 404
    assert str(tmp_path) not in refused.text
