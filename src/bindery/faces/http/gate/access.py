"""What a key must be good for, route by route.

**To add a route, add its line to** :data:`ACCESS`, or the app does not start: the method and the
path as the router has them, and what its key must open. A route with several methods has a line
for each; HEAD goes with GET. The guard matches the same patterns in the same order as the router,
on the path that the server decoded, and never on an address put together from headers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from bindery.faces.http.gate.identity import Scope

RequiredScopes = frozenset[Scope] | None
"""The scopes that a key must have, all of them; None where no key is asked for."""

OPEN: RequiredScopes = None
ANY_KEY: RequiredScopes = frozenset()
EMBED: RequiredScopes = frozenset({Scope.EMBED})
FILES: RequiredScopes = frozenset({Scope.FILES})
EMBED_FILES: RequiredScopes = FILES | EMBED
ADMIN: RequiredScopes = frozenset({Scope.ADMIN})

ACCESS: Mapping[str, RequiredScopes] = {
    # Probes have no keys, and these tell nothing of what is kept or asked here.
    "GET /health": OPEN,
    "GET /ready": OPEN,
    # Vectors, and which models make them.
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
    # A job reads files and has a model work on them; what comes of it is theirs who read files.
    "POST /jobs": EMBED_FILES,
    "GET /jobs": FILES,
    "GET /jobs/{job_id}": FILES,
    "DELETE /jobs/{job_id}": FILES,
    "GET /jobs/{job_id}/files": FILES,
    "POST /jobs/{job_id}/cancel": FILES,
    "GET /jobs/{job_id}/events": FILES,
    "GET /jobs/{job_id}/results": FILES,
    # The operator's.
    "GET /metrics": ADMIN,
    "GET /": ADMIN,
    "GET /docs": ADMIN,
    "GET /docs/{name}": ADMIN,
    "GET /openapi.json": ADMIN,
}
"""Every route, and what it asks of a key. Nothing else is reachable without the scope admin."""


def lines_of(routes: Iterable[BaseRoute]) -> list[str]:
    """The lines of :data:`ACCESS` that these routes need."""
    contexts = iter_route_contexts(list(routes))
    return [line for context in contexts for line in _lines(context)]


def check_access(routes: Iterable[BaseRoute]) -> None:
    """Raise LookupError for a route without a line, so that none is served by oversight."""
    missing = [line for line in lines_of(routes) if line not in ACCESS]
    if missing:
        raise LookupError(f"No line in {__name__}.ACCESS for: {', '.join(missing)}.")


class RouteScopes:
    """Finds what the route of a request asks of a key."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = [_entry(context) for context in iter_route_contexts(list(routes))]
        # Most requests go to a path without parameters. Worked out by the patterns all the same, so
        # that a pattern that stands before it counts here as it does in the router.
        plain = {entry.path for entry in self._routes if "{" not in entry.path}
        methods = {method for entry in self._routes for method in entry.needs}
        self._known = {
            (method, path): self._find(method, path) for path in plain for method in methods
        }

    def required(self, method: str, path: str) -> RequiredScopes:
        """What a request needs. Any key where no route takes it: strangers learn nothing."""
        known = self._known.get((method, path), ...)
        return self._find(method, path) if known is ... else known

    def _find(self, method: str, path: str) -> RequiredScopes:
        for entry in self._routes:
            if method in entry.needs and entry.pattern.match(path):
                return entry.needs[method]
        return ANY_KEY


@dataclass(frozen=True, slots=True)
class _RouteEntry:
    path: str
    pattern: re.Pattern[str]
    needs: Mapping[str, RequiredScopes]


def _entry(context: RouteContext) -> _RouteEntry:
    path, methods = str(context.path), context.methods or ()
    needs = {method: ACCESS.get(_line(method, path), ADMIN) for method in methods}
    return _RouteEntry(path, context.path_regex, needs)


def _lines(context: RouteContext) -> Sequence[str]:
    """A mounted app or a websocket has no methods, and so a line that no table has."""
    methods = sorted(context.methods or ("",))
    return list(dict.fromkeys(_line(method, str(context.path)) for method in methods))


def _line(method: str, path: str) -> str:
    return f"{'GET' if method == 'HEAD' else method} {path}"
