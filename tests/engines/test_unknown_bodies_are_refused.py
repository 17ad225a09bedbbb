"""What cannot be run exactly is refused when it is loaded, and named."""

from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import TINY, copied, load, retensor, rewrite

from bindery.encoders.loading import load_encoder
from bindery.engines.openvino import OpenVinoEngine
from bindery.errors import EngineError, InvalidValue, ModelBroken, UnsupportedModel
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions

WORDS = "embeddings.word_embeddings.weight"
PLACES = "embeddings.position_embeddings.weight"

UNSUPPORTED = {
    "an architecture": (
        {"model_type": "deberta-v2"},
        r"no graph for .* 'deberta-v2'. Known: bert, .*, xlm-roberta. .*bindery-search\[torch\]",
    ),
    "no architecture": ({"model_type": None}, "no graph for .* 'None'"),
    "relative positions": (
        {"position_embedding_type": "relative_key"},
        "position_embedding_type 'relative_key' are not supported, only with 'absolute'",
    ),
    "a decoder": ({"is_decoder": True}, "decoder"),
    "cross attention": ({"add_cross_attention": True}, "add_cross_attention True"),
    "an activation": ({"hidden_act": "mish"}, "activation 'mish'. Known: gelu"),
    "heads that do not share the width": ({"num_attention_heads": 5}, "32 .* 5 heads"),
}


@pytest.mark.parametrize(("changes", "named"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_variants_are_refused_by_name(
    changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    folder = copied("bge", tmp_path)
    rewrite(folder / "config.json", **changes)

    with pytest.raises(UnsupportedModel, match=named):
        load(folder)


BROKEN = {
    "more layers than tensors": ({"num_hidden_layers": 3}, "encoder.layer.2"),
    "another width": ({"hidden_size": 64}, r"word_embeddings .* \(190, 32\), expected \(190, 64\)"),
    "another vocabulary": ({"vocab_size": 191}, r"word_embeddings .* expected \(191, 32\)"),
    "more positions than rows": (
        {"max_position_embeddings": 128},
        r"position_embeddings .* \(64, 32\), expected \(128, 32\)",
    ),
    "a missing number": ({"layer_norm_eps": None}, "config.json of .* has no 'layer_norm_eps'"),
    "other names for its tensors": (
        {"model_type": "distilbert"},
        r"no tensor .*transformer\.layer",
    ),
    "a text for a number": ({"layer_norm_eps": "small"}, "do not match its config.json"),
    "no heads": ({"num_attention_heads": 0}, "do not match its config.json"),
}


@pytest.mark.parametrize(("changes", "named"), BROKEN.values(), ids=BROKEN)
def test_a_configuration_must_fit_its_tensors(
    changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    folder = copied("bge", tmp_path)
    rewrite(folder / "config.json", **changes)

    with pytest.raises(ModelBroken, match=named):
        load(folder)


@pytest.mark.parametrize(
    "name", [WORDS, PLACES, "encoder.layer.0.intermediate.dense.weight", "pooler.dense.weight"]
)
def test_a_tensor_of_the_wrong_shape_is_refused(name: str, tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    retensor(folder, lambda tensors: tensors | {name: tensors[name][:, :-1]})

    if name.startswith("pooler"):  # not used: whatever it is, the vectors are right
        load(folder).close()
        return
    with pytest.raises(ModelBroken, match=str(folder)):
        load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "nonsense"])
def test_a_broken_configuration_is_named(content: str, tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    (folder / "config.json").write_text(content)

    for read in (load, OpenVinoEngine):
        with pytest.raises(ModelBroken, match=r"config\.json"):
            read(folder)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelBroken, match=r"has no config\.json"):
        OpenVinoEngine(tmp_path)


def test_token_ids_beyond_the_vocabulary_are_refused(tmp_path: Path) -> None:
    """Else they would be taken for a row of zeros, and nobody would notice."""
    folder = copied("bge", tmp_path)
    retensor(folder, lambda tensors: tensors | {WORDS: tensors[WORDS][:60]})
    rewrite(folder / "config.json", vocab_size=60)
    encoder = load(folder)

    for texts in (["paper"], ["paper", "a"]):
        with pytest.raises(EngineError, match="vocabulary of 60"):
            encoder.encode(texts, "document")
    assert np.isfinite(encoder.encode(["a", "a"], "document").rows).all()


def test_an_odd_number_of_positions_is_used_to_the_last(tmp_path: Path) -> None:
    folder = copied("e5", tmp_path)
    retensor(folder, lambda tensors: tensors | {PLACES: tensors[PLACES][:51]})
    rewrite(folder / "config.json", max_position_embeddings=51)
    text = "paper " * 47  # with the prompt's two and the special tokens: 51, padded to 56

    encoder = load(folder)
    found = encoder.encode_counted([text], "document")

    assert (found.tokens_used.tolist(), found.tokens_cut.tolist()) == ([51], [0])
    expected = load(TINY / "e5").encode([text], "document").rows
    assert np.abs(found.embeddings.rows - expected).max() <= 1e-6


def test_precisions_and_threads_are_checked(tmp_path: Path) -> None:
    layout = read_layout(TINY / "bge")

    with pytest.raises(InvalidValue, match="Unknown precision 'fp8'") as caught:
        load_encoder(layout, ModelOptions(precision="fp8"))
    assert caught.value.remedy == "Choose one of: auto, f32, bf16, int8."
    assert caught.value.param == "precision"
    for threads in (0, -1):
        with pytest.raises(InvalidValue, match=f"got {threads}"):
            load_encoder(layout, ModelOptions(threads=threads))
