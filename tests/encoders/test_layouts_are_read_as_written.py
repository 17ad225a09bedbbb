"""A folder's own configuration: what it says of the model, and what is refused by name."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import TINY, copied, retensor, rewrite

from bindery.errors import ModelBroken, ModelError, UnsupportedModel
from bindery.models.card import Family, Pooling
from bindery.models.catalog import CATALOG
from bindery.models.layouts import read_layout

OWN = "config_sentence_transformers.json"
WINDOW = "sentence_bert_config.json"
VANILLA = CATALOG["vanilla"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good checkpoint, to be changed."""
    return copied("bge", tmp_path)


def module(kind: str, path: str = "", package: str = "sentence_transformers.models") -> dict:
    return {"idx": 0, "name": "0", "path": path, "type": f"{package}.{kind}"}


TRANSFORMER, POOLING = module("Transformer"), module("Pooling", "1_Pooling")
NORMALIZE = module("Normalize", "2_Normalize")


def with_modules(folder: Path, *modules: object) -> Path:
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def test_a_card_says_what_the_folder_says(folder: Path) -> None:
    card = read_layout(folder).card

    assert (card.id, card.family, card.revision) == ("bge", Family.DENSE, "")
    assert (card.dimensions, card.max_tokens) == (32, 24)
    assert (card.pooling, card.normalised) == ((Pooling.CLS,), True)
    prompt = "Represent this sentence for searching relevant passages: "
    assert dict(card.prompts) == {"query": prompt, "document": ""}


