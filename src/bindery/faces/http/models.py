"""``GET /models``: every row of the catalog, all alike, with what to do about those not here."""

from fastapi import APIRouter, Request

from bindery.faces.http.desk import desk_of
from bindery.faces.http.shapes import ErrorFacts, ModelRow, RowsAnswer
from bindery.library import Library, ModelStatus
from bindery.models.card import CatalogEntry
from bindery.types import DOCUMENT, QUERY

router = APIRouter(tags=["models"])


@router.get("/models", summary="List models")
async def list_catalog(request: Request) -> RowsAnswer:
    """Every model of the catalog with its state; those not `loaded` load when first asked for."""
    desk = desk_of(request)
    rows = await desk.looking.run(_rows, desk.library)
    return RowsAnswer(total_models=len(rows), models=rows)


def _rows(library: Library) -> list[ModelRow]:
    return [_row(library, status) for status in library.statuses()]


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
        repository=card.repository,
        revision=card.revision,
        licence=card.licence,
        gated=local is not None and local.release.gated,
        verified=None if local is None else local.verified,
        error=ErrorFacts(code=error.code, message=error.message, remedy=error.remedy)
        if error
        else None,
    )
