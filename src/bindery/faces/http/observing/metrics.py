"""What operators ask: ``/health`` and ``/ready``, and ``/metrics`` for Prometheus."""

from collections.abc import Callable, Iterator
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from prometheus_client import ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

import bindery
from bindery.encoders.figures import Histogram, MetricKind
from bindery.errors import StorageError
from bindery.faces.http.observing.metrics_table import METRICS, Metric, Scrape
from bindery.faces.http.routes.shapes import HealthAnswer, ReadyAnswer
from bindery.faces.http.services import AppServices, Services

router = APIRouter(tags=["health"])

_OPENMETRICS = "application/openmetrics-text"

_FAMILIES = {MetricKind.COUNTER: CounterMetricFamily, MetricKind.GAUGE: GaugeMetricFamily}


@router.get("/health", summary="Check liveness")
async def health() -> HealthAnswer:
    """Answers as long as the process runs, however busy it is."""
    return HealthAnswer(version=bindery.__version__)


@router.get(
    "/ready",
    summary="Check readiness",
    responses={HTTPStatus.SERVICE_UNAVAILABLE: {"model": ReadyAnswer, "description": "Not ready."}},
)
async def ready(services: AppServices, response: Response) -> ReadyAnswer:
    """200 if every model on this machine is loaded and passed its self-test.

    Otherwise 503, with the reason for each model: also while models are loading, if there is no
    model, and once the server is stopping.
    """
    answer = await services.readiness.answer()
    if answer.status != "ready":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["retry-after"] = "1"
    return answer


@router.get(
    "/metrics",
    summary="Get metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "Metrics in Prometheus' text format."}
    },
)
async def show_metrics(request: Request, services: AppServices) -> Response:
    """Counters, gauges and histograms in Prometheus' format, or OpenMetrics if `Accept` says so."""
    ready = await services.readiness.answer()
    asks_open = _OPENMETRICS in request.headers.get("accept", "")
    # prometheus_client's own negotiation fails on malformed Accept headers.
    write, media_type = choose_encoder(f"{_OPENMETRICS}; version=1.0.0" if asks_open else "")
    shown = await services.looking.run(_show, services, write, is_ready=ready.status == "ready")
    return Response(shown, headers={"content-type": media_type})


def _show(services: Services, write: Callable[[Collector], bytes], *, is_ready: bool) -> bytes:
    try:
        jobs = services.jobs.counts()
    except StorageError:  # show the other metrics: they may explain the failure
        jobs = {}
    return write(_Snapshot(Scrape(services.library.figures(), services.meters, is_ready, jobs)))


class _Snapshot(Collector):
    """One scrape, as a collector of prometheus_client.

    It is not in a registry, because two apps in one process do not share metrics.
    """

    def __init__(self, scrape: Scrape) -> None:
        self._scrape = scrape

    def collect(self) -> Iterator[Family]:
        """Every metric of the table, and prometheus_client's own for the process."""
        for metric in METRICS:
            yield _family(metric, self._scrape)
        yield from ProcessCollector(registry=None).collect()


def _family(metric: Metric, scrape: Scrape) -> Family:
    if metric.kind is MetricKind.HISTOGRAM:
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in metric.read(scrape):
            assert isinstance(value, Histogram)
            family.add_metric(labels, _buckets(value), value.total)
        return family
    family = _FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.read(scrape):
        assert not isinstance(value, Histogram)
        family.add_metric(labels, value)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts, as Prometheus expects: each of all values up to its bound."""
    total, buckets = 0, list[tuple[str, float]]()
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), total))
    return buckets
