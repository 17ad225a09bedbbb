"""BERT (Devlin et al., 2018, arXiv:1810.04805) and the models with its layers.

RoBERTa (Liu et al., 2019, arXiv:1907.11692), XLM-RoBERTa (Conneau et al., 2019, arXiv:1911.02116)
and CamemBERT (Martin et al., 2019, arXiv:1911.03894) are BERT with positions counted like fairseq.
DistilBERT (Sanh et al., 2019, arXiv:1910.01108) has half as many layers and no segments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bindery.engines.graphs import attention, parts
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights

_PLAIN = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
_DISTILBERT_SETTINGS = {
    "dim": "hidden_size",
    "n_heads": "num_attention_heads",
    "n_layers": "num_hidden_layers",
    "activation": "hidden_act",
}


@dataclass(frozen=True, slots=True)
class LayerNames:
    """The names of a layer's tensors; ``layers`` and ``attention`` are prefixes.

    ``projections`` are those of attention to queries, keys, values and output; ``wide`` and
    ``narrow`` are the feed-forward products.
    """

    layers: str
    attention: str
    projections: tuple[str, str, str, str]
    attention_norm: str
    wide: str
    narrow: str
    output_norm: str


_BERT = LayerNames(
    "encoder.layer.",
    "attention.",
    ("self.query", "self.key", "self.value", "output.dense"),
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_DISTILBERT = LayerNames(
    "transformer.layer.",
    "attention.",
    ("q_lin", "k_lin", "v_lin", "out_lin"),
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """BERT: positions count from 0."""
    parts.refuse_variants(config, _PLAIN)
    ids, mask = parts.inputs()
    x = embeddings(ids, parts.positions(ids), config, weights, has_segments=True)
    x = layers(x, attention.padding_bias(mask), config, weights, _BERT)
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"])


def build_roberta(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """RoBERTa: positions start at pad_token_id + 1 and skip padding ids."""
    parts.refuse_variants(config, _PLAIN)
    padding = config["pad_token_id"]
    ids, mask = parts.inputs()
    positions = parts.positions_after(padding, ids)
    x = embeddings(ids, positions, config, weights, has_segments=True)
    x = layers(x, attention.padding_bias(mask), config, weights, _BERT)
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"] - padding - 1)


def build_distilbert(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """DistilBERT: its configuration has other names, and no setting for the epsilon of norms."""
    named = {_DISTILBERT_SETTINGS.get(name, name): value for name, value in config.items()}
    config = named | {"layer_norm_eps": 1e-12}
    ids, mask = parts.inputs()
    x = embeddings(ids, parts.positions(ids), config, weights)
    x = layers(x, attention.padding_bias(mask), config, weights, _DISTILBERT)
    return parts.Body(parts.model(x, ids, mask), config["max_position_embeddings"])


def embeddings(
    ids: Node,
    positions: Node,
    config: Mapping[str, Any],
    weights: Weights,
    *,
    has_segments: bool = False,
) -> Node:
    """The normalised sum of the embeddings of ids, positions and segments."""
    weights = weights.body("embeddings.word_embeddings.weight").under("embeddings.")
    width = config["hidden_size"]
    words = parts.embeddings(weights, "word_embeddings", (config["vocab_size"], width), ids)
    table = parts.table(weights, "position_embeddings", (config["max_position_embeddings"], width))
    if has_segments:
        # Every token belongs to the first segment, so its embedding is added to the positions.
        table = table + weights["token_type_embeddings.weight"][0]
    x = op.add(words, parts.rows(table, positions))
    return parts.layer_norm(x, weights, "LayerNorm", config["layer_norm_eps"])


def layers(
    x: Node, bias: Node, config: Mapping[str, Any], weights: Weights, names: LayerNames
) -> Node:
    """All layers: attention with ``bias``, norm, feed-forward, norm."""
    weights = weights.body("embeddings.word_embeddings.weight")
    epsilon = config["layer_norm_eps"]
    for number in range(config["num_hidden_layers"]):
        own = weights.under(f"{names.layers}{number}.")
        heads = attention.Heads.dividing(config["hidden_size"], config["num_attention_heads"])
        attended = attention.self_attention(
            x, bias, own.under(names.attention), names.projections, heads
        )
        x = parts.layer_norm(op.add(attended, x), own, names.attention_norm, epsilon)
        wide = parts.activation(config["hidden_act"])(parts.linear(x, own, names.wide))
        narrow = parts.linear(wide, own, names.narrow)
        x = parts.layer_norm(op.add(narrow, x), own, names.output_norm, epsilon)
    return x
