"""Gemma 3, text only (Gemma Team, 2025, arXiv:2503.19786), as in EmbeddingGemma (arXiv:2509.20354).

Four norms per layer, normalised queries and keys, one global layer after five local ones;
EmbeddingGemma is bidirectional.
"""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from bindery.engines.graphs import attention, parts
from bindery.engines.graphs.parts import FULL, SLIDING
from bindery.engines.graphs.rotary import RotaryTable, Sight
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights

_logger = logging.getLogger(__name__)


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """In local layers, tokens attend to tokens less than a window away."""
    parts.refuse_variants(config, {"attn_logit_softcapping": None})
    weights = weights.body("embed_tokens.weight")
    every = config.get("sliding_window_pattern", 6)
    layers = range(1, config["num_hidden_layers"] + 1)
    kinds = parts.layer_kinds(config, [SLIDING if n % every else FULL for n in layers])

    ids, mask = parts.inputs()
    sights = _sights(ids, mask, config)
    x = _embeddings(ids, config, weights)
    for number, kind in enumerate(kinds):
        x = _layer(x, sights[kind], config, weights.under(f"layers.{number}."))
    x = _norm(x, config, weights, "norm")
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"])


def window(config: Mapping[str, Any]) -> int:
    """W such that in local layers, token i attends to tokens j with abs(i - j) < W.

    In bidirectional models, W is ``sliding_window`` // 2 + 1: 257 for EmbeddingGemma's 512. But
    transformers 4.56 up to 5.22 saved W itself, and halved it again on loading, so models that were
    fine-tuned and saved with it contain 257. Published values of ``sliding_window`` are even and W
    is odd, so an odd number is taken as W: the process that saved it computed with it. Smaller odd
    numbers (129, 65) come from saving and loading repeatedly, and cause a warning: the training
    probably did not intend them.
    """
    written = int(config["sliding_window"])
    if not config.get("use_bidirectional_attention"):
        return written
    if written % 2 == 0:
        return written // 2 + 1
    if written != 257:
        _logger.warning(
            "sliding_window is %d, an odd number: transformers probably halved it, perhaps more "
            "than once. For a window of 512, it should be 512, or 257 if it was halved once.",
            written,
        )
    return written


def _sights(ids: Node, mask: Node, config: Mapping[str, Any]) -> dict[str, Sight]:
    width, longest = config["head_dim"], config["max_position_embeddings"]
    heads = attention.Heads(config["num_attention_heads"], config["num_key_value_heads"], width)
    bases = {
        FULL: parts.rotary_base(config, FULL, old="rope_theta", default=1_000_000),
        SLIDING: parts.rotary_base(config, SLIDING, old="rope_local_base_freq", default=10_000),
    }
    causal = not config.get("use_bidirectional_attention")
    biases = attention.biases(ids, mask, window=window(config), causal=causal)
    return {
        kind: Sight(heads, RotaryTable.of(ids, base, width, longest), biases[kind])
        for kind, base in bases.items()
    }


def _embeddings(ids: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    width = config["hidden_size"]
    words = parts.embeddings(weights, "embed_tokens", (config["vocab_size"], width), ids)
    return op.multiply(words, parts.constant(width**0.5, np.float32))


def _layer(x: Node, sight: Sight, config: Mapping[str, Any], weights: Weights) -> Node:
    y = _norm(x, config, weights, "input_layernorm")
    scale = config["query_pre_attn_scalar"] ** -0.5
    y = sight.self_attention(y, weights.under("self_attn."), config, _norm, scale=scale)
    x = op.add(x, _norm(y, config, weights, "post_attention_layernorm"))

    y = _norm(x, config, weights, "pre_feedforward_layernorm")
    y = parts.gated(y, weights.under("mlp."), config["hidden_activation"])
    return op.add(x, _norm(y, config, weights, "post_feedforward_layernorm"))


def _norm(x: Node, config: Mapping[str, Any], weights: Weights, name: str) -> Node:
    # The stored value is the scale minus 1.
    return parts.rms_norm(x, 1 + weights[f"{name}.weight"], config["rms_norm_eps"])
