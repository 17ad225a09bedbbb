"""Read settings of configurations, in their spellings over the years."""

from collections.abc import Mapping, Sequence
from typing import Any

from bindery.errors import UnsupportedModel

FULL = "full_attention"
SLIDING = "sliding_attention"


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
