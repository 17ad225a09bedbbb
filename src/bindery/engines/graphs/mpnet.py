"""MPNet (Song et al., 2020, arXiv:2004.09297): BERT's layers with added relative positions.

Relative positions are those of T5 (Raffel et al., 2019, arXiv:1910.10683, section 2.1): a bias per
distance and head, shared by all layers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.engines.graphs import attention, bert, parts
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights

_PADDING = 1  # fixed, whatever pad_token_id says
_BUCKETS = 32  # fixed, whatever relative_attention_num_buckets says
_FARTHEST = 128


_LAYERS = bert.LayerNames(
    "encoder.layer.",
    "attention.attn.",
    ("q", "k", "v", "o"),
    "attention.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """Positions are counted like RoBERTa's."""
    weights = weights.body("embeddings.word_embeddings.weight")
    longest = config["max_position_embeddings"] - _PADDING - 1
    ids, mask = parts.inputs()
    near = _relative_bias(ids, config, weights.under("encoder."), longest)
    bias = op.add(attention.padding_bias(mask), near)
    x = bert.embeddings(ids, parts.positions_after(_PADDING, ids), config, weights)
    x = bert.layers(x, bias, config, weights, _LAYERS)
    return parts.Body(parts.model(x, ids, mask), longest)


def _relative_bias(ids: Node, config: Mapping[str, Any], weights: Weights, longest: int) -> Node:
    """The bias of each head and distance along the diagonals: (1, heads, s, s)."""
    shape = (config["relative_attention_num_buckets"], config["num_attention_heads"])
    table = parts.table(weights, "relative_attention_bias", shape)
    by_distance = table[buckets(np.arange(-longest, longest + 1))].T
    index = op.add(attention.distances(ids), parts.constant(longest, np.int32))
    found = op.gather(parts.constant(by_distance), index, parts.constant(1, np.int32))
    return op.unsqueeze(found, parts.constant(0, np.int64))


def buckets(ahead: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bucket of each distance j - i: exact for small distances, then logarithmic up to 128."""
    half = _BUCKETS // 2
    exact = half // 2
    distance = np.abs(ahead)
    ratio = np.maximum(distance, 1).astype(np.float32) / np.float32(exact)
    scale = np.log(_FARTHEST / exact)
    far = exact + (np.log(ratio) / np.float32(scale) * np.float32(half - exact)).astype(np.int64)
    near = np.where(distance < exact, distance, np.minimum(far, half - 1))
    return near + np.where(ahead > 0, half, 0)
