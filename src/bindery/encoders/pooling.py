"""How the hidden states of a text's tokens become one vector.

Formulas as in sentence-transformers' Pooling module. hidden: (b, s, d) float32; mask: (b, s), 1
where a token takes part; returns (b, d). Texts are right-padded.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.models.card import Pooling

Hidden: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.int32]

# A text all of whose tokens are left out (a prompt that fills the window) divides by this.
_LEAST = np.float32(1e-9)


def pool(kinds: tuple[Pooling, ...], hidden: Hidden, mask: Mask) -> Hidden:
    """Several kinds stand side by side, in their order: (b, d * kinds)."""
    pooled = [POOLINGS[kind](hidden, mask) for kind in kinds]
    return pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1)


def _sum(hidden: Hidden, weights: Hidden) -> Hidden:
    return np.matmul(weights[:, None, :], hidden)[:, 0]


def _mean(hidden: Hidden, mask: Mask) -> Hidden:
    weights = mask.astype(np.float32)
    return _sum(hidden, weights) / np.maximum(weights.sum(axis=1, keepdims=True), _LEAST)


def _mean_sqrt(hidden: Hidden, mask: Mask) -> Hidden:
    weights = mask.astype(np.float32)
    return _sum(hidden, weights) / np.sqrt(np.maximum(weights.sum(axis=1, keepdims=True), _LEAST))


def _weighted_mean(hidden: Hidden, mask: Mask) -> Hidden:
    """Later tokens weigh more: the i-th, from 1, weighs i (Muennighoff, 2022, arXiv:2202.08904)."""
    weights = mask.astype(np.float32) * np.arange(1, mask.shape[1] + 1, dtype=np.float32)
    return _sum(hidden, weights) / np.maximum(weights.sum(axis=1, keepdims=True), _LEAST)


def _max(hidden: Hidden, mask: Mask) -> Hidden:
    return np.where(mask[:, :, None] > 0, hidden, -np.inf).max(axis=1)


def _first(hidden: Hidden, mask: Mask) -> Hidden:
    return hidden[np.arange(len(hidden)), mask.argmax(axis=1)]


def _last(hidden: Hidden, mask: Mask) -> Hidden:
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return hidden[np.arange(len(hidden)), last]


POOLINGS: Mapping[Pooling, Callable[[Hidden, Mask], Hidden]] = {
    Pooling.MEAN: _mean,
    Pooling.CLS: _first,
    Pooling.LAST: _last,
    Pooling.MAX: _max,
    Pooling.MEAN_SQRT: _mean_sqrt,
    Pooling.WEIGHTED_MEAN: _weighted_mean,
}
