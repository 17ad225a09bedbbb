"""Dense models saved by sentence-transformers: a body, a pooling, and further steps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bindery.checkpoint import read_object
from bindery.errors import UnsupportedModel
from bindery.models.card import Family, ModelCard, Pooling
from bindery.models.layouts import parts
from bindery.models.layouts.values import Layout, Normalize

_LEGACY_POOLING = {
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_max_tokens": Pooling.MAX,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_mean_sqrt_len_tokens": Pooling.MEAN_SQRT,
    "pooling_mode_weightedmean_tokens": Pooling.WEIGHTED_MEAN,
    "pooling_mode_lasttoken": Pooling.LAST,
}
_KNOWN = ("Transformer", "Pooling", *parts.STEPS)


def read(folder: Path) -> Layout:
    """The layout of a dense model: Transformer, Pooling, and any steps in any order."""
    modules = parts.modules_of(folder, Family.DENSE, _KNOWN, ("sentence_transformers",))
    kinds = [module.kind for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or not set(kinds[2:]) <= set(parts.STEPS):
        raise parts.wrong_order(
            modules,
            Family.DENSE,
            f"Transformer, Pooling, then any of {', '.join(parts.STEPS)}",
        )
    body = modules[0].folder
    config = read_object(body / "config.json")
    settings = parts.settings_of(body)
    pooling = modules[1].config()
    steps = tuple(
        parts.STEPS[module.kind](module, over=parts.TEXT_VECTOR) for module in modules[2:]
    )
    poolings = _pooling_kinds(pooling, folder)
    # The pooling also has the width, in case the body has an unknown name for it.
    width = (
        parts.width_of(config)
        or pooling.get("word_embedding_dimension")
        or pooling.get("embedding_dimension")
    )
    dimensions = parts.width_after(steps, width and width * len(poolings))
    if dimensions is None:
        raise parts.without_width(config, body)
    card = ModelCard(
        id=folder.name,
        family=Family.DENSE,
        dimensions=dimensions,
        max_tokens=parts.window_of(body, config, settings),
        pooling=poolings,
        normalised=bool(steps) and isinstance(steps[-1], Normalize),
        prompts=parts.prompts_of(read_object(folder / parts.OWN, optional=True)),
    )
    return Layout(
        folder=folder,
        body=body,
        card=card,
        lower_case=bool(settings.get("do_lower_case", False)),
        pools_prompt=bool(pooling.get("include_prompt", True)),
        steps=steps,
    )


def _pooling_kinds(config: Mapping[str, Any], folder: Path) -> tuple[Pooling, ...]:
    named = config.get("pooling_mode")
    if named is None:
        kinds = tuple(kind for key, kind in _LEGACY_POOLING.items() if config.get(key))
        return kinds or (Pooling.MEAN,)

    names = [named] if isinstance(named, str) else list(named)
    known = set(_LEGACY_POOLING.values())
    for name in names:
        if name not in known:
            raise UnsupportedModel(
                f"Unknown pooling {name!r} in {folder}.",
                remedy=f"Known: {', '.join(sorted(known))}.",
            )
    return tuple(Pooling(name) for name in names)
