"""``/rotations``: what vectors may be turned by before they are cut."""

import numpy as np
from fastapi import APIRouter, Request

from bindery.faces.http import examples
from bindery.faces.http.routes.shapes import RotationAnswer, RotationsAnswer
from bindery.faces.http.services import services_of
from bindery.library import Library

router = APIRouter(prefix="/rotations", tags=["rotations"])

# Lengths that vectors are usually cut to.
_LENGTHS = (1024, 768, 512, 384, 256, 192, 128, 96, 64, 32)


@router.get("", summary="List rotations")
async def list_rotations(request: Request) -> RotationsAnswer:
    """Every rotation that was fitted on this machine, by name."""
    services = services_of(request)
    found = await services.looking.run(_all, services.library)
    return RotationsAnswer(total_rotations=len(found), rotations=found)


@router.get("/{name}", summary="Describe a rotation")
async def describe_rotation(request: Request, name: examples.RotationPath) -> RotationAnswer:
    """Which model's vectors it turns, and how much of them the first dimensions then keep."""
    services = services_of(request)
    return await services.looking.run(_facts, services.library, name)


def _all(library: Library) -> list[RotationAnswer]:
    return [_facts(library, name) for name in library.rotations.names()]


def _facts(library: Library, name: str) -> RotationAnswer:
    rotation = library.rotations.get(name)
    kept = np.cumsum(rotation.energy)
    return RotationAnswer(
        name=name,
        model=rotation.model,
        revision=rotation.revision,
        dimensions=rotation.width,
        fitted_on=rotation.fitted_on,
        digest=rotation.digest,
        energy={
            str(length): round(float(kept[length - 1]), 6)
            for length in _LENGTHS
            if length < rotation.width
        },
    )
