"""What happens to a row after the body: the modules Dense, LayerNorm and Normalize, in float32.

For a dense model a row is a pooled text, for a late-interaction model a token.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev

from bindery.engines.weights import Weights
from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.layouts import Dense, LayerNorm, Normalize, Step, read_object

Rows: TypeAlias = npt.NDArray[np.float32]
Activation: TypeAlias = Callable[[Rows], Rows]

# torch.nn.LayerNorm's and torch.nn.functional.normalize's defaults, which the reference uses.
_LAYER_NORM_EPS = np.float32(1e-5)
_LEAST_LENGTH = np.float32(1e-12)


class Head:
    """A model's steps after the body, with their weights. Safe to call from several threads.

    Raises ModelBroken for tensors that are missing, left over or not of the shape that the module's
    configuration says, and UnsupportedModel for an activation that is not in :data:`ACTIVATIONS`.
    """

    def __init__(self, steps: tuple[Step, ...]) -> None:
        _check_widths(steps)
        self._steps = [_STEPS[type(step)](step) for step in steps]

    def __call__(self, rows: Rows) -> Rows:
        """(r, d) in, (r, d') out, float32 throughout; no rows give none."""
        for step in self._steps:
            rows = step(rows)
        return rows


def layer_normalised(rows: Rows) -> Rows:
    """Each row with its mean taken off, over its standard deviation (Ba et al., 2016, eq. 3).

    Without weights, as torch.nn.functional.layer_norm over the last axis. (r, d) in and out.
    """
    centred = rows - rows.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + _LAYER_NORM_EPS)


def normalised(rows: Rows) -> Rows:
    """Each row at length 1 (L2); a row of zeros stays one. (r, d) in and out."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST_LENGTH)


def activation_named(name: str) -> Activation:
    """The function of a torch class, by its dotted name or short: ``torch.nn...Tanh``, ``tanh``.

    Raises UnsupportedModel for one that is not there.
    """
    short = name.rpartition(".")[2].lower()
    if short not in ACTIVATIONS:
        raise UnsupportedModel(
            f"The activation {name!r} is not known.",
            remedy=f"Known: {', '.join(ACTIVATIONS)}.",
        )
    return ACTIVATIONS[short]


def _dense(step: Dense) -> Activation:
    weights = Weights(step.folder).under(step.prefix)
    _check_names(step, weights)
    activation = activation_named(step.activation)
    transposed = _tensor(weights, "linear.weight", (step.outputs, step.inputs)).T
    bias = _tensor(weights, "linear.bias", (step.outputs,)) if step.has_bias else np.float32(0)
    projects = step.has_residual and step.inputs != step.outputs
    residual = (
        _tensor(weights, "residual.weight", (step.outputs, step.inputs)).T if projects else None
    )

    def apply(rows: Rows) -> Rows:
        found = activation(rows @ transposed + bias)
        if not step.has_residual:
            return found
        return found + (rows if residual is None else rows @ residual)

    return apply


def _layer_norm(step: LayerNorm) -> Activation:
    weights = Weights(step.folder)
    scale = _tensor(weights, "norm.weight", (step.width,))
    shift = _tensor(weights, "norm.bias", (step.width,))
    return lambda rows: layer_normalised(rows) * scale + shift


def _normalize(_step: Normalize) -> Activation:
    return normalised


_STEPS: Mapping[type, Callable[..., Activation]] = {
    Dense: _dense,
    LayerNorm: _layer_norm,
    Normalize: _normalize,
}


def _tensor(weights: Weights, name: str, shape: tuple[int, ...]) -> Rows:
    found = weights[name]
    if found.shape != shape:
        raise ModelBroken(
            f"The tensor {name!r} of {weights.folder} is of shape {found.shape}, not {shape}.",
            remedy="Its config.json and its weights belong to two models.",
        )
    return found


def _check_names(step: Dense, weights: Weights) -> None:
    """A tensor that would be left out, such as a bias, is a step that would be wrong."""
    expected = {"linear.weight"}
    if step.has_bias:
        expected.add("linear.bias")
    if step.has_residual and step.inputs != step.outputs:
        expected.add("residual.weight")
    # A module has a folder of its own, but for Stanford's, whose tensor lies among the body's.
    alone = "in_features" in read_object(step.folder / "config.json", optional=True)
    mine = [name for name in weights if alone or name.startswith(("linear.", "residual."))]
    if unknown := sorted(set(mine) - expected):
        raise ModelBroken(
            f"The tensors {', '.join(unknown)} of {step.folder} belong to no step that its "
            "config.json describes."
        )


def _check_widths(steps: tuple[Step, ...]) -> None:
    width: int | None = None
    for step in steps:
        if isinstance(step, Normalize):
            continue
        taken, given = (
            (step.inputs, step.outputs) if isinstance(step, Dense) else (step.width, step.width)
        )
        if width is not None and taken != width:
            raise ModelBroken(f"{_name(step.folder)} takes {taken} values, but is given {width}.")
        width = given


def _name(folder: Path) -> str:
    return f"The module {folder}"


@cache
def _erf() -> Chebyshev:
    """The error function over [-4, 4] within 1e-9; beyond, it is -1 or 1 within 1.6e-8.

    NumPy has none, and SciPy is 100 MB for one function.
    """
    return Chebyshev.interpolate(np.vectorize(math.erf), 63, domain=[-4, 4])


def _gelu(rows: Rows) -> Rows:
    """Each value times the normal distribution's share below it (Hendrycks and Gimpel, 2016)."""
    scaled = rows.astype(np.float64) / math.sqrt(2)
    erf = np.where(np.abs(scaled) < 4, _erf()(np.clip(scaled, -4, 4)), np.sign(scaled))
    return (rows * (0.5 + 0.5 * erf)).astype(np.float32)


def _sigmoid(rows: Rows) -> Rows:
    # Of exp, only the side that cannot overflow.
    below = np.exp(-np.abs(rows))
    return np.where(rows >= 0, 1 / (1 + below), below / (1 + below)).astype(np.float32)


def _softplus(rows: Rows) -> Rows:
    return np.logaddexp(rows, np.float32(0)).astype(np.float32)


ACTIVATIONS: Mapping[str, Activation] = {
    "identity": lambda rows: rows,
    "tanh": np.tanh,
    "relu": lambda rows: np.maximum(rows, np.float32(0)),
    "relu6": lambda rows: np.clip(rows, np.float32(0), np.float32(6)),
    "leakyrelu": lambda rows: np.where(rows > 0, rows, np.float32(0.01) * rows),
    "elu": lambda rows: np.where(rows > 0, rows, np.expm1(np.minimum(rows, np.float32(0)))),
    "gelu": _gelu,
    "silu": lambda rows: rows * _sigmoid(rows),
    "mish": lambda rows: rows * np.tanh(_softplus(rows)),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
}
"""By the last part of torch's class names, in small letters, with its default settings."""
