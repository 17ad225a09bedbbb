"""Read a model's folder in any layout, and compare it with its row in the catalog."""

import json
from dataclasses import replace
from pathlib import Path

from bindery.checkpoint import read_object
from bindery.errors import InvalidValue, ModelBroken
from bindery.models.card import CatalogEntry, Family, ModelCard
from bindery.models.layouts.detection import reader_of
from bindery.models.layouts.parts import positions_of
from bindery.models.layouts.values import Layout


def read_layout(folder: Path, *, entry: CatalogEntry | None = None) -> Layout:
    """Read the configuration in a folder without executing anything.

    ``entry`` is the model's row in the catalog, if any, which gives the card its name and source.
    Raises ModelBroken for a missing or unreadable file, or one that contradicts the row, and
    UnsupportedModel for a module or layout that Bindery cannot run.
    """
    layout = reader_of(folder)(folder)
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
        row, prompts={**card.prompts, **row.prompts}, query_max_tokens=card.query_max_tokens
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
