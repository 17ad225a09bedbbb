"""Read a model's folder: detect its layout, and compare it with its row in the catalog.

A late-interaction checkpoint must never be silently averaged into one vector. So its signs are
checked first, even if modules.json says that the model is dense or is missing: some checkpoints
have a stale one (such as mixedbread-ai/mxbai-colbert-large-v1), and Stanford's have none.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from bindery.checkpoint import read_modules, read_object, shape_of
from bindery.errors import InvalidValue, ModelBroken
from bindery.models.card import CatalogEntry, Family, ModelCard
from bindery.models.layouts import colbert, multi_vector, sentence_transformers
from bindery.models.layouts.parts import (
    PROJECTION,
    TOKEN_VECTORS,
    languages_of,
    positions_of,
)
from bindery.models.layouts.values import Layout


def read_layout(folder: Path, *, entry: CatalogEntry | None = None) -> Layout:
    """Read the configuration in a folder without executing anything.

    ``entry`` is the model's row in the catalog, if any, which gives the card its name and source.
    Raises ModelBroken for a missing or unreadable file, or one that contradicts the row, and
    UnsupportedModel for a module or layout that Bindery cannot run.
    """
    layout = _reader_of(folder)(folder)
    layout = replace(layout, card=replace(layout.card, languages=languages_of(folder)))
    if entry is None:
        return layout
    named = replace(layout, card=_named(layout.card, entry, folder))
    if not entry.lengths.is_given:
        return named
    return with_lengths(named, query=entry.lengths.query, document=entry.lengths.document)


def with_lengths(
    layout: Layout, *, query: int | None = None, document: int | None = None
) -> Layout:
    """A late-interaction model with other lengths of queries or documents.

    Lengths are in tokens including special tokens and marker, None keeps the present one, and they
    are limited to the body's positions. Queries are filled to their new length. Raises InvalidValue
    for a dense model, and for a length without room for text.
    """
    late = layout.late
    if late is None:
        raise InvalidValue(
            f"{layout.card.id} is a dense model and has no separate length for queries.",
            param="query_length",
        )
    most = positions_of(read_object(layout.body / "config.json"))
    query_length = late.query_length if query is None else min(query, most or query)
    document_length = late.document_length if document is None else min(document, most or document)
    # If the two differ, the model only fills short queries.
    fills_to = late.expanded_length and min(late.expanded_length, query_length)
    changed = replace(
        late,
        query_length=query_length,
        document_length=document_length,
        expanded_length=fills_to,
    )
    card = replace(layout.card, max_tokens=document_length, query_max_tokens=query_length)
    return replace(layout, card=card, late=changed)


def _named(card: ModelCard, entry: CatalogEntry, folder: Path) -> ModelCard:
    row = entry.card
    late = Family.LATE_INTERACTION
    if (row.family is late) != (card.family is late):
        raise ModelBroken(
            f"{folder} describes a {card.family} model, but {row.id!r} is a {row.family} one.",
            remedy=_mend(entry, [f'family = "{card.family}"']),
        )
    compared = ["dimensions", "max_tokens", "pooling", "normalised"]
    # A row may leave this out.
    compared += ["query_max_tokens"] * (row.query_max_tokens is not None)
    wrong = [name for name in compared if getattr(row, name) != getattr(card, name)]
    if wrong:
        found, expected = (
            ", ".join(f"{name} = {_toml(getattr(one, name))}" for name in wrong)
            for one in (card, row)
        )
        raise ModelBroken(
            f"{folder} does not match the row of {row.id!r}: it has {found}, not {expected}.",
            remedy=_mend(entry, [f"{name} = {_toml(getattr(card, name))}" for name in wrong]),
        )
    return replace(
        row,
        prompts={**card.prompts, **row.prompts},
        query_max_tokens=card.query_max_tokens,
        languages=row.languages or card.languages,
    )


def _mend(entry: CatalogEntry, lines: list[str]) -> str:
    again = f"`bindery preload {entry.id} --force`"
    if entry.verified:
        return f"Run {again}."
    return (
        "The row was never compared with the files on the hub and may be wrong. If the files are "
        f"right, put a row [models.{entry.id}] with {', '.join(lines)} into your own catalog "
        f"(BINDERY_CATALOG); otherwise run {again}."
    )


def _toml(value: object) -> str:
    return json.dumps(value)


# Detection

Reader: TypeAlias = Callable[[Path], Layout]

# A late-interaction model has at least two modules; with fewer, modules.json is stale.
_BODY_AND_PROJECTION = 2


@dataclass(frozen=True, slots=True)
class _Signs:
    """What a folder's layout is detected by. ``types`` are those of its modules."""

    folder: Path
    types: tuple[str, ...]
    reads_tokens: bool
    architectures: tuple[str, ...]
    model_type: str
    similarity: str

    def has_module(self, name: str) -> bool:
        """Whether a module's type starts or ends with the name."""
        return any(
            type_.startswith(f"{name}.") or type_.endswith(f".{name}") for type_ in self.types
        )


def _is_multi_vector(signs: _Signs) -> bool:
    named = signs.model_type == "MultiVectorEncoder" and len(signs.types) >= _BODY_AND_PROJECTION
    masked = signs.has_module("MultiVectorMask") or signs.has_module("HierarchicalTokenPooling")
    return named or masked or (signs.reads_tokens and not signs.has_module("pylate"))


def _is_pylate(signs: _Signs) -> bool:
    named = signs.model_type == "ColBERT" and len(signs.types) >= _BODY_AND_PROJECTION
    return named or signs.has_module("pylate")


def _is_stanford(signs: _Signs) -> bool:
    return (
        "HF_ColBERT" in signs.architectures
        or (signs.folder / colbert.METADATA).exists()
        or shape_of(signs.folder, PROJECTION) is not None
    )


def _is_called_late(signs: _Signs) -> bool:
    called = signs.model_type in {"ColBERT", "MultiVectorEncoder"}
    return called or signs.similarity in {"maxsim", "meanmaxsim"}


DETECTION: tuple[tuple[Callable[[_Signs], bool], Reader], ...] = (
    (_is_multi_vector, multi_vector.read),
    (_is_pylate, colbert.read_pylate),
    (_is_stanford, colbert.read_stanford),
    (_is_called_late, colbert.read_pylate),  # which says what is missing
    (lambda _: True, sentence_transformers.read),
)
"""The first reader that applies reads the folder."""


def _reader_of(folder: Path) -> Reader:
    """The reader of a folder's layout. Raises ModelBroken for a configuration that is not JSON."""
    signs = _signs(folder)
    return next(reader for applies, reader in DETECTION if applies(signs))


def _signs(folder: Path) -> _Signs:
    path = folder / "modules.json"
    modules = read_modules(path) if path.is_file() else []
    config = read_object(folder / "config.json", optional=True)
    own = read_object(folder / "config_sentence_transformers.json", optional=True)
    return _Signs(
        folder=folder,
        types=tuple(str(module.get("type")) for module in modules),
        reads_tokens=any(_reads_tokens(folder, module) for module in modules),
        architectures=tuple(map(str, config.get("architectures") or ())),
        model_type=str(own.get("model_type")),
        similarity=str(own.get("similarity_fn_name")).lower(),
    )


def _reads_tokens(folder: Path, module: dict[str, Any]) -> bool:
    """Whether a Dense or Normalize module works on the vectors of tokens."""
    path = str(module.get("path") or "")
    config = read_object(folder / path / "config.json", optional=True) if path else {}
    return config.get("module_input_name") == TOKEN_VECTORS
