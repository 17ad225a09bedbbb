"""Settings as transformers 4 and 5 and models' own code spell them; those we lack are refused."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.engines.bodies import BODIES, golden, open_body
from tests.engines.checkpoints import rewrite

from bindery.engines.graphs.gemma3 import window
from bindery.errors import ModelBroken, UnsupportedModel

NEW = {"layer_types": None, "rope_parameters": None}
SPELLINGS = {
    "Gemma in transformers 4": (
        "gemma3",
        NEW | {"sliding_window_pattern": 6, "rope_theta": 1e6, "rope_local_base_freq": 1e4},
    ),
    "Gemma, nothing said": ("gemma3", NEW),
    "Gemma, halved already": ("gemma3", {"sliding_window": 9}),
    "ModernBERT in transformers 4": (
        "modernbert",
        NEW
        | {
            "global_attn_every_n_layers": 3,
            "global_rope_theta": 160000.0,
            "local_rope_theta": 10000.0,
        },
    ),
    "ModernBERT, nothing said": ("modernbert", NEW),
    "ModernBERT's other bases": (
        "modernbert_biases",
        {"rope_parameters": None, "global_rope_theta": 5000.0, "local_rope_theta": 50.0},
    ),
    "Qwen3 in transformers 4": (
        "qwen3_windows",
        NEW | {"rope_theta": 10000.0, "rope_scaling": None},
    ),
    "Nomic's own code": (
        "nomic_bert",
        {"rope_parameters": None, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0}
        | {"hidden_size": None, "n_embd": 24, "num_hidden_layers": None, "n_layer": 2}
        | {"num_attention_heads": None, "n_head": 2, "layer_norm_eps": None}
        | {"layer_norm_epsilon": 1e-12, "hidden_act": None, "activation_function": "swiglu"}
        | {"max_position_embeddings": None, "n_positions": 64, "prenorm": False},
    ),
    "unscaled positions, said the old way": (
        "qwen3",
        {"rope_parameters": None, "rope_theta": 10000, "rope_scaling": {"type": "default"}},
    ),
}


def changed(name: str, folder: Path, changes: dict[str, object]) -> Path:
    copy = Path(shutil.copytree(BODIES / name, folder / name))
    rewrite(copy / "config.json", **changes)
    return copy


@pytest.mark.parametrize(("name", "changes"), SPELLINGS.values(), ids=SPELLINGS)
def test_another_spelling_is_the_same_model(
    name: str, changes: dict[str, object], tmp_path: Path
) -> None:
    known = golden(name)

    found = open_body(changed(name, tmp_path, changes)).hidden_states(known.ids, known.mask)

    assert np.abs(found - known.hidden)[known.attended].max() <= 5e-5


MATTERING = {
    "Gemma's window": ("gemma3", {"sliding_window": 18}),
    "Gemma's global layers": ("gemma3", {"layer_types": None, "sliding_window_pattern": 5}),
    "Gemma's scale": ("gemma3", {"query_pre_attn_scalar": 8}),
    "Gemma's direction": ("gemma3", {"use_bidirectional_attention": False}),
    "Gemma's biases": ("gemma3_causal", {"attention_bias": False}),
    "ModernBERT's window": ("modernbert", {"local_attention": 10}),
    "ModernBERT's global base": (
        "modernbert",
        {"rope_parameters": None, "global_rope_theta": 5000.0},
    ),
    "ModernBERT's local base": ("modernbert", {"rope_parameters": None, "local_rope_theta": 50.0}),
    "ModernBERT's biases": ("modernbert_biases", {"mlp_bias": False}),
    "Qwen3's base": ("qwen3", {"rope_parameters": {"rope_theta": 50, "rope_type": "default"}}),
    "Qwen3's window": ("qwen3_windows", {"sliding_window": 8}),
    "an epsilon": ("qwen3", {"rms_norm_eps": 0.1}),
    "RoBERTa's padding id": ("roberta", {"pad_token_id": 2}),
}


@pytest.mark.parametrize(("name", "changes"), MATTERING.values(), ids=MATTERING)
def test_a_setting_is_not_ignored(name: str, changes: dict[str, object], tmp_path: Path) -> None:
    """The window above all: one token more to either side is seen on these checkpoints."""
    known = golden(name)

    found = open_body(changed(name, tmp_path, changes)).hidden_states(known.ids, known.mask)

    assert np.abs(found - known.hidden)[known.attended].max() > 1e-3


@pytest.mark.parametrize(
    ("written", "read", "warned"),
    [(512, 257, False), (256, 129, False), (257, 257, False), (129, 129, True), (65, 65, True)],
)
def test_a_halved_window_is_not_halved_again(
    written: int, read: int, *, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"sliding_window": written, "use_bidirectional_attention": True}

    with caplog.at_level(logging.WARNING):
        assert window(config) == read

    assert [str(written) in record.getMessage() for record in caplog.records] == [True] * warned


def test_a_window_that_looks_back_is_what_is_written(caplog: pytest.LogCaptureFixture) -> None:
    for written in (512, 257, 129):
        assert window({"sliding_window": written}) == written
    assert not caplog.records


REFUSED = {
    "YaRN": ("qwen3", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "'yarn'"),
    "linear": (
        "gemma3",
        {"rope_parameters": None, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        "'linear'",
    ),
    "NTK": ("nomic_bert", {"rope_scaling": {"type": "ntk", "factor": 2}}, "'ntk'"),
    "a scaled kind of layer": (
        "modernbert",
        {"rope_parameters": {"sliding_attention": {"rope_type": "dynamic"}}},
        "'dynamic'",
    ),
    "a part of a head": (
        "qwen3",
        {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}},
        "'partial_rotary_factor': 0.5",
    ),
    "soft-capping": ("gemma3", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping 50.0"),
    "a kind of layer": ("gemma3", {"layer_types": ["chunked_attention"] * 7}, "chunked_attention"),
    "activations": ("qwen3", {"hidden_act": "laplace"}, "Unknown activation 'laplace'"),
    "ModernBERT's": (
        "modernbert",
        {"hidden_activation": "gelu_10"},
        "Unknown activation 'gelu_10'",
    ),
    "DistilBERT's": ("distilbert", {"activation": "mish"}, "Unknown activation 'mish'"),
    "experts": ("nomic_bert", {"num_experts": 8}, "num_experts 8"),
    "pre-norm": ("nomic_bert", {"prenorm": True}, "prenorm True"),
    "a decoder": ("roberta", {"is_decoder": True}, "is_decoder True"),
    "relative positions": (
        "xlm_roberta",
        {"position_embedding_type": "relative_key"},
        "relative_key",
    ),
    "heads to share": ("qwen3", {"num_key_value_heads": 4}, "6 query heads .* 4 key heads"),
    "heads to divide": ("modernbert", {"num_attention_heads": 5}, "24 .* 5 heads"),
}


@pytest.mark.parametrize(("name", "changes", "named"), REFUSED.values(), ids=REFUSED)
def test_what_the_graph_does_not_compute_is_refused_by_name(
    name: str, changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match=named):
        open_body(changed(name, tmp_path, changes))


BROKEN = {
    "kinds of too few layers": ("gemma3", {"layer_types": ["full_attention"]}, "1 layers"),
    "no width of a head": ("qwen3", {"head_dim": None}, "no 'head_dim'"),
    "no window": ("modernbert", {"local_attention": None}, "no 'local_attention'"),
    "no padding id": ("roberta", {"pad_token_id": None}, "no 'pad_token_id'"),
    "biases that are not there": ("qwen3", {"attention_bias": True}, "q_proj.bias"),
    "another vocabulary": ("gemma3", {"vocab_size": 65}, r"\(64, 24\), expected \(65, 24\)"),
}


@pytest.mark.parametrize(("name", "changes", "named"), BROKEN.values(), ids=BROKEN)
def test_a_configuration_that_does_not_fit_is_broken(
    name: str, changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelBroken, match=named):
        open_body(changed(name, tmp_path, changes))
