"""How far the models of a catalog are from answering."""

from dataclasses import dataclass
from enum import StrEnum

from bindery.encoders import Encoder
from bindery.errors import BinderyError, EngineError
from bindery.models.card import ModelCard


class ModelState(StrEnum):
    """How far a model of the catalog is from answering; ``REMOTE`` is one that a vendor runs.

    ``FAILING`` is one that is loaded and does not answer just now.
    """

    LOADED = "loaded"
    FAILING = "failing"
    REMOTE = "remote"
    PRESENT = "present"
    MISSING = "missing"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model of the catalog and its state; ``error`` says why it cannot answer, if so.

    ``unloaded`` tells of a model that is present that it answered until it made room for another,
    and will again when it is asked for.
    """

    card: ModelCard
    state: ModelState
    error: BinderyError | None = None
    unloaded: bool = False


def status_of(encoder: Encoder) -> ModelStatus:
    """The state of a model that is loaded."""
    if (fault := encoder.fault) is None:
        return ModelStatus(encoder.card, ModelState.LOADED)
    error = EngineError(
        f"Model {encoder.card.id!r} does not answer: {fault}", remedy="It is tried again."
    )
    return ModelStatus(encoder.card, ModelState.FAILING, error)
