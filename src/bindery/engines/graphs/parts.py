"""Parts that model bodies share: settings, constants, tables, products, norms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.engines.runtime import Graph, Node, op, ov
from bindery.engines.weights import Bits, Tensor, Weights, lies_in_file
from bindery.errors import ModelBroken, UnsupportedModel

FULL = "full_attention"
SLIDING = "sliding_attention"

ACTIVATIONS: Mapping[str, Callable[[Node], Node]] = {
    "gelu": lambda x: op.gelu(x, "ERF"),
    "gelu_new": lambda x: op.gelu(x, "TANH"),
    "gelu_pytorch_tanh": lambda x: op.gelu(x, "TANH"),
    "relu": op.relu,
    "silu": op.swish,
    "swish": op.swish,
    "tanh": op.tanh,
}
"""Activation functions by their names in configurations."""


@dataclass(frozen=True, slots=True)
class Body:
    """A model body before compilation: ids and mask (b, s) int32 in, (b, s, d) float32 out.

    ``longest`` is the number of rows of the position table, or None if positions are unlimited.
    OpenVINO returns zeros beyond a table.
    """

    graph: Graph
    longest: int | None = None


def activation(name: str) -> Callable[[Node], Node]:
    """The activation with this name. Raises UnsupportedModel for an unknown one."""
    if name not in ACTIVATIONS:
        raise UnsupportedModel(
            f"Unknown activation {name!r}.", remedy=f"Known: {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[name]


def constant(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Node:
    """A constant of the graph.

    np.asarray and not np.ascontiguousarray, which would turn a scalar into a vector that Range
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


def model(hidden: Node, ids: Node, mask: Node) -> Graph:
    """The whole graph: ids and mask in, hidden states out."""
    return ov.Model([op.result(hidden)], [ids, mask])


def positions(ids: Node) -> Node:
    """0, 1, ... s - 1 for ids (b, s)."""
    length = op.gather(op.shape_of(ids, "i32"), constant(1, np.int32), constant(0, np.int32))
    return op.range(constant(0, np.int32), length, constant(1, np.int32), "i32")


def positions_after(padding: int, ids: Node) -> Node:
    """Positions like fairseq: they start at ``padding`` + 1 and skip padding ids."""
    real = op.convert(op.not_equal(ids, constant(padding, np.int32)), "i32")
    counted = op.multiply(op.cum_sum(real, constant(1, np.int32)), real)
    return op.add(counted, constant(padding, np.int32))


def table(weights: Weights, name: str, shape: tuple[int, int]) -> Tensor:
    """A small lookup table, checked against the shape in the configuration."""
    _check_table(weights, name, shape)
    return weights[f"{name}.weight"]


def rows(table: Tensor, indices: Node) -> Node:
    """The rows of a table (n, d) at the indices."""
    return op.gather(constant(table), indices, constant(0, np.int32))


def embeddings(weights: Weights, name: str, shape: tuple[int, int], ids: Node) -> Node:
    """The embeddings of the ids, as float32. The table keeps the type of the file.

    Gemma's is 262,144 x 768: 805 MB in float32, and half of that in a bfloat16 file.
    """
    _check_table(weights, name, shape)
    table = _constant_in_place(weights.as_written(f"{name}.weight"), weights)
    found = op.gather(table, ids, constant(0, np.int32))
    return op.convert(found, "f32")


def _check_table(weights: Weights, name: str, shape: tuple[int, int]) -> None:
    # OpenVINO returns zeros for rows beyond a table, so a short one would go unnoticed.
    found = weights.as_written(f"{name}.weight").shape
    if found != shape:
        raise ModelBroken(f"{name} in {weights.folder} has shape {found}, expected {shape}.")


def linear(x: Node, weights: Weights, name: str, *, bias: bool = True) -> Node:
    """X W^T + b, or x W^T if ``bias`` is false, even if the checkpoint has a bias."""
    return linear_side_by_side(x, weights, [name], bias=bias)


def linear_side_by_side(
    x: Node, weights: Weights, names: Sequence[str], *, bias: bool = True
) -> Node:
    """Several linear maps of the same x as one product, which takes 10 % less time.

    A query of 20 tokens takes 2 ms; starting a hundred operators is a good part of it.
    """
    product = _times(x, weights, [f"{name}.weight" for name in names])
    if not bias:
        return product
    added = np.concatenate([weights[f"{name}.bias"] for name in names])
    return op.add(product, constant(added[None, None]))


