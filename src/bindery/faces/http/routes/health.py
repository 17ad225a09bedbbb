"""Liveness and readiness."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

import bindery
from bindery.faces.http.routes.shapes import HealthAnswer, ReadyAnswer
from bindery.faces.http.services import services_of

router = APIRouter(tags=["health"])


@router.get("/health", summary="Check liveness")
async def health() -> HealthAnswer:
    """Answers as long as the process runs, however busy it is."""
    return HealthAnswer(version=bindery.__version__)


@router.get(
    "/ready",
    summary="Check readiness",
    responses={HTTPStatus.SERVICE_UNAVAILABLE: {"model": ReadyAnswer, "description": "Not ready."}},
)
async def ready(request: Request, response: Response) -> ReadyAnswer:
    """200 if every model on this machine is loaded and passed its self-test.

    Otherwise 503, with the reason for each model: also while models are loading, if there is no
    model, and once the server is stopping.
    """
    answer = await services_of(request).readiness.answer()
    if answer.status != "ready":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["retry-after"] = "1"
    return answer
