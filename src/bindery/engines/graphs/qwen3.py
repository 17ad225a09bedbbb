"""Qwen3 (Qwen Team, 2025, arXiv:2505.09388), as in Qwen3-Embedding (arXiv:2506.05176): causal.

Pre-norm, grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245), normalised queries and
keys.
"""

from collections.abc import Mapping
from typing import Any

from bindery.engines.graphs import attention, parts
from bindery.engines.graphs.parts import FULL, SLIDING
from bindery.engines.graphs.rotary import RotaryTable, Sight
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """Correct for padding on either side, because rotary positions only depend on distances."""
    weights = weights.body("embed_tokens.weight")
    window = config.get("sliding_window") if config.get("use_sliding_window") else None
    near = config.get("max_window_layers", 0) if window else config["num_hidden_layers"]
    layers = range(config["num_hidden_layers"])
    kinds = parts.layer_kinds(config, [SLIDING if n >= near else FULL for n in layers])

    ids, mask = parts.inputs()
    sights = _sights(ids, mask, config, window)
    words = (config["vocab_size"], config["hidden_size"])
    x = parts.embeddings(weights, "embed_tokens", words, ids)
    for number, kind in enumerate(kinds):
        x = _layer(x, sights[kind], config, weights.under(f"layers.{number}."))
    x = _norm(x, config, weights, "norm")
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"])


def _sights(
    ids: Node, mask: Node, config: Mapping[str, Any], window: int | None
) -> dict[str, Sight]:
    width, longest = config["head_dim"], config["max_position_embeddings"]
    heads = attention.Heads(config["num_attention_heads"], config["num_key_value_heads"], width)
    base = parts.rotary_base(config, FULL, old="rope_theta", default=10_000)
    turns = RotaryTable.of(ids, base, width, longest)
    biases = attention.biases(ids, mask, window=window, causal=True)
    return {kind: Sight(heads, turns, bias) for kind, bias in biases.items()}


def _layer(x: Node, sight: Sight, config: Mapping[str, Any], weights: Weights) -> Node:
    y = _norm(x, config, weights, "input_layernorm")
    x = op.add(x, sight.self_attention(y, weights.under("self_attn."), config, _norm))
    y = _norm(x, config, weights, "post_attention_layernorm")
    return op.add(x, parts.gated(y, weights.under("mlp."), config["hidden_act"]))


def _norm(x: Node, config: Mapping[str, Any], weights: Weights, name: str) -> Node:
    return parts.rms_norm(x, weights[f"{name}.weight"], config["rms_norm_eps"])
