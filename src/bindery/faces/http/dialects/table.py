"""Every dialect, and the routes of all of them."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from bindery.faces.http import examples
from bindery.faces.http.dialects.base import Dialect, Translation
from bindery.faces.http.dialects.cohere import COHERE
from bindery.faces.http.dialects.jina import JINA
from bindery.faces.http.dialects.knowledge import KNOWLEDGE
from bindery.faces.http.dialects.librechat import LIBRECHAT
from bindery.faces.http.dialects.ollama import OLLAMA
from bindery.faces.http.dialects.openai import OPENAI
from bindery.faces.http.dialects.own import OWN
from bindery.faces.http.dialects.ranking import RANKING
from bindery.faces.http.dialects.tei import TEI
from bindery.faces.http.dialects.voyage import VOYAGE
from bindery.faces.http.encoding import embed, rerank

DIALECTS = (OWN, RANKING, OPENAI, VOYAGE, JINA, COHERE, TEI, OLLAMA, KNOWLEDGE, LIBRECHAT)

_Row = tuple[Dialect, Translation[Any, Any]]
_Endpoint = Callable[[Request, Sequence[Any]], Coroutine[Any, Any, Response]]


class PlainRoute(APIRoute):
    """A route that passes the request to its endpoint as it is, which saves 50 us per request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        return self.endpoint


def make_router() -> APIRouter:
    """One route for each path, even if dialects share it."""
    router = APIRouter(route_class=PlainRoute)
    for operation, endpoint in (("embeds", embed), ("reranks", rerank)):
        for path, rows in _by_path(operation).items():
            _add(router, path, rows, endpoint)
    for dialect in DIALECTS:
        if dialect.others is not None:
            router.include_router(dialect.others)
    return router


def _by_path(operation: str) -> Mapping[str, list[_Row]]:
    """The translations of each path, those with marks first, because the others match anything."""
    found: dict[str, list[_Row]] = {}
    for dialect in DIALECTS:
        for translation in getattr(dialect, operation):
            row = dialect, replace(translation, dialect=dialect.name)
            for path in translation.paths:
                found.setdefault(path, []).append(row)
    return {path: sorted(rows, key=lambda row: not row[1].marks) for path, rows in found.items()}


def _add(router: APIRouter, path: str, rows: list[_Row], endpoint: _Endpoint) -> None:
    translations = tuple(translation for _, translation in rows)

    async def answer(request: Request) -> Response:
        return await endpoint(request, translations)

    # /docs lists a path under the dialect whose main path it is, not under those with an alias.
    own = [row for row in rows if row[1].paths[0] == path]
    dialect, shown = (own or rows)[-1]
    router.add_api_route(
        path,
        answer,
        methods=["POST"],
        name=shown.name,
        summary=shown.summary,
        description=_description(shown),
        tags=[dialect.name],
        responses=examples.answer(shown.answer, "The answer."),
        openapi_extra=_extra(shown, translations),
        include_in_schema=bool(own),
    )


def _description(shown: Translation[Any, Any]) -> str:
    aliases = " and ".join(f"`{path}`" for path in shown.paths[1:])
    return f"{shown.about}\n\nAlso at {aliases}." if aliases else shown.about


def _extra(shown: Translation[Any, Any], all_: Iterable[Translation[Any, Any]]) -> dict[str, Any]:
    """The body with the fields and examples of every dialect on the path."""
    schemas: list[dict[str, Any]] = [one.body.model_json_schema() for one in (*all_, shown)]
    shared = [examples.body_examples(one.body, one.examples) for one in (shown, *all_)]
    found = {name: value for one in shared for name, value in one.items()}
    required: list[set[str]] = [set(schema.get("required", ())) for schema in schemas]
    schema: dict[str, Any] = schemas[-1] | {
        "properties": {name: field for one in schemas for name, field in one["properties"].items()},
        "required": sorted(required[0].intersection(*required)),
    }
    content = {"application/json": {"schema": schema, "examples": found}}
    return {
        "parameters": list(shown.parameters),
        "requestBody": {"required": True, "content": content},
    }