@pytest.mark.parametrize(
    ("readme", "languages"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n# A model\n", ("en",)),
        ("---\ntags:\n- x\nlanguage:\n- multilingual\n- 'no'\n- zh-Hant\n---\n",
         ("multilingual", "no", "zh")),
        ("---\nlanguage: [de, fr]  # both\nlicense: mit\n---\n", ("de", "fr")),
        ("---\nlicense: mit\n---\nlanguage: en\n", ()),
        ("language: en\n", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_a_card_has_the_languages_of_the_readme(folder: Path, readme: str, languages) -> None:
    (folder / "README.md").write_text(readme)

    assert read_layout(folder).card.languages == languages


def test_poolings_side_by_side_add_up() -> None:
    card = read_layout(TINY / "concatenated").card

    assert card.pooling == (Pooling.CLS, Pooling.MEAN)
    assert card.dimensions == 64


# Late interaction


def _config(folder: Path) -> None:
    rewrite(folder / "config.json", architectures=["HF_ColBERT"])


def _metadata(folder: Path) -> None:
    (folder / "artifact.metadata").write_text("{}")


SIGNS = {
    "its architecture": _config,
    "Stanford's metadata": _metadata,
    "a model type": lambda folder: rewrite(folder / OWN, model_type="ColBERT"),
    "the newer model type": lambda folder: rewrite(folder / OWN, model_type="MultiVectorEncoder"),
    "its similarity": lambda folder: rewrite(folder / OWN, similarity_fn_name="MaxSim"),
}
TELLING_MODULES = {
    "a module of PyLate": module("Dense", "1_Dense", "pylate.models.Dense"),
    "a mask of many vectors": module("MultiVectorMask", package="sentence_transformers.x"),
}


@pytest.mark.parametrize("has_modules", [True, False], ids=["modules", "no modules"])
@pytest.mark.parametrize("leave", SIGNS.values(), ids=SIGNS)
def test_late_interaction_is_never_averaged(
    leave: Callable[[Path], None], has_modules: bool, folder: Path
) -> None:
    """Even where modules.json says that it is an ordinary model, or is not there at all."""
    leave(folder)
    if not has_modules:
        (folder / "modules.json").unlink()

    with pytest.raises(ModelError) as caught:
        read_layout(folder)
    if has_modules:
        assert "late-interaction model" in caught.value.message


@pytest.mark.parametrize("telling", TELLING_MODULES.values(), ids=TELLING_MODULES)
def test_modules_of_late_interaction_are_known(telling: dict, folder: Path) -> None:
    with pytest.raises(UnsupportedModel, match="late-interaction model"):
        read_layout(with_modules(folder, TRANSFORMER, POOLING, telling))


def test_a_projection_among_the_bodys_tensors_is_late_interaction(folder: Path) -> None:
    """The tensor alone tells it: a body has none of that name."""
    retensor(folder, lambda found: found | {"linear.weight": np.ones((8, 32), dtype=np.float32)})
    card = read_layout(folder).card

    assert (card.family, card.dimensions) == (Family.LATE_INTERACTION, 8)


# Modules


UNSUPPORTED_MODULES = {
    "another kind": (
        (TRANSFORMER, POOLING, module("CNN", "2_CNN")),
        r"models\.CNN' is not supported",
    ),
    "another package": ((TRANSFORMER, module("Pooling", package="evil")), r"'evil\.Pooling'"),
    "the wrong order": ((POOLING, TRANSFORMER), "in this order"),
    "normalised first": ((TRANSFORMER, NORMALIZE, POOLING), "in this order"),
    "no pooling": ((TRANSFORMER,), "in this order"),
    "no body": ((POOLING, NORMALIZE), "in this order"),
    "one of them twice": ((TRANSFORMER, POOLING, POOLING), "in this order"),
    "another body": ((TRANSFORMER, POOLING, TRANSFORMER), "in this order"),
    "nothing": ((), "in this order"),
    "no type": ((TRANSFORMER, {}), "None"),
}


@pytest.mark.parametrize(
    ("modules", "named"), UNSUPPORTED_MODULES.values(), ids=UNSUPPORTED_MODULES
)
def test_other_modules_are_refused_by_name(modules: tuple, named: str, folder: Path) -> None:
    with pytest.raises(UnsupportedModel, match=named) as caught:
        read_layout(with_modules(folder, *modules))
    assert "Transformer, Pooling" in caught.value.remedy


def test_normalising_is_a_module(folder: Path) -> None:
    assert not read_layout(with_modules(folder, TRANSFORMER, POOLING)).card.normalised
    assert read_layout(with_modules(folder, TRANSFORMER, POOLING, NORMALIZE)).card.normalised


def test_the_body_may_lie_in_a_folder_of_its_own(folder: Path) -> None:
    body = folder / "0_Transformer"
    body.mkdir()
    for name in ("config.json", WINDOW, "tokenizer.json", "tokenizer_config.json"):
        (folder / name).rename(body / name)
    layout = read_layout(with_modules(folder, module("Transformer", body.name), POOLING))

    assert (layout.folder, layout.body) == (folder, body)
    assert layout.card.max_tokens == 24


# Files


@pytest.mark.parametrize("name", ["modules.json", "config.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("content", [None, "", "{", '"text"', "3"])
def test_a_missing_or_broken_file_is_named(name: str, content: str | None, folder: Path) -> None:
    path = folder / name
    path.unlink() if content is None else path.write_text(content)

    with pytest.raises(ModelBroken) as caught:
        read_layout(folder)
    assert path.name in caught.value.message
    assert str(path.parent) in caught.value.message


@pytest.mark.parametrize("name", [OWN, WINDOW])
def test_files_that_may_be_absent_must_not_be_broken(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert read_layout(folder).card.dimensions == 32

    (folder / name).write_text("[]")
    with pytest.raises(ModelBroken, match=name):
        read_layout(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelBroken, match=r"nowhere has no modules\.json"):
        read_layout(tmp_path / "nowhere")


# The window


@pytest.mark.parametrize(
    ("said", "tokeniser", "positions", "expected"),
    [
        (24, 512, 64, 24),
        (None, 20, 64, 20),
        (None, None, 64, 64),
        (None, 10**30, 64, 64),
        (None, 1e30, 64, 64),
        (128, 512, 64, 64),
        (40, 20, 64, 40),
    ],
)
def test_the_window_is_what_the_authors_set_within_the_positions(
    said: int | None, tokeniser: float | None, positions: int, expected: int, folder: Path
) -> None:
    rewrite(folder / WINDOW, max_seq_length=said)
    rewrite(folder / "tokenizer_config.json", model_max_length=tokeniser)
    rewrite(folder / "config.json", max_position_embeddings=positions)

    assert read_layout(folder).card.max_tokens == expected


# Prompts


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        (None, {"query": "", "document": ""}),
        ({}, {"query": "", "document": ""}),
        ({"query": "q: "}, {"query": "q: ", "document": ""}),
        ({"query": None, "document": "d: "}, {"query": "", "document": "d: "}),
        ({"passage": "p: "}, {"query": "", "document": "", "passage": "p: "}),
        ({"STS": ""}, {"query": "", "document": "", "STS": ""}),
    ],
)
def test_prompts_are_by_role(prompts: object, expected: dict[str, str], folder: Path) -> None:
    rewrite(folder / OWN, prompts=prompts)

    assert dict(read_layout(folder).card.prompts) == expected


# Poolings


def test_an_unknown_pooling_is_named(folder: Path) -> None:
    rewrite(folder / "1_Pooling/config.json", pooling_mode="attention")

    with pytest.raises(UnsupportedModel, match="'attention'") as caught:
        read_layout(folder)
    assert "cls, lasttoken, max, mean" in caught.value.remedy


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("mean", (Pooling.MEAN,)),
        (["mean", "cls"], (Pooling.MEAN, Pooling.CLS)),
        ("weightedmean", (Pooling.WEIGHTED_MEAN,)),
    ],
)
def test_poolings_by_name_stand_in_their_order(
    named: object, expected: tuple[Pooling, ...], folder: Path
) -> None:
    rewrite(folder / "1_Pooling/config.json", pooling_mode=named)

    assert read_layout(folder).card.pooling == expected


def test_without_a_word_on_pooling_it_is_the_mean(folder: Path) -> None:
    (folder / "1_Pooling/config.json").write_text('{"word_embedding_dimension": 32}')

    assert read_layout(folder).card.pooling == (Pooling.MEAN,)


# The catalog


def test_the_catalogs_row_gives_name_and_provenance(minilm_folder: Path) -> None:
    card = read_layout(minilm_folder, entry=VANILLA).card

    assert card == replace(VANILLA.card, prompts={"query": "", "document": ""})


def test_prompts_of_the_catalog_go_before_those_of_the_folder(minilm_folder: Path) -> None:
    entry = replace(VANILLA, card=replace(VANILLA.card, prompts={"query": "find: "}))

    card = read_layout(minilm_folder, entry=entry).card

    assert dict(card.prompts) == {"query": "find: ", "document": ""}


@pytest.mark.parametrize(
    "change",
    [{"dimensions": 385}, {"max_tokens": 512}, {"pooling": (Pooling.CLS,)}, {"normalised": False}],
    ids=str,
)
def test_files_of_another_model_than_the_rows_are_refused(
    change: dict[str, object], minilm_folder: Path
) -> None:
    entry = replace(VANILLA, card=replace(VANILLA.card, **change))

    with pytest.raises(ModelBroken, match="does not match the row of 'vanilla'") as caught:
        read_layout(minilm_folder, entry=entry)
    assert "bindery preload vanilla --force" in caught.value.remedy
