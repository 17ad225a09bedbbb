"""The models of the catalog, and the rotations that were fitted for them."""

import numpy as np
from fastapi import APIRouter

from bindery.faces.http import examples
from bindery.faces.http.routes.shapes import (
    ErrorFacts,
    ModelAnswer,
    ModelRow,
    ModelsAnswer,
    RotationAnswer,
    RotationsAnswer,
    RowsAnswer,
)
from bindery.faces.http.services import AppServices
from bindery.library import Library, ModelStatus
from bindery.models.card import CatalogEntry
from bindery.types import DOCUMENT, QUERY

router = APIRouter()

# The lengths that vectors are usually cut to.
_LENGTHS = (1024, 768, 512, 384, 256, 192, 128, 96, 64, 32)


@router.get("/models", summary="List models", tags=["models"])
async def list_catalog(services: AppServices) -> RowsAnswer:
    """Every model of the catalog with its state. Models load when they are first used.

    `data` lists them in OpenAI's format, for clients whose base URL lacks `/v1`.
    """
    return await services.looking.run(_rows, services.library)


@router.get("/v1/models", summary="List models", tags=["OpenAI"])
async def list_models(services: AppServices) -> ModelsAnswer:
    """Every model of the catalog with its state. Models load when they are first used."""
    statuses = await services.looking.run(services.library.statuses)
    return ModelsAnswer(data=[model_answer(status) for status in statuses])


@router.get("/v1/models/{model_id:path}", summary="Describe a model", tags=["OpenAI"])
@router.get("/models/{model_id:path}", include_in_schema=False)
async def retrieve_model(services: AppServices, model_id: examples.ModelPath) -> ModelAnswer:
    """One model of the catalog, by its id or its repository name.

    `name`, `endpoints` and `context_length` are for Cohere's client.
    """
    found = services.names.model_id(model_id)
    return model_answer(await services.looking.run(services.library.status, found))


@router.get("/rotations", tags=["rotations"], summary="List rotations")
async def list_rotations(services: AppServices) -> RotationsAnswer:
    """Every rotation that was fitted on this machine, sorted by name."""
    found = await services.looking.run(_rotations, services.library)
    return RotationsAnswer(total_rotations=len(found), rotations=found)


@router.get("/rotations/{name}", tags=["rotations"], summary="Describe a rotation")
async def describe_rotation(services: AppServices, name: examples.RotationPath) -> RotationAnswer:
    """The model that it is for, and the share of energy that the first dimensions keep."""
    return await services.looking.run(_rotation, services.library, name)


def model_answer(status: ModelStatus) -> ModelAnswer:
    """A model in the format of OpenAI and Cohere."""
    card = status.card
    return ModelAnswer(
        id=card.id,
        owned_by=card.repository.partition("/")[0] or "local",
        state=status.state.value,
        family=card.family.value,
        dimensions=card.dimensions,
        nested_dimensions=list(card.nested_dimensions),
        max_tokens=card.max_tokens,
        revision=card.revision,
        licence=card.licence,
        name=card.id,
        endpoints=["embed", "rerank"],
        context_length=card.max_tokens,
    )


def _rows(library: Library) -> RowsAnswer:
    statuses = library.statuses()
    return RowsAnswer(
        total_models=len(statuses),
        models=[_row(library, status) for status in statuses],
        data=[model_answer(status) for status in statuses],
    )


def _row(library: Library, status: ModelStatus) -> ModelRow:
    card, error = status.card, status.error
    entry = library.catalog[card.id]
    local = entry if isinstance(entry, CatalogEntry) else None
    return ModelRow(
        id=card.id,
        state=status.state.value,
        family=card.family.value,
        dimensions=card.dimensions,
        nested_dimensions=list(card.nested_dimensions),
        max_tokens=card.max_tokens,
        query_max_tokens=card.query_max_tokens,
        roles=list(dict.fromkeys((QUERY, DOCUMENT, *card.prompts))),
        prompts=dict(card.prompts),
        takes_titles=bool(card.title_prompt),
        languages=list(card.languages),
        repository=card.repository,
        revision=card.revision,
        licence=card.licence,
        size_mb=card.size_mb or None,
        purpose=card.purpose,
        gated=local is not None and local.release.gated,
        verified=None if local is None else local.verified,
        error=ErrorFacts.model_validate(error) if error else None,
    )


def _rotations(library: Library) -> list[RotationAnswer]:
    return [_rotation(library, name) for name in library.rotations.names()]


def _rotation(library: Library, name: str) -> RotationAnswer:
    rotation = library.rotations.get(name)
    kept = np.cumsum(rotation.energy)
    lengths = [length for length in _LENGTHS if length < rotation.width]
    energy = {str(length): round(float(kept[length - 1]), 6) for length in lengths}
    return RotationAnswer.model_validate({"name": name, **rotation.facts, "energy": energy})
