"""Late-interaction checkpoints in three layouts: which is which, and what all of them say."""

import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.encoders.late_checkpoints import LATE, copied, late_of, modules, with_modules
from tests.engines.checkpoints import TINY, rewrite

from bindery.errors import InvalidValue, ModelBroken, UnsupportedModel
from bindery.models.card import CatalogEntry, Family, ModelCard, Pooling, Release
from bindery.models.layouts import Dense, Layout, Normalize, read_layout, with_lengths

OWN = "config_sentence_transformers.json"
SETTINGS = "sentence_bert_config.json"
METADATA = "artifact.metadata"
PUNCTUATION = tuple(string.punctuation)
TRANSFORMER = {"path": "", "type": "sentence_transformers.models.Transformer"}


@pytest.fixture
def native(tmp_path: Path) -> Path:
    return copied("native", tmp_path)


# What they say


@pytest.mark.parametrize("name", ["stanford", "pylate", "native", "modernbert"])
def test_a_card_says_what_the_folder_says(name: str) -> None:
    layout = read_layout(LATE / name)
    card, late = layout.card, layout.late

    assert (card.id, card.family, card.revision) == (name, Family.LATE_INTERACTION, "")
    assert (card.dimensions, card.max_tokens, card.query_max_tokens) == (8, 24, 12)
    assert (card.pooling, card.normalised) == ((Pooling.TOKENS,), True)
    assert dict(card.prompts) == {"query": "", "document": ""}
    assert late is not None
    assert (late.query_length, late.document_length) == (12, 24)
    assert late.skipped == PUNCTUATION
    assert late.expands == (name != "modernbert")
    markers = ("[unused0]", "[unused1]") if name == "stanford" else ("[Q] ", "[D] ")
    assert (late.query_marker, late.document_marker) == markers


def test_stanfords_projection_lies_among_the_bodys_tensors(stanford: Path) -> None:
    assert read_layout(stanford).steps == (Dense(stanford, inputs=24, outputs=8), Normalize())


def test_pylates_projections_are_steps_and_normalising_goes_without_saying(pylate: Path) -> None:
    assert read_layout(pylate).steps == (
        Dense(pylate / "1_Dense", 24, 16, "gelu", has_bias=True, has_residual=True),
        Dense(pylate / "2_Dense", 16, 8, "identity", has_bias=False, has_residual=True),
        Normalize(),
    )


# Told apart


def _no_name(folder: Path) -> None:
    rewrite(folder / "config.json", architectures=["BertModel"])


def _no_metadata(folder: Path) -> None:
    (folder / METADATA).unlink()


@pytest.mark.parametrize("stale", [None, ["Transformer"], ["Transformer", "Pooling", "Normalize"]])
@pytest.mark.parametrize(
    "strip", [[], [_no_name], [_no_metadata], [_no_name, _no_metadata]], ids=["all", "2", "3", "1"]
)
def test_one_sign_of_stanfords_is_enough(
    strip: list[Callable[[Path], None]], stale: list[str] | None, stanford: Path
) -> None:
    """A stale modules.json, such as mxbai-colbert-large-v1 had, would give a silent mean."""
    for change in strip:
        change(stanford)
    if stale is not None:
        lines = [{"path": "", "type": f"sentence_transformers.models.{kind}"} for kind in stale]
        with_modules(stanford, *lines)
    layout = read_layout(stanford)

    assert layout.card.family is Family.LATE_INTERACTION
    assert layout.steps[0] == Dense(stanford, inputs=24, outputs=8)


def test_pylates_modules_go_before_stanfords_signs(pylate: Path) -> None:
    """A model trained further with PyLate may keep the files of the one it began with."""
    rewrite(pylate / "config.json", architectures=["HF_ColBERT"])
    (pylate / METADATA).write_text("{}", encoding="utf-8")

    assert late_of(pylate).query_marker == "[Q] "


@pytest.mark.parametrize(
    "changes", [{"model_type": None, "similarity_fn_name": None}, {"model_type": "ColBERT"}]
)
def test_pylate_is_known_by_its_modules_or_its_name(changes: dict, pylate: Path) -> None:
    rewrite(pylate / OWN, **changes)

    assert late_of(pylate).query_length == 12


def test_a_projection_of_tokens_is_a_sign_by_itself(native: Path) -> None:
    rewrite(native / OWN, model_type=None, similarity_fn_name=None)
    unmasked = [line for line in modules(native) if not line["type"].endswith("Mask")]

    with pytest.raises(UnsupportedModel, match="late-interaction model"):
        read_layout(with_modules(native, *unmasked))


