"""OpenAI's vector stores: each is a collection of ours, and each collection a store.

Wherever OpenAI's clients send the id of a store, the name of a collection is understood, too.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import orjson
from fastapi import APIRouter, Request

from bindery.errors import InputError, InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import parse_body, read_body
from bindery.faces.http.dialects import openai_store_shapes as shapes
from bindery.faces.http.dialects.openai_store_files import (
    AfterQuery,
    BeforeQuery,
    LimitQuery,
    OrderQuery,
    StorePath,
    body_of,
    ends_of,
    page_of,
    stores_of,
)
from bindery.faces.http.services import (
    Services,
    public_address,
    services_of,
)
from bindery.jobs import JobRequest
from bindery.jobs.recipe import Recipe, make_recipe
from bindery.options import ChunkOptions, SearchMode, SearchOptions
from bindery.search.vector_stores import AttachedFile, order_of_id
from bindery.store.vector_stores import StoreFacts
from bindery.types import DOCUMENT

router = APIRouter(prefix="/v1/vector_stores", tags=["OpenAI vector stores"])

_MOST_PAIRS = 16
_LONGEST_KEY, _LONGEST_VALUE = 64, 512


@router.post(
    "",
    summary="Create a vector store",
    openapi_extra=examples.body(shapes.StoreBody, examples.STORES),
)
async def create_vector_store(request: Request) -> shapes.StoreObject:
    """Create a collection. `chunking_strategy` and `model` stay fixed.

    A size of chunks beyond the model's window is lowered to it.
    """
    services = services_of(request)
    body = await body_of(request, shapes.StoreBody)
    facts = _facts_from(body)
    files = [AttachedFile(one) for one in body.file_ids or ()]
    recipe = await services.loading.run(_recipe, services, body)

    def create() -> shapes.StoreObject:
        stores = stores_of(request)
        stores.check(files)  # before anything is made
        store = stores.create(facts, recipe)
        if files:
            stores.attach(store.id, files)
        return shapes.store_object(stores.get(store.id))

    return await services.disk.run(create)


@router.get("", summary="List vector stores")
async def list_vector_stores(
    request: Request,
    after: AfterQuery = None,
    before: BeforeQuery = None,
    limit: LimitQuery = 20,
    order: OrderQuery = "desc",
) -> shapes.StoreList:
    """The collections that the key may see."""

    def found() -> shapes.StoreList:
        stores = stores_of(request)
        page, has_more = page_of(
            stores.all(), order_of_id, after=after, before=before, limit=limit, order=order
        )
        data = [shapes.store_object(one) for one in page]
        return shapes.StoreList(data=data, **ends_of([one.id for one in data]), has_more=has_more)

    return await services_of(request).disk.run(found)


@router.get("/{store_id}", summary="Describe a vector store")
async def retrieve_vector_store(request: Request, store_id: StorePath) -> shapes.StoreObject:
    """Its files by state, and what its client said of it."""
    return await services_of(request).disk.run(
        lambda: shapes.store_object(stores_of(request).get(store_id))
    )


@router.post(
    "/{store_id}",
    summary="Change a vector store",
    openapi_extra=examples.body(shapes.StoreChangeBody, examples.STORE_CHANGES),
)
async def modify_vector_store(request: Request, store_id: StorePath) -> shapes.StoreObject:
    """Change its name, metadata or time to live; `null` unsets one.

    The collection keeps its name.
    """
    raw = await read_body(request)
    body = parse_body(raw, shapes.StoreChangeBody)
    given = cast("dict[str, Any]", orjson.loads(raw))
    metadata = _checked_metadata(body.metadata)
    days = body.expires_after.days if body.expires_after else None
    values = {"name": body.name or "", "metadata": metadata, "expires_after": days}
    changed = {_FIELDS.get(key, key): value for key, value in values.items() if key in given}

    def change(facts: StoreFacts) -> StoreFacts:
        return replace(facts, **changed)

    return await services_of(request).disk.run(
        lambda: shapes.store_object(stores_of(request).change(store_id, change))
    )


_FIELDS = {"expires_after": "expires_days"}


@router.delete("/{store_id}", summary="Delete a vector store")
async def delete_vector_store(request: Request, store_id: StorePath) -> shapes.StoreDeleted:
    """Delete the collection with its index. Stored files are kept."""
    deleted = await services_of(request).disk.run(lambda: stores_of(request).delete(store_id))
    return shapes.StoreDeleted(id=deleted, object="vector_store.deleted")


@router.post(
    "/{store_id}/search",
    summary="Search a vector store",
    openapi_extra=examples.body(shapes.StoreSearchBody, examples.STORE_SEARCHES),
)
async def search_vector_store(request: Request, store_id: StorePath) -> shapes.StoreResults:
    """The passages that answer a question best, by words and meaning.

    The results of several queries are merged: each passage has its best score.
    """
    body = await body_of(request, shapes.StoreSearchBody)
    queries = [body.query] if isinstance(body.query, str) else body.query
    address = public_address(request)

    def search() -> shapes.StoreResults:
        stores = stores_of(request)
        with _worded():
            hits, answers = stores.search(store_id, queries, _search_options(body))
        names = stores.filenames([hit.file_id for hit in hits])
        following = answers[0].next_cursor if len(answers) == 1 else None
        return shapes.StoreResults(
            search_query=list(queries),
            data=[shapes.result_of(hit, names.get(hit.file_id, hit.file), address) for hit in hits],
            has_more=following is not None,
            next_page=following,
            mode=answers[0].mode,
            model=answers[0].model,
            is_exact=all(answer.is_exact for answer in answers),
            stages=[stage for answer in answers for stage in answer.facts()["stages"]],
        )

    return await services_of(request).ranking.run(search)


def _facts_from(body: shapes.StoreBody) -> StoreFacts:
    """What a client says of a new store. Raises InvalidValue for wrong metadata."""
    return StoreFacts(
        name=body.name,
        description=body.description,
        metadata=_checked_metadata(body.metadata),
        expires_days=body.expires_after.days if body.expires_after else None,
    )


def _checked_metadata(metadata: dict[str, str] | None) -> dict[str, str]:
    """Metadata within OpenAI's limits. Raises InvalidValue."""
    found = metadata or {}
    if len(found) > _MOST_PAIRS:
        raise InvalidValue(
            f"metadata must have at most {_MOST_PAIRS} pairs, got {len(found)}.",
            remedy="Leave some out, or give them to files as attributes.",
            param="metadata",
        )
    for key, value in found.items():
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise InvalidValue(
                f"metadata: keys have at most {_LONGEST_KEY} characters and values "
                f"{_LONGEST_VALUE}, got {key[:80]!r}.",
                remedy="Shorten the key or its value.",
                param="metadata",
            )
    return found


