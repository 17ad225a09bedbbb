"""The app: routes, guard, error handlers, and its start and end."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import bindery
from bindery.errors import BinderyError, InvalidValue, NotFound
from bindery.faces.http import examples, page_files
from bindery.faces.http.bodies import invalid_field, refuse_unknown_query
from bindery.faces.http.dialects.table import make_router
from bindery.faces.http.errors import MethodNotAllowed, answer_error, error_answer
from bindery.faces.http.gate.access import check_access
from bindery.faces.http.gate.guard import Guard
from bindery.faces.http.gate.origins import Origins
from bindery.faces.http.observing import metrics
from bindery.faces.http.observing.observer import Observer
from bindery.faces.http.observing.timings import note_error
from bindery.faces.http.observing.tracing import Tracing
from bindery.faces.http.routes import (
    chunks,
    collection_files,
    collections,
    evaluations,
    exchange,
    files,
    generations,
    jobs,
    local,
    maps,
    marks,
    mcp,
    models,
    operators,
    passages,
    why_not,
)
from bindery.faces.http.services import Services
from bindery.library import Library
from bindery.secret import Secret
from bindery.settings import Found, Settings
from bindery.store.keys import KeyRing, KeyStore

_DESCRIPTION = """\
Makes documents searchable: upload files, chunk and embed them, and search collections.

Every error has a stable `code`, a message and a remedy. Nothing is truncated, dropped or reordered
silently."""

_OWN_ROUTES = (
    *(files, chunks, jobs, collections, collection_files, passages, maps, exchange, generations),
    *(why_not, marks, evaluations, local, models, operators),
)

# FastAPI's own traces contain URLs and queries, and the environment decides where they go.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(
    library: Library,
    settings: Settings,
    *,
    origins: Mapping[str, str] | None = None,
    tracing: Tracing | None = None,
    owner: Secret | None = None,
) -> FastAPI:
    """The REST API of ``library``. Closing the app closes ``library`` and ``tracing`` too.

    ``origins`` are those of the settings, by field. ``owner`` is a token that allows everything,
    which commands on this machine show. After the start, models load in the background.
    """
    app = FastAPI(
        title="Bindery",
        version=bindery.__version__,
        description=_DESCRIPTION,
        openapi_tags=examples.TAGS,
        docs_url=None,  # ours works offline
        redoc_url=None,
        lifespan=_lifespan,
        responses=examples.ERRORS,
        generate_unique_id_function=_route_name,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    services = app.state.services = Services(library, Found(settings, origins or {}))
    app.state.tracing = tracing
    app.include_router(make_router())
    for part in _OWN_ROUTES:
        app.include_router(part.router, dependencies=[Depends(refuse_unknown_query)])
    for part in (metrics, page_files, mcp):
        app.include_router(part.router)
    check_access(app.routes)
    app.add_middleware(
        Guard,
        routes=app.routes,
        settings=settings,
        keys=KeyRing(KeyStore(settings.home)),
        owner=owner,
        origins=Origins((settings.host, *settings.allowed_hosts), settings.cors_origins),
        until_room_s=lambda: library.until_room_s,
    )
    # Outermost, so that it sees the requests that the guard refuses.
    app.add_middleware(Observer, meters=services.meters, tracing=tracing)

    app.add_exception_handler(BinderyError, answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    services: Services = app.state.services
    services.start()
    yield
    await asyncio.to_thread(services.close)
    if app.state.tracing:
        await asyncio.to_thread(app.state.tracing.close)


def _route_name(route: APIRoute) -> str:
    return route.name


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """FastAPI's error about a URL, in our format, with the value of a query parameter."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    # The first part of the location is `path` or `query`.
    where, *names = first["loc"]
    given = first["input"] if where == "query" else None
    return answer_error(request, invalid_field(names, first["msg"], given, is_query=True))


async def _answer_http(request: Request, error: Exception) -> Response:
    """Starlette's own errors, such as 404 and 405, in our format."""
    assert isinstance(error, HTTPException)
    translated: dict[int, BinderyError] = {
        HTTPStatus.NOT_FOUND: NotFound(
            "This route does not exist.", remedy="/docs lists all routes."
        ),
        HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed(
            f"This route does not support {request.method[:20]}.", remedy="/docs lists its methods."
        ),
    }
    answer = translated.get(error.status_code, InvalidValue(error.detail))
    note_error(request.scope, answer)
    return error_answer(answer, request.scope["path"], headers=error.headers)
