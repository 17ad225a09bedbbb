"""Rotations, applied to the full vectors of a model before they are cut."""

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
    """A request for the model's full vectors, and a function that rotates and cuts them.

    Raises InvalidValue for a rotation of another model's vectors, and for a length that the model
    cannot give.
    """
    dimensions = request.options.dimensions
    rotation.check_model(card.id, card.revision, card.dimensions)
    check_dimensions(card, dimensions, any_dimensions=True)

    def turn(encoded: Encoded) -> Encoded:
        embeddings = rotation.apply(encoded.embeddings)
        if dimensions is not None:
            embeddings = embeddings.cut(dimensions)
        return replace(encoded, embeddings=embeddings)

    full = replace(request.options, dimensions=None, any_dimensions=False, rotation=None)
    return replace(request, options=full), turn
