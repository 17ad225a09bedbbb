"""``/collections/{name}/export`` and ``/import``: collections as files."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import PurePath
from typing import Annotated, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from bindery.encoders.pending import Cancellation
from bindery.errors import Abandoned, InputError, InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.errors import Busy
from bindery.faces.http.gate.access import cancellation_of
from bindery.faces.http.routes.collections import NamePath
from bindery.faces.http.routes.transfers import (
    MEDIA_TYPES,
    ResultFormat,
    attachment,
    receive_upload,
    written_file,
)
from bindery.faces.http.services import Services, collections_of, files_of, services_of
from bindery.jobs.writers import writer_of
from bindery.search.exchange import ImportReport, exported
from bindery.search.foreign import import_collection
from bindery.store.files import Incoming
from bindery.vectors.forms import Form

router = APIRouter(prefix="/collections/{name}", tags=["collections"])

_SUFFIXES = (".parquet", ".arrow", ".jsonl")


class ImportAnswer(BaseModel):
    """How much was imported."""

    collection: str
    files: int
    chunks: int


@router.get(
    "/export",
    summary="Export a collection",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {media_type: {} for media_type in MEDIA_TYPES.values()},
            "description": "A table of chunks with their vectors and attributes.",
        }
    },
)
async def export_collection(
    request: Request,
    name: NamePath,
    format: Annotated[
        ResultFormat, Query(description="The format of the file.")
    ] = ResultFormat.PARQUET,
    form: Annotated[Form, Query(description="The type of the numbers.")] = Form.FLOAT32,
) -> Response:
    """All chunks with their vectors and attributes; `bindery collections import` reads it."""
    services, collections = services_of(request), collections_of(request)

    def write(sink: BinaryIO) -> None:
        exported(collections.get(name), form).write(writer_of(format.value), sink)

    home = services.settings.home
    file, size_bytes = await services.results.run(written_file, write, home)
    media_type = MEDIA_TYPES[format]
    return attachment(file, size_bytes, f"{name}.{format}", services.disk, media_type=media_type)


@router.post(
    "/import",
    summary="Import a collection",
    status_code=HTTPStatus.CREATED,
    openapi_extra=examples.IMPORT,
)
async def import_into_collection(
    request: Request, response: Response, name: NamePath
) -> ImportAnswer:
    """Make a collection of an exported file (.parquet or .arrow) or of JSON lines (.jsonl).

    Send the file in the multipart field `file`, and for JSON lines the `model` of their vectors,
    which embeds the texts that have none. The answer comes when the collection is complete; if the
    client leaves before, nothing of it stays.
    """
    services = services_of(request)
    collections, cancellation = collections_of(request), cancellation_of(request)

    def keep(incoming: Incoming, filename: str, fields: Mapping[str, str]) -> ImportReport:
        suffix = PurePath(filename).suffix.lower()
        if suffix not in _SUFFIXES:
            raise InvalidValue(
                f"{filename[:200]!r} cannot be imported.",
                remedy=f"Send a file whose name ends in {', '.join(_SUFFIXES)}.",
                param="file",
            )
        with incoming.as_path(suffix) as path:
            try:
                return import_collection(
                    collections,
                    name,
                    path,
                    model=services.names.model_id(fields.get("model", "")),
                    called=filename,
                    check=lambda: _check(services, cancellation),
                )
            except InputError as error:
                error.message = error.message.replace(str(path), filename)
                raise

    report = await receive_upload(
        request,
        await services.disk.run(files_of, request),
        services.adding,
        limit_bytes=services.settings.upload_limit_bytes,
        keep=keep,
        fields=("model",),
    )
    response.headers["location"] = f"/collections/{quote(name, safe='')}"
    return ImportAnswer.model_validate(report.facts())


def _check(services: Services, cancellation: Cancellation) -> None:
    """Raise if the import must end. It may take longer than the deadline of other requests."""
    if cancellation.is_cancelled:
        raise Abandoned("The client has disconnected.")
    if services.readiness.is_ending:
        raise Busy("The server is stopping.", remedy="Import the file again.")
