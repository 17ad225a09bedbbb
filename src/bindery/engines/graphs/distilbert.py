"""DistilBERT (Sanh et al., 2019, arXiv:1910.01108): BERT's layers, half as many, no segments."""

from collections.abc import Mapping
from typing import Any

from bindery.engines.graphs import attention, parts
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights

_EPSILON = 1e-12  # of every norm; the configuration has no setting for it


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """Positions count from 0."""
    weights = weights.body("embeddings.word_embeddings.weight")
    ids, mask = parts.inputs()
    bias = attention.padding_bias(mask)
    x = _embeddings(ids, config, weights.under("embeddings."))
    for number in range(config["n_layers"]):
        x = _layer(x, bias, config, weights.under(f"transformer.layer.{number}."))
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"])


def _embeddings(ids: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    width = config["dim"]
    words = parts.embeddings(weights, "word_embeddings", (config["vocab_size"], width), ids)
    table = parts.table(weights, "position_embeddings", (config["max_position_embeddings"], width))
    x = op.add(words, parts.rows(table, parts.positions(ids)))
    return parts.layer_norm(x, weights, "LayerNorm", _EPSILON)


def _layer(x: Node, bias: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    heads = attention.Heads.dividing(config["dim"], config["n_heads"])
    names = ("q_lin", "k_lin", "v_lin", "out_lin")
    attended = attention.self_attention(x, bias, weights.under("attention."), names, heads)
    x = parts.layer_norm(op.add(attended, x), weights, "sa_layer_norm", _EPSILON)

    wide = parts.activation(config["activation"])(parts.linear(x, weights, "ffn.lin1"))
    narrow = parts.linear(wide, weights, "ffn.lin2")
    return parts.layer_norm(op.add(narrow, x), weights, "output_layer_norm", _EPSILON)
