"""The steps after the transformer body, in float32: pooling, Dense, LayerNorm and Normalize.

For a dense model a row is a pooled text, for a late-interaction model a token.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev

from bindery.checkpoint import read_object
from bindery.engines.weights import Weights
from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.card import BeforeCut, ModelCard, Pooling
from bindery.models.layouts import Dense, LayerNorm, Normalize, Step, width_after
from bindery.vectors.embeddings import Embeddings

Rows: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.int32]
Activation: TypeAlias = Callable[[Rows], Rows]

# The defaults of torch.nn.LayerNorm and torch.nn.functional.normalize, as in the reference.
_LAYER_NORM_EPS = np.float32(1e-5)
_LEAST_LENGTH = np.float32(1e-12)

# The divisor for a text without any token that counts, such as a prompt that fills the window.
_LEAST = np.float32(1e-9)


def pool(kinds: tuple[Pooling, ...], hidden: Rows, mask: Mask) -> Rows:
    """One vector for each text from the hidden states of its tokens: (b, d * kinds).

    ``hidden`` is (b, s, d) float32; ``mask`` is (b, s), 1 for tokens that take part. Texts are
    padded on the right. Several kinds are concatenated in their order. The formulas are those of
    sentence-transformers' Pooling module.
    """
    pooled = [POOLINGS[kind](hidden, mask) for kind in kinds]
    return pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1)


class Head:
    """A model's steps after pooling, with their weights. Thread-safe.

    Raises ModelBroken for tensors that are missing, unexpected, or of another shape than the
    module's configuration says, and UnsupportedModel for an activation not in :data:`ACTIVATIONS`.
    """

    def __init__(self, steps: tuple[Step, ...]) -> None:
        width_after(steps, None)
        self._steps = [_STEPS[type(step)](step) for step in steps]

    def __call__(self, rows: Rows) -> Rows:
        """(r, d) float32 in, (r, d') float32 out; r may be 0."""
        for step in self._steps:
            rows = step(rows)
        return rows


def cut(card: ModelCard, embeddings: Embeddings, dimensions: int | None) -> Embeddings:
    """Full vectors at a shorter length, scaled to length 1; as they are for None or full length."""
    if dimensions is None or dimensions == card.dimensions:
        return embeddings
    if card.before_cut is BeforeCut.LAYER_NORM:
        embeddings = Embeddings(layer_normalised(embeddings.rows), embeddings.offsets)
    return embeddings.cut(dimensions)


def layer_normalised(rows: Rows) -> Rows:
    """Each row minus its mean, divided by its standard deviation (Ba et al., 2016, eq. 3).

    Like torch.nn.functional.layer_norm over the last axis, without weights. (r, d) in and out.
    """
    centred = rows - rows.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + _LAYER_NORM_EPS)


def normalised(rows: Rows) -> Rows:
    """Each row scaled to L2 length 1; a row of zeros stays so. (r, d) in and out."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST_LENGTH)


def activation_named(name: str) -> Activation:
    """The function of a torch class, by its full or short name: ``torch.nn...Tanh``, ``tanh``.

    Raises UnsupportedModel for an unknown name.
    """
    short = name.rpartition(".")[2].lower()
    if short not in ACTIVATIONS:
        raise UnsupportedModel(
            f"Unknown activation {name!r}.",
            remedy=f"Known: {', '.join(ACTIVATIONS)}.",
        )
    return ACTIVATIONS[short]


def _dense(step: Dense) -> Activation:
    weights = Weights(step.folder).under(step.prefix)
    _check_names(step, weights)
    activation = activation_named(step.activation)
    transposed = _tensor(weights, "linear.weight", (step.outputs, step.inputs)).T
    bias = _tensor(weights, "linear.bias", (step.outputs,)) if step.has_bias else np.float32(0)
    residual = (
        _tensor(weights, "residual.weight", (step.outputs, step.inputs)).T
        if step.projects_residual
        else None
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
            f"The tensor {name!r} of {weights.folder} has shape {found.shape}, not {shape}.",
            remedy="Its config.json and its weights belong to different models.",
        )
    return found


def _check_names(step: Dense, weights: Weights) -> None:
    """Refuse tensors that would be ignored, such as a bias: the result would be wrong."""
    expected = {"linear.weight"}
    if step.has_bias:
        expected.add("linear.bias")
    if step.projects_residual:
        expected.add("residual.weight")
    # A module has its own folder, except Stanford's, whose tensor is in the body's file.
    alone = "in_features" in read_object(step.folder / "config.json", optional=True)
    mine = [name for name in weights if alone or name.startswith(("linear.", "residual."))]
    if unknown := sorted(set(mine) - expected):
        raise ModelBroken(
            f"The tensors {', '.join(unknown)} of {step.folder} do not belong to any step in its "
            "config.json."
        )


@cache
def _erf() -> Chebyshev:
    """The error function over [-4, 4] to within 1e-9; beyond, it is -1 or 1 to within 1.6e-8.

    NumPy does not have it, and SciPy would be 100 MB for one function.
    """
    return Chebyshev.interpolate(np.vectorize(math.erf), 63, domain=[-4, 4])


def _gelu(rows: Rows) -> Rows:
    """X * P(X <= x) for a standard normal X (Hendrycks and Gimpel, 2016)."""
    scaled = rows.astype(np.float64) / math.sqrt(2)
    erf = np.where(np.abs(scaled) < 4, _erf()(np.clip(scaled, -4, 4)), np.sign(scaled))
    return (rows * (0.5 + 0.5 * erf)).astype(np.float32)


def _sigmoid(rows: Rows) -> Rows:
    # exp of negative values only, so that it cannot overflow.
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
"""By the last part of torch's class name in lower case, with its default settings."""


def _sum(hidden: Rows, weights: Rows) -> Rows:
    return np.matmul(weights[:, None, :], hidden)[:, 0]


def _mean(hidden: Rows, mask: Mask) -> Rows:
    weights = mask.astype(np.float32)
    return _sum(hidden, weights) / np.maximum(weights.sum(axis=1, keepdims=True), _LEAST)


def _mean_sqrt(hidden: Rows, mask: Mask) -> Rows:
    weights = mask.astype(np.float32)
    return _sum(hidden, weights) / np.sqrt(np.maximum(weights.sum(axis=1, keepdims=True), _LEAST))


def _weighted_mean(hidden: Rows, mask: Mask) -> Rows:
    """Token i, counted from 1, weighs i (Muennighoff, 2022, arXiv:2202.08904)."""
    weights = mask.astype(np.float32) * np.arange(1, mask.shape[1] + 1, dtype=np.float32)
    return _sum(hidden, weights) / np.maximum(weights.sum(axis=1, keepdims=True), _LEAST)


def _max(hidden: Rows, mask: Mask) -> Rows:
    return np.where(mask[:, :, None] > 0, hidden, -np.inf).max(axis=1)


def _first(hidden: Rows, mask: Mask) -> Rows:
    return hidden[np.arange(len(hidden)), mask.argmax(axis=1)]


def _last(hidden: Rows, mask: Mask) -> Rows:
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return hidden[np.arange(len(hidden)), last]


POOLINGS: Mapping[Pooling, Callable[[Rows, Mask], Rows]] = {
    Pooling.MEAN: _mean,
    Pooling.CLS: _first,
    Pooling.LAST: _last,
    Pooling.MAX: _max,
    Pooling.MEAN_SQRT: _mean_sqrt,
    Pooling.WEIGHTED_MEAN: _weighted_mean,
}
