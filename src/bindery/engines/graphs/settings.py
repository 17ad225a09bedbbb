"""What configurations say, in the spellings of several years."""

from collections.abc import Mapping, Sequence
from typing import Any

from bindery.errors import UnsupportedModel

FULL = "full_attention"
SLIDING = "sliding_attention"


def refuse_variants(config: Mapping[str, Any], plain: Mapping[str, object]) -> None:
    """Raise UnsupportedModel for a setting whose effect the graph does not compute.

    ``plain``: setting to the value at which it has none; absent and null are as plain.
    """
    for name, value in plain.items():
        found = config.get(name)
        if found is not None and found != value:
            raise UnsupportedModel(
                f"Models of the architecture {config['model_type']!r} with {name} {found!r} cannot "
                f"be run, only with {value!r}."
            )


def layer_kinds(config: Mapping[str, Any], otherwise: Sequence[str]) -> list[str]:
    """FULL or SLIDING for every layer: ``layer_types``, or ``otherwise`` where there is none.

    Raises UnsupportedModel for another kind, ValueError where there is not one for every layer.
    """
    kinds = list(config.get("layer_types") or otherwise)
    if len(kinds) != config["num_hidden_layers"]:
        raise ValueError(f"layer_types names {len(kinds)} layers.")
    for kind in kinds:
        if kind not in {FULL, SLIDING}:
            raise UnsupportedModel(f"Layers of the kind {kind!r} cannot be run.")
    return kinds


def rotary_base(config: Mapping[str, Any], kind: str, *, old: str, default: float) -> float:
    """The base of the rotary positions in layers of one kind, theta in RoFormer.

    transformers 5 writes ``rope_parameters``, by kind where kinds differ; before it there was one
    number for each, called ``old``. Raises UnsupportedModel for positions that are scaled.
    """
    written: Mapping[str, Any] = config.get("rope_parameters") or {}
    own: Mapping[str, Any] = written.get(kind, written) or {}
    earlier: Mapping[str, Any] = config.get("rope_scaling") or {}
    for found in (own, earlier):
        scaling = found.get("rope_type") or found.get("type") or "default"
        if scaling != "default" or found.get("partial_rotary_factor", 1) != 1:
            raise UnsupportedModel(f"Rotary positions scaled as {dict(found)} cannot be run.")
    base = own.get("rope_theta") or config.get(old)
    return float(default if base is None else base)
