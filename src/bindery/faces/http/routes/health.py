"""Whether the process lives, and whether its models answer."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

import bindery
from bindery.faces.http.routes.shapes import HealthAnswer, ReadyAnswer
from bindery.faces.http.services import Services, services_of

router = APIRouter(tags=["health"])


@router.get("/health", summary="Is it alive?")
async def health() -> HealthAnswer:
    """Answers at once, whatever the server is doing."""
    return HealthAnswer(version=bindery.__version__)


@router.get(
    "/ready",
    summary="Do its models answer?",
    responses={
        HTTPStatus.SERVICE_UNAVAILABLE: {"model": ReadyAnswer, "description": "Not (yet)."},
    },
)
async def ready(request: Request, response: Response) -> ReadyAnswer:
    """200 when every model on this machine is loaded and gave the reference's vectors.

    503 otherwise, with the reason for each; also while models are being loaded, when there is none,
    and from the moment that the server is told to end.
    """
    answer = await readiness(services_of(request))
    if answer.status != "ready":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["retry-after"] = "1"
    return answer


async def readiness(services: Services) -> ReadyAnswer:
    """Whether requests shall be sent here."""
    return await services.readiness.answer()
