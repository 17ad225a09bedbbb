"""A model's folder, read in whatever layout it was saved, and held against its catalog row."""

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
    """Read a folder's configuration, running none of it.

    ``entry`` is the model's row in the catalog, if it has one: the card then has its name and
    provenance. Raises ModelBroken for a missing or unreadable file, or one that contradicts the
    row; UnsupportedModel, naming it, for a module or layout that Bindery does not run.
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
    """The same late-interaction model with other lengths of queries or documents, in tokens.

    Special tokens and marker count. None leaves a length as it is, and none goes beyond the body's
    positions. Queries that were filled up are filled up to their new length. Raises InvalidValue
    for a dense model, and for a length without room for text.
    """
    late = layout.late
    if late is None:
        raise InvalidValue(
            f"{layout.card.id} is a dense model: its queries and documents have one length.",
            param="query_length",
        )
    most = positions_of(read_object(layout.body / "config.json"))
    query_length = late.query_length if query is None else min(query, most or query)
    document_length = late.document_length if document is None else min(document, most or document)
    # Where the two differ the model fills up short queries alone, and goes on doing so.
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
            f"{folder} describes a {card.family} model, and {row.id!r} is a {row.family} one.",
            remedy=_mend(entry, [f'family = "{card.family}"']),
        )
    compared = ["dimensions", "max_tokens", "pooling", "normalised"]
    # A row may leave this to the folder.
    compared += ["query_max_tokens"] * (row.query_max_tokens is not None)
    wrong = [name for name in compared if getattr(row, name) != getattr(card, name)]
    if wrong:
        found, expected = (
            ", ".join(f"{name} = {_toml(getattr(one, name))}" for name in wrong)
            for one in (card, row)
        )
        raise ModelBroken(
            f"{folder} describes another model than {row.id!r}: it has {found}, not {expected}.",
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
        "The row was never checked against the hub's files, and may be what is wrong. If the files "
        f"are right, put a row [models.{entry.id}] with {', '.join(lines)} into a catalog of your "
        f"own (BINDERY_CATALOG); else run {again}."
    )


def _toml(value: object) -> str:
    return json.dumps(value)
