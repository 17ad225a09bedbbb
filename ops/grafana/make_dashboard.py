"""Generate bindery.json, the Grafana dashboard: ``python ops/grafana/make_dashboard.py``."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("bindery.json")

_WIDTH = 24
_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SELECTED = 'job=~"$job", instance=~"$instance"'


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; ``queries`` are pairs of a PromQL query and its legend."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    width: int = 8
    description: str = ""


def gauge(name: str, by: str = "") -> str:
    """The sum of a gauge over the selected jobs and instances."""
    return f"sum{_by(by)}({name}{{{_SELECTED}}})"


def rate(name: str, by: str = "", where: str = "") -> str:
    """The increase of a counter per second."""
    return f"sum{_by(by)}(rate({name}{{{_SELECTED}{where}}}[$__rate_interval]))"


Query = tuple[str, str]
"""A PromQL query and its legend."""


def shown(query: str, by: str = "", label: str = "") -> Query:
    """A query with a legend of the values of the labels that it is ``by``, and a ``label``."""
    values = " ".join(f"{{{{{name}}}}}" for name in by.split(", ") if name)
    return query, f"{values} {label}".strip()


def gauged(name: str, by: str = "", label: str = "") -> Query:
    """A gauge with its legend."""
    return shown(gauge(name, by), by, label)


def rated(name: str, by: str = "", label: str = "") -> Query:
    """The rate of a counter with its legend."""
    return shown(rate(name, by), by, label)


def quantile(q: float, name: str, by: str = "") -> str:
    """A quantile of a histogram over the rate interval."""
    return f"histogram_quantile({q}, {rate(f'{name}_bucket', f'le, {by}'.rstrip(', '))})"


def quantiles(name: str, by: str = "") -> list[Query]:
    """Queries for p50, p95 and p99."""
    return [shown(quantile(q, name, by), by, f"p{round(q * 100)}") for q in (0.5, 0.95, 0.99)]


def p95(name: str, by: str) -> Query:
    """The 95th percentile of a histogram with its legend."""
    return shown(quantile(0.95, name, by), by)


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""


_REQUESTS = "bindery_http_requests_total"
_FAILED = ', status="5xx"'
_DURATION = "bindery_http_request_duration_seconds"
_STAGES = "bindery_http_stage_duration_seconds"

_FAILED_SHARE = f"({rate(_REQUESTS, where=_FAILED)} or vector(0)) / {rate(_REQUESTS)}"
_STAGE_SHARE = f"{rate(f'{_STAGES}_sum', 'stage')} / scalar({rate(f'{_STAGES}_sum')})"
_BATCH_FILL = f"{rate('bindery_model_batch_tokens_total', 'model')} / "
_REPLACED = (
    f"sum by (model) (increase(bindery_model_workers_replaced_total{{{_SELECTED}}}[$__range]))"
)
_HITS, _MISSES = rate("bindery_cache_hits_total"), rate("bindery_cache_misses_total")


def stat(title: str, unit: str, query: str) -> Panel:
    """A panel with the last number only."""
    return Panel(title, unit, [(query, "")], "stat", 3)


ROWS: dict[str, Sequence[Panel]] = {
    "Overview": (
        stat("Ready", "bool_yes_no", f"min(bindery_ready{{{_SELECTED}}})"),
        stat("Requests", "reqps", rate(_REQUESTS)),
        stat("p95 latency", "s", quantile(0.95, _DURATION)),
        stat("Server errors (5xx)", "percentunit", _FAILED_SHARE),
        stat("Tokens embedded per second", "short", rate("bindery_model_tokens_total")),
        stat("Tokens in queue", "short", gauge("bindery_model_queue_tokens")),
        stat("Requests in flight", "short", gauge("bindery_http_requests_in_flight")),
        stat("Models loaded", "short", gauge("bindery_models_loaded")),
    ),
    "Requests": (
        Panel("Requests by route", "reqps", [rated(_REQUESTS, "method, route")]),
        Panel("Requests by dialect", "reqps", [rated(_REQUESTS, "dialect")]),
        Panel(
            "Requests by status",
            "reqps",
            [rated(_REQUESTS, "status")],
            description="left: the client disconnected before the response was complete.",
        ),
        Panel("Latency", "s", quantiles(_DURATION)),
        Panel("p95 latency by route", "s", [p95(_DURATION, "method, route")]),
        Panel(
            "Errors by code",
            "reqps",
            [shown(f"{rate('bindery_http_errors_total', 'code')} > 0", "code")],
            description="overloaded, busy and request_timeout are signs of load.",
        ),
        Panel(
            "Calls of assistants by tool",
            "reqps",
            [rated("bindery_mcp_calls_total", "tool, outcome")],
        ),
        Panel(
            "p95 latency by stage",
            "s",
            [p95(_STAGES, "stage")],
            description="read, parse, wait for the model, write the response, send it.",
        ),
        Panel("Share of time by stage", "percentunit", [shown(_STAGE_SHARE, "stage")]),
        Panel(
            "Body bytes",
            "Bps",
            [
                rated(f"bindery_http_{what}_bytes_total", label=what)
                for what in ("received", "sent")
            ],
        ),
    ),
    "Models": (
        Panel("Tokens per second", "short", [rated("bindery_model_tokens_total", "model")]),
        Panel("Texts per second", "short", [rated("bindery_model_texts_total", "model")]),
        Panel("Queue in tokens", "short", [gauged("bindery_model_queue_tokens", "model")]),
        Panel("Time in queue", "s", quantiles("bindery_model_queue_seconds", "model")),
        Panel("Batch duration", "s", quantiles("bindery_model_batch_seconds", "model")),
        Panel(
            "Queue in texts",
            "short",
            [
                gauged("bindery_model_queue_texts", "model", "waiting"),
                gauged("bindery_model_running_texts", "model", "running"),
            ],
        ),
        Panel(
            "Batch fill",
            "percentunit",
            [
                shown(_BATCH_FILL + rate(f"bindery_model_{whole}_total", "model"), "model", label)
                for whole, label in (
                    ("budget_tokens", "of the budget"),
                    ("padded_tokens", "of padded tokens"),
                )
            ],
            description="Tokens of texts as a share of the batch budget, and of all tokens "
            "including padding.",
        ),
        Panel("Batches per second", "ops", [rated("bindery_model_batches_total", "model")]),
        Panel(
            "Truncated per second",
            "short",
            [
                rated(f"bindery_truncated_{what}_total", "model", what)
                for what in ("texts", "tokens")
            ],
        ),
        Panel(
            "Not embedded, per second",
            "short",
            [
                rated(f"bindery_model_{what}_total", "model", label)
                for what, label in (
                    ("failed_texts", "texts failed"),
                    ("failed_batches", "batches failed"),
                    ("abandoned_texts", "texts, client disconnected"),
                    ("expired_texts", "texts, deadline passed"),
                    ("refused_requests", "requests, queue full"),
                )
            ],
        ),
        Panel(
            "Workers",
            "short",
            [
                gauged("bindery_model_workers_alive", "model", "alive"),
                gauged("bindery_model_workers_hung", "model", "hung"),
                shown(_REPLACED, "model", "replaced"),
            ],
        ),
        Panel(
            "Memory of models and cache",
            "bytes",
            [
                gauged("bindery_models_loaded_bytes", label="models"),
                gauged("bindery_cache_bytes", label="cache"),
            ],
        ),
        Panel(
            "Cache hit rate",
            "percentunit",
            [shown(f"{_HITS} / ({_HITS} + {_MISSES})", label="texts")],
        ),
        Panel(
            "Cache entries and unloaded models",
            "short",
            [
                gauged("bindery_cache_entries", label="texts in the cache"),
                rated("bindery_models_unloaded_total", label="models unloaded per second"),
            ],
        ),
    ),
    "Jobs": (
        Panel(
            "Jobs by state",
            "short",
            [shown(f"min by (state) (bindery_jobs{{{_SELECTED}}})", "state")],
            width=24,
            description="Servers that share a database report the same numbers.",
        ),
    ),
    "Process": (
        Panel("Memory", "bytes", [gauged("process_resident_memory_bytes", "instance")], width=6),
        Panel("Cores", "short", [rated("process_cpu_seconds_total", "instance")], width=6),
        Panel(
            "Open file descriptors",
            "short",
            [
                gauged("process_open_fds", "instance"),
                gauged("process_max_fds", "instance", "limit"),
            ],
            width=6,
        ),
        Panel("Threads", "short", [gauged("process_threads", "instance")], width=6),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard in Grafana's import format."""
    return {
        "title": "Bindery",
        "uid": "bindery",
        "description": "Requests, models, jobs and processes of Bindery servers.",
        "tags": ["bindery", "embeddings"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                },
                _variable("job", "label_values(bindery_ready, job)"),
                _variable("instance", 'label_values(bindery_ready{job=~"$job"}, instance)'),
            ]
        },
        "panels": list(_panels()),
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1},
        }
        top, left = top + 1, 0
        height = 4 if panels[0].kind == "stat" else _HEIGHT
        for panel in panels:
            if left + panel.width > _WIDTH:
                top, left = top + height, 0
            number += 1
            grid = {"x": left, "y": top, "w": panel.width, "h": height}
            yield _panel(panel, number, grid)
            left += panel.width
        top += height


def _panel(panel: Panel, number: int, grid: dict[str, int]) -> dict[str, Any]:
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    options = {
        "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
        "timeseries": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
    }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": options[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "editorMode": "code",
                "expr": query,
                "legendFormat": label or "__auto",
                "range": True,
            }
            for index, (query, label) in enumerate(panel.queries)
        ],
    }


def page() -> str:
    """The content of bindery.json."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
