"""LibreChat's rag_api: files of chats, in the collection ``librechat``.

The requests are those of LibreChat's source (``api/server/services/Files/VectorDB`` and its file
search). A file keeps LibreChat's id in the attribute ``file_id``.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from bindery.errors import InvalidValue, UnknownCollection, UnknownFile
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_body, read_body
from bindery.faces.http.dialects.base import Dialect
from bindery.faces.http.dialects.openai_store_files import stores_of
from bindery.faces.http.routes.transfers import receive_upload
from bindery.faces.http.services import collections_of, files_of, public_address, services_of
from bindery.filters import Compare, Operator
from bindery.jobs import JobRequest
from bindery.jobs.recipe import make_recipe
from bindery.library import DEFAULT_MODEL
from bindery.options import MOST_HITS, SearchOptions
from bindery.search.answers import Hit, text_of
from bindery.search.passages import read_passages
from bindery.search.vector_stores import AttachedFile, VectorStores
from bindery.store.files import Incoming, StoredFile
from bindery.store.vector_stores import StoreFile, StoreFileState

router = APIRouter(prefix="/librechat", tags=["LibreChat"])

COLLECTION = "librechat"
_KEY = "file_id"
_MOST_ID = 200
_LOOK_S = 0.2

FilePath = Annotated[
    str, Path(description="LibreChat's id of the file.", examples=["chat-1"], max_length=_MOST_ID)
]


class ChatFileAnswer(BaseModel):
    """The file is in the collection."""

    status: bool = True
    message: str = "File processed successfully."
    file_id: str
    filename: str
    known_type: bool = True


class ChatTextAnswer(BaseModel):
    """The text of a file."""

    text: str
    file_id: str
    filename: str
    known_type: bool = True


class QueryBody(RequestBody):
    """A question about a file."""

    file_id: str = Field(max_length=_MOST_ID)
    query: str
    k: int = Field(4, ge=1, le=MOST_HITS)


class QueriesBody(RequestBody):
    """A question about several files."""

    file_ids: list[str] = Field(min_length=1, max_length=1000)
    query: str
    k: int = Field(4, ge=1, le=MOST_HITS)


class PagePart(BaseModel):
    """A passage."""

    page_content: str
    metadata: dict[str, Any]


class Removed(BaseModel):
    """What was removed."""

    message: str


@router.get("/health", summary="Probe (LibreChat)")
async def probe_for_librechat() -> dict[str, str]:
    """LibreChat asks for this when it starts."""
    return {"status": "UP"}


@router.post("/embed", summary="Add a file (LibreChat)", openapi_extra=examples.LIBRECHAT_UPLOAD)
async def embed_for_librechat(request: Request) -> ChatFileAnswer:
    """Add a file of a chat; the answer comes when it is found. The collection is made if needed."""
    stored, file_id = await _receive(request)
    run = services_of(request).disk.run
    try:
        file = await _add(request, stored.id, file_id)
    except Exception:
        await run(files_of(request).delete, stored.id)
        raise

    def remove_former() -> None:
        for other in _files(stores_of(request), [file_id]):
            if other.order < file.order:
                _remove(request, other)

    await run(remove_former)
    return ChatFileAnswer(file_id=file_id, filename=file.filename)


@router.post("/text", summary="Read an upload (LibreChat)", openapi_extra=examples.LIBRECHAT_UPLOAD)
async def parse_for_librechat(request: Request) -> ChatTextAnswer:
    """The text of a file, which is not kept. LibreChat asks for it to upload files as text."""
    services = services_of(request)
    stored, file_id = await _receive(request)
    timeout_s = services.settings.parse_timeout_s
    try:
        read = services.library.read_file
        document = await services.parsing.run(read, stored.id, timeout_s=timeout_s)
    finally:
        await services.disk.run(files_of(request).delete, stored.id)
    return ChatTextAnswer(text=document.text, file_id=file_id, filename=stored.name)


@router.post(
    "/query",
    summary="Search a file (LibreChat)",
    openapi_extra=examples.body(QueryBody, examples.LIBRECHAT_QUERIES),
)
async def query_for_librechat(request: Request) -> list[tuple[PagePart, float]]:
    """The passages of a file that answer best, each with a distance, 0 to 1."""
    body = parse_body(await read_body(request), QueryBody)
    return await _query(request, [body.file_id], body.query, body.k)


@router.post(
    "/query_multiple",
    summary="Search several files (LibreChat)",
    openapi_extra=examples.body(QueriesBody, examples.LIBRECHAT_QUERIES_OF_SEVERAL),
)
async def query_several_for_librechat(request: Request) -> list[tuple[PagePart, float]]:
    """The passages of several files that answer best."""
    body = parse_body(await read_body(request), QueriesBody)
    return await _query(request, body.file_ids, body.query, body.k)


@router.get("/documents/{file_id}/context", summary="Read a file (LibreChat)")
async def read_for_librechat(request: Request, file_id: FilePath) -> str:
    """The text of a file."""
    services = services_of(request)

    def read() -> str:
        stores = stores_of(request)
        found = _files(stores, [file_id])
        _check_found([file_id], found)
        collection = stores.collection(COLLECTION)
        return text_of(read_passages(services.library, collection, found[0].id).chunks)

    return await services.disk.run(read)


@router.delete(
    "/documents",
    summary="Remove files (LibreChat)",
    openapi_extra={
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {"type": "array", "items": {"type": "string"}},
                    "examples": {"One file": {"value": ["chat-1"]}},
                }
            }
        }
    },
)
async def remove_for_librechat(request: Request) -> Removed:
    """Delete files of chats, by LibreChat's ids, with all that was made of them."""
    raw = await read_body(request)
    try:
        given: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        given = None
    ids = cast("list[object]", given) if isinstance(given, list) else []
    if not ids or not all(isinstance(one, str) for one in ids):
        raise InvalidValue(
            "The body must be a list of file ids.", remedy='Send ["chat-1"].', param="body"
        )

    def remove() -> Removed:
        found = _files(stores_of(request), [str(one) for one in ids])
        _check_found([str(one) for one in ids], found)
        for file in found:
            _remove(request, file)
        count = len(found)
        return Removed(message=f"Documents for {count} file{'s' * (count > 1)} deleted")

    return await services_of(request).disk.run(remove)


