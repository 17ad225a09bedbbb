"""The sender of a request, and which scopes each route requires of its key.

**To add a route, add its line to** :data:`ACCESS`, or the app does not start: the method, the path
as in the router, and the required scopes. A route with several methods has a line for each; HEAD
goes with GET. The guard matches the same patterns in the same order as the router, on the path
that the server decoded, and never on an address put together from headers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.requests import Request
from starlette.routing import BaseRoute

from bindery.encoders.pending import Cancellation
from bindery.store.keys import Scope as Scope

RequiredScopes = frozenset[Scope] | None
"""The scopes that a key must have, all of them; None if the route needs no key."""

OPEN: RequiredScopes = None
ANY_KEY: RequiredScopes = frozenset()
EMBED: RequiredScopes = frozenset({Scope.EMBED})
FILES: RequiredScopes = frozenset({Scope.FILES})
SEARCH: RequiredScopes = frozenset({Scope.SEARCH})
COLLECTIONS: RequiredScopes = frozenset({Scope.COLLECTIONS})
EMBED_FILES: RequiredScopes = FILES | EMBED
ADMIN: RequiredScopes = frozenset({Scope.ADMIN})

ACCESS: Mapping[str, RequiredScopes] = {
    # Probes have no keys. These routes reveal nothing about files or requests.
    "GET /health": OPEN,
    "GET /ready": OPEN,
    # The page is the same for everybody; it sends a key with each call.
    "GET /": OPEN,
    "GET /page/{name}": OPEN,
    "GET /view/{collection}/{file_id}": OPEN,
    # The page itself is public, since browsers cannot send a key with it; it asks for one.
    "GET /docs": OPEN,
    "GET /docs/{name}": OPEN,
    "GET /openapi.json": ANY_KEY,
    # Vectors, and the models that make them.
    "POST /embedding/{model_id:path}/generate": EMBED,
    "GET /models": EMBED,
    "GET /rotations": EMBED,
    "GET /rotations/{name}": EMBED,
    "POST /v1/embeddings": EMBED,
    "POST /embeddings": EMBED,
    "POST /v1/contextualizedembeddings": EMBED,
    "GET /v1/models": EMBED,
    "GET /v1/models/{model_id:path}": EMBED,
    "GET /models/{model_id:path}": EMBED,
    "POST /v1/rerank": EMBED,
    "POST /v2/rerank": EMBED,
    "POST /rerank": EMBED,
    "POST /v1/embed": EMBED,
    "POST /v2/embed": EMBED,
    "POST /embed": EMBED,
    "POST /embed_all": EMBED,
    "POST /similarity": EMBED,
    "POST /": EMBED,
    "GET /info": EMBED,
    "POST /tokenize": EMBED,
    "POST /decode": EMBED,
    "POST /v1/tokenize": EMBED,
    "POST /v1/detokenize": EMBED,
    "POST /api/embed": EMBED,
    "POST /api/embeddings": EMBED,
    "GET /api/tags": EMBED,
    "POST /api/show": EMBED,
    "GET /api/version": EMBED,
    # Documents.
    "POST /files/upload": FILES,
    "GET /files": FILES,
    "GET /files/{file_id}": FILES,
    "DELETE /files/{file_id}": FILES,
    "GET /chunk/{strategy}/file/{file_id}": FILES,
    "POST /v1/files": FILES,
    "GET /v1/files": FILES,
    "GET /v1/files/{file_id}": FILES,
    "GET /v1/files/{file_id}/content": FILES,
    "DELETE /v1/files/{file_id}": FILES,
    # Starting a job needs both scopes, because it embeds files. Its results need only `files`.
    "POST /jobs": EMBED_FILES,
    "GET /jobs": FILES,
    "GET /jobs/{job_id}": FILES,
    "DELETE /jobs/{job_id}": FILES,
    "GET /jobs/{job_id}/files": FILES,
    "POST /jobs/{job_id}/cancel": FILES,
    "GET /jobs/{job_id}/events": FILES,
    "GET /jobs/{job_id}/results": FILES,
    # Searching and changing collections need different scopes.
    "GET /collections": SEARCH,
    "GET /collections/{name}": SEARCH,
    "GET /collections/{name}/files": SEARCH,
    "GET /collections/{name}/map": SEARCH,
    # Whole documents, as passages.
    "GET /collections/{name}/export": SEARCH | FILES,
    "GET /collections/{name}/files/{file_id}/passages": SEARCH,
    "POST /collections/{name}/files/{file_id}/tokens": SEARCH,
    # The whole document, as it was stored.
    "GET /collections/{name}/files/{file_id}/original": SEARCH | FILES,
    "GET /collections/{name}/files/{file_id}/pages/{page}": SEARCH | FILES,
    "POST /collections/{name}/search": SEARCH,
    "POST /collections/{name}/why-not": SEARCH,
    # Each tool works with this scope alone.
    "POST /mcp": SEARCH,
    "POST /collections": COLLECTIONS,
    "PATCH /collections/{name}": COLLECTIONS,
    "DELETE /collections/{name}": COLLECTIONS,
    "POST /collections/{name}/rebuild": COLLECTIONS,
    "POST /collections/{name}/rebuild/estimate": COLLECTIONS,
    "POST /collections/{name}/rollback": COLLECTIONS,
    "GET /collections/{name}/generations": SEARCH,
    "DELETE /collections/{name}/generations": COLLECTIONS,
    "POST /collections/{name}/verify": COLLECTIONS,
    "POST /collections/{name}/marks": COLLECTIONS,
    "GET /collections/{name}/marks": SEARCH,
    "DELETE /collections/{name}/marks/{mark_id}": COLLECTIONS,
    # It may make collections of its own, for hours.
    "POST /collections/{name}/evaluations": COLLECTIONS,
    "GET /collections/{name}/evaluations": SEARCH,
    "GET /collections/{name}/evaluations/{evaluation_id}": SEARCH,
    "DELETE /collections/{name}/evaluations/{evaluation_id}": COLLECTIONS,
    # It reads stored files, and its job is followed at /jobs.
    "POST /collections/{name}/files": COLLECTIONS | FILES,
    "POST /collections/{name}/import": COLLECTIONS | FILES,
    # For commands of the home's owner alone, which no key is.
    "POST /collections/{name}/local/{verb}": COLLECTIONS | FILES,
    "POST /collections/{name}/files/remove": COLLECTIONS,
    "PATCH /collections/{name}/files/{file:path}": COLLECTIONS,
    "DELETE /collections/{name}/files/{file:path}": COLLECTIONS,
    # OpenAI's vector stores are collections.
    "GET /v1/vector_stores": SEARCH,
    "GET /v1/vector_stores/{store_id}": SEARCH,
    "POST /v1/vector_stores/{store_id}/search": SEARCH,
    "GET /v1/vector_stores/{store_id}/files": SEARCH,
    "GET /v1/vector_stores/{store_id}/files/{file_id}": SEARCH,
    "GET /v1/vector_stores/{store_id}/files/{file_id}/content": SEARCH,
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}": SEARCH,
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}/files": SEARCH,
    "GET /librechat/health": SEARCH,
    "POST /librechat/embed": COLLECTIONS | FILES,
    "POST /librechat/text": FILES,
    "POST /librechat/query": SEARCH,
    "POST /librechat/query_multiple": SEARCH,
    "GET /librechat/documents/{file_id}/context": SEARCH,
    "DELETE /librechat/documents": COLLECTIONS | FILES,
    "POST /retrieval": SEARCH,
    "POST /open-webui/{name}": SEARCH,
    "POST /v1/vector_stores": COLLECTIONS | FILES,
    "POST /v1/vector_stores/{store_id}": COLLECTIONS,
    "DELETE /v1/vector_stores/{store_id}": COLLECTIONS,
    "POST /v1/vector_stores/{store_id}/files": COLLECTIONS | FILES,
    "POST /v1/vector_stores/{store_id}/files/{file_id}": COLLECTIONS,
    "DELETE /v1/vector_stores/{store_id}/files/{file_id}": COLLECTIONS,
    "POST /v1/vector_stores/{store_id}/file_batches": COLLECTIONS | FILES,
    "POST /v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel": COLLECTIONS,
    # For operators.
    "GET /keys": ADMIN,
    "DELETE /keys/{key_id}": ADMIN,
    "GET /settings": ADMIN,
    "GET /disk": ADMIN,
    "GET /metrics": ADMIN,
}
"""Every route with its required scopes. Anything else requires the scope ``admin``."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The key of a request; ``key_id`` is ``""`` if the server has no keys and is open to all.

    ``collections`` are the names of the only collections that it may see; None for all.
    ``is_owner`` means that a command of the home's owner sent it, from this machine.
    """

    key_id: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    collections: frozenset[str] | None = None
    is_owner: bool = False


def identity_of(request: Request) -> Identity:
    """Who sent the request, as found by the guard."""
    return cast(Identity, request.scope["state"]["identity"])


def cancellation_of(request: Request) -> Cancellation:
    """The cancellation of the request, which the guard triggers when the client leaves."""
    return cast(Cancellation, request.scope["state"]["cancellation"])


def lines_of(routes: Iterable[BaseRoute]) -> list[str]:
    """The lines of :data:`ACCESS` that these routes need."""
    contexts = iter_route_contexts(list(routes))
    return [line for context in contexts for line in _lines(context)]


def check_access(routes: Iterable[BaseRoute]) -> None:
    """Raise LookupError for a route without a line, so that none is open by mistake."""
    missing = [line for line in lines_of(routes) if line not in ACCESS]
    if missing:
        raise LookupError(f"No line in {__name__}.ACCESS for: {', '.join(missing)}.")


class RouteScopes:
    """Finds the scopes that the route of a request requires."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = [_entry(context) for context in iter_route_contexts(list(routes))]
        # Most requests go to a path without parameters, so those are looked up in a dict. It is
        # filled by matching the patterns, so that an earlier pattern wins, as in the router.
        plain = {entry.path for entry in self._routes if "{" not in entry.path}
        methods = {method for entry in self._routes for method in entry.scopes}
        self._known = {
            (method, path): self._find(method, path) for path in plain for method in methods
        }

    def required(self, method: str, path: str) -> RequiredScopes:
        """The required scopes; any key for unknown routes, so that strangers learn nothing."""
        method = "GET" if method == "HEAD" else method
        known = self._known.get((method, path), ...)
        return self._find(method, path) if known is ... else known

    def _find(self, method: str, path: str) -> RequiredScopes:
        for entry in self._routes:
            if method in entry.scopes and entry.pattern.match(path):
                return entry.scopes[method]
        return ANY_KEY


@dataclass(frozen=True, slots=True)
class _RouteEntry:
    path: str
    pattern: re.Pattern[str]
    scopes: Mapping[str, RequiredScopes]


def _entry(context: RouteContext) -> _RouteEntry:
    path, methods = str(context.path), context.methods or ()
    scopes = {method: ACCESS.get(_line(method, path), ADMIN) for method in methods}
    return _RouteEntry(path, context.path_regex, scopes)


def _lines(context: RouteContext) -> Sequence[str]:
    """The lines of a route; one that is in no table for a mounted app or a websocket."""
    methods = sorted(context.methods or ("",))
    return list(dict.fromkeys(_line(method, str(context.path)) for method in methods))


def _line(method: str, path: str) -> str:
    return f"{'GET' if method == 'HEAD' else method} {path}"
