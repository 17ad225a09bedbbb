"""What a folder's own configuration says of its model: the sentence-transformers layout, read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.card import Family, ModelCard, Pooling
from bindery.types import DOCUMENT, QUERY

# sentence-transformers 6 asks for these in turn when it encodes a document.
_DOCUMENT_PROMPT_NAMES = (DOCUMENT, "passage", "corpus")

_LEGACY_POOLING = {
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_max_tokens": Pooling.MAX,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_mean_sqrt_len_tokens": Pooling.MEAN_SQRT,
    "pooling_mode_weightedmean_tokens": Pooling.WEIGHTED_MEAN,
    "pooling_mode_lasttoken": Pooling.LAST,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder in sentence-transformers layout: its card, and what only its tokeniser must know.

    ``body`` is where the Transformer's own files lie. ``pools_prompt`` says whether the prompt's
    tokens take part in the pooling.
    """

    folder: Path
    body: Path
    card: ModelCard
    lower_case: bool
    pools_prompt: bool


def read_layout(folder: Path, *, model_id: str | None = None) -> Layout:
    """Read a folder's configuration, running none of it.

    Raises ModelBroken for a missing or unreadable file, UnsupportedModel, naming it, for a module
    or family that Bindery does not run.
    """
    modules = _read_list(folder / "modules.json")
    _refuse_late_interaction(folder, modules)
    by_kind = _by_kind(modules)
    body = folder / by_kind["Transformer"]
    config = _read_object(body / "config.json")
    settings = _read_object(body / "sentence_bert_config.json", optional=True)
    pooling = _read_object(folder / by_kind["Pooling"] / "config.json")
    own = _read_object(folder / "config_sentence_transformers.json", optional=True)

    kinds = _pooling_kinds(pooling, folder)
    card = ModelCard(
        id=model_id or folder.name,
        family=Family.DENSE,
        dimensions=config["hidden_size"] * len(kinds),
        max_tokens=_max_tokens(body, config, settings),
        pooling=kinds,
        normalised="Normalize" in by_kind,
        prompts=_prompts(own),
    )
    return Layout(
        folder=folder,
        body=body,
        card=card,
        lower_case=bool(settings.get("do_lower_case", False)),
        pools_prompt=bool(pooling.get("include_prompt", True)),
    )


def _by_kind(modules: list[Any]) -> dict[str, str]:
    """Each module's folder by its kind, having checked that they are the ones we run, in order."""
    expected = ("Transformer", "Pooling", "Normalize")
    found: dict[str, str] = {}
    for module in modules:
        package, _, kind = str(module.get("type", "")).rpartition(".")
        if not package.startswith("sentence_transformers") or kind not in expected:
            raise UnsupportedModel(
                f"The module {module.get('type')!r} cannot be run.",
                remedy=f"Known: {', '.join(expected)} of sentence_transformers.",
            )
        found[kind] = str(module.get("path", ""))
    if tuple(found) not in {expected, expected[:2]} or len(found) != len(modules):
        raise UnsupportedModel(
            f"The modules {', '.join(str(module.get('type')) for module in modules)} cannot be run "
            "in this order.",
            remedy="Known: Transformer, Pooling and perhaps Normalize.",
        )
    return found


def _refuse_late_interaction(folder: Path, modules: list[Any]) -> None:
    """A late-interaction checkpoint must never be averaged silently into one vector.

    The signs are asked for even where modules.json says otherwise: checkpoints with a stale one
    exist (mixedbread-ai/mxbai-colbert-large-v1 had one).
    """
    config = _read_object(folder / "config.json", optional=True)
    own = _read_object(folder / "config_sentence_transformers.json", optional=True)
    signs = {
        "its config.json names HF_ColBERT": "HF_ColBERT" in (config.get("architectures") or ()),
        "it has an artifact.metadata": (folder / "artifact.metadata").exists(),
        "it is a multi-vector model": own.get("model_type") in {"ColBERT", "MultiVectorEncoder"},
        "it is compared by MaxSim": str(own.get("similarity_fn_name")).lower() == "maxsim",
        "it has a module of PyLate": any("pylate" in str(part.get("type")) for part in modules),
        "it has a MultiVectorMask": any("MultiVectorMask" in str(p.get("type")) for p in modules),
    }
    for sign, found in signs.items():
        if found:
            raise UnsupportedModel(
                f"{folder} is a late-interaction model ({sign}) and cannot be loaded as a dense one.",
                remedy="Late interaction is not served yet; load a dense model.",
            )


def _max_tokens(body: Path, config: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """The window: what the model's authors set, else the least of what its parts can take."""
    limits = [int(config["max_position_embeddings"])]
    if settings.get("max_seq_length"):
        limits.append(int(settings["max_seq_length"]))
    else:
        tokeniser = _read_object(body / "tokenizer_config.json", optional=True)
        limits.append(int(tokeniser.get("model_max_length") or limits[0]))
    return min(limits)


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
                f"The pooling {name!r} of {folder} is not known.",
                remedy=f"Known: {', '.join(sorted(known))}.",
            )
    return tuple(Pooling(name) for name in names)


def _prompts(own: Mapping[str, Any]) -> dict[str, str]:
    prompts = {name: text for name, text in (own.get("prompts") or {}).items() if text is not None}
    for name in _DOCUMENT_PROMPT_NAMES:
        if name in prompts:
            prompts[DOCUMENT] = prompts[name]
            break
    return {QUERY: "", DOCUMENT: "", **prompts}


def _read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    if optional and not path.is_file():
        return {}
    value = _read_json(path)
    if not isinstance(value, dict):
        raise ModelBroken(f"{path} is not a JSON object.")
    return value


def _read_list(path: Path) -> list[Any]:
    value = _read_json(path)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ModelBroken(f"{path} is not a list of modules.")
    return value


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelBroken(
            f"{path.parent} has no {path.name}.",
            remedy="Save the model with sentence-transformers, which writes every file needed.",
        ) from error
    except (ValueError, OSError) as error:
        raise ModelBroken(f"{path} cannot be read: {error}.") from error
