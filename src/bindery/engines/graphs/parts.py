"""The parts that model bodies share, written once."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bindery.engines.runtime import Graph, Node, op, ov
from bindery.engines.weights import Tensor, Weights
from bindery.errors import ModelBroken, UnsupportedModel

# Large enough to vanish in any softmax, small enough for bfloat16's range.
_NEVER = -1e9

ACTIVATIONS: Mapping[str, Callable[[Node], Node]] = {
    "gelu": lambda x: op.gelu(x, "ERF"),
    "gelu_new": lambda x: op.gelu(x, "TANH"),
    "gelu_pytorch_tanh": lambda x: op.gelu(x, "TANH"),
    "relu": op.relu,
    "silu": op.swish,
    "swish": op.swish,
    "tanh": op.tanh,
}
"""Activation functions by the names that configurations use."""


def activation(name: str) -> Callable[[Node], Node]:
    """The activation of that name; raises UnsupportedModel, naming it, for an unknown one."""
    if name not in ACTIVATIONS:
        raise UnsupportedModel(
            f"The activation {name!r} is not known.", remedy=f"Known: {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[name]


def constant(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Node:
    """A constant of the graph.

    np.asarray and not np.ascontiguousarray: the latter makes a vector of a scalar, which Range
    refuses.
    """
    return op.constant(np.asarray(values, dtype=dtype))


def inputs() -> tuple[Node, Node]:
    """The two inputs of every body: token ids and attention mask, (b, s) int32."""
    shape = ov.PartialShape([-1, -1])
    return (
        op.parameter(shape, ov.Type.i32, name="input_ids"),
        op.parameter(shape, ov.Type.i32, name="attention_mask"),
    )


def model(name: str, hidden: Node, ids: Node, mask: Node) -> Graph:
    """The whole graph: ids and mask in, hidden states out."""
    return ov.Model([op.result(hidden)], [ids, mask], name)


def positions(ids: Node) -> Node:
    """0, 1, ... s - 1 for ids (b, s)."""
    length = op.gather(op.shape_of(ids, "i32"), constant(1, np.int32), constant(0, np.int32))
    return op.range(constant(0, np.int32), length, constant(1, np.int32), "i32")


def table(weights: Weights, name: str, shape: tuple[int, int]) -> Tensor:
    """A table to look rows up in, of the shape that the configuration says.

    OpenVINO gives zeros for rows beyond a table's end, so a short one would go unnoticed.
    """
    values = weights[f"{name}.weight"]
    if values.shape != shape:
        raise ModelBroken(f"{name} of {weights.folder} is of shape {values.shape}, not {shape}.")
    return values


def rows(table: Tensor, indices: Node) -> Node:
    """The rows of a table (n, d) at the indices."""
    return op.gather(constant(table), indices, constant(0, np.int32))


def linear(x: Node, weights: Weights, name: str) -> Node:
    """The product x W^T + b, or without b where the checkpoint has none."""
    product = op.matmul(x, constant(weights[f"{name}.weight"]), False, True)
    if f"{name}.bias" not in weights:
        return product
    return op.add(product, constant(weights[f"{name}.bias"][None, None]))


def linear_side_by_side(x: Node, weights: Weights, names: Sequence[str]) -> list[Node]:
    """Several linear maps of the same x and of one width, as one product: a tenth less time.

    A query of 20 tokens is over in 2 ms, of which a hundred operators' starts are a good part.
    """
    matrix = np.concatenate([weights[f"{name}.weight"] for name in names])
    bias = np.concatenate([weights[f"{name}.bias"] for name in names])
    product = op.add(op.matmul(x, constant(matrix), False, True), constant(bias[None, None]))
    return op.split(product, constant(2, np.int32), len(names)).outputs()


def layer_norm(x: Node, weights: Weights, name: str, epsilon: float) -> Node:
    """Layer normalisation over the last axis (Ba et al., 2016, arXiv:1607.06450)."""
    normed = op.mvn(x, constant([-1], np.int64), True, epsilon, "INSIDE_SQRT")
    scaled = op.multiply(normed, constant(weights[f"{name}.weight"][None, None]))
    return op.add(scaled, constant(weights[f"{name}.bias"][None, None]))


def padding_bias(mask: Node) -> Node:
    """What is added to attention scores so that nobody looks at padding: (b, 1, 1, s)."""
    attended = op.unsqueeze(op.convert(mask, "f32"), constant([1, 2], np.int64))
    return op.multiply(op.subtract(constant(1, np.float32), attended), constant(_NEVER, np.float32))


def split_heads(x: Node, heads: int, width: int) -> Node:
    """(b, s, heads * width) to (b, heads, s, width)."""
    apart = op.reshape(x, constant([0, 0, heads, width], np.int64), True)
    return op.transpose(apart, constant([0, 2, 1, 3], np.int64))


def join_heads(x: Node, width: int) -> Node:
    """(b, heads, s, width / heads) to (b, s, width)."""
    together = op.transpose(x, constant([0, 2, 1, 3], np.int64))
    return op.reshape(together, constant([0, 0, width], np.int64), True)
