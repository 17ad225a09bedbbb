"""A model's folder, read: what its own configuration says of it, whatever layout it was saved in.

The values are here; :mod:`bindery.models.layouts` holds a reader for each layout.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

from bindery.errors import InvalidValue, ModelBroken
from bindery.models.card import CatalogEntry, Family, ModelCard
from bindery.types import DOCUMENT, Role


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear step: y = activation(W x + b), then + x (or + R x) where it has a residual.

    ``folder`` holds ``model.safetensors`` with ``prefix + "linear.weight"`` (outputs, inputs), and
    perhaps ``linear.bias`` and ``residual.weight``. ``activation`` is a key of
    :data:`bindery.encoders.head.ACTIVATIONS`.
    """

    folder: Path
    inputs: int
    outputs: int
    activation: str = "identity"
    has_bias: bool = False
    has_residual: bool = False
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Layer normalisation; ``folder`` holds ``norm.weight`` and ``norm.bias``."""

    folder: Path
    width: int


@dataclass(frozen=True, slots=True)
class Normalize:
    """Bring each row to length 1 (L2)."""


Step: TypeAlias = Dense | LayerNorm | Normalize
"""What happens to each pooled vector (dense), or to each token's (late interaction), in order."""


@dataclass(frozen=True, slots=True)
class LateInteraction:
    """How a late-interaction model marks, fills up and thins out its texts.

    A marker is a token of the vocabulary, put by its id after the first special token; empty for
    none. ``query_length`` and ``document_length`` count special tokens and marker in: longer texts
    are cut. A model that ``expands`` fills queries up with ``expansion_token`` (empty: the
    tokeniser's mask token), to ``expanded_length`` where that is another than ``query_length``.
    ``skipped`` are the words whose tokens are not kept in the roles of ``skipped_in``.
    ``pooling_factor`` above 1 clusters the document's tokens but for the first
    ``protected_tokens``. ``as_colbert_ai`` is for what colbert-ai does in its own way: of a skipped
    word the first piece is meant, and a padding token in a text counts as padding.
    """

    query_marker: str
    document_marker: str
    query_length: int
    document_length: int
    expands: bool = True
    expanded_length: int | None = None
    attends_to_expansion: bool = False
    expansion_token: str = ""
    skipped: tuple[str, ...] = ()
    skipped_in: tuple[Role, ...] = (DOCUMENT,)
    pooling_factor: float = 1.0
    protected_tokens: int = 1
    as_colbert_ai: bool = False

    def __post_init__(self) -> None:
        # A special token on each side, the marker, and one of the text.
        for name in ("query_length", "document_length"):
            if getattr(self, name) < 4:
                raise InvalidValue(
                    f"A {name} of {getattr(self, name)} tokens holds no text.",
                    remedy="Choose 4 or more.",
                    param=name,
                )
        if self.expanded_length is not None and self.expanded_length > self.query_length:
            raise InvalidValue(
                f"Queries of up to {self.query_length} tokens cannot be filled up to "
                f"{self.expanded_length}.",
                param="expanded_length",
            )
        if not 1 <= self.pooling_factor < float("inf") or self.protected_tokens < 0:
            raise InvalidValue(
                f"Token pooling by {self.pooling_factor} with {self.protected_tokens} protected "
                "tokens is not possible.",
                remedy="Choose a factor of 1 (off) or more.",
                param="pooling_factor",
            )


@dataclass(frozen=True, slots=True)
class Layout:
    """A model's folder: its card, and what only its tokeniser and head must know.

    ``body`` is where the Transformer's own files lie. ``pools_prompt`` says whether the prompt's
    tokens take part in the pooling. ``steps`` come after it. ``late`` is None for a model of one
    vector per text.
    """

    folder: Path
    body: Path
    card: ModelCard
    lower_case: bool
    pools_prompt: bool
    steps: tuple[Step, ...] = (Normalize(),)
    late: LateInteraction | None = None


def read_layout(folder: Path, *, entry: CatalogEntry | None = None) -> Layout:
    """Read a folder's configuration, running none of it.

    ``entry`` is the model's row in the catalog, if it has one: the card then bears its name and
    provenance. Raises ModelBroken for a missing or unreadable file, or one that contradicts the
    row; UnsupportedModel, naming it, for a module or layout that Bindery does not run.
    """
    # The readers make the values above, so they can only be imported after them.
    from bindery.models.layouts import reader_of

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
    from bindery.models.layouts.parts import positions_of

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


def read_modules(path: Path) -> list[dict[str, Any]]:
    """A modules.json: one object for each module. Raises ModelBroken, naming it, for all else."""
    value = cast("list[Any]", _read_json(path))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelBroken(f"{path} is not a list of modules.")
    return cast("list[dict[str, Any]]", value)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelBroken(
            f"{path.parent} has no {path.name}.",
            remedy="Save the model with sentence-transformers, which writes every file needed.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelBroken(f"{path} is not JSON: {error}.") from error
    except OSError as error:
        raise ModelBroken(f"{path} cannot be read: {error}.") from error
