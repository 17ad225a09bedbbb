"""``/collections/{name}/files/{file_id}/...``: one file as it was read, and its original."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from bindery import documents
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_body, read_body
from bindery.faces.http.calls import json_answer
from bindery.faces.http.routes.collection_files import CollectionFileAnswer
from bindery.faces.http.routes.collections import NamePath
from bindery.faces.http.routes.transfers import marks
from bindery.faces.http.services import collections_of, services_of
from bindery.search.passages import compare_tokens, find_file, read_original, read_passages
from bindery.types import Span

router = APIRouter(prefix="/collections/{name}/files/{file_id}", tags=["collections"])

FileIdPath = Annotated[
    str,
    Path(
        description="The `file_id` of a hit, or of a file of the collection.",
        examples=[examples.FILE_ID],
        max_length=1024,
    ),
]
PagePath = Annotated[int, Path(description="The page, from 1.", ge=1, le=1_000_000)]
WidthQuery = Annotated[int, Query(description="Pixels.", ge=100, le=2400)]


class PassageAnswer(BaseModel):
    """A chunk: code points ``start`` to ``end`` of the text of the document."""

    start: int
    end: int
    page: int | None
    last_page: int | None
    headings: list[str]
    tokens: int
    text: str


class PassagesAnswer(CollectionFileAnswer):
    """A file and its chunks in order, between which there is only white space.

    ``warnings`` say what its reader had to guess or leave out. ``pages`` is the highest page with a
    chunk, null for kinds without pages.
    """

    warnings: list[str]
    pages: int | None
    passages: list[PassageAnswer]


@router.get(
    "/passages",
    summary="Read a file of a collection",
    responses={200: {"model": PassagesAnswer, "description": "The file and its chunks."}},
)
async def read_file_passages(request: Request, name: NamePath, file_id: FileIdPath) -> Response:
    """All passages of a file in order, as they were read and embedded."""
    services = services_of(request)

    def read() -> Response:
        collection = collections_of(request).get(name)
        return json_answer(read_passages(services.library, collection, file_id).facts())

    return await services.disk.run(read)


class TokensBody(RequestBody):
    """A question, and the passage at code points ``start`` to ``end`` of the document."""

    refuses_unknown = True

    query: str = Field(max_length=10_000)
    start: int = Field(ge=0)
    end: int = Field(ge=1)


class TokenAnswer(BaseModel):
    """A token and its place in the question or the passage, null for one that the model adds."""

    text: str
    start: int | None
    end: int | None


class TokenMatrixAnswer(BaseModel):
    """A row of ``similarities`` for each token of the question, with a number for each of `tokens`.

    ``score`` is the mean of the largest of each row: the mean MaxSim.
    """

    query_tokens: list[TokenAnswer]
    tokens: list[TokenAnswer]
    similarities: list[list[float]]
    score: float


@router.post(
    "/tokens",
    summary="Compare tokens",
    responses={200: {"model": TokenMatrixAnswer, "description": "The similarities."}},
    openapi_extra=examples.body(TokensBody, examples.TOKENS),
)
async def compare_file_tokens(request: Request, name: NamePath, file_id: FileIdPath) -> Response:
    """How like each token of a question is to each token of a passage."""
    services = services_of(request)
    body = parse_body(await read_body(request), TokensBody)

    def compare() -> Response:
        collection = collections_of(request).get(name)
        span = Span(body.start, body.end)
        matrix = compare_tokens(services.library, collection, file_id, span, body.query)
        return json_answer(matrix.facts())

    return await services.ranking.run(compare)


@router.get(
    "/original",
    summary="Download a file of a collection",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file, unchanged."}
    },
)
async def download_original(request: Request, name: NamePath, file_id: FileIdPath) -> Response:
    """The file as it was added, always as an attachment, so that it never runs in a browser.

    404 if a file of this machine is gone or has changed since.
    """
    services = services_of(request)
    data, filename = await services.disk.run(_original, request, name, file_id)
    headers = dict(marks(filename))
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.get("/pages/{page}", include_in_schema=False)
async def draw_page(
    request: Request, name: NamePath, file_id: FileIdPath, page: PagePath, width: WidthQuery = 900
) -> Response:
    """A page of a PDF as PNG, drawn in the sandbox."""
    services = services_of(request)
    data, filename = await services.disk.run(_original, request, name, file_id)
    timeout_s = services.settings.parse_timeout_s

    def draw() -> bytes:
        return documents.draw_page(data, filename, page, width=width, timeout_s=timeout_s)

    headers = {
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, max-age=300",
        "vary": "authorization",
    }
    picture = await services.parsing.run(draw)
    return Response(picture, media_type="image/png", headers=headers)


def _original(request: Request, name: str, file_id: str) -> tuple[bytes, str]:
    services, collection = services_of(request), collections_of(request).get(name)
    file = find_file(services.library, collection, file_id)
    limit_bytes = services.settings.upload_limit_bytes
    return read_original(services.library, file, limit_bytes=limit_bytes), file.name
