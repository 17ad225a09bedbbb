"""``bindery.open`` and the names of models: the whole job in a few lines."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import TINY

import bindery
from bindery.errors import InvalidValue, ModelBroken, UnknownModel
from bindery.library import Library
from bindery.library.names import ModelNames
from bindery.models.catalog import CATALOG
from bindery.models.sources import FolderSource
from bindery.options import ModelOptions

pytestmark = pytest.mark.usefixtures("own_environment")

TEXT = b"# Wood\n\n## Oak\n\nOak lasts.\n\n## Elm\n\nElm bends."
FULL_NAME = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def own_models(tmp_path: Path) -> Path:
    """A folder with two models of the user, and one beside it."""
    for name in ("own/Small One", "own/group/gte", "outside"):
        shutil.copytree(TINY / "gte", tmp_path / name)
    return tmp_path / "own"


def test_a_document_becomes_vectors(minilm_folder: Path, tmp_path: Path) -> None:
    Library(tmp_path / "home").preload(
        ["vanilla"], [FolderSource(minilm_folder)], progress=lambda *_: None
    )
    (tmp_path / "wood.md").write_bytes(TEXT)
    with bindery.open(precision="f32") as workspace:
        assert repr(workspace) == f"Workspace({str(tmp_path / 'home')!r})"
        document = workspace.parse(tmp_path / "wood.md")
        assert document == workspace.parse(TEXT, name="wood.md")
        chunks = workspace.chunk(document, strategy="markdown", context="headings")
        assert [chunk.context for chunk in chunks] == ["", "Wood\n\n"]
        encoded = workspace.embed(chunks, model=FULL_NAME)
        texts = [chunk.context + chunk.text for chunk in chunks]
        assert np.array_equal(encoded.embeddings.rows, workspace.embed(texts).embeddings.rows)
        late = workspace.chunk(document, bindery.ChunkOptions("late", size=9))
        pooled = workspace.embed(late, late_in=document, any_dimensions=True, dimensions=100)
        assert pooled.embeddings.rows.shape == (len(late), 100)
        assert len(workspace.embed(document).embeddings) == len(workspace.chunk(document)) > 0
        assert np.asarray(workspace.embed([]).embeddings).shape == (0, 384)
        assert workspace.models["vanilla"].state == "loaded"
        assert list(workspace.files) == []
        assert workspace.jobs.list() == []
        with pytest.raises(TypeError, match="sise"):
            workspace.chunk(document, sise=9)
        with pytest.raises(InvalidValue, match="a list"):
            workspace.embed("oak")


def test_a_misspelt_setting_is_named() -> None:
    with pytest.raises(InvalidValue, match="Did you mean 'threads'") as caught:
        bindery.open(thread=2)
    assert caught.value.param == "thread"


def test_a_model_has_the_name_of_its_repository_and_folders_are_found(own_models: Path) -> None:
    names = ModelNames(CATALOG, own=own_models, anywhere=True)
    assert names.find("vanilla") == names.find("Vanilla") == names.find(FULL_NAME.upper())
    assert names.find(str(own_models)) == names.find(own_models) == own_models
    with pytest.raises(UnknownModel, match="an id, a repository name, a folder") as caught:
        names.find("vanila")
    assert caught.value.remedy.startswith("Did you mean 'vanilla'?")


def test_the_home_directory_is_a_tilde(own_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(own_models.parent))
    model = bindery.load("~/outside", precision="f32")
    assert repr(model) == "DenseEncoder(outside, 32, f32)"
    model.close()


def test_no_name_leads_out_of_the_folder_of_own_models(own_models: Path) -> None:
    (own_models / "link").symlink_to(own_models.parent / "outside")
    library = Library(
        own_models.parent / "home", ModelOptions(precision="f32"), own_models=own_models
    )
    for name in (
        "../outside",
        "link",
        str(own_models.parent / "outside"),
        ".",
        "",
        "a\0b",
        "x" * 999,
    ):
        with pytest.raises(UnknownModel):
            library.find(name)
    first, second = library.find("Small One"), library.find("group/gte")
    assert (first, second) == ("small-one", "gte")
    assert library.find("small-one") == first
    with library.lend("group/gte") as encoder:
        assert encoder.card.id == "gte"
        assert len(encoder.card.revision) == 40
    library.close()


def test_other_files_in_a_folder_are_another_revision(own_models: Path, tmp_path: Path) -> None:
    def revision() -> str:
        library = Library(tmp_path / "home", own_models=own_models)
        model_id = library.find("group/gte")
        return library.catalog[model_id].card.revision

    before = revision()
    assert revision() == before
    config = own_models / "group" / "gte" / "config.json"
    config.write_text(config.read_text() + " ")
    assert revision() != before


def test_a_cache_of_the_hub_is_a_folder_too(own_models: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--some--one" / "snapshots" / "abc"
    shutil.copytree(TINY / "gte", snapshot)
    names = ModelNames(CATALOG, own=None, anywhere=True)
    assert names.find(tmp_path / "hub") == snapshot
    assert names.find(snapshot.parent.parent) == snapshot
    shutil.copytree(TINY / "gte", snapshot.parent / "def")
    with pytest.raises(ModelBroken, match="but has 2"):
        names.find(tmp_path / "hub")
    (tmp_path / "hub" / "models--some--one" / "refs").mkdir()
    (tmp_path / "hub" / "models--some--one" / "refs" / "main").write_text("abc")
    assert names.find(tmp_path / "hub") == snapshot
    (tmp_path / "hub" / "models--some--two").mkdir()
    with pytest.raises(ModelBroken, match="several models"):
        names.find(tmp_path / "hub")


def test_what_was_cut_is_a_warning_once(capsys: pytest.CaptureFixture[str]) -> None:
    model = bindery.load(TINY / "gte", precision="f32")
    long = ["oak " * 200, "elm"]
    with pytest.warns(UserWarning, match="did not read .* tokens beyond its window, in 1 of 2"):
        cut = model.encode(long)
    assert np.array_equal(model.encode(long).rows, cut.rows)
    shown = model.encode(long * 300, truncate="end", progress=True)
    assert np.abs(shown.rows[:2] - cut.rows).max() < 1e-5
    assert "600 of 600 texts" in capsys.readouterr().err
    assert repr(cut) == "Embeddings(2 texts, 32 dimensions)"
    assert np.asarray(cut).shape == (2, 32)
    assert np.asarray(cut, dtype=np.float64).dtype == np.float64
    many = bindery.Embeddings.ragged([cut.rows, cut.rows[:1]], 32)
    assert repr(many) == "Embeddings(2 texts, 3 rows, 32 dimensions)"
    with pytest.raises(InvalidValue, match="several vectors"):
        np.asarray(many)
    model.close()


def test_names_are_there_before_they_are_used() -> None:
    assert set(bindery.__all__) <= set(dir(bindery))
    assert sys.modules["bindery"] is bindery
