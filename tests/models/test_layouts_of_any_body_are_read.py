"""Dense models: any architecture's names for its numbers, and any steps after the pooling."""

import json
from pathlib import Path

import pytest
from tests.engines.checkpoints import TINY, copied, rewrite

from bindery.errors import ModelBroken, ModelError, UnsupportedModel
from bindery.models.layouts import Dense, LayerNorm, Normalize, read_layout

SETTINGS = "sentence_bert_config.json"
OLD = "sentence_transformers.models"
NEW = {
    "Transformer": "sentence_transformers.base.modules.transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling",
    "Dense": "sentence_transformers.base.modules.dense",
    "LayerNorm": "sentence_transformers.sentence_transformer.modules.layer_norm",
    "Normalize": "sentence_transformers.base.modules.normalize",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good checkpoint of width 32, to be changed."""
    return copied("bge", tmp_path)


def with_steps(folder: Path, *kinds: str, package: dict[str, str] | None = None) -> Path:
    """Modules of these kinds after Transformer and Pooling, each in a folder of its own."""
    lines = []
    for place, kind in enumerate(("Transformer", "Pooling", *kinds)):
        path = "" if place == 0 else f"{place}_{kind}"
        lines.append({"path": path, "type": f"{(package or {}).get(kind, OLD)}.{kind}"})
        if kind in {"Dense", "LayerNorm"}:
            (folder / path).mkdir()
    (folder / "modules.json").write_text(json.dumps(lines), encoding="utf-8")
    return folder


def dense(path: Path, inputs: int, outputs: int, **changes: object) -> Dense:
    rewrite(
        path / "config.json", in_features=inputs, out_features=outputs,
        **{"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"} | changes,
    )  # fmt: skip
    return Dense(path, inputs, outputs, "tanh", has_bias=True)


@pytest.mark.parametrize("package", [None, NEW], ids=["before 6", "6"])
def test_steps_stand_in_their_order(package: dict[str, str] | None, folder: Path) -> None:
    kinds = ("Dense", "Normalize", "LayerNorm", "Dense")
    with_steps(folder, *kinds, package=package)
    first, last = dense(folder / "2_Dense", 32, 48), dense(folder / "5_Dense", 48, 7)
    rewrite(folder / "4_LayerNorm/config.json", dimension=48)
    layout = read_layout(folder)

    assert layout.steps == (first, Normalize(), LayerNorm(folder / "4_LayerNorm", 48), last)
    assert (layout.card.dimensions, layout.card.normalised) == (7, False)


def test_a_model_is_normalised_when_that_comes_last(folder: Path) -> None:
    assert read_layout(with_steps(folder, "Normalize")).card.normalised
    with_steps(folder, "Normalize", "Dense")
    dense(folder / "3_Dense", 32, 8)
    assert not read_layout(folder).card.normalised


@pytest.mark.parametrize(
    ("inputs", "changes", "error", "named"),
    [
        (24, {}, ModelBroken, "takes vectors of 24 values, but gets 32"),
        (32, {"activation_function": "numpy.tanh"}, UnsupportedModel, "'numpy.tanh'"),
        (32, {"scale": 2}, UnsupportedModel, "unknown settings: scale"),
        (32, {"module_output_name": "logits"}, UnsupportedModel, "'logits'"),
        # A projection of tokens is late interaction, and never of a pooled vector.
        (32, {"module_input_name": "token_embeddings"}, UnsupportedModel, "late-interaction"),
        (0, {}, ModelBroken, "in_features"),
    ],
)
def test_steps_that_are_not_known_are_refused(
    inputs: int, changes: dict, error: type[Exception], named: str, folder: Path
) -> None:
    with_steps(folder, "Dense")
    dense(folder / "2_Dense", inputs, 8, **changes)

    with pytest.raises(error, match=named):
        read_layout(folder)


# Other architectures' names


@pytest.mark.parametrize(
    ("architecture", "numbers", "width", "window"),
    [
        ("bert", {"hidden_size": 20, "max_position_embeddings": 30}, 20, 30),
        ("distilbert", {"dim": 20, "max_position_embeddings": 30}, 20, 30),
        ("roberta", {"hidden_size": 20, "max_position_embeddings": 30, "pad_token_id": 1}, 20, 28),
        ("xlm-roberta", {"hidden_size": 20, "max_position_embeddings": 30}, 20, 28),
        ("mpnet", {"hidden_size": 20, "max_position_embeddings": 30, "pad_token_id": 1}, 20, 28),
        (
            "camembert",
            {"hidden_size": 20, "max_position_embeddings": 30, "pad_token_id": 3},
            20,
            26,
        ),
        ("modernbert", {"hidden_size": 20, "max_position_embeddings": 30}, 20, 30),
        ("gemma3_text", {"hidden_size": 20, "max_position_embeddings": 30}, 20, 30),
        ("qwen3", {"hidden_size": 20, "max_position_embeddings": 30}, 20, 30),
        ("nomic_bert", {"n_embd": 20, "n_positions": 30}, 20, 30),
        ("t5", {"d_model": 20, "n_positions": 30}, 20, 100),
        ("nobody-knows", {"hidden_size": 20, "max_position_embeddings": 30}, 20, 30),
        ("nobody-knows", {"hidden_size": 20}, 20, 100),
        # Where the body has yet another name for it, the pooling knows.
        ("nobody-knows", {"size": 20}, 32, 100),
    ],
)
def test_every_architecture_has_its_own_names(
    architecture: str, numbers: dict[str, int], width: int, window: int, folder: Path
) -> None:
    config = {"model_type": architecture} | numbers
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    rewrite(folder / SETTINGS, max_seq_length=None)
    rewrite(folder / "tokenizer_config.json", model_max_length=100)
    card = read_layout(folder).card

    assert (card.dimensions, card.max_tokens) == (width, window)


@pytest.mark.parametrize("limit", [None, 1e30, 10**30])
def test_without_any_limit_the_window_is_asked_for(limit: object, folder: Path) -> None:
    rewrite(folder / "config.json", model_type="t5", max_position_embeddings=None)
    rewrite(folder / SETTINGS, max_seq_length=None)
    rewrite(folder / "tokenizer_config.json", model_max_length=limit)

    with pytest.raises(UnsupportedModel, match="'t5', does not say how long") as caught:
        read_layout(folder)
    assert "max_seq_length" in caught.value.remedy


def test_a_width_that_nothing_tells_is_refused(folder: Path) -> None:
    rewrite(folder / "config.json", hidden_size=None)
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode": "cls"}', encoding="utf-8")

    with pytest.raises(UnsupportedModel, match="'hidden_size'"):
        read_layout(folder)


def test_old_names_of_the_settings_are_found(folder: Path) -> None:
    (folder / SETTINGS).rename(folder / "sentence_roberta_config.json")

    assert read_layout(folder).card.max_tokens == 24


@pytest.mark.parametrize(
    "changes",
    [{"transformer_task": "text-generation"}, {"processing_kwargs": {"text": {"padding": 1}}}],
)
def test_other_tasks_of_the_body_are_refused(changes: dict, folder: Path) -> None:
    rewrite(folder / SETTINGS, **changes)

    with pytest.raises(UnsupportedModel, match="is not supported"):
        read_layout(folder)


@pytest.mark.parametrize("name", sorted(path.name for path in TINY.iterdir()))
def test_ordinary_models_are_never_taken_for_late_interaction(name: str) -> None:
    try:
        layout = read_layout(TINY / name)
    except ModelError as error:
        pytest.fail(str(error))

    assert layout.late is None