def gated(
    x: Node,
    weights: Weights,
    act: str,
    names: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj"),
) -> Node:
    """A gated feed-forward layer without biases (Shazeer, 2020, arXiv:2002.05202, eq. 6)."""
    gate, up, down = names
    opened = activation(act)(linear(x, weights, gate, bias=False))
    passed = linear(x, weights, up, bias=False)
    return linear(op.multiply(opened, passed), weights, down, bias=False)


def layer_norm(x: Node, weights: Weights, name: str, epsilon: float, *, bias: bool = True) -> Node:
    """Layer normalisation over the last axis (Ba et al., 2016, arXiv:1607.06450)."""
    normed = op.mvn(x, constant([-1], np.int64), True, epsilon, "INSIDE_SQRT")
    scaled = op.multiply(normed, constant(weights[f"{name}.weight"][None, None]))
    return op.add(scaled, constant(weights[f"{name}.bias"][None, None])) if bias else scaled


def rms_norm(x: Node, scale: Tensor, epsilon: float) -> Node:
    """Root mean square normalisation over the last axis (Zhang, 2019, arXiv:1910.07467, eq. 4).

    Written in the form that OpenVINO fuses into one operator.
    """
    squares = op.reduce_mean(op.power(x, constant(2, np.float32)), constant([-1], np.int64), True)
    root = op.sqrt(op.add(squares, constant(epsilon, np.float32)))
    return op.multiply(op.multiply(x, op.divide(constant(1, np.float32), root)), constant(scale))


def _times(x: Node, weights: Weights, names: Sequence[str]) -> Node:
    """The product of x with one matrix, or with several that are stacked."""
    written: list[Any] = [weights.as_written(name) for name in names]
    narrow = weights.narrow and all(tensor.dtype == np.uint16 for tensor in written)
    if not narrow:
        written = [weights[name] for name in names]
    joined = np.concatenate(written) if len(written) > 1 else written[0]
    matrix = _constant_in_place(joined, weights)
    if not narrow:
        return op.matmul(x, matrix, False, True)
    # Otherwise OpenVINO would keep the matrices in float32 beside those it computes with.
    return op.convert(op.matmul(op.convert(x, "bf16"), matrix, False, True), "f32")


def _constant_in_place(tensor: Tensor | Bits, weights: Weights) -> Node:
    """A constant that shares the file's memory if the tensor is a view of it; otherwise a copy."""
    in_place = lies_in_file(tensor)
    if tensor.dtype != np.uint16:
        return op.constant(tensor, shared_memory=in_place)
    view = ov.Tensor(tensor, ov.Shape(tensor.shape), ov.Type.bf16)
    if in_place:
        weights.views.append(view)
    return ov.op.Constant(view, shared_memory=in_place)


# Settings of configurations, in their spellings over the years


def refuse_variants(config: Mapping[str, Any], plain: Mapping[str, object]) -> None:
    """Raise UnsupportedModel for a setting whose effect the graph does not implement.

    ``plain`` maps each setting to the value without effect; absent and null count as that.
    """
    for name, value in plain.items():
        found = config.get(name)
        if found is not None and found != value:
            raise UnsupportedModel(
                f"Models of the architecture {config['model_type']!r} with {name} {found!r} are "
                f"not supported, only with {value!r}."
            )


def layer_kinds(config: Mapping[str, Any], otherwise: Sequence[str]) -> list[str]:
    """FULL or SLIDING for every layer: ``layer_types``, or ``otherwise`` if absent.

    Raises UnsupportedModel for another kind, and ValueError if their number is wrong.
    """
    kinds = list(config.get("layer_types") or otherwise)
    if len(kinds) != config["num_hidden_layers"]:
        raise ValueError(f"layer_types has {len(kinds)} layers.")
    for kind in kinds:
        if kind not in {FULL, SLIDING}:
            raise UnsupportedModel(f"Unsupported kind of layer {kind!r}.")
    return kinds


def rotary_base(config: Mapping[str, Any], kind: str, *, old: str, default: float) -> float:
    """The base of the rotary positions in layers of one kind, theta in RoFormer.

    transformers 5 writes ``rope_parameters``, by kind if kinds differ. Earlier versions wrote one
    number per kind, called ``old``. Raises UnsupportedModel for scaled positions.
    """
    written: Mapping[str, Any] = config.get("rope_parameters") or {}
    own: Mapping[str, Any] = written.get(kind, written) or {}
    earlier: Mapping[str, Any] = config.get("rope_scaling") or {}
    for found in (own, earlier):
        scaling = found.get("rope_type") or found.get("type") or "default"
        if scaling != "default" or found.get("partial_rotary_factor", 1) != 1:
            raise UnsupportedModel(f"Unsupported scaling of rotary positions: {dict(found)}.")
    base = own.get("rope_theta") or config.get(old)
    return float(default if base is None else base)
