"""``/collections``: named sets of files that are searched together."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, WithJsonSchema, create_model

from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, fields_of, options_from, parse_body, read_body
from bindery.faces.http.calls import json_answer
from bindery.faces.http.routes.deletion_shapes import CollectionDeletedAnswer, receipt_answer
from bindery.faces.http.services import (
    Services,
    collections_of,
    public_address,
    services_of,
)
from bindery.filters import filter_from_json
from bindery.jobs import JobRequest
from bindery.jobs.recipe import Recipe, make_recipe
from bindery.library import DEFAULT_MODEL
from bindery.options import ChunkOptions, SearchOptions, VectorOptions
from bindery.search.answers import SearchAnswer
from bindery.search.collection import Collection
from bindery.search.queries import MOST_CHARACTERS, MOST_QUERIES

router = APIRouter(prefix="/collections", tags=["collections"])

NamePath = Annotated[
    str,
    Path(description="The collection.", examples=[examples.COLLECTION], max_length=100),
]
NowQuery = Annotated[
    bool, Query(description="Leave nothing of it on the disk when the answer comes.")
]

_RECIPE = {**fields_of(ChunkOptions), **fields_of(VectorOptions, leave_out=("form", "role"))}


class CollectionBody(create_model("CollectionOptions", __base__=RequestBody, **_RECIPE)):
    """A new collection: its name, and how its files are cut and embedded, which stays fixed."""

    refuses_unknown = True

    name: str = Field(max_length=100)
    model: str = Field(DEFAULT_MODEL, max_length=200)


class CollectionAnswer(BaseModel):
    """A collection, with the types of its attributes and the languages of its files.

    ``first_pass`` is how candidates are found in its segments (none, codes, short codes or
    centroids), and ``recall`` the share of the best 10 that this finds. ``warnings`` say, for
    example, that its model is not meant for the language of its documents.
    """

    name: str
    model: str
    dimensions: int
    strategy: str
    size: int
    overlap: int
    context: str
    files: int
    chunks: int
    segments: int
    index_bytes: int
    bytes_per_chunk: int
    first_pass: str
    recall: float
    languages: list[str]
    attributes: dict[str, str]
    weight: float | None
    files_missing: int
    created_at: datetime
    warnings: list[str]


class CollectionsAnswer(BaseModel):
    """Every collection, by name."""

    collections: list[CollectionAnswer]


_SEARCH = fields_of(SearchOptions, leave_out=("filter", "cursor"))
# Pydantic's errors would name a branch of a union, so these two are checked where they are read.
_TEXT = {"type": "string", "maxLength": MOST_CHARACTERS}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_QUERIES}
_QUERY = {"anyOf": [_TEXT, _TEXTS]}
FILTER_SCHEMA = {"anyOf": [{"type": "object"}, {"type": "string"}]}


class SearchBody(create_model("SearchFields", __base__=RequestBody, **_SEARCH)):
    """A question, and how to answer it."""

    refuses_unknown = True

    query: Annotated[Any, WithJsonSchema(_QUERY)] = Field(
        description="A question, or a list of questions: each gets an answer."
    )
    filter: Annotated[Any, WithJsonSchema(FILTER_SCHEMA)] = Field(
        None, description="Which chunks may be hits: JSON, or text such as `year >= 2020`."
    )
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of an answer, to get the next page.",
        max_length=100_000,
    )


class WordShareAnswer(BaseModel):
    """What a word of the query adds to the BM25 of a hit, and its places in the text.

    `rows` counts the passages of the collection that have the word.
    """

    word: str
    score: float
    rows: int
    marks: list[dict[str, int]]


class TokenShareAnswer(BaseModel):
    """A token of the query, and the token of the hit that is most like it, with their places.

    The scores add up to the mean MaxSim.
    """

    token: str
    match: str
    similarity: float
    score: float
    span: dict[str, int] | None
    mark: dict[str, int] | None


class HitAnswer(BaseModel):
    """A passage that was found; `marks` are the places in `text` of the words that matched.

    `url` opens the passage, marked in its document. Without `explain`, `words`
    and `tokens` are null; `tokens` also are after the first `explain_tokens` hits.
    """

    id: str
    file: str
    file_id: str
    page: int | None
    last_page: int | None
    headings: list[str]
    start: int
    end: int
    spans: list[dict[str, int]]
    text: str
    text_sha256: str
    marks: list[dict[str, int]]
    heading_marks: list[list[dict[str, int]]]
    title_marks: list[dict[str, int]]
    file_marks: list[dict[str, int]]
    score: float
    scores: dict[str, float | None]
    ranks: dict[str, int | None]
    title: str
    kind: str
    language: str
    attributes: dict[str, Any]
    url: str
    confidence: float | None
    words: list[WordShareAnswer] | None
    tokens: list[TokenShareAnswer] | None


class StageAnswer(BaseModel):
    """What a stage of the search did. ``recall`` is that of a first pass that is not exact."""

    name: str
    candidates: int
    milliseconds: float
    recall: float | None


class WeightAnswer(BaseModel):
    """The weight of meaning against words that some candidates had in the mode hybrid, and why."""

    weight: float
    reason: str
    candidates: int


class StageFailureAnswer(BaseModel):
    """A stage that failed, and the error; only with `allow_partial`."""

    stage: str
    code: str
    message: str


class FoundAnswer(BaseModel):
    """The hits, best first, and how the answer came about."""

    query: str
    collection: str
    mode: str
    hits: list[HitAnswer]
    searched: int
    is_exact: bool
    model: str
    revision: str
    precision: str
    generation: int
    language: str
    query_tokens_cut: int
    weights: list[WeightAnswer]
    next_cursor: str | None
    stages: list[StageAnswer]
    is_partial: bool
    failures: list[StageFailureAnswer]
    warnings: list[str]


class AnswersAnswer(BaseModel):
    """An answer for each query, in order."""

    answers: list[FoundAnswer]


@router.post(
    "",
    summary="Create a collection",
    status_code=HTTPStatus.CREATED,
    openapi_extra=examples.body(CollectionBody, examples.COLLECTIONS),
)
async def create_collection(request: Request, response: Response) -> CollectionAnswer:
    """Create a collection. How its files are chunked and embedded stays fixed."""
    services = services_of(request)
    body = parse_body(await read_body(request), CollectionBody)
    recipe = await services.loading.run(_recipe, services, body)
    collections = collections_of(request)
    collection = await services.disk.run(lambda: _answer(collections.create(body.name, recipe)))
    response.headers["location"] = f"/collections/{quote(collection.name, safe='')}"
    return collection


@router.get("", summary="List collections")
async def list_collections(request: Request) -> CollectionsAnswer:
    """The collections that the key may see, by name."""
    collections = collections_of(request)

    def found() -> CollectionsAnswer:
        return CollectionsAnswer(collections=[*map(_answer, collections)])

    return await services_of(request).disk.run(found)


@router.get("/{name}", summary="Describe a collection")
async def describe_collection(request: Request, name: NamePath) -> CollectionAnswer:
    """What is in a collection, and how it was made."""
    collections = collections_of(request)
    return await services_of(request).disk.run(lambda: _answer(collections.get(name)))


@router.delete("/{name}", summary="Delete a collection")
async def delete_collection(
    request: Request, name: NamePath, *, now: NowQuery = False
) -> CollectionDeletedAnswer:
    """Remove a collection with its index. Stored files are kept; the answer is a receipt."""
    collections = collections_of(request)

    def delete() -> CollectionDeletedAnswer:
        receipt = collections.delete(name, now=now)
        return CollectionDeletedAnswer(name=name, receipt=receipt_answer(receipt, request))

    return await services_of(request).disk.run(delete)


@router.post(
    "/{name}/search",
    summary="Search a collection",
    response_model=FoundAnswer | AnswersAnswer,
    openapi_extra=examples.body(SearchBody, examples.SEARCHES),
)
async def search_collection(request: Request, name: NamePath) -> Response:
    """The passages that answer a question best, with the reason for each.

    Words in double quotes are a phrase; everything else in a query is plain text. For a list of
    queries the answer is `{"answers": [...]}`.
    """
    collections = collections_of(request)
    body = parse_body(await read_body(request), SearchBody)
    given = body.filter
    where = given if given is None or isinstance(given, str) else filter_from_json(given)
    options = options_from(body, SearchOptions, filter=where)
    query = cast("str | list[str]", body.query)
    address = public_address(request)

    def search() -> Response:
        # Not through its model, which would check what we have just made.
        found = collections.get(name).search(query, options)
        if isinstance(found, SearchAnswer):
            return json_answer(found.facts(address))
        return json_answer({"answers": [one.facts(address) for one in found]})

    return await services_of(request).ranking.run(search)


def _recipe(services: Services, body: CollectionBody) -> Recipe:
    request = JobRequest(
        ("-",),
        services.names.model_id(body.model),
        options_from(body, ChunkOptions),
        options_from(body, VectorOptions),
    )
    return make_recipe(services.library, request)


def _answer(collection: Collection) -> CollectionAnswer:
    return CollectionAnswer.model_validate(collection.facts())
