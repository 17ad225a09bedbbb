"""Files of OpenAI's vector stores and their batches, and the pages of its lists."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_body, read_body
from bindery.faces.http.dialects import openai_store_shapes as shapes
from bindery.faces.http.gate.access import identity_of
from bindery.faces.http.services import (
    collections_of,
    files_of,
    services_of,
)
from bindery.search.answers import text_of
from bindery.search.passages import read_passages
from bindery.search.vector_stores import AttachedFile, VectorStores
from bindery.store.vector_stores import StoreFile, StoreFileState

router = APIRouter(prefix="/v1/vector_stores", tags=["OpenAI vector stores"])

_POLL = {"openai-poll-after-ms": "250"}
"""When clients that wait for a file or a batch ask again."""

StorePath = Annotated[
    str,
    Path(
        description="The id of the store, or the name of a collection.",
        examples=[examples.STORE_ID],
        max_length=100,
    ),
]
FilePath = Annotated[
    str, Path(description="The id of a file.", examples=[examples.FILE_ID], max_length=100)
]
BatchPath = Annotated[
    str, Path(description="The id of a batch.", examples=[examples.BATCH_ID], max_length=100)
]
AfterQuery = Annotated[
    str | None, Query(max_length=100, description="The id of the last item of the page before.")
]
BeforeQuery = Annotated[
    str | None, Query(max_length=100, description="The id of the first item of the page after.")
]
LimitQuery = Annotated[int, Query(ge=1, le=100)]
OrderQuery = Annotated[Literal["asc", "desc"], Query()]
FilterQuery = Annotated[
    StoreFileState | None, Query(alias="filter", description="Only files in this state.")
]


def stores_of(request: Request) -> VectorStores:
    """The vector stores that the key of a request may see."""
    services = services_of(request)
    key_id = identity_of(request).key_id
    return VectorStores(collections_of(request), services.jobs, files_of(request), owner=key_id)


_Body = TypeVar("_Body", bound=RequestBody)


async def body_of(request: Request, kind: type[_Body]) -> _Body:
    """The checked body of a request."""
    return parse_body(await read_body(request), kind)


# Files


@router.post(
    "/{store_id}/files",
    summary="Attach a file",
    openapi_extra=examples.body(shapes.StoreFileBody, examples.STORE_FILES),
)
async def create_vector_store_file(request: Request, store_id: StorePath) -> shapes.StoreFileObject:
    """Add a stored file in the background. Its chunks are made as all of the collection's are."""
    body = await body_of(request, shapes.StoreFileBody)

    def create() -> shapes.StoreFileObject:
        stores = stores_of(request)
        stores.attach(store_id, [AttachedFile(body.file_id, body.attributes)])
        return _file(stores, store_id, stores.file(store_id, body.file_id))

    return await services_of(request).disk.run(create)


@router.get("/{store_id}/files", summary="List the files of a vector store")
async def list_vector_store_files(
    request: Request,
    store_id: StorePath,
    state: FilterQuery = None,
    after: AfterQuery = None,
    before: BeforeQuery = None,
    limit: LimitQuery = 20,
    order: OrderQuery = "desc",
) -> shapes.StoreFileList:
    """The files, also those that are not added yet or could not be."""

    def found() -> shapes.StoreFileList:
        stores = stores_of(request)
        return _file_list(
            stores, store_id, stores.files(store_id), state,
            after=after, before=before, limit=limit, order=order,
        )  # fmt: skip

    return await services_of(request).disk.run(found)


@router.get("/{store_id}/files/{file_id}", summary="Describe a file of a vector store")
async def retrieve_vector_store_file(
    request: Request, response: Response, store_id: StorePath, file_id: FilePath
) -> shapes.StoreFileObject:
    """Its state, and the error of one that failed."""
    response.headers.update(_POLL)

    def found() -> shapes.StoreFileObject:
        stores = stores_of(request)
        return _file(stores, store_id, stores.file(store_id, file_id))

    return await services_of(request).disk.run(found)


@router.post(
    "/{store_id}/files/{file_id}",
    summary="Change the attributes of a file in a vector store",
    openapi_extra=examples.body(shapes.StoreAttributesBody, examples.ATTRIBUTES),
)
async def update_vector_store_file(
    request: Request, store_id: StorePath, file_id: FilePath
) -> shapes.StoreFileObject:
    """Replace its attributes; searches see them at once."""
    body = await body_of(request, shapes.StoreAttributesBody)

    def change() -> shapes.StoreFileObject:
        stores = stores_of(request)
        file = stores.set_attributes(store_id, file_id, body.attributes)
        return _file(stores, store_id, file)

    return await services_of(request).disk.run(change)


@router.delete("/{store_id}/files/{file_id}", summary="Remove a file from a vector store")
async def delete_vector_store_file(
    request: Request, store_id: StorePath, file_id: FilePath
) -> shapes.StoreDeleted:
    """Remove it, also while it is added. The stored file is kept."""
    await services_of(request).disk.run(lambda: stores_of(request).remove(store_id, file_id))
    return shapes.StoreDeleted(id=file_id, object="vector_store.file.deleted")


@router.get("/{store_id}/files/{file_id}/content", summary="Read a file of a vector store")
async def read_vector_store_file(
    request: Request, store_id: StorePath, file_id: FilePath
) -> shapes.ContentPage:
    """Its text, as one part."""
    services = services_of(request)

    def read() -> shapes.ContentPage:
        stores = stores_of(request)
        file = stores.file(store_id, file_id)
        collection = stores.collection(store_id)
        text = text_of(read_passages(services.library, collection, file_id).chunks)
        return shapes.ContentPage(
            data=[shapes.TextPart(text=text)],
            file_id=file.id,
            filename=file.filename,
            attributes=dict(file.attributes),
        )

    return await services.disk.run(read)