async def _query(
    request: Request, file_ids: list[str], query: str, k: int
) -> list[tuple[PagePart, float]]:
    address = public_address(request)

    def search() -> list[tuple[PagePart, float]]:
        stores = stores_of(request)
        _check_found(file_ids, _files(stores, file_ids))
        where = Compare(_KEY, Operator.IN, tuple(file_ids))
        found = stores.collection(COLLECTION).search(query, SearchOptions(top=k, filter=where))
        return [(_part(hit, address), max(0.0, 1 - hit.score)) for hit in found.hits]

    return await services_of(request).ranking.run(search)


async def _receive(request: Request) -> tuple[StoredFile, str]:
    """The upload, and LibreChat's id of it. Raises InvalidValue without an id."""
    services = services_of(request)
    fields: dict[str, str] = {}

    def keep(incoming: Incoming, name: str, given: Mapping[str, str]) -> StoredFile:
        if not given.get(_KEY):
            raise InvalidValue(
                f"The field {_KEY!r} is missing.", remedy="Send the id of the file.", param=_KEY
            )
        if len(given[_KEY]) > _MOST_ID or not given[_KEY].isprintable():
            raise InvalidValue(
                f"{_KEY} must have 1 to {_MOST_ID} printable characters, got {given[_KEY][:80]!r}.",
                remedy="Send the id without control characters.",
                param=_KEY,
            )
        fields.update(given)
        return incoming.keep(name, purpose="assistants")

    stored = await receive_upload(
        request,
        await services.disk.run(files_of, request),
        services.disk,
        limit_bytes=services.settings.upload_limit_bytes,
        keep=keep,
        fields=(_KEY,),
    )
    return stored, fields[_KEY]


async def _add(request: Request, stored_id: str, file_id: str) -> StoreFile:
    """Add a stored file to the collection. Raises InvalidValue if it cannot be added."""
    await _create(request)
    run = services_of(request).disk.run
    attached = [AttachedFile(stored_id, {_KEY: file_id})]
    await run(lambda: stores_of(request).attach(COLLECTION, attached))
    while True:
        file = await run(lambda: stores_of(request).file(COLLECTION, stored_id))
        if file.state is StoreFileState.COMPLETED:
            return file
        if file.state is not StoreFileState.IN_PROGRESS:
            raise InvalidValue(file.error_message or "The file was not added.", param="file")
        await asyncio.sleep(_LOOK_S)


async def _create(request: Request) -> None:
    """Make the collection if there is none. Raises InvalidValue if the key may not have it."""
    services, collections = services_of(request), collections_of(request)
    if await services.disk.run(collections.find, COLLECTION) is None:
        recipe = await services.loading.run(
            make_recipe, services.library, JobRequest(("-",), DEFAULT_MODEL)
        )
        await services.disk.run(collections.create, COLLECTION, recipe)


def _remove(request: Request, file: StoreFile) -> None:
    """Delete a file, or only remove it from the collection if another key has uploaded it."""
    with suppress(UnknownFile):
        stores_of(request).remove(COLLECTION, file.id)
        files_of(request).delete(file.id)


def _files(stores: VectorStores, file_ids: list[str]) -> list[StoreFile]:
    wanted = set(file_ids)
    try:
        files = stores.files(COLLECTION)
    except UnknownCollection:  # nobody has added a file yet
        return []
    return [file for file in files if file.attributes.get(_KEY) in wanted]


def _check_found(file_ids: list[str], found: list[StoreFile]) -> None:
    missing = set(file_ids) - {str(file.attributes[_KEY]) for file in found}
    if missing:
        raise UnknownFile(
            f"There is no file {min(missing)[:80]!r}.",
            remedy="Add it with POST /librechat/embed.",
            param=_KEY,
        )


def _part(hit: Hit, address: str) -> PagePart:
    about = {
        "source": hit.file,
        "page": hit.page,
        "last_page": hit.last_page,
        "start": hit.span.start,
        "end": hit.span.end,
    }
    metadata = {**(hit.attributes or {}), **about, "url": hit.url(address), "digest": hit.id}
    return PagePart(page_content=hit.text, metadata=metadata)


LIBRECHAT = Dialect("LibreChat", others=router)
