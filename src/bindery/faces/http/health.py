"""Whether the process lives, and whether its models answer."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

import bindery
from bindery.faces.http.desk import Desk, desk_of
from bindery.faces.http.shapes import HealthAnswer, ModelReadiness, ReadyAnswer
from bindery.library import ModelState, ModelStatus

router = APIRouter(tags=["health"])

# Models in these states are not on the machine or not served, and nobody waits for them.
_NOT_HERE = {ModelState.MISSING, ModelState.UNSUPPORTED}
# A vendor is not asked whether it answers: that may cost money.
_ANSWERS = {ModelState.LOADED, ModelState.REMOTE}


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

    503 otherwise, with the reason for each; also while models are being loaded, and when there is
    none.
    """
    answer = await _readiness(desk_of(request))
    if answer.status != "ready":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["retry-after"] = "1"
    return answer


async def _readiness(desk: Desk) -> ReadyAnswer:
    if desk.warmup.is_running:
        return ReadyAnswer(status="loading", models=[])
    statuses = await desk.looking.run(desk.library.statuses)
    models = [_model(status) for status in statuses]
    here = [status for status in statuses if status.state not in _NOT_HERE]
    if any(
        status.state is ModelState.PRESENT and not desk.warmup.has_tried(status.card.id)
        for status in here
    ):
        desk.warmup.start()  # a model that was preloaded since the server started
        return ReadyAnswer(status="loading", models=models)
    answers = bool(here) and all(status.state in _ANSWERS for status in here)
    return ReadyAnswer(status="ready" if answers else "not_ready", models=models)


def _model(status: ModelStatus) -> ModelReadiness:
    error = status.error
    return ModelReadiness(
        id=status.card.id,
        state=status.state.value,
        code=error.code if error else None,
        message=error.message if error else None,
        remedy=error.remedy if error else None,
    )
