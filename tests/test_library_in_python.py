"""``import bindery``: what it gives, how it is told what to load, and how little it imports."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import TINY

import bindery
from bindery.errors import InvalidValue, KeyMissing, ModelBroken, ModelMissing, UnknownModel
from bindery.library import Library
from bindery.models.catalog import read_catalog
from bindery.models.sources import FolderSource

pytestmark = pytest.mark.usefixtures("own_environment")

REVISION = "0123456789abcdef0123456789abcdef01234567"
CATALOG = f"""
[models.small]
family = "dense"
repository = "nobody/small"
revision = "{REVISION}"
dimensions = 32
max_tokens = 64
pooling = "mean"

[models.small.prompts]
query = "on: "
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A user's own row, and a home that holds its model."""
    path = tmp_path / "rows.toml"
    path.write_text(CATALOG)
    Library(tmp_path / "home", catalog=read_catalog(path)).preload(
        ["small"], [FolderSource(TINY / "e5")], progress=lambda *_: None
    )
    return path


# What importing costs


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_imports_nothing_heavy_nor_do_errors_types_and_settings() -> None:
    program = "import sys, bindery; print(*sorted(sys.modules)); import bindery.errors, "
    program += "bindery.types, bindery.settings; print(*sorted(sys.modules))"
    alone, more = (set(line.split()) for line in run(program).splitlines())

    heavy = {"numpy", "openvino", "tokenizers", "safetensors", "fastapi", "typer", "rich", "torch"}
    assert not heavy & alone
    assert [name for name in alone if name.startswith("bindery")] == ["bindery"]
    assert not {"numpy", "openvino", "tokenizers"} & more


def test_every_public_name_is_where_it_is_said_to_be() -> None:
    assert set(bindery._HOMES) == set(bindery.__all__)
    assert bindery.__all__ == sorted(bindery.__all__)
    for name in bindery.__all__:
        assert getattr(bindery, name) is not None
    assert bindery.load.__module__ == "bindery.faces.python"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bindery.nonsense


def test_every_public_name_can_be_imported_first() -> None:
    lines = "\n".join(f"from bindery import {name}" for name in reversed(bindery.__all__))

    assert run(f"{lines}\nfrom bindery import *\nprint(len(Span(0, 3)))") == "3\n"


# Loading


def test_a_model_of_the_catalog_is_loaded_by_its_id(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINDERY_CATALOG", str(catalog))
    monkeypatch.setenv("BINDERY_PRECISION", "f32")

    model = bindery.load("small")

    assert (model.card.id, model.card.revision, model.precision) == ("small", REVISION, "f32")
    assert dict(model.card.prompts)["query"] == "on: "
    vectors = model.encode(["loose paper", "a shelf"], role="document")
    assert vectors.rows.shape == (2, 32)
    assert np.abs(np.linalg.norm(vectors.rows, axis=1) - 1).max() <= 1e-5
    model.close()


@pytest.mark.parametrize("as_text", [False, True])
def test_a_folder_is_loaded_by_its_path(as_text: bool) -> None:
    folder = TINY / "gte"

    model = bindery.load(str(folder) if as_text else folder, precision="f32")

    assert model.card.id == "gte"
    assert model.card.revision == ""
    assert model.encode(["a"], role="query").rows.shape == (1, 32)
    model.close()


def test_a_text_without_a_slash_is_an_id_and_a_path_is_a_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(TINY)

    with pytest.raises(UnknownModel, match="'gte'"):
        bindery.load("gte")
    for folder in (Path("gte"), "./gte"):
        bindery.load(folder, precision="f32").close()


def test_the_real_model_is_loaded_from_its_home(minilm_folder: Path) -> None:
    model = bindery.load("vanilla", home=minilm_folder.parents[2], precision="f32")

    assert model.encode(["A chunk is the paper."], role="document").rows.shape == (1, 384)
    model.close()


def test_a_home_is_read_from_the_environment_unless_given(tmp_path: Path, catalog: Path) -> None:
    with pytest.raises(UnknownModel):
        bindery.load("small")  # its row is in a catalog that nobody has named
    with pytest.raises(ModelMissing, match="'vanilla'"):
        bindery.load("vanilla")
    with pytest.raises(ModelMissing, match="'vanilla'"):
        bindery.load("vanilla", home=tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists(), "asking writes nothing"


def test_an_argument_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINDERY_PRECISION", "f16")
    with pytest.raises(InvalidValue, match="'f16'"):
        bindery.load(TINY / "gte")

    model = bindery.load(TINY / "gte", precision="f32")
    assert model.precision == "f32"
    model.close()


@pytest.mark.parametrize(
    ("arguments", "param"), [({"threads": 0}, "threads"), ({"precision": ""}, "precision")]
)
def test_a_wrong_argument_is_not_taken_for_none(arguments: dict, param: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        bindery.load(TINY / "gte", **arguments)
    assert caught.value.param == param


def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINDERY_THREADS", "many")

    with pytest.raises(InvalidValue, match=r"BINDERY_THREADS must be .*, got 'many'"):
        bindery.load(TINY / "gte")


def test_a_folder_that_is_no_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="tried as an id, a repository name, a folder"):
        bindery.load(tmp_path / "nowhere")
    for folder in (tmp_path, f"{tmp_path}/"):
        with pytest.raises(ModelBroken, match=r"modules\.json"):
            bindery.load(folder)


def test_lengths_of_late_interaction_can_be_chosen() -> None:
    colbert = TINY.parent / "late" / "stanford"
    usual, short = bindery.load(colbert), bindery.load(colbert, query_length=9, document_length=14)
    query, document = ["bound paper"], ["the place of paper is a shelf " * 8]

    assert len(short.encode(query, "query").rows) == 9 != len(usual.encode(query, "query").rows)
    counted = short.encode_counted(document, "document")
    assert counted.tokens_used.tolist() == [14]
    assert counted.tokens_cut[0] > usual.encode_counted(document, "document").tokens_cut[0]
    with pytest.raises(InvalidValue, match="dense") as caught:
        bindery.load(TINY / "bge", query_length=9)
    assert caught.value.param == "query_length"


def test_a_remote_model_takes_its_key_from_the_variable_of_its_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "models.toml"
    path.write_text(
        '[models.far]\nvendor = "openai"\nbase_url = "https://127.0.0.1:1/v1"\nmodel = "far"\n'
        'key = "FAR_KEY"\ndimensions = 8\nmax_tokens = 100\n'
    )
    monkeypatch.setenv("BINDERY_CATALOG", str(path))
    monkeypatch.delenv("FAR_KEY", raising=False)
    with pytest.raises(KeyMissing, match="FAR_KEY"):
        bindery.load("far")

    monkeypatch.setenv("FAR_KEY", "a-secret-of-mine")
    far = bindery.load("far")
    assert far.precision == "remote"
    assert "a-secret" not in repr(far) + repr(far.__dict__)