@pytest.mark.parametrize("name", ["pylate", "native"])
def test_a_body_without_a_projection_is_refused(name: str, tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    with_modules(folder, TRANSFORMER)
    for path in (folder / "1_Dense", folder / "2_Dense"):
        (path / "config.json").unlink()

    with pytest.raises(UnsupportedModel, match="late-interaction model"):
        read_layout(folder)


# The catalog's rows


def row(card: ModelCard, **changes: object) -> CatalogEntry:
    commit = "0" * 40
    named = replace(card, id="row", repository="a/b", revision=commit, **changes)
    return CatalogEntry(named, Release("a/b", commit, {"config.json": None}))


def test_a_row_gives_name_and_provenance_and_the_folder_its_window_of_queries(
    stanford: Path,
) -> None:
    entry = row(read_layout(stanford).card, query_max_tokens=None, prompts={}, licence="mit")
    card = read_layout(stanford, entry=entry).card

    assert card == replace(entry.card, query_max_tokens=12, prompts={"query": "", "document": ""})


def test_families_must_agree(stanford: Path) -> None:
    late = row(read_layout(stanford).card)
    dense = row(read_layout(TINY / "bge").card)

    with pytest.raises(
        ModelBroken, match="describes a late-interaction model, but 'row' is a dense"
    ):
        read_layout(stanford, entry=dense)
    with pytest.raises(ModelBroken, match="describes a dense model, but 'row' is a late-inter"):
        read_layout(TINY / "bge", entry=late)


@pytest.mark.parametrize(
    "changes", [{"dimensions": 16}, {"max_tokens": 25}, {"query_max_tokens": 13}]
)
def test_rows_and_folders_must_agree(changes: dict, stanford: Path) -> None:
    entry = row(read_layout(stanford).card, **changes)

    with pytest.raises(ModelBroken, match="does not match the row of 'row'") as caught:
        read_layout(stanford, entry=entry)
    assert "bindery preload row --force" in caught.value.remedy


# Projections and modules


DENSES = {
    "an activation of its own": ({"activation_function": "evil.Tanh"}, "'evil.Tanh'"),
    "no activation": ({"activation_function": None}, "'None'"),
    "an unknown setting": ({"dropout": 0.5}, "unknown settings: dropout"),
    "another input": ({"module_input_name": "sentence_embedding"}, "'sentence_embedding'"),
    "another output": ({"module_output_name": "scores"}, "'scores'"),
}


@pytest.mark.parametrize(("changes", "named"), DENSES.values(), ids=DENSES)
@pytest.mark.parametrize("name", ["pylate", "native"])
def test_projections_that_are_not_known_are_refused(
    name: str, changes: dict, named: str, tmp_path: Path
) -> None:
    folder = copied(name, tmp_path)
    rewrite(folder / "2_Dense/config.json", **changes)

    with pytest.raises(UnsupportedModel, match=named) as caught:
        read_layout(folder)
    assert "2_Dense" in caught.value.message


@pytest.mark.parametrize("name", ["pylate", "native"])
def test_projections_must_fit_each_other_and_the_body(name: str, tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    rewrite(folder / "2_Dense/config.json", in_features=32)

    with pytest.raises(ModelBroken, match="takes vectors of 32 values, but gets 16"):
        read_layout(folder)
    rewrite(folder / "2_Dense/config.json", in_features="wide")
    with pytest.raises(ModelBroken, match="in_features"):
        read_layout(folder)


@pytest.mark.parametrize("kind", ["Pooling", "Router", "CNN", "LambdaTokenPooling"])
@pytest.mark.parametrize("name", ["pylate", "native"])
def test_modules_that_are_not_known_are_refused(name: str, kind: str, tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    line = {"path": "9", "type": f"sentence_transformers.x.{kind}"}
    with_modules(folder, *modules(folder), line)

    with pytest.raises(
        UnsupportedModel, match=rf"x\.{kind}' is not supported in a late-interaction"
    ):
        read_layout(folder)


# Other lengths


def lengths(layout: Layout) -> tuple[int, int]:
    assert layout.late is not None
    assert layout.card.max_tokens == layout.late.document_length
    assert layout.card.query_max_tokens == layout.late.query_length
    return layout.late.query_length, layout.late.document_length


def test_lengths_can_be_overridden_within_the_positions(stanford: Path) -> None:
    layout = read_layout(stanford)

    assert lengths(with_lengths(layout)) == (12, 24)
    assert lengths(with_lengths(layout, query=20)) == (20, 24)
    assert lengths(with_lengths(layout, document=300)) == (12, 40)
    for short in (0, -1, 3):
        with pytest.raises(InvalidValue, match="must be at least 4 tokens"):
            with_lengths(layout, document=short)


def test_a_floor_of_filling_stays_below_the_length(native: Path) -> None:
    rewrite(native / SETTINGS, query_expansion={"strategy": "min", "length": 10}, query_length=16)
    layout = read_layout(native)

    for query, floor in ((30, 10), (8, 8)):
        late = with_lengths(layout, query=query).late
        assert late is not None
        assert (late.query_length, late.expanded_length) == (query, floor)
