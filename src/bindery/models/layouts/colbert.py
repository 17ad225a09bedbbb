"""Late-interaction models in the layouts of ColBERT's authors and of PyLate.

Santhanam et al., 2021, ColBERTv2, arXiv:2112.01488.
"""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bindery.checkpoint import read_object, shape_of
from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.card import Family
from bindery.models.layouts import parts
from bindery.models.layouts.values import Dense, LateInteraction, Layout, Normalize, Step

_LATE = Family.LATE_INTERACTION
METADATA = "artifact.metadata"

# How scores are computed. Other values in old configurations mean other models.
_FIXED = {"similarity": "cosine", "interaction": "colbert"}


def read_stanford(folder: Path) -> Layout:
    """The layout of an HF_ColBERT checkpoint, which has the projection among the body's tensors.

    A modules.json beside it is stale. Keys and defaults are those of colbert-ai.
    """
    path = folder / METADATA
    metadata = _metadata(path)
    config = read_object(folder / "config.json")
    shape = shape_of(folder, parts.PROJECTION)
    if shape is None or len(shape) != 2:
        raise ModelBroken(
            f"{folder} is a late-interaction model without a projection: its safetensors files "
            f"have no matrix {parts.PROJECTION!r}.",
            remedy="Is the checkpoint complete? It is not loaded as a dense model.",
        )
    steps: tuple[Step, ...] = (Dense(folder, inputs=shape[1], outputs=shape[0]), Normalize())
    longest = parts.positions_of(config)
    late = LateInteraction(
        query_marker=str(metadata.get("query_token_id") or "[unused0]"),
        document_marker=str(metadata.get("doc_token_id") or "[unused1]"),
        query_length=parts.length(metadata, "query_maxlen", path, default=32, most=longest),
        document_length=parts.length(metadata, "doc_maxlen", path, default=220, most=longest),
        attends_to_expansion=bool(metadata.get("attend_to_mask_tokens", False)),
        skipped=tuple(string.punctuation) if metadata.get("mask_punctuation", True) else (),
        as_colbert_ai=True,
    )
    return parts.late_layout(folder, folder, config, steps, late)


def _metadata(path: Path) -> Mapping[str, Any]:
    """The settings, which may be under ``config``. Raises UnsupportedModel for other scores."""
    found = read_object(path, optional=True)
    inner: Mapping[str, Any] = found["config"] if isinstance(found.get("config"), dict) else found
    for key, known in _FIXED.items():
        if (inner.get(key) or known) != known:
            raise UnsupportedModel(
                f"{path} has the {key} {inner[key]!r}, which is not supported.",
                remedy=f"Known: {known}.",
            )
    return inner


def read_pylate(folder: Path) -> Layout:
    """The layout of a model saved by PyLate: Transformer, then one or more Dense.

    Its settings are in config_sentence_transformers.json; masking and normalising are implied.
    """
    modules = parts.modules_of(
        folder, _LATE, ("Transformer", "Dense"), ("sentence_transformers", "pylate")
    )
    kinds = [module.kind for module in modules]
    if kinds[:1] != ["Transformer"] or kinds[1:] != ["Dense"] * max(1, len(kinds) - 1):
        raise parts.wrong_order(modules, _LATE, "Transformer, then one or more Dense")
    body = modules[0].folder
    path = folder / parts.OWN
    own = read_object(path)
    config = read_object(body / "config.json")
    longest = parts.positions_of(config)
    said = {name: value for name, value in own.items() if value is not None}
    skipped = own.get("skiplist_words")
    late = LateInteraction(
        query_marker=str(said.get("query_prefix", "[Q] ")),
        document_marker=str(said.get("document_prefix", "[D] ")),
        query_length=parts.length(own, "query_length", path, default=32, most=longest),
        document_length=parts.length(own, "document_length", path, default=180, most=longest),
        expands=own.get("do_query_expansion") is not False,
        attends_to_expansion=bool(own.get("attend_to_expansion_tokens", False)),
        skipped=tuple(string.punctuation if skipped is None else map(str, skipped)),
    )
    if own.get("query_expansion") is not None:
        raise UnsupportedModel(
            f"{path} sets query_expansion, which PyLate does not have.",
            remedy="Save the model again with sentence-transformers 6.",
        )
    steps = (
        *(parts.linear(module, over=parts.TOKEN_VECTORS) for module in modules[1:]),
        Normalize(),
    )
    return parts.late_layout(folder, body, config, steps, late, parts.prompts_of(own))
