"""Late-interaction models saved by sentence-transformers 6: MultiVectorEncoder.

Transformer (with the lengths and the expansion of queries), Dense, MultiVectorMask (with the
skipped words), Normalize and optionally HierarchicalTokenPooling. If a prompt begins with a token
that was added to the vocabulary, that token is the marker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bindery.checkpoint import read_object
from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.card import Family
from bindery.models.layouts import parts
from bindery.models.layouts.parts import Module
from bindery.models.layouts.values import LateInteraction, Layout, Step
from bindery.types import DOCUMENT, QUERY, Role

_LATE = Family.LATE_INTERACTION
_MASK = "MultiVectorMask"
_POOLING = "HierarchicalTokenPooling"
_KNOWN = ("Transformer", "Dense", _MASK, "Normalize", _POOLING)
_STRATEGIES = ("fixed", "min")


@dataclass(frozen=True, slots=True)
class _Queries:
    """The length of queries, and the length that they are padded to, or None if they are not."""

    length: int
    fills_to: int | None = None
    attends: bool = False
    token: str = ""


def read(folder: Path) -> Layout:
    """The layout of a MultiVectorEncoder."""
    modules = parts.modules_of(folder, _LATE, _KNOWN, ("sentence_transformers",))
    _check_order(modules)
    body = modules[0].folder
    config = read_object(body / "config.json")
    own = read_object(folder / parts.OWN, optional=True)
    # Older files have the lengths in the configuration of the model, not in that of the module.
    settings = {**own, **parts.settings_of(body)}
    window = parts.window_of(body, config, settings)
    queries = _queries(settings, window, body)
    prompts = parts.prompts_of(own)
    markers, prompts = _markers(prompts, body)
    factor, protected = _token_pooling(modules)
    words, roles = _skipped(modules)
    late = LateInteraction(
        query_marker=markers[QUERY],
        document_marker=markers[DOCUMENT],
        query_length=queries.length,
        document_length=parts.length(
            settings, "document_length", body, default=window, most=parts.positions_of(config)
        ),
        expands=queries.fills_to is not None,
        expanded_length=None if queries.fills_to == queries.length else queries.fills_to,
        attends_to_expansion=queries.attends,
        expansion_token=queries.token,
        skipped=words,
        skipped_in=roles,
        pooling_factor=factor,
        protected_tokens=protected,
    )
    steps: tuple[Step, ...] = tuple(
        parts.STEPS[module.kind](module, over=parts.TOKEN_VECTORS)
        for module in modules
        if module.kind in parts.STEPS
    )
    return parts.late_layout(folder, body, config, steps, late, prompts)


def _check_order(modules: Sequence[Module]) -> None:
    kinds = [module.kind for module in modules]
    once = all(kinds.count(kind) <= 1 for kind in ("Transformer", _MASK, _POOLING))
    pooled_last = _POOLING not in kinds[:-1]
    if kinds[:1] != ["Transformer"] or _MASK not in kinds or not once or not pooled_last:
        raise parts.wrong_order(
            modules,
            _LATE,
            f"Transformer, then Dense, {_MASK} and Normalize, optionally {_POOLING} at the end",
        )


def _queries(settings: Mapping[str, Any], window: int, body: Path) -> _Queries:
    expansion = settings.get("query_expansion")
    if expansion is None:
        return _Queries(parts.length(settings, "query_length", body, default=window, most=window))
    if not isinstance(expansion, dict):
        raise ModelBroken(f"query_expansion of {body} must be an object, got {expansion!r}.")

    found = cast("dict[str, Any]", expansion)
    strategy = found.get("strategy")
    unknown = sorted(set(found) - {"strategy", "attend", "length", "token"})
    if strategy not in _STRATEGIES or unknown:
        raise UnsupportedModel(
            f"The query_expansion of {body} with strategy {strategy!r} and {unknown} is not "
            "supported.",
            remedy=f"Known strategies: {', '.join(_STRATEGIES)}.",
        )
    fills_to = parts.length(found, "length", body, most=window)
    said = parts.whole(settings, "query_length", body, default=window)
    return _Queries(
        length=fills_to if strategy == "fixed" else max(min(said, window), fills_to),
        fills_to=fills_to,
        attends=bool(found.get("attend", False)),
        token=str(found.get("token") or ""),
    )


def _markers(prompts: Mapping[str, str], body: Path) -> tuple[dict[Role, str], dict[Role, str]]:
    """The token that the prompt of each role begins with, and the rest of the prompt."""
    added = cast("list[dict[str, Any]]", read_object(body / "tokenizer.json").get("added_tokens"))
    tokens = [str(token.get("content", "")) for token in added or ()]
    tokens = [token for token in tokens if token.strip()]
    markers: dict[Role, str] = {}
    rest: dict[Role, str] = {}
    for role in (QUERY, DOCUMENT):
        prompt = prompts[role]
        markers[role] = max(filter(prompt.startswith, tokens), key=len, default="")
        rest[role] = prompt.removeprefix(markers[role])
        if within := [token for token in tokens if token in rest[role]]:
            raise UnsupportedModel(
                f"The prompt {prompt!r} of the role {role!r} contains the token {within[0]!r}, "
                "which is not supported.",
                remedy="A prompt may have one token, at its start.",
            )
    return markers, rest


def _skipped(modules: Sequence[Module]) -> tuple[tuple[str, ...], tuple[Role, ...]]:
    mask = next(module for module in modules if module.kind == _MASK)
    config = mask.config(optional=True)
    if config.get("keep_only_token_ids"):
        raise UnsupportedModel(
            f"{mask.folder / 'config.json'} sets keep_only_token_ids, which is not supported."
        )
    roles = config.get("skiplist_tasks")
    roles = [DOCUMENT] if roles is None else [roles] if isinstance(roles, str) else roles
    return tuple(map(str, config.get("skiplist_words") or ())), tuple(map(str, roles))


def _token_pooling(modules: Sequence[Module]) -> tuple[float, int]:
    """The factor and the number of protected tokens: 1 and 1 without the module."""
    module = modules[-1]
    if module.kind != _POOLING:
        return 1.0, 1
    path = module.folder / "config.json"
    config = module.config()
    factor = config.get("pool_factor", 1.0)
    protected = config.get("num_protected_tokens", 1)
    if not isinstance(factor, int | float) or not 1 <= factor < float("inf"):
        raise ModelBroken(f"pool_factor of {path} must be at least 1, got {factor!r}.")
    if not isinstance(protected, int) or protected < 0:
        raise ModelBroken(f"num_protected_tokens of {path} must be at least 0, got {protected!r}.")
    tasks = config.get("tasks", [DOCUMENT])
    # A file without it is older, and its clusters are not normalised.
    normalises = config.get("normalize_embeddings", False)
    if tasks not in ([DOCUMENT], DOCUMENT, None) or (factor > 1 and not normalises):
        raise UnsupportedModel(
            f"{path} pools the tokens of {tasks} with normalize_embeddings {normalises}, which is "
            "not supported.",
            remedy="Only the tokens of documents can be pooled, with normalize_embeddings.",
        )
    return float(factor), protected