# Batches


@router.post(
    "/{store_id}/file_batches",
    summary="Attach several files",
    openapi_extra=examples.body(shapes.BatchBody, examples.STORE_BATCHES),
)
async def create_vector_store_file_batch(
    request: Request, store_id: StorePath
) -> shapes.BatchObject:
    """Add up to 2,000 stored files in the background."""
    body = await body_of(request, shapes.BatchBody)
    files = _new_files(body)

    def create() -> shapes.BatchObject:
        stores = stores_of(request)
        batch = stores.attach(store_id, files)
        return shapes.batch_object(stores.get(store_id).id, batch)

    return await services_of(request).disk.run(create)


@router.get("/{store_id}/file_batches/{batch_id}", summary="Describe a batch")
async def retrieve_vector_store_file_batch(
    request: Request, response: Response, store_id: StorePath, batch_id: BatchPath
) -> shapes.BatchObject:
    """How many of its files are in each state."""
    response.headers.update(_POLL)

    def found() -> shapes.BatchObject:
        stores = stores_of(request)
        return shapes.batch_object(stores.id_of(store_id), stores.batch(store_id, batch_id))

    return await services_of(request).disk.run(found)


@router.post("/{store_id}/file_batches/{batch_id}/cancel", summary="Cancel a batch")
async def cancel_vector_store_file_batch(
    request: Request, store_id: StorePath, batch_id: BatchPath
) -> shapes.BatchObject:
    """Stop after the chunks that are being embedded. Files that are in the store stay."""

    def cancel() -> shapes.BatchObject:
        stores = stores_of(request)
        return shapes.batch_object(stores.id_of(store_id), stores.cancel(store_id, batch_id))

    return await services_of(request).disk.run(cancel)


@router.get("/{store_id}/file_batches/{batch_id}/files", summary="List the files of a batch")
async def list_vector_store_batch_files(
    request: Request,
    store_id: StorePath,
    batch_id: BatchPath,
    state: FilterQuery = None,
    after: AfterQuery = None,
    before: BeforeQuery = None,
    limit: LimitQuery = 20,
    order: OrderQuery = "desc",
) -> shapes.StoreFileList:
    """Its files that were not removed or attached again since."""

    def found() -> shapes.StoreFileList:
        stores = stores_of(request)
        return _file_list(
            stores, store_id, stores.batch(store_id, batch_id).files, state,
            after=after, before=before, limit=limit, order=order,
        )  # fmt: skip

    return await services_of(request).disk.run(found)


Order = tuple[float, int, str]


class _Item(Protocol):
    """What lists show: with an id, and a place in the order of age."""

    @property
    def id(self) -> str: ...

    @property
    def order(self) -> Order: ...


_Shown = TypeVar("_Shown", bound=_Item)


def page_of(
    items: list[_Shown],
    order_of_removed: Callable[[str], Order | None],
    *,
    after: str | None,
    before: str | None,
    limit: int,
    order: str,
) -> tuple[list[_Shown], bool]:
    """A page of items that are sorted by age, and whether more follow.

    A cursor may be the id of an item that was removed since.
    """

    def place(cursor: str, param: str) -> Order:
        known = next((one.order for one in items if one.id == cursor), None)
        found = known or order_of_removed(cursor)
        if found is None:
            raise InvalidValue(
                f"This list never had {cursor[:80]!r}.",
                remedy=f"Send an id of this list, or leave out {param!r}.",
                param=param,
            )
        return found

    shown = items[::-1] if order == "desc" else items
    sign = -1 if order == "desc" else 1
    if after is not None:
        start = place(after, "after")
        shown = [one for one in shown if (one.order > start) - (one.order < start) == sign]
    if before is not None:
        end = place(before, "before")
        shown = [one for one in shown if (one.order > end) - (one.order < end) == -sign]
        return shown[-limit:], len(shown) > limit
    return shown[:limit], len(shown) > limit


def ends_of(ids: list[str]) -> dict[str, Any]:
    """The fields of a list that name its first and its last item."""
    return {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}


def _file(stores: VectorStores, store_id: str, file: StoreFile) -> shapes.StoreFileObject:
    return _shown(stores, store_id, [file])[0]


def _shown(
    stores: VectorStores, store_id: str, files: Sequence[StoreFile]
) -> list[shapes.StoreFileObject]:
    """Files of a store, which is looked up once for all of them."""
    chunks, own_id = stores.collection(store_id).recipe.chunks, stores.id_of(store_id)
    return [shapes.file_object(own_id, file, chunks) for file in files]


def _file_list(
    stores: VectorStores,
    store_id: str,
    files: list[StoreFile] | tuple[StoreFile, ...],
    state: StoreFileState | None,
    **paging: Any,  # noqa: ANN401 - see page_of
) -> shapes.StoreFileList:
    def removed(file_id: str) -> Order | None:
        # A file that is in another state by now, or was removed.
        known = next((one.order for one in files if one.id == file_id), None)
        return known or stores.removed_order(store_id, file_id)

    page, has_more = page_of(
        [one for one in files if state in (None, one.state)], removed, **paging
    )
    data = _shown(stores, store_id, page)
    return shapes.StoreFileList(data=data, **ends_of([one.id for one in data]), has_more=has_more)


def _new_files(body: shapes.BatchBody) -> list[AttachedFile]:
    """The files of a batch. Raises InvalidValue unless it has one of the two lists."""
    if (body.file_ids is None) == (body.files is None):
        raise InvalidValue(
            "A batch has either file_ids or files.", remedy="Send one of them.", param="file_ids"
        )
    if body.files is not None:
        return [AttachedFile(one.file_id, one.attributes) for one in body.files]
    return [AttachedFile(one, body.attributes) for one in body.file_ids or ()]
