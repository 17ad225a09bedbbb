"""Nomic BERT (Nussbaum et al., 2024, arXiv:2402.01613): BERT, rotary positions, gated layers."""

from collections.abc import Mapping
from typing import Any

from bindery.engines.graphs import attention, parts
from bindery.engines.graphs.parts import FULL
from bindery.engines.graphs.rotary import RotaryTable, Sight
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights

# Configurations of the original code on the hub name sizes like GPT-2.
_GPT2_NAMES = {
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_layer": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps",
    "activation_function": "hidden_act",
}
_GATES = {"swiglu": "silu", "geglu": "gelu"}
_PLAIN = {
    "prenorm": False,
    "parallel_block": False,
    "use_rms_norm": False,
    "qkv_proj_bias": False,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "rotary_emb_fraction": 1,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None,
    "num_experts": 0,
}


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """Post-norm; differs from BERT in the output of attention, the gate and the norms."""
    config = {_GPT2_NAMES.get(name, name): value for name, value in config.items()}
    parts.refuse_variants(config, _PLAIN)
    weights = weights.body("embeddings.word_embeddings.weight")

    ids, mask = parts.inputs()
    sight = _sight(ids, mask, config)
    x = _embeddings(ids, config, weights)
    for number in range(config["num_hidden_layers"]):
        x = _layer(x, sight, config, weights.under(f"encoder.layers.{number}."))
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"])


def _sight(ids: Node, mask: Node, config: Mapping[str, Any]) -> Sight:
    heads = attention.Heads.dividing(config["hidden_size"], config["num_attention_heads"])
    base = parts.rotary_base(config, FULL, old="rotary_emb_base", default=1_000)
    turns = RotaryTable.of(ids, base, heads.width, config["max_position_embeddings"])
    return Sight(heads, turns, attention.padding_bias(mask))


def _embeddings(ids: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    shape = (config["vocab_size"], config["hidden_size"])
    words = parts.embeddings(weights, "embeddings.word_embeddings", shape, ids)
    # Every token belongs to the first segment.
    segment = weights["embeddings.token_type_embeddings.weight"][:1][None]
    x = op.add(words, parts.constant(segment))
    return parts.layer_norm(x, weights, "emb_ln", config["layer_norm_eps"])


def _layer(x: Node, sight: Sight, config: Mapping[str, Any], weights: Weights) -> Node:
    epsilon = config["layer_norm_eps"]
    mixed = sight.attend(parts.linear(x, weights, "attn.Wqkv", bias=False))
    attended = parts.linear(mixed, weights, "attn.out_proj", bias=False)
    x = parts.layer_norm(op.add(attended, x), weights, "norm1", epsilon)

    act = str(config["hidden_act"])
    act = _GATES.get(act, act)
    fed = parts.gated(x, weights.under("mlp."), act, names=("fc12", "fc11", "fc2"))
    return parts.layer_norm(op.add(fed, x), weights, "norm2", epsilon)
