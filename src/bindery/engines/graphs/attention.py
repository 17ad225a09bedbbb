"""Attention: heads, masks and the product itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bindery.engines.graphs import parts
from bindery.engines.graphs.parts import FULL, SLIDING
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights
from bindery.errors import UnsupportedModel

# Large enough to vanish in any softmax, small enough for bfloat16's range. Finite, so that rows
# without any visible token, such as padding on the left, stay finite too.
_NEVER = -1e9


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of a layer: ``keys`` heads of keys and values are shared by ``queries`` heads."""

    queries: int
    keys: int
    width: int

    def __post_init__(self) -> None:
        if self.queries % self.keys:
            raise UnsupportedModel(
                f"{self.queries} query heads cannot share {self.keys} key heads."
            )

    @classmethod
    def dividing(cls, width: int, heads: int) -> "Heads":
        """Equal numbers of query and key heads, which divide the width evenly."""
        if width % heads:
            raise UnsupportedModel(f"A width of {width} cannot be divided among {heads} heads.")
        return cls(heads, heads, width // heads)


def padding_bias(mask: Node) -> Node:
    """The bias on attention scores that hides padding: (b, 1, 1, s)."""
    attended = op.unsqueeze(op.convert(mask, "f32"), parts.constant([1, 2], np.int64))
    padding = op.subtract(parts.constant(1, np.float32), attended)
    return op.multiply(padding, parts.constant(_NEVER, np.float32))


def distances(ids: Node) -> Node:
    """The distance j - i of every two positions i and j: (s, s)."""
    positions = parts.positions(ids)
    return op.subtract(
        op.unsqueeze(positions, parts.constant(0, np.int64)),
        op.unsqueeze(positions, parts.constant(1, np.int64)),
    )


def distance_bias(ids: Node, *, causal: bool = False, window: int | None = None) -> Node:
    """The bias that hides later tokens and tokens outside the window: (1, 1, s, s).

    ``causal``: token i attends to tokens j <= i. ``window``: to those with abs(i - j) < window.
    """
    ahead = distances(ids)
    hidden = parts.constant(np.zeros((1, 1), np.bool_))
    if causal:
        hidden = op.logical_or(hidden, op.greater(ahead, parts.constant(0, np.int32)))
    if window is not None:
        far = op.greater_equal(op.abs(ahead), parts.constant(window, np.int32))
        hidden = op.logical_or(hidden, far)
    bias = op.multiply(op.convert(hidden, "f32"), parts.constant(_NEVER, np.float32))
    return op.unsqueeze(bias, parts.constant([0, 1], np.int64))


def biases(
    ids: Node, mask: Node, *, window: int | None = None, causal: bool = False
) -> dict[str, Node]:
    """The biases on attention scores by kind of layer, computed once for all layers."""
    padding = padding_bias(mask)
    full = op.add(padding, distance_bias(ids, causal=True)) if causal else padding
    if window is None:
        return {FULL: full}
    near = op.add(padding, distance_bias(ids, causal=causal, window=window))
    return {FULL: full, SLIDING: near}


def self_attention(
    x: Node, bias: Node, weights: Weights, names: Sequence[str], heads: Heads
) -> Node:
    """Multi-head attention (Vaswani et al., 2017, arXiv:1706.03762, section 3.2.2).

    ``names`` are those of the projections to queries, keys, values and output; all have biases.
    """
    joined = parts.linear_side_by_side(x, weights, names[:3])
    query, key, value = split_heads(joined, heads)
    return parts.linear(attend(query, key, value, bias), weights, names[3])


def attend(query: Node, key: Node, value: Node, bias: Node, scale: float | None = None) -> Node:
    """Scaled dot-product attention (arXiv:1706.03762, eq. 1), heads joined again: (b, s, h * w).

    If ``scale`` is None, it is one over the square root of a head's width.
    """
    inputs = [query, key, value, bias]
    if scale is not None:
        inputs.append(parts.constant(scale, np.float32))
    mixed = op.scaled_dot_product_attention(*inputs)
    together = op.transpose(mixed, parts.constant([0, 2, 1, 3], np.int64))
    return op.reshape(together, parts.constant([0, 0, -1], np.int64), True)


def split_heads(joined: Node, heads: Heads) -> list[Node]:
    """Split queries, keys and values that are side by side: each (b, heads, s, width)."""
    counts = (heads.queries, heads.keys, heads.keys)
    widths = parts.constant([count * heads.width for count in counts], np.int64)
    apart = op.variadic_split(joined, parts.constant(2, np.int32), widths).outputs()
    return [_by_head(part, count, heads.width) for part, count in zip(apart, counts, strict=True)]


def repeated(x: Node, heads: Heads) -> Node:
    """Keys or values (b, keys, s, w), each head repeated for the query heads that share it."""
    times = heads.queries // heads.keys
    if times == 1:
        return x
    apart = op.unsqueeze(x, parts.constant(2, np.int64))
    shape = parts.constant([1, 1, times, 1, 1], np.int64)
    wide = op.broadcast(apart, shape, None, "BIDIRECTIONAL")
    return op.reshape(wide, parts.constant([0, heads.queries, -1, heads.width], np.int64), True)


def _by_head(x: Node, heads: int, width: int) -> Node:
    apart = op.reshape(x, parts.constant([0, 0, heads, width], np.int64), True)
    return op.transpose(apart, parts.constant([0, 2, 1, 3], np.int64))
