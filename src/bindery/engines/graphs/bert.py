"""BERT (Devlin et al., 2018, arXiv:1810.04805): post-norm, absolute positions."""

from collections.abc import Mapping
from typing import Any

from bindery.engines.graphs import parts
from bindery.engines.runtime import Graph, Node, op
from bindery.engines.weights import Weights
from bindery.errors import UnsupportedModel


def build(config: Mapping[str, Any], weights: Weights) -> Graph:
    """Hidden states of the last layer: ids and mask (b, s) in, (b, s, hidden_size) out."""
    _refuse_variants(config)
    if "bert.embeddings.word_embeddings.weight" in weights:
        weights = weights.under("bert.")

    ids, mask = parts.inputs()
    bias = parts.padding_bias(mask)
    x = _embeddings(ids, config, weights)
    for layer in range(config["num_hidden_layers"]):
        x = _layer(x, bias, config, weights.under(f"encoder.layer.{layer}."))
    return parts.model("bert", x, ids, mask)


def _refuse_variants(config: Mapping[str, Any]) -> None:
    position = config.get("position_embedding_type", "absolute")
    if position != "absolute":
        raise UnsupportedModel(f"BERT with {position!r} positions cannot be run.")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise UnsupportedModel("BERT as a decoder cannot be run.")
    width, heads = config["hidden_size"], config["num_attention_heads"]
    if width % heads:
        raise UnsupportedModel(f"A width of {width} cannot be divided among {heads} heads.")


def _embeddings(ids: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    weights = weights.under("embeddings.")
    width = config["hidden_size"]
    words = parts.table(weights, "word_embeddings", (config["vocab_size"], width))
    places = parts.table(weights, "position_embeddings", (config["max_position_embeddings"], width))
    # One text at a time: every token is of the first of the two segments, so its row is folded in.
    places = places + weights["token_type_embeddings.weight"][0]
    x = op.add(parts.rows(words, ids), parts.rows(places, parts.positions(ids)))
    return parts.layer_norm(x, weights, "LayerNorm", config["layer_norm_eps"])


def _layer(x: Node, bias: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    epsilon = config["layer_norm_eps"]
    attended = _attention(x, bias, config, weights.under("attention."))
    x = parts.layer_norm(op.add(attended, x), weights, "attention.output.LayerNorm", epsilon)

    wide = parts.activation(config["hidden_act"])(parts.linear(x, weights, "intermediate.dense"))
    narrow = parts.linear(wide, weights, "output.dense")
    return parts.layer_norm(op.add(narrow, x), weights, "output.LayerNorm", epsilon)


def _attention(x: Node, bias: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    """Scaled dot-product attention (Vaswani et al., 2017, arXiv:1706.03762, eq. 1)."""
    width, heads = config["hidden_size"], config["num_attention_heads"]
    names = ("self.query", "self.key", "self.value")
    query, key, value = (
        parts.split_heads(part, heads, width // heads)
        for part in parts.linear_side_by_side(x, weights, names)
    )
    mixed = op.scaled_dot_product_attention(query, key, value, bias)
    return parts.linear(parts.join_heads(mixed, width), weights, "output.dense")
