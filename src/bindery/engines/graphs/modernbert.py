"""ModernBERT (Warner et al., 2024, arXiv:2412.13663): pre-norm, rotary positions, gated layers.

Attention is global in every third layer and local in the others.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bindery.engines.graphs import attention, parts
from bindery.engines.graphs.parts import FULL, SLIDING
from bindery.engines.graphs.rotary import RotaryTable, Sight
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """In local layers, tokens attend to ``local_attention`` // 2 tokens on each side."""
    weights = weights.body("embeddings.tok_embeddings.weight")
    every = config.get("global_attn_every_n_layers", 3)
    layers = range(config["num_hidden_layers"])
    kinds = parts.layer_kinds(config, [SLIDING if n % every else FULL for n in layers])

    ids, mask = parts.inputs()
    sights = _sights(ids, mask, config)
    x = _embeddings(ids, config, weights.under("embeddings."))
    for number, kind in enumerate(kinds):
        # The embeddings are already normalised, so the first layer has no norm before attention.
        normed = number > 0
        x = _layer(x, sights[kind], config, weights.under(f"layers.{number}."), normed=normed)
    x = _norm(x, config, weights, "final_norm")
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"])


def _sights(ids: Node, mask: Node, config: Mapping[str, Any]) -> dict[str, Sight]:
    heads = attention.Heads.dividing(config["hidden_size"], config["num_attention_heads"])
    longest = config["max_position_embeddings"]
    bases = {
        FULL: parts.rotary_base(config, FULL, old="global_rope_theta", default=160_000),
        SLIDING: parts.rotary_base(config, SLIDING, old="local_rope_theta", default=10_000),
    }
    biases = attention.biases(ids, mask, window=config["local_attention"] // 2 + 1)
    return {
        kind: Sight(heads, RotaryTable.of(ids, base, heads.width, longest), biases[kind])
        for kind, base in bases.items()
    }


def _embeddings(ids: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    shape = (config["vocab_size"], config["hidden_size"])
    return _norm(parts.embeddings(weights, "tok_embeddings", shape, ids), config, weights, "norm")


def _layer(
    x: Node, sight: Sight, config: Mapping[str, Any], weights: Weights, *, normed: bool
) -> Node:
    y = _norm(x, config, weights, "attn_norm") if normed else x
    x = op.add(x, _attention(y, sight, config, weights.under("attn.")))
    y = _norm(x, config, weights, "mlp_norm")
    return op.add(x, _gated(y, config, weights.under("mlp.")))


def _attention(x: Node, sight: Sight, config: Mapping[str, Any], weights: Weights) -> Node:
    bias = bool(config.get("attention_bias"))
    mixed = sight.attend(parts.linear(x, weights, "Wqkv", bias=bias))
    return parts.linear(mixed, weights, "Wo", bias=bias)


def _gated(x: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    """GeGLU (Shazeer, 2020, arXiv:2002.05202, eq. 6), with both projections in one product."""
    bias = bool(config.get("mlp_bias"))
    both = parts.linear(x, weights, "Wi", bias=bias)
    opened, passed = op.split(both, parts.constant(2, np.int32), 2).outputs()
    product = op.multiply(parts.activation(config["hidden_activation"])(opened), passed)
    return parts.linear(product, weights, "Wo", bias=bias)


def _norm(x: Node, config: Mapping[str, Any], weights: Weights, name: str) -> Node:
    bias = bool(config.get("norm_bias"))
    return parts.layer_norm(x, weights, name, config["norm_eps"], bias=bias)