def _chunk_options(strategy: shapes.ChunkingStrategy | None) -> ChunkOptions:
    """The options of a new store's chunks; ``auto`` fits the model. Raises InvalidValue."""
    if strategy is None or strategy.static is None:
        return ChunkOptions()
    static = strategy.static
    return ChunkOptions(size=static.max_chunk_size_tokens, overlap=static.chunk_overlap_tokens)


_MODES: Mapping[str, SearchMode] = {
    "vector": SearchMode.DENSE,
    "keyword": SearchMode.LEXICAL,
    "hybrid": SearchMode.HYBRID,
}
_RANKERS = ("none", "auto", "default-2024-11-15", "weighted", "rrf")


def _search_options(body: shapes.StoreSearchBody) -> SearchOptions:
    """How to search. Raises InvalidValue."""
    ranking = body.ranking_options or shapes.RankingOptions()
    if ranking.ranker not in _RANKERS:
        raise InvalidValue(
            f"Unknown ranker {ranking.ranker[:80]!r}.",
            remedy=f"Choose one of: {', '.join(_RANKERS)}.",
            param="ranking_options",
        )
    mode = _MODES[body.search_mode or "hybrid"]
    if mode is SearchMode.HYBRID and ranking.ranker == "rrf":
        mode = SearchMode.RRF
    return SearchOptions(
        mode,
        top=body.max_num_results,
        filter=body.filters,
        score_threshold=ranking.score_threshold,
        cursor=body.cursor,
    )


_NAMES: Mapping[str, str] = {
    "filter": "filters",
    "top": "max_num_results",
    "score_threshold": "ranking_options.score_threshold",
}


@contextmanager
def _worded() -> Generator[None]:
    """Errors that name OpenAI's fields."""
    try:
        yield
    except InputError as error:
        error.param = _NAMES.get(error.param or "", error.param)
        raise


def _recipe(services: Services, body: shapes.StoreBody) -> Recipe:
    model = services.names.model_id(body.model)
    chunks = _chunk_options(body.chunking_strategy)
    if chunks.size is not None:
        size = min(chunks.size, services.library.room(model, DOCUMENT))
        chunks = ChunkOptions(size=size, overlap=min(chunks.overlap, size // 2))
    return make_recipe(services.library, JobRequest(("-",), model, chunks))
