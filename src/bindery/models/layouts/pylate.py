"""Late-interaction models saved by PyLate: a body and Dense modules for the vectors of tokens.

The settings are in config_sentence_transformers.json; masking and normalising are implied.
"""

import string
from pathlib import Path

from bindery.checkpoint import read_object
from bindery.errors import UnsupportedModel
from bindery.models.card import Family
from bindery.models.layouts import parts
from bindery.models.layouts.values import LateInteraction, Layout, Normalize

_LATE = Family.LATE_INTERACTION


def read(folder: Path) -> Layout:
    """The layout of a PyLate model: Transformer, then one or more Dense."""
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
