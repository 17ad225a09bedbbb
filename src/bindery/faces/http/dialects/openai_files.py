"""OpenAI's Files API, over the same store as our own ``/files``: each lists the files of both.

Every upload here gets its own id ``file-...``; files of our own route have their hash as id. Files
never expire: ``expires_after`` is ignored, and ``expires_at`` is null.
"""

from collections.abc import Mapping
from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.routes.transfers import attachment, receive_upload
from bindery.faces.http.services import AppServices, files_of
from bindery.store.files import FileStore, Incoming, StoredFile

router = APIRouter(prefix="/v1/files", tags=["OpenAI"])

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""OpenAI's purposes. They are stored and returned, and have no effect."""

OWN_PURPOSE = "user_data"
"""The purpose shown for files of our own route, which has none."""

_MOST = 10_000

FilePath = Annotated[
    str, Path(description="The id that the upload returned.", examples=[examples.OPENAI_FILE_ID])
]


class FileObject(BaseModel):
    """A file in OpenAI's format; ``created_at`` is in seconds since 1970."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None = None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: str | None = None


class FileList(BaseModel):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(BaseModel):
    """The deleted file."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


@router.post("", summary="Upload a file", openapi_extra=examples.OPENAI_UPLOAD)
async def create_openai_file(request: Request, services: AppServices) -> FileObject:
    """OpenAI's upload: one `file` and its `purpose`. Jobs and chunks accept its id.

    Files never expire: `expires_after` is ignored, and `expires_at` is null.
    """
    store = await services.disk.run(files_of, request)
    stored = await receive_upload(
        request,
        store,
        services.disk,
        limit_bytes=services.settings.upload_limit_bytes,
        keep=_keep,
        fields=("purpose",),
    )
    return _object(stored)


@router.get("", summary="List files")
async def list_openai_files(
    request: Request,
    services: AppServices,
    after: Annotated[
        str | None,
        Query(max_length=100, description="The id of the last file of the previous page."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = _MOST,
    order: Annotated[Literal["asc", "desc"], Query()] = "desc",
    purpose: Annotated[str | None, Query(max_length=100)] = None,
) -> FileList:
    """All files, newest first, including those of `POST /files/upload`."""
    return await services.disk.run(
        _list, request, after=after, limit=limit, newest_first=order == "desc", purpose=purpose
    )


@router.get("/{file_id}", summary="Describe a file")
async def retrieve_openai_file(
    request: Request, services: AppServices, file_id: FilePath
) -> FileObject:
    """The name, size and upload time of a file."""
    return _object(await services.disk.run(lambda: files_of(request).get(file_id)))


@router.get(
    "/{file_id}/content",
    summary="Download a file",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file."}},
)
async def download_openai_file(
    request: Request, services: AppServices, file_id: FilePath
) -> Response:
    """The uploaded bytes, as a download that browsers save and never display."""
    stored, file = await services.disk.run(lambda: _open(files_of(request), file_id))
    return attachment(file, stored.size_bytes, stored.name, services.disk)


@router.delete("/{file_id}", summary="Delete a file")
async def delete_openai_file(
    request: Request, services: AppServices, file_id: FilePath
) -> FileDeleted:
    """Delete a file and everything that was made from it."""
    await services.disk.run(lambda: files_of(request).delete(file_id))
    return FileDeleted(id=file_id)


def _keep(incoming: Incoming, name: str, fields: Mapping[str, str]) -> StoredFile:
    purpose = fields.get("purpose")
    if purpose not in PURPOSES:
        raise InvalidValue(
            "The field 'purpose' is missing."
            if purpose is None
            else f"{purpose[:80]!r} is not a purpose.",
            remedy=f"Send one of: {', '.join(PURPOSES)}.",
            param="purpose",
        )
    return incoming.keep(name, purpose=purpose)


def _open(files: FileStore, file_id: str) -> tuple[StoredFile, BinaryIO]:
    return files.get(file_id), files.open(file_id)


def _list(
    request: Request, *, after: str | None, limit: int, newest_first: bool, purpose: str | None
) -> FileList:
    files = [_object(file) for file in files_of(request)]
    files = [file for file in files if purpose in (None, file.purpose)]
    if newest_first:
        files.reverse()
    if after is not None:
        indices = {file.id: index for index, file in enumerate(files)}
        if after not in indices:
            raise InvalidValue(
                f"There is no file {after!r} in this list.",
                remedy="Send the id of an existing file, or leave out 'after' to start again.",
                param="after",
            )
        files = files[indices[after] + 1 :]
    page = files[:limit]
    ends = (page[0].id, page[-1].id) if page else (None, None)
    return FileList(data=page, first_id=ends[0], last_id=ends[1], has_more=len(files) > limit)


def _object(stored: StoredFile) -> FileObject:
    return FileObject(
        id=stored.id,
        bytes=stored.size_bytes,
        created_at=int(stored.uploaded_at),
        filename=stored.name,
        purpose=stored.purpose or OWN_PURPOSE,
    )
