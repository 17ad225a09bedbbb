"""Rotary positions (Su et al., 2021, RoFormer, arXiv:2104.09864, eq. 34), by halves of a head."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from bindery.engines.graphs import attention, parts
from bindery.engines.runtime import Node, op
from bindery.engines.weights import Weights

Norm: TypeAlias = Callable[[Node], Node]


def _as_is(x: Node) -> Node:
    return x


@dataclass(frozen=True, slots=True)
class RotaryTable:
    """Cosine and sine of every position's angles, (1, 1, s, width): one for all layers of a kind.

    Pairs are formed from a head's first and second half, as in GPT-NeoX.
    """

    width: int
    cosine: Node
    sine: Node

    @classmethod
    def of(cls, ids: Node, base: float, width: int, longest: int) -> "RotaryTable":
        """For ids (b, s) with s up to ``longest``: from a table, because bfloat16 has no 257.

        float32 throughout, like the reference: position 2,000 times a rounded frequency would be
        off by 1e-4.
        """
        exponents = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
        frequencies = np.float32(1) / np.float32(base) ** exponents
        angles = np.arange(longest, dtype=np.float32)[:, None] * frequencies
        angles = np.concatenate([angles, angles], axis=1)
        positions = parts.positions(ids)
        cosine, sine = (
            op.unsqueeze(parts.rows(table, positions), parts.constant([0, 1], np.int64))
            for table in (np.cos(angles), np.sin(angles))
        )
        return cls(width, cosine, sine)

    def turn(self, x: Node) -> Node:
        """Rotate queries or keys (b, heads, s, width). Written in the form that OpenVINO fuses."""
        halves = parts.constant([self.width // 2, self.width // 2], np.int64)
        first, second = op.variadic_split(x, parts.constant(3, np.int64), halves).outputs()
        negated = op.multiply(second, parts.constant(-1, np.float32))
        across = op.concat([negated, first], -1)
        return op.add(op.multiply(x, self.cosine), op.multiply(across, self.sine))


@dataclass(frozen=True, slots=True)
class Sight:
    """The attention of layers of one kind: heads, rotary positions and mask."""

    heads: attention.Heads
    turns: RotaryTable
    bias: Node

    def attend(
        self,
        joined: Node,
        *,
        norms: tuple[Norm, Norm] = (_as_is, _as_is),
        scale: float | None = None,
    ) -> Node:
        """Attention over queries, keys and values side by side, (b, s, heads * width) each.

        ``norms`` apply to queries and keys, per head, before the rotation.
        """
        query, key, value = attention.split_heads(joined, self.heads)
        query, key = (
            self.turns.turn(norm(part)) for norm, part in zip(norms, (query, key), strict=True)
        )
        key, value = (attention.repeated(part, self.heads) for part in (key, value))
        return attention.attend(query, key, value, self.bias, scale)

    def self_attention(
        self,
        x: Node,
        weights: Weights,
        config: Mapping[str, Any],
        norm: Callable[[Node, Mapping[str, Any], Weights, str], Node],
        *,
        scale: float | None = None,
    ) -> Node:
        """Attention over projections of x, with queries and keys normalised: Gemma 3 and Qwen3."""
        bias = bool(config.get("attention_bias"))
        names = ("q_proj", "k_proj", "v_proj")
        mixed = self.attend(
            parts.linear_side_by_side(x, weights, names, bias=bias),
            norms=(
                lambda query: norm(query, config, weights, "q_norm"),
                lambda key: norm(key, config, weights, "k_norm"),
            ),
            scale=scale,
        )
        return parts.linear(mixed, weights, "o_proj", bias=bias)
