"""Vectors turned by a rotation before they are cut."""

from collections.abc import Callable
from dataclasses import replace

from bindery.encoders.base import Encoded
from bindery.encoders.checks import check_dimensions
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.models.card import ModelCard
from bindery.vectors.rotation import Rotation


def apply_rotation(
    request: EncodeRequest | SpansRequest, rotation: Rotation, card: ModelCard
) -> tuple[EncodeRequest | SpansRequest, Callable[[Encoded], Encoded]]:
    """What to ask the model for instead, its full vectors, and what is to be done to them.

    Raises InvalidValue for a rotation of another model's vectors, and for a length that is none.
    """
    dimensions = request.dimensions
    rotation.check_model(card.id, card.revision, card.dimensions)
    check_dimensions(card, dimensions, any_dimensions=True)

    def turn(encoded: Encoded) -> Encoded:
        embeddings = rotation.apply(encoded.embeddings)
        if dimensions is not None:
            embeddings = embeddings.cut(dimensions)
        return replace(encoded, embeddings=embeddings)

    return replace(request, dimensions=None, any_dimensions=False), turn
