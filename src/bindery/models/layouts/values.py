"""What a model's folder says about the model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bindery.errors import InvalidValue
from bindery.models.card import ModelCard
from bindery.types import DOCUMENT, Role


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear step: y = activation(W x + b), plus x (or R x) if it has a residual.

    ``folder`` has ``model.safetensors`` with ``prefix + "linear.weight"`` (outputs, inputs), and
    optionally ``linear.bias`` and ``residual.weight``. ``activation`` is a key of
    :data:`bindery.encoders.head.ACTIVATIONS`.
    """

    folder: Path
    inputs: int
    outputs: int
    activation: str = "identity"
    has_bias: bool = False
    has_residual: bool = False
    prefix: str = ""

    @property
    def projects_residual(self) -> bool:
        """Whether there is a matrix R, because x has another width than y."""
        return self.has_residual and self.inputs != self.outputs


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Layer normalisation; ``folder`` has ``norm.weight`` and ``norm.bias``."""

    folder: Path
    width: int


@dataclass(frozen=True, slots=True)
class Normalize:
    """Scale each row to length 1 (L2)."""


Step: TypeAlias = Dense | LayerNorm | Normalize
"""A step for each pooled vector (dense) or each token's vector (late interaction)."""


@dataclass(frozen=True, slots=True)
class LateInteraction:
    """How a late-interaction model marks, expands and thins out its texts.

    A marker is a token of the vocabulary that is put after the first special token; empty for none.
    ``query_length`` and ``document_length`` include special tokens and marker: longer texts are
    cut. If it ``expands``, queries are filled with ``expansion_token`` (empty: the tokeniser's mask
    token) up to ``expanded_length``, or up to ``query_length`` if that is None. Tokens of the words
    ``skipped`` get no vector in the roles ``skipped_in``. A ``pooling_factor`` above 1 clusters the
    tokens of documents, except the first ``protected_tokens``. ``as_colbert_ai`` follows
    colbert-ai: only the first token of a skipped word is skipped, and a padding token in a text
    counts as padding.
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
                    f"{name} must be at least 4 tokens, got {getattr(self, name)}.", param=name
                )
        if self.expanded_length is not None and self.expanded_length > self.query_length:
            raise InvalidValue(
                f"expanded_length must be at most the query_length {self.query_length}, got "
                f"{self.expanded_length}.",
                param="expanded_length",
            )
        if not 1 <= self.pooling_factor < float("inf") or self.protected_tokens < 0:
            raise InvalidValue(
                "pooling_factor must be at least 1 and protected_tokens at least 0, got "
                f"{self.pooling_factor} and {self.protected_tokens}.",
                param="pooling_factor",
            )


@dataclass(frozen=True, slots=True)
class Layout:
    """A model's folder: its card, and the settings of its tokeniser and head.

    ``body`` is the folder of the Transformer. ``pools_prompt`` says whether the pooling includes
    the tokens of the prompt. ``steps`` come after the pooling. ``late`` is None for a dense model.
    """

    folder: Path
    body: Path
    card: ModelCard
    lower_case: bool
    pools_prompt: bool
    steps: tuple[Step, ...] = (Normalize(),)
    late: LateInteraction | None = None
