"""``POST /collections/{name}/why-not``: why a passage is not among the hits of a question."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, WithJsonSchema, create_model

from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, fields_of, options_from, parse_body, read_body
from bindery.faces.http.routes.collections import FILTER_SCHEMA, NamePath
from bindery.faces.http.services import collections_of, services_of
from bindery.filters import filter_from_json
from bindery.options import SearchOptions
from bindery.search.queries import MOST_CHARACTERS
from bindery.search.why_not import PassageName

router = APIRouter(prefix="/collections", tags=["collections"])

_FIELDS = fields_of(SearchOptions, leave_out=("filter", "cursor", "explain", "explain_tokens"))


class WhyNotBody(create_model("WhyNotFields", __base__=RequestBody, **_FIELDS)):
    """A question as it is searched for, and what names a passage: its id, its file, or words."""

    refuses_unknown = True

    query: str = Field(max_length=MOST_CHARACTERS)
    id: str = Field("", max_length=200)
    file: str = Field("", max_length=1024)
    quote: str = Field("", max_length=MOST_CHARACTERS)
    page: int | None = Field(None, ge=1)
    filter: Annotated[Any, WithJsonSchema(FILTER_SCHEMA)] = Field(None)


class WhyNotAnswer(BaseModel):
    """Where a passage is in every stage, why it is not a hit, and what would bring it in.

    `reason` is hit, not_indexed, chunk_boundary, filter, phrase, truncation, language, candidates,
    threshold, deduplicated or rank. `rank` is null if it is not a hit. The
    `ranks` of `dense` and `lexical` are those among all passages that the filter allows.
    """

    reason: str
    message: str
    remedy: str
    file: str
    id: str
    text: str
    span: dict[str, int] | None
    rank: int | None
    ranks: dict[str, int | None]
    scores: dict[str, float | None]


@router.post(
    "/{name}/why-not",
    summary="Ask why a passage is not a hit",
    openapi_extra=examples.body(WhyNotBody, examples.WHY_NOTS),
)
async def explain_missing(request: Request, name: NamePath) -> WhyNotAnswer:
    """Why a passage is not among the hits of a search, with the change that would bring it in.

    The body has the fields of a search, and names the passage.
    """
    collections = collections_of(request)
    body = parse_body(await read_body(request), WhyNotBody)
    given = body.filter
    where = given if given is None or isinstance(given, str) else filter_from_json(given)
    options = options_from(body, SearchOptions, filter=where)
    wanted = PassageName(body.id, body.file, body.quote, body.page)

    def explain() -> WhyNotAnswer:
        found = collections.get(name).why_not(body.query, wanted, options)
        return WhyNotAnswer.model_validate(found.facts())

    return await services_of(request).ranking.run(explain)
