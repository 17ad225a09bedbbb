"""``/collections/{name}/files``: the files of a collection."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import (
    RequestBody,
    parse_body,
    parse_object,
    read_body,
)
from bindery.faces.http.gate.access import Scope, identity_of
from bindery.faces.http.routes.collections import NamePath, NowQuery
from bindery.faces.http.routes.deletion_shapes import (
    FileRemovedAnswer,
    FilesRemovedAnswer,
    receipt_answer,
)
from bindery.faces.http.routes.job_shapes import MOST_FILES, check_names_are_unique
from bindery.faces.http.routes.transfers import receive_uploads
from bindery.faces.http.services import Services, collections_of, files_of, services_of
from bindery.search.collection import Collection
from bindery.store.collections import CollectionFile

router = APIRouter(prefix="/collections/{name}", tags=["collections"])

FileNamePath = Annotated[
    str,
    PathParameter(
        description="The name of the file in the collection, or its id.",
        examples=[examples.NAME],
        max_length=1024,
    ),
]

AfterQuery = Annotated[int, Query(description="`next` of the page before.", ge=0, le=2**62)]
LimitQuery = Annotated[int | None, Query(description="At most this many files.", ge=1, le=10_000)]


class AddFilesBody(RequestBody):
    """Stored files to add, and the attributes that all of them get."""

    refuses_unknown = True

    file_ids: list[str] = Field(
        min_length=1, max_length=MOST_FILES, description="Ids from uploads."
    )
    attributes: dict[str, Any] | None = Field(
        None, description="By name: text, numbers, booleans or lists of text."
    )


class RemoveFilesBody(RequestBody):
    """Files to remove by their names; ``now`` leaves nothing of them on the disk."""

    refuses_unknown = True

    files: list[str] = Field(min_length=1)
    now: bool = False


class AddFilesAnswer(BaseModel):
    """The job that adds the files; see `GET /jobs/{job_id}`."""

    job_id: str
    collection: str


class CollectionFileAnswer(BaseModel):
    """A file of a collection.

    ``source`` is the id of a stored file. For a file of the server's disk it is the path if the key
    has the scope ``admin``, and else the same as ``file_id``.
    """

    file: str
    file_id: str
    source: str
    size_bytes: int
    kind: str
    title: str
    language: str
    attributes: dict[str, Any]
    added_at: datetime


class CollectionFilesAnswer(BaseModel):
    """The files of a collection, in the order in which they were first added.

    ``next`` is given as ``after`` to get the files after these; null at the end.
    """

    total_files: int
    next: int | None
    files: list[CollectionFileAnswer]


class AttributesBody(RequestBody):
    """The new attributes of a file, in place of all that it had."""

    refuses_unknown = True

    attributes: dict[str, Any]


@router.post(
    "/files",
    summary="Add files to a collection",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=examples.body(AddFilesBody, examples.ADD_FILES),
)
async def add_files(request: Request, response: Response, name: NamePath) -> AddFilesAnswer:
    """Cut, embed and index files, in the background; `Location` is the job.

    Send the ids of stored files, or upload files: multipart, each in the field `file`, with their
    attributes as JSON in the field `attributes`.

    When a file has been added, it replaces the file with its name; until then, that one is found.
    """
    services = services_of(request)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        body = await _uploaded(request, services, name)
    else:
        body = parse_body(await read_body(request), AddFilesBody)
    job_id = await services.disk.run(_add, request, name, body)
    response.headers.update({"location": f"/jobs/{job_id}", "retry-after": "1"})
    return AddFilesAnswer(job_id=job_id, collection=name)


async def _uploaded(request: Request, services: Services, name: str) -> AddFilesBody:
    collection = await services.disk.run(collections_of(request).get, name)

    def attributes_of(fields: Mapping[str, str]) -> dict[str, Any] | None:
        given = fields.get("attributes")
        return None if given is None else parse_object(given.encode())

    store = await services.disk.run(files_of, request)
    kept, fields = await receive_uploads(
        request,
        store,
        services.disk,
        limit_bytes=services.settings.upload_limit_bytes,
        fields=("attributes",),
        check=lambda fields: collection.request(["-"], attributes=attributes_of(fields)),
    )
    return AddFilesBody(file_ids=[file.id for file in kept], attributes=attributes_of(fields))


@router.get("/files", summary="List the files of a collection")
async def list_collection_files(
    request: Request, name: NamePath, *, after: AfterQuery = 0, limit: LimitQuery = None
) -> CollectionFilesAnswer:
    """The files that are found, with their attributes: all, or some at a time."""
    collections = collections_of(request)
    files = await services_of(request).disk.run(lambda: collections.get(name).files())
    rest = [file for file in files if file.number > after]
    page = rest[:limit]
    return CollectionFilesAnswer(
        total_files=len(files),
        next=page[-1].number if len(page) < len(rest) else None,
        files=[_file(request, file) for file in page],
    )


@router.patch(
    "/files/{file:path}",
    summary="Change the attributes of a file",
    openapi_extra=examples.body(AttributesBody, examples.ATTRIBUTES),
)
async def change_attributes(
    request: Request, name: NamePath, file: FileNamePath
) -> CollectionFileAnswer:
    """Replace the attributes of a file; searches see them at once."""
    collections = collections_of(request)
    body = parse_body(await read_body(request), AttributesBody)

    def change() -> CollectionFile:
        collection = collections.get(name)
        named = _name_of(collection, file)
        collection.set_attributes(named, body.attributes)
        return next(one for one in collection.files() if one.name == named)

    return _file(request, await services_of(request).disk.run(change))


@router.delete("/files/{file:path}", summary="Remove a file from a collection")
async def remove_file(
    request: Request, name: NamePath, file: FileNamePath, *, now: NowQuery = False
) -> FileRemovedAnswer:
    """Remove a file from the collection. The stored file is kept; the answer is a receipt."""

    def remove() -> FileRemovedAnswer:
        collection = collections_of(request).get(name)
        receipt = collection.remove([_name_of(collection, file)], now=now)
        return FileRemovedAnswer(file=file, receipt=receipt_answer(receipt, request))

    return await services_of(request).disk.run(remove)


@router.post("/files/remove", include_in_schema=False)
async def remove_files(request: Request, name: NamePath) -> FilesRemovedAnswer:
    """Remove several files in one transaction, for commands; the answer is one receipt."""
    body = parse_body(await read_body(request), RemoveFilesBody)

    def remove() -> FilesRemovedAnswer:
        receipt = collections_of(request).get(name).remove(body.files, now=body.now)
        return FilesRemovedAnswer(receipt=receipt_answer(receipt, request))

    return await services_of(request).disk.run(remove)


def _add(request: Request, name: str, body: AddFilesBody) -> str:
    collection, files = collections_of(request).get(name), files_of(request)
    names = {one: files.get(one).name for one in body.file_ids}
    check_names_are_unique([names[one] for one in body.file_ids])
    if len(set(body.file_ids)) != len(body.file_ids):
        raise InvalidValue("A file is named twice.", remedy="Name it once.", param="file_ids")
    wanted = collection.request(body.file_ids, attributes=body.attributes)
    owner = identity_of(request).key_id
    return services_of(request).jobs.submit(wanted, owner=owner, names=names).id


def _name_of(collection: Collection, file: str) -> str:
    """The name of a file, given that or its id: clients shorten addresses with names such as .."""
    files = collection.files()
    if any(one.name == file for one in files):
        return file
    return next((one.name for one in files if one.id == file), file)


def _file(request: Request, file: CollectionFile) -> CollectionFileAnswer:
    """The answer about a file. Paths of this machine are for its owner and for operators."""
    answer = CollectionFileAnswer.model_validate(file.facts())
    identity = identity_of(request)
    if Path(file.source).is_absolute() and not (
        identity.is_owner or Scope.ADMIN in identity.scopes
    ):
        answer.source = file.id
    return answer
