"""Counts requests, cheaply enough to do it for each one.

Only the event loop changes these plain numbers, so they need no lock. A scrape reads them from
another thread and may see one request half counted. Labels come from the app's own tables, so no
request can add one.
"""

from collections import Counter, defaultdict
from typing import NamedTuple

from fastapi.routing import APIRoute
from starlette.types import Scope

from bindery.encoders.figures import Histogram
from bindery.errors import BinderyError
from bindery.faces.http.observing.timings import RequestStage, RequestTimings

# From the time of a lookup to the longest that clients wait.
BOUNDS_S = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)

# Classes of statuses. The last is for requests whose client left before the answer.
_STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "left")


class RouteKey(NamedTuple):
    """A route as the app defines it; ``other`` if the request matched none."""

    method: str = "other"
    route: str = "other"


class RouteMeter:
    """The counts of one route."""

    __slots__ = ("duration", "received_bytes", "sent_bytes", "stages")

    def __init__(self) -> None:
        self.duration = Histogram(BOUNDS_S)
        self.stages: dict[RequestStage, Histogram] = {}
        self.received_bytes = 0
        self.sent_bytes = 0


class Meters:
    """The counts of one app."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests: Counter[tuple[str, str, str, str]] = Counter()
        self.routes: defaultdict[RouteKey, RouteMeter] = defaultdict(RouteMeter)
        # Start at 0: Prometheus computes no rate for a counter that first appears as 1.
        self.errors = Counter(dict.fromkeys(sorted(_codes(BinderyError)), 0))
        self.tool_calls: Counter[tuple[str, str]] = Counter()
        self.cut_tokens: Counter[str] = Counter()
        self.cut_texts: Counter[str] = Counter()

    def by_route(self) -> list[tuple[RouteKey, RouteMeter]]:
        """Every route that had a request. Callable from any thread."""
        return list(self.routes.copy().items())

    def count(self, scope: Scope, timings: RequestTimings) -> None:
        """Count a request, also if its client left before the answer."""
        key, dialect = key_of(scope), timings.dialect or _section(scope)
        # Status 0 gives the last one.
        status = _STATUSES[timings.status // 100 - 1]
        self.requests[key.method, key.route, dialect, status] += 1
        meter = self.routes[key]
        meter.duration.add(timings.ended - timings.begun)
        meter.received_bytes += timings.received_bytes
        meter.sent_bytes += timings.sent_bytes
        for stage, begin, end in timings.laps:
            timer = meter.stages.get(stage)
            if timer is None:
                timer = meter.stages[stage] = Histogram(BOUNDS_S)
            timer.add(end - begin)
        if timings.error:
            self.errors[timings.error] += 1
        if timings.model:
            self.cut_tokens[timings.model] += timings.cut_tokens
            self.cut_texts[timings.model] += timings.cut_texts


OTHER = RouteKey()


def key_of(scope: Scope) -> RouteKey:
    """The route of a request, as the app defines it."""
    route = scope.get("route")
    if not isinstance(route, APIRoute) or scope["method"] not in route.methods:
        return OTHER
    return RouteKey(scope["method"], route.path_format)


def _section(scope: Scope) -> str:
    """The section of the route in /docs; for a dialect, its name."""
    route = scope.get("route")
    return str(route.tags[0]) if isinstance(route, APIRoute) and route.tags else "other"


def _codes(kind: type[BinderyError]) -> set[str]:
    return {kind.code}.union(*map(_codes, kind.__subclasses__()))
