"""``GET /collections/{name}/map``: the chunks of a collection as points of a plane."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from bindery.faces.http.calls import json_answer
from bindery.faces.http.routes.collections import NamePath
from bindery.faces.http.services import collections_of, services_of
from bindery.search.mapping import map_of

router = APIRouter(prefix="/collections/{name}", tags=["collections"])


class PointAnswer(BaseModel):
    """A chunk; ``is_alike`` says that another one of the points is nearly the same."""

    x: float
    y: float
    is_alike: bool
    file: str
    file_id: str
    kind: str
    language: str
    start: int
    end: int
    headings: list[str]


class MapAnswer(BaseModel):
    """Up to 3,000 chunks of ``total`` as points, whose coordinates are in -1 to 1.

    Another vector v of the model lies at the dot products of v - ``mean`` with the two ``axes``.
    ``explained`` is the share of the variance of the vectors that the plane keeps.
    """

    total: int
    explained: float
    mean: list[float]
    axes: list[list[float]]
    points: list[PointAnswer]


@router.get(
    "/map",
    summary="Map a collection",
    responses={200: {"model": MapAnswer, "description": "The points and the axes."}},
)
async def map_collection(request: Request, name: NamePath) -> Response:
    """The chunks as points, near each other if they are alike (principal components)."""
    services = services_of(request)

    def answer() -> Response:
        return json_answer(map_of(collections_of(request).get(name)).facts())

    return await services.ranking.run(answer)
