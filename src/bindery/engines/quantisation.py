"""Products in 8-bit integers, with scales fixed beforehand (static quantisation).

Weights are int8 with one scale per output (Jacob et al., 2018, arXiv:1712.05877). What enters a
product is uint8 with one scale for all channels, after channels with large values were made
smaller and their weights larger (SmoothQuant; Xiao et al., 2023, arXiv:2211.10438). OpenVINO runs
such products on the processor's 8-bit instructions; the rest of the graph stays as it is.

Works on any graph: a product is any MatMul with a constant matrix (n, d).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save as _save

from bindery.disk import whole_file
from bindery.engines.runtime import Graph, Node, op
from bindery.engines.weights import Tensor, safe_open
from bindery.errors import ModelBroken, ModelMissing

# How much of a channel's scale moves to its weights; at 1, all channels have the same scale. Mean
# cosine of all-MiniLM's vectors of 60 texts to float32: .9968 at 0.6, .9974 at 0.7 and 0.8, .9965
# at 0.9.
_MOVED = 0.75

# A channel that was almost constant on the measured texts may be larger on others.
_LEAST_SIZE = 1e-3

FILE = "int8-calibration.safetensors"

_REMEDY = "Run `bindery preload MODEL --precision int8` with the model's id."

_to_bytes: Any = _save  # compiled, without annotations


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The input of :func:`quantise`, per product.

    ``fingerprint`` identifies the graph that was measured. ``ranges`` are (2, d): the smallest and
    largest input of each channel. ``corrections`` are (n,): they are added to the outputs, so that
    the mean rounding error is 0. Raises ValueError for non-finite numbers, and if ``ranges`` and
    ``corrections`` differ in length.
    """

    fingerprint: str
    ranges: Sequence[Tensor]
    corrections: Sequence[Tensor]

    def __post_init__(self) -> None:
        if len(self.ranges) != len(self.corrections):
            raise ValueError(f"{len(self.ranges)} ranges, {len(self.corrections)} corrections")
        for index, tensors in enumerate(zip(self.ranges, self.corrections, strict=True)):
            if not all(np.isfinite(tensor).all() for tensor in tensors):
                raise ValueError(f"the measurements of product {index} are not finite")

    def write(self, folder: Path) -> None:
        """Write it to a model's folder, replacing an older one. Raises StorageError."""
        tensors = {f"range.{index}": tensor for index, tensor in enumerate(self.ranges)}
        tensors |= {f"correction.{index}": tensor for index, tensor in enumerate(self.corrections)}
        content = _to_bytes(tensors, metadata={"fingerprint": self.fingerprint})
        with whole_file(folder / FILE) as file:
            file.write(content)

    @classmethod
    def read(cls, folder: Path, fingerprint: str) -> "Calibration":
        """Read the calibration of a model.

        Raises ModelMissing if there is none, and ModelBroken if the file is incomplete or belongs
        to a graph with another ``fingerprint``.
        """
        path = folder / FILE
        if not path.is_file():
            raise ModelMissing(f"{folder} is not prepared for int8: no {FILE}.", remedy=_REMEDY)
        try:
            with safe_open(path, framework="numpy") as file:
                count = len(file.keys()) // 2
                found = cls(
                    file.metadata()["fingerprint"],
                    [file.get_tensor(f"range.{index}") for index in range(count)],
                    [file.get_tensor(f"correction.{index}") for index in range(count)],
                )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ModelBroken(
                f"{path} is truncated or altered: {error}.", remedy=_REMEDY
            ) from error
        if found.fingerprint != fingerprint:
            raise ModelBroken(f"{path} was measured with different weights.", remedy=_REMEDY)
        return found


def fingerprint(graph: Graph) -> str:
    """SHA-256 (hex) of all constants in the order of the graph: the weights and their positions."""
    digest = hashlib.sha256()
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "Constant":
            digest.update(f"{node.get_element_type()} {node.get_output_shape(0)}".encode())
            digest.update(np.ascontiguousarray(node.data).view(np.uint8).data)
    return digest.hexdigest()


