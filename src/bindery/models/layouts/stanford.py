"""ColBERT models saved by its authors: the projection is among the tensors of the body.

Santhanam et al., 2021, ColBERTv2, arXiv:2112.01488; the keys and defaults are those of colbert-ai.
"""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bindery.checkpoint import read_object, shape_of
from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.layouts import parts
from bindery.models.layouts.values import (
    Dense,
    LateInteraction,
    Layout,
    Normalize,
    Step,
)

METADATA = "artifact.metadata"

# How scores are computed. Other values in old configurations mean other models.
_FIXED = {"similarity": "cosine", "interaction": "colbert"}


def read(folder: Path) -> Layout:
    """The layout of an HF_ColBERT checkpoint; a modules.json beside it is stale."""
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
