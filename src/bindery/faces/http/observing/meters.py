"""Counters of what the server does, light enough for every request.

They are plain numbers that only the event loop changes, so they need no lock; a scrape reads them
from another thread and may see one request half counted. Every label is a key that comes from the
app's own tables, so that no request can add one.
"""

from collections import Counter, defaultdict
from typing import NamedTuple

from fastapi.routing import APIRoute
from starlette.types import Scope

from bindery.encoders.figures import Histogram
from bindery.errors import BinderyError
from bindery.faces.http.observing.timings import RequestStage, RequestTimings

# From what a look-up takes to the longest that a client waits.
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

# Classes of answers; the last is of those whose client left before there was one.
_STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "left")


class RouteKey(NamedTuple):
    """A route as the app has it; ``other`` where the guard or the router found none."""

    method: str = "other"
    route: str = "other"


class RouteMeter:
    """What is counted of one route."""

    __slots__ = ("duration", "received_bytes", "sent_bytes", "stages")

    def __init__(self) -> None:
        self.duration = Histogram(BOUNDS_S)
        self.stages: dict[RequestStage, Histogram] = {}
        self.received_bytes = 0
        self.sent_bytes = 0


class Meters:
    """All that one app counts by itself."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests: Counter[tuple[str, str, str, str]] = Counter()
        self.routes: defaultdict[RouteKey, RouteMeter] = defaultdict(RouteMeter)
        # A counter that begins with its first count has no rate of it.
        self.errors = Counter(dict.fromkeys(sorted(_codes(BinderyError)), 0))
        self.cut_tokens: Counter[str] = Counter()
        self.cut_texts: Counter[str] = Counter()

    def by_route(self) -> list[tuple[RouteKey, RouteMeter]]:
        """Every route that was asked for so far, from any thread."""
        return list(self.routes.copy().items())

    def count(
        self,
        scope: Scope,
        timings: RequestTimings,
        *,
        status: int,
        received_bytes: int,
        sent_bytes: int,
    ) -> None:
        """Count an answered request; ``status`` is 0 where its client left before."""
        key, dialect = key_of(scope), timings.dialect or _section(scope)
        # Of 0, the last.
        self.requests[key.method, key.route, dialect, _STATUSES[status // 100 - 1]] += 1
        meter = self.routes[key]
        meter.duration.add(timings.ended - timings.begun)
        meter.received_bytes += received_bytes
        meter.sent_bytes += sent_bytes
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
    """The route that took a request, in words of the app and none of the client's."""
    route = scope.get("route")
    if not isinstance(route, APIRoute) or scope["method"] not in route.methods:
        return OTHER
    return RouteKey(scope["method"], route.path_format)


def _section(scope: Scope) -> str:
    """Where the route stands in /docs: for a vendor's dialect, its name."""
    route = scope.get("route")
    return str(route.tags[0]) if isinstance(route, APIRoute) and route.tags else "other"


def _codes(kind: type[BinderyError]) -> set[str]:
    return {kind.code}.union(*map(_codes, kind.__subclasses__()))
