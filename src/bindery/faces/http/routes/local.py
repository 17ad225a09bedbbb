"""``/collections/{name}/local``: work for commands on this machine, which name paths of it.

Only the owner of the home may ask, with the token of the running server. An answer has a line of
JSON for each event, as `bindery add --json` does.
"""

import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import Field, create_model

from bindery.errors import BinderyError, NotFound
from bindery.faces.http.bodies import RequestBody, fields_of, options_from, parse_body, read_body
from bindery.faces.http.gate.access import identity_of
from bindery.faces.http.routes.collections import NamePath
from bindery.faces.http.routes.generations import (
    RebuildBody,
    RollbackBody,
    model_of,
    options_of,
)
from bindery.faces.http.services import Services, collections_of, services_of
from bindery.jobs import JobRequest
from bindery.jobs.following import follow_work
from bindery.library import DEFAULT_MODEL
from bindery.options import ChunkOptions, VectorOptions
from bindery.search import local_work
from bindery.search.adding import Addition, AddOptions
from bindery.search.local_work import LocalWork

router = APIRouter(prefix="/collections/{name}/local", include_in_schema=False)

_RECIPE = {**fields_of(ChunkOptions), **fields_of(VectorOptions)}


class AddBody(create_model("LocalFilesOptions", __base__=RequestBody, **_RECIPE)):
    """Paths to add."""

    refuses_unknown = True

    paths: list[str] = Field(min_length=1)
    model: str = DEFAULT_MODEL
    attributes: dict[str, Any] | None = None
    takes_hidden: bool = False
    syncs: bool = False
    confirms: bool = False
    only: list[str] | None = None


class ExportBody(RequestBody):
    """A file to write."""

    refuses_unknown = True

    path: str
    form: str


class ImportBody(RequestBody):
    """A path, or the address of a store, to make a collection of."""

    refuses_unknown = True

    source: str
    model: str = DEFAULT_MODEL
    store: str = ""
    table: str = ""


def _add(services: Services, name: str, body: Any) -> LocalWork:  # noqa: ANN401 - an AddBody
    options = AddOptions(
        takes_hidden=body.takes_hidden,
        syncs=body.syncs,
        confirms=body.confirms,
        only=None if body.only is None else frozenset(body.only),
        timeout_s=services.settings.parse_timeout_s,
        limit_bytes=services.settings.upload_limit_bytes,
    )
    request = JobRequest(
        ("-",),
        services.names.model_id(body.model),
        options_from(body, ChunkOptions),
        options_from(body, VectorOptions),
    )
    return partial(local_work.add, Addition(name, body.paths, request, options, body.attributes))


def _rebuild(services: Services, name: str, body: Any) -> LocalWork:  # noqa: ANN401
    model, options = model_of(services, body), options_of(body)
    return partial(local_work.rebuild, name, model, options, accepts_loss=body.accepts_loss)


def _roll_back(_: Services, name: str, body: Any) -> LocalWork:  # noqa: ANN401
    return partial(local_work.roll_back, name, accepts_loss=body.accepts_loss)


def _export(_: Services, name: str, body: Any) -> LocalWork:  # noqa: ANN401
    return partial(local_work.export, name, Path(body.path), body.form)


def _import(services: Services, name: str, body: Any) -> LocalWork:  # noqa: ANN401
    model = services.names.model_id(body.model)
    of_records = {"model": model, "store": body.store, "table": body.table}
    return partial(local_work.import_, name, body.source, of_records)


_Make: TypeAlias = Callable[[Services, str, Any], LocalWork]

_WORK: Mapping[str, tuple[type[RequestBody], _Make]] = {
    "add": (AddBody, _add),
    "rebuild": (RebuildBody, _rebuild),
    "rollback": (RollbackBody, _roll_back),
    "export": (ExportBody, _export),
    "import": (ImportBody, _import),
}


@router.post("/{verb}")
async def work_locally(request: Request, name: NamePath, verb: str) -> StreamingResponse:
    """Do work that may take long, and answer with what happens."""
    if not identity_of(request).is_owner or verb not in _WORK:
        raise NotFound("This route does not exist.", remedy="/docs lists all routes.")
    services = services_of(request)
    kind, make = _WORK[verb]
    work = make(services, name, parse_body(await read_body(request), kind))
    stopped = threading.Event()
    lines = follow_work(partial(work, collections_of(request)), stopped)
    return StreamingResponse(_written(services, lines, stopped), media_type="application/x-ndjson")


_NO_MORE: dict[str, Any] = {}


async def _written(
    services: Services, lines: Iterator[dict[str, Any] | None], stopped: threading.Event
) -> AsyncGenerator[bytes]:
    try:
        while not services.readiness.is_ending:
            line = await services.adding.run(next, lines, _NO_MORE)
            if line is _NO_MORE:
                return
            yield b"\n" if line is None else orjson.dumps(line) + b"\n"
    except BinderyError as error:
        names = ("code", "message", "remedy", "param")
        told = {name: getattr(error, name) for name in names}
        yield orjson.dumps({"event": "error", "error": told}) + b"\n"
    finally:  # also if the client has left: the work stops, and the same command resumes it
        stopped.set()
