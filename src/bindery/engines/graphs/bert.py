"""BERT (Devlin et al., 2018, arXiv:1810.04805): post-norm, absolute positions."""

from collections.abc import Mapping
from typing import Any

from bindery.engines.graphs import attention, parts, settings
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """Positions count from 0."""
    ids, mask = parts.inputs()
    hidden = encoder(ids, mask, parts.positions(ids), config, weights)
    return parts.Body(parts.model(hidden, ids, mask), config["max_position_embeddings"])


def encoder(
    ids: Node, mask: Node, places: Node, config: Mapping[str, Any], weights: Weights
) -> Node:
    """Hidden states (b, s, hidden_size) for the given position ids."""
    plain = {"position_embedding_type": "absolute", "is_decoder": False}
    settings.refuse_variants(config, plain | {"add_cross_attention": False})
    weights = weights.body("embeddings.word_embeddings.weight")

    bias = attention.padding_bias(mask)
    x = _embeddings(ids, places, config, weights.under("embeddings."))
    for number in range(config["num_hidden_layers"]):
        x = _layer(x, bias, config, weights.under(f"encoder.layer.{number}."))
    return x


def _embeddings(ids: Node, places: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    width = config["hidden_size"]
    words = parts.embeddings(weights, "word_embeddings", (config["vocab_size"], width), ids)
    table = parts.table(weights, "position_embeddings", (config["max_position_embeddings"], width))
    # Every token belongs to the first segment, so its embedding is added to the positions.
    table = table + weights["token_type_embeddings.weight"][0]
    x = op.add(words, parts.rows(table, places))
    return parts.layer_norm(x, weights, "LayerNorm", config["layer_norm_eps"])


def _layer(x: Node, bias: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    heads = attention.Heads.dividing(config["hidden_size"], config["num_attention_heads"])
    names = ("self.query", "self.key", "self.value", "output.dense")
    attended = attention.self_attention(x, bias, weights.under("attention."), names, heads)
    return feed_forward(op.add(attended, x), config, weights, "attention.output.LayerNorm")


def feed_forward(x: Node, config: Mapping[str, Any], weights: Weights, norm: str) -> Node:
    """The part of a layer after attention: norm, feed-forward, norm."""
    epsilon = config["layer_norm_eps"]
    x = parts.layer_norm(x, weights, norm, epsilon)
    wide = parts.activation(config["hidden_act"])(parts.linear(x, weights, "intermediate.dense"))
    narrow = parts.linear(wide, weights, "output.dense")
    return parts.layer_norm(op.add(narrow, x), weights, "output.LayerNorm", epsilon)
