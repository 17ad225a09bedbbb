"""Routes to upload, list, describe and delete files."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from bindery.faces.http import examples
from bindery.faces.http.routes.shapes import DeletedAnswer, FileAnswer, FilesAnswer
from bindery.faces.http.routes.transfers import keep_as_named, receive_upload
from bindery.faces.http.services import AppServices, files_of

router = APIRouter(prefix="/files", tags=["files"])


@router.post(
    "/upload",
    summary="Upload a file",
    status_code=HTTPStatus.CREATED,
    openapi_extra=examples.UPLOAD,
)
async def upload_file(request: Request, services: AppServices, response: Response) -> FileAnswer:
    """Send one file as the multipart field `file`.

    Its id is the hash of its content. Uploading the same content again updates the name of the
    file and nothing else.
    """
    store = await services.disk.run(files_of, request)
    limit_bytes = services.settings.upload_limit_bytes
    stored = await receive_upload(
        request, store, services.disk, limit_bytes=limit_bytes, keep=keep_as_named
    )
    response.headers["location"] = f"/files/{stored.id}"
    return FileAnswer.model_validate(stored)


@router.get("", summary="List files")
async def list_files(request: Request, services: AppServices) -> FilesAnswer:
    """All files, oldest first."""
    files = await services.disk.run(lambda: list(files_of(request)))
    answers = [FileAnswer.model_validate(stored) for stored in files]
    return FilesAnswer(total_files=len(files), files=answers)


@router.get("/{file_id}", summary="Describe a file")
async def describe_file(
    request: Request, services: AppServices, file_id: examples.FilePath
) -> FileAnswer:
    """The name, size and upload time of a file."""
    return FileAnswer.model_validate(
        await services.disk.run(lambda: files_of(request).get(file_id))
    )


@router.delete("/{file_id}", summary="Delete a file")
async def delete_file(
    request: Request, services: AppServices, file_id: examples.FilePath
) -> DeletedAnswer:
    """Delete a file and everything that was made from it."""
    await services.disk.run(lambda: files_of(request).delete(file_id))
    return DeletedAnswer(file_id=file_id)
