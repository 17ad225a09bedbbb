"""Searching for Dify (external knowledge) and Open WebUI (external web search)."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_body, read_body
from bindery.faces.http.dialects.base import Dialect
from bindery.faces.http.dialects.openai_store_files import stores_of
from bindery.faces.http.routes.collections import NamePath
from bindery.faces.http.services import collections_of, public_address, services_of
from bindery.filters import And, Compare, Filter, Not, Operator, Or, check_size
from bindery.options import MOST_HITS, SearchOptions
from bindery.search.answers import Hit
from bindery.search.columns import AttributeType
from bindery.search.view import OF_CHUNKS, OF_FILES

router = APIRouter()


class RetrievalSetting(BaseModel):
    """How many records, and the least score of one, 0 to 1."""

    top_k: int = Field(ge=1, le=MOST_HITS)
    score_threshold: float | None = 0.0


class MetadataCondition(BaseModel):
    """A comparison of attributes, any of which may hold."""

    name: list[str] | str
    comparison_operator: str
    value: Any = None


class MetadataConditions(BaseModel):
    """Comparisons, joined by ``and`` or ``or``."""

    logical_operator: str = "and"
    conditions: list[MetadataCondition] = Field(default_factory=list[MetadataCondition])


class RetrievalBody(RequestBody):
    """Dify's question; ``knowledge_id`` is the name of a collection or the id of a vector store."""

    knowledge_id: str = Field(max_length=100)
    query: str
    retrieval_setting: RetrievalSetting
    metadata_condition: MetadataConditions | None = None


class RetrievalRecord(BaseModel):
    """A passage, with its place and the attributes of its file."""

    content: str
    score: float
    title: str
    metadata: dict[str, Any]


class RetrievalAnswer(BaseModel):
    """The passages, best first."""

    records: list[RetrievalRecord]


class WebSearchBody(RequestBody):
    """Open WebUI's question."""

    query: str
    count: int = Field(5, ge=1, le=MOST_HITS)


class WebSearchResult(BaseModel):
    """A passage, as a result of a web search."""

    link: str
    title: str
    snippet: str


@router.post(
    "/retrieval",
    summary="Retrieve passages (Dify)",
    tags=["Dify"],
    openapi_extra=examples.body(RetrievalBody, examples.RETRIEVALS),
)
async def retrieve_for_dify(request: Request) -> RetrievalAnswer:
    """Dify's external knowledge API. Its endpoint is the address of this server."""
    body = parse_body(await read_body(request), RetrievalBody)
    setting, address = body.retrieval_setting, public_address(request)

    def retrieve() -> RetrievalAnswer:
        collection = stores_of(request).collection(body.knowledge_id)
        types = {**OF_FILES, **OF_CHUNKS, **collection.index.view().schema}
        options = SearchOptions(
            top=setting.top_k,
            filter=_filter_of(body.metadata_condition, types),
            score_threshold=setting.score_threshold or None,
        )
        found = collection.search(body.query, options)
        return RetrievalAnswer(records=[_record(hit, address) for hit in found.hits])

    return await services_of(request).ranking.run(retrieve)


@router.post(
    "/open-webui/{name}",
    summary="Search a collection (Open WebUI)",
    tags=["Open WebUI"],
    openapi_extra=examples.body(WebSearchBody, examples.WEB_SEARCHES),
)
async def search_for_open_webui(request: Request, name: NamePath) -> list[WebSearchResult]:
    """Open WebUI's external web search, over a collection."""
    body = parse_body(await read_body(request), WebSearchBody)
    collections, address = collections_of(request), public_address(request)

    def search() -> list[WebSearchResult]:
        found = collections.get(name).search(body.query, SearchOptions(top=body.count))
        return [
            WebSearchResult(link=hit.url(address), title=hit.title or hit.file, snippet=hit.text)
            for hit in found.hits
        ]

    return await services_of(request).ranking.run(search)


def _record(hit: Hit, address: str) -> RetrievalRecord:
    about = {
        "file": hit.file,
        "file_id": hit.file_id,
        "chunk_id": hit.id,
        "start": hit.span.start,
        "end": hit.span.end,
        "page": hit.page,
        "last_page": hit.last_page,
        "headings": list(hit.headings),
        "url": hit.url(address),
    }
    attributes = dict(hit.attributes or {})
    return RetrievalRecord(
        content=hit.text, score=hit.score, title=hit.title or hit.file, metadata=attributes | about
    )


def _compare(operator: Operator) -> Callable[[str, Any], Filter]:
    return lambda key, value: Compare(key, operator, value)


_OPERATORS: Mapping[str, Callable[[str, Any], Filter]] = {
    "contains": _compare(Operator.CONTAINS),
    "not contains": lambda key, value: Not(Compare(key, Operator.CONTAINS, value)),
    "start with": _compare(Operator.PREFIX),
    "is": _compare(Operator.EQ),
    "is not": _compare(Operator.NE),
    "empty": lambda key, _: Compare(key, Operator.EXISTS, value=False),
    "not empty": lambda key, _: Compare(key, Operator.EXISTS, value=True),
    "=": _compare(Operator.EQ),
    "≠": _compare(Operator.NE),
    ">": _compare(Operator.GT),
    "<": _compare(Operator.LT),
    "≥": _compare(Operator.GTE),
    "≤": _compare(Operator.LTE),
    "before": _compare(Operator.LT),
    "after": _compare(Operator.GT),
}


def _filter_of(
    asked: MetadataConditions | None, types: Mapping[str, AttributeType]
) -> Filter | None:
    """Dify's conditions as a filter. Raises InvalidValue."""
    if asked is None or not asked.conditions:
        return None
    if asked.logical_operator not in ("and", "or"):
        raise _wrong(f"Unknown logical_operator {asked.logical_operator[:80]!r}.", "Use and or or.")
    names = [[one.name] if isinstance(one.name, str) else one.name for one in asked.conditions]
    check_size(sum(map(len, names)))
    parts: list[Filter] = []
    for one, keys in zip(asked.conditions, names, strict=True):
        make = _OPERATORS.get(one.comparison_operator)
        if make is None:
            raise _wrong(
                f"Unknown comparison_operator {one.comparison_operator[:80]!r}.",
                f"Use one of: {', '.join(_OPERATORS)}.",
            )
        each = [make(key, _value(one.value, types.get(key))) for key in keys]
        parts.append(each[0] if len(each) == 1 else Or(tuple(each)))
    return And(tuple(parts)) if asked.logical_operator == "and" else Or(tuple(parts))


def _value(value: object, kind: AttributeType | None) -> object:
    """A value in the type of its attribute: Dify sends numbers as text."""
    if isinstance(value, str):
        if kind is AttributeType.NUMBER:
            try:
                return float(value)
            except ValueError:
                raise _wrong(f"{value[:80]!r} is not a number.", "Send a number.") from None
        if kind is AttributeType.BOOLEAN and value.lower() in ("true", "false"):
            return value.lower() == "true"
    return cast("object", "" if value is None else value)


def _wrong(message: str, remedy: str) -> InvalidValue:
    return InvalidValue(message, remedy=remedy, param="metadata_condition")


KNOWLEDGE = Dialect("Dify, Open WebUI", others=router)