def observe_ranges(graph: Graph) -> None:
    """Add an output per product to a graph: minimum and maximum of each channel of x, (2, d).

    Padding counts too, because late interaction keeps some of it.
    """
    for product in _products(graph):
        x = product.input_value(0)
        ends = [end(x, _all_but_last(x)) for end in (op.reduce_min, op.reduce_max)]
        rows = [op.unsqueeze(end, op.constant(0)) for end in ends]
        graph.add_outputs(op.concat(rows, 0).output(0))


def observe_corrections(graph: Graph, ranges: Sequence[Tensor]) -> None:
    """Add an output per product to a graph: its mean minus that of the 8-bit product, (n,).

    Some channels are large in every token, and most outputs of a GELU are within one of the 256
    steps, so rounding errors have the same sign in every token (Nagel et al., 2019,
    arXiv:1906.04721, section 4.2). On all-MiniLM, the mean cosine was between .993 and .998,
    depending on the texts; with corrections, it is .997 for all of them.
    """
    for product, range in zip(_products(graph), ranges, strict=True):
        lost = op.subtract(product, _in_8_bits(product, range)).output(0)
        graph.add_outputs(op.reduce_mean(lost, _all_but_last(lost)).output(0))


def quantise(graph: Graph, calibration: Calibration) -> None:
    """Replace the graph's products by 8-bit ones; it must be the graph that was observed."""
    measured = zip(calibration.ranges, calibration.corrections, strict=True)
    for product, (range, correction) in zip(_products(graph), measured, strict=True):
        corrected = op.add(_in_8_bits(product, range), _row(correction))
        for target in product.output(0).get_target_inputs():
            target.replace_source_output(corrected.output(0))


def _products(graph: Graph) -> Sequence[Node]:
    return [
        node
        for node in graph.get_ordered_ops()
        if node.get_type_name() == "MatMul"
        and node.input_value(1).get_node().get_type_name() == "Constant"
        and len(node.input_value(1).get_partial_shape()) == 2
        and node.get_attributes() == {"transpose_a": False, "transpose_b": True}
    ]


def _in_8_bits(product: Node, range: Tensor) -> Node:
    """The product x W^T, for W (n, d), without the part that is the same for every token."""
    matrix = product.input_value(1).get_node().data
    shrink = _shrink(matrix, range)
    low, high = (range * shrink).min(), (range * shrink).max()
    # Relative to the lowest value, because a uint8 product cannot have a zero point.
    ends = ([low], [high], [0], [high - low])
    x = op.multiply(product.input_value(0), _row(shrink))
    codes = op.fake_quantize(x, *map(_row, ends), levels=256)

    shifted = matrix / shrink
    scales = np.maximum(np.abs(shifted).max(axis=1, keepdims=True), 1e-12) / 127
    weights = op.convert(op.constant(np.rint(shifted / scales).astype(np.int8)), "f32")
    matrix = op.multiply(weights, op.constant(scales))
    return op.matmul(codes, matrix, transpose_a=False, transpose_b=True)


def _shrink(matrix: Tensor, range: Tensor) -> Tensor:
    """The factor of each channel (d,); its weights are divided by it."""
    sizes = np.abs(range).max(axis=0)
    sizes = np.maximum(sizes, max(sizes.max() * _LEAST_SIZE, 1e-6))
    weights = np.maximum(np.abs(matrix).max(axis=0), 1e-6)
    return weights ** (1 - _MOVED) / sizes**_MOVED


def _all_but_last(x: Node) -> Node:
    return op.constant(np.arange(len(x.get_partial_shape()) - 1))


def _row(values: Sequence[float] | Tensor) -> Node:
    return op.constant(np.asarray(values, dtype=np.float32)[None, None])
