"""Every metric of ``/metrics``: its name, its meaning, and the source of its numbers.

Names follow Prometheus' conventions: base units, and ``_total`` for counters. Label values come
from the app's routes, the ids of the catalog or the codes of errors, never from a request.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path

from bindery import __version__
from bindery.encoders.figures import EncoderFigures, Histogram, MetricKind, described
from bindery.faces.http.observing.meters import Meters, RouteMeter
from bindery.library import LibraryFigures
from bindery.library.cache import CacheFigures


@dataclass(frozen=True, slots=True)
class Scrape:
    """All figures at one moment."""

    library: LibraryFigures
    meters: Meters
    is_ready: bool
    jobs: Mapping[str, int]


Labels = tuple[str, ...]
Sample = tuple[Labels, float | Histogram]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; ``read`` gives a number or histogram for each combination of label values."""

    kind: MetricKind
    name: str
    help: str
    read: Callable[[Scrape], Iterable[Sample]]
    labels: Labels = ()


_counter = partial(Metric, MetricKind.COUNTER)
_gauge = partial(Metric, MetricKind.GAUGE)
_histogram = partial(Metric, MetricKind.HISTOGRAM)


def _one(value: Callable[[Scrape], float]) -> Callable[[Scrape], Iterable[Sample]]:
    return lambda scrape: [((), value(scrape))]


def _by_route(value: Callable[[RouteMeter], float | Histogram]) -> Callable[[Scrape], list[Sample]]:
    def read(scrape: Scrape) -> list[Sample]:
        return [((k.method, k.route), value(meter)) for k, meter in scrape.meters.by_route()]

    return read


def _by_stage(scrape: Scrape) -> Iterable[Sample]:
    for key, meter in scrape.meters.by_route():
        for stage, timer in meter.stages.copy().items():
            yield (key.method, key.route, stage), timer.copy()


def _requests(scrape: Scrape) -> list[Sample]:
    return list(scrape.meters.requests.copy().items())


def _by_code(scrape: Scrape) -> list[Sample]:
    return [((code,), count) for code, count in scrape.meters.errors.copy().items()]


def _tool_calls(scrape: Scrape) -> list[Sample]:
    return list(scrape.meters.tool_calls.copy().items())


def _cut(name: str) -> Callable[[Scrape], list[Sample]]:
    counts: Callable[[Meters], dict[str, int]] = attrgetter(name)

    def read(scrape: Scrape) -> list[Sample]:
        # Start at 0: Prometheus computes no rate for a counter that first appears as 1.
        shown = dict.fromkeys(scrape.library.models, 0) | counts(scrape.meters)
        return [((model,), count) for model, count in shown.items()]

    return read


def _by_model(name: str) -> Callable[[Scrape], list[Sample]]:
    value: Callable[[EncoderFigures], float | Histogram] = attrgetter(name)
    return lambda scrape: [((model,), value(one)) for model, one in scrape.library.models.items()]


def _named(prefix: str, name: str, kind: MetricKind) -> str:
    return f"{prefix}_{name}_total" if kind is MetricKind.COUNTER else f"{prefix}_{name}"


_REQUESTS = (
    _counter(
        "bindery_http_requests_total",
        "Requests by class of status; `left` if the client left before the answer.",
        _requests,
        ("method", "route", "dialect", "status"),
    ),
    _counter(
        "bindery_http_errors_total",
        "Requests refused or failed, by error code.",
        _by_code,
        ("code",),
    ),
    _counter(
        "bindery_mcp_calls_total",
        "Calls of tools by assistants; `error` if the answer is an error.",
        _tool_calls,
        ("tool", "outcome"),
    ),
    _gauge(
        "bindery_http_requests_in_flight", "Open requests.", _one(attrgetter("meters.in_flight"))
    ),
    _histogram(
        "bindery_http_request_duration_seconds",
        "Time from the headers of a request to the end of its answer.",
        _by_route(lambda meter: meter.duration.copy()),
        ("method", "route"),
    ),
    _histogram(
        "bindery_http_stage_duration_seconds",
        "Time of its stages: read, parse, wait for the model, write, send.",
        _by_stage,
        ("method", "route", "stage"),
    ),
    _counter(
        "bindery_http_received_bytes_total",
        "Bytes in request bodies.",
        _by_route(attrgetter("received_bytes")),
        ("method", "route"),
    ),
    _counter(
        "bindery_http_sent_bytes_total",
        "Bytes in answer bodies.",
        _by_route(attrgetter("sent_bytes")),
        ("method", "route"),
    ),
    _counter(
        "bindery_truncated_texts_total",
        "Texts that were cut to the model's window.",
        _cut("cut_texts"),
        ("model",),
    ),
    _counter(
        "bindery_truncated_tokens_total",
        "Tokens that were cut off.",
        _cut("cut_tokens"),
        ("model",),
    ),
)

_MODELS = tuple(
    Metric(kind, _named("bindery_model", name, kind), help, _by_model(name), ("model",))
    for name, kind, help in described(EncoderFigures)
)

_CACHE = tuple(
    Metric(
        kind, _named("bindery_cache", name, kind), help, _one(attrgetter(f"library.cache.{name}"))
    )
    for name, kind, help in described(CacheFigures)
)

_LIBRARY = (
    _gauge("bindery_ready", "1 if `/ready` succeeds, else 0.", _one(attrgetter("is_ready"))),
    _gauge(
        "bindery_models_loaded",
        "Models in memory, without remote ones.",
        _one(lambda scrape: len(scrape.library.models)),
    ),
    _gauge(
        "bindery_models_loaded_bytes",
        "Memory of the loaded models, as counted by the memory budget.",
        _one(attrgetter("library.loaded_bytes")),
    ),
    _counter(
        "bindery_models_unloaded_total",
        "Models unloaded to make room for others.",
        _one(attrgetter("library.unloadings")),
    ),
    *_CACHE,
    _gauge(
        "bindery_jobs",
        "Jobs by state; all servers of a database show the same.",
        lambda scrape: [((state,), count) for state, count in scrape.jobs.items()],
        ("state",),
    ),
    _gauge(
        "process_threads",
        "Threads of the process; on Linux including those of the engine.",
        lambda _: [((), _threads())],
    ),
    _gauge(
        "bindery_build_info",
        "Always 1; the label is the running version.",
        lambda _: [((__version__,), 1)],
        ("version",),
    ),
)

METRICS = (*_REQUESTS, *_MODELS, *_LIBRARY)
"""All metrics, in the order of ``/metrics``."""


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
