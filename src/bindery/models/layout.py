"""What a folder's own configuration says of its model: the sentence-transformers layout, read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.card import CatalogEntry, Family, ModelCard, Pooling
from bindery.types import DOCUMENT, QUERY

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


def read_layout(folder: Path, *, entry: CatalogEntry | None = None) -> Layout:
    """Read a folder's configuration, running none of it.

    ``entry`` is the model's row in the catalog, if it has one: the card then bears its name and
    provenance. Raises ModelBroken for a missing or unreadable file, or one that contradicts the
    row; UnsupportedModel, naming it, for a module or family that Bindery does not run.
    """
    _refuse_late_interaction(folder)
    by_kind = _by_kind(_read_list(folder / "modules.json"))
    body = folder / by_kind["Transformer"]
    config = read_object(body / "config.json")
    settings = read_object(body / "sentence_bert_config.json", optional=True)
    pooling = read_object(folder / by_kind["Pooling"] / "config.json")
    own = read_object(folder / "config_sentence_transformers.json", optional=True)

    kinds = _pooling_kinds(pooling, folder)
    card = ModelCard(
        id=folder.name,
        family=Family.DENSE,
        dimensions=_whole_number(config, "hidden_size", body) * len(kinds),
        max_tokens=_max_tokens(body, config, settings),
        pooling=kinds,
        normalised="Normalize" in by_kind,
        prompts=_prompts(own),
    )
    return Layout(
        folder=folder,
        body=body,
        card=_named(card, entry, folder) if entry else card,
        lower_case=bool(settings.get("do_lower_case", False)),
        pools_prompt=bool(pooling.get("include_prompt", True)),
    )


def _named(card: ModelCard, entry: CatalogEntry, folder: Path) -> ModelCard:
    row = entry.card
    found = (card.dimensions, card.max_tokens, card.pooling, card.normalised)
    expected = (row.dimensions, row.max_tokens, row.pooling, row.normalised)
    if found != expected:
        raise ModelBroken(
            f"{folder} describes another model than {row.id!r}: dimensions, window, pooling and "
            f"normalisation are {found}, not {expected}.",
            remedy=f"Run `bindery preload {row.id} --force`.",
        )
    return replace(row, prompts={**card.prompts, **row.prompts})


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


def _refuse_late_interaction(folder: Path) -> None:
    """A late-interaction checkpoint must never be averaged silently into one vector.

    The signs are asked for even where modules.json says otherwise or is not there: checkpoints with
    a stale one exist (mixedbread-ai/mxbai-colbert-large-v1 had one), and Stanford's have none.
    """
    path = folder / "modules.json"
    modules = _read_list(path) if path.is_file() else []
    config = read_object(folder / "config.json", optional=True)
    own = read_object(folder / "config_sentence_transformers.json", optional=True)
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
                f"{folder} is a late-interaction model ({sign}) and not a dense one.",
                remedy="Late interaction is not served yet; load a dense model.",
            )


def _max_tokens(body: Path, config: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """The window: what the model's authors set, else what the tokeniser says; within the positions.

    The reference takes ``max_seq_length`` as it is and fails on texts beyond the positions.
    """
    tokeniser = read_object(body / "tokenizer_config.json", optional=True)
    positions = _whole_number(config, "max_position_embeddings", body)
    said = settings.get("max_seq_length") or tokeniser.get("model_max_length") or positions
    return min(int(said), positions)


def _whole_number(config: Mapping[str, Any], key: str, body: Path) -> int:
    """What every BERT's configuration has, and other architectures call by other names."""
    value = config.get(key)
    if not isinstance(value, int):
        raise UnsupportedModel(
            f"Models of the architecture {str(config.get('model_type'))!r} cannot be run: "
            f"{body / 'config.json'} has no number {key!r}."
        )
    return value


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
    """What is put before a text by role.

    A model whose documents' prompt goes by another name (``passage``) is asked for it by that name:
    sentence-transformers 6.2 does not fall back to it for ``document`` either.
    """
    found: dict[str, str | None] = own.get("prompts") or {}
    named = {name: text for name, text in found.items() if text is not None}
    return {QUERY: "", DOCUMENT: "", **named}


def read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """A configuration file of a model; without ``optional``, one that is not there is broken too.

    Raises ModelBroken, naming the file, for anything but a JSON object.
    """
    if optional and not path.is_file():
        return {}
    value = _read_json(path)
    if not isinstance(value, dict):
        raise ModelBroken(f"{path} is not a JSON object.")
    return cast("dict[str, Any]", value)


def _read_list(path: Path) -> list[Any]:
    value = cast("list[Any]", _read_json(path))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):  # pyright: ignore[reportUnnecessaryIsInstance]
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
    except ValueError as error:
        raise ModelBroken(f"{path} is not JSON: {error}.") from error
    except OSError as error:
        raise ModelBroken(f"{path} cannot be read: {error}.") from error
