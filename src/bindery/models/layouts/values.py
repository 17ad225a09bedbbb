"""What a model's folder says about the model, as values."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bindery.errors import InvalidValue
from bindery.models.card import ModelCard
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
