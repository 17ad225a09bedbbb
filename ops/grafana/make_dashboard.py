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


def share(part: str, whole: str, by: str = "") -> str:
    """The rate of one counter divided by that of another."""
    return f"{rate(part, by)} / {rate(whole, by)}"


def quantile(q: float, name: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram over the rate interval."""
    return f"histogram_quantile({q}, {rate(f'{name}_bucket', f'le, {by}'.rstrip(', '), where)})"


def quantiles(name: str, by: str = "", where: str = "") -> list[tuple[str, str]]:
    """Queries for p50, p95 and p99."""
    label = f"{{{{{by}}}}} " if by else ""
    return [(quantile(q, name, by, where), f"{label}p{round(q * 100)}") for q in (0.5, 0.95, 0.99)]


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""


_FAILED = ', status="5xx"'
_DURATION = "bindery_http_request_duration_seconds"
_STAGES = "bindery_http_stage_duration_seconds"

ROWS: dict[str, Sequence[Panel]] = {
    "Overview": (
        Panel("Ready", "bool_yes_no", [(f"min(bindery_ready{{{_SELECTED}}})", "")], "stat", 3),
        Panel("Requests", "reqps", [(rate("bindery_http_requests_total"), "")], "stat", 3),
        Panel("p95 latency", "s", [(quantile(0.95, _DURATION), "")], "stat", 3),
        Panel(
            "Server errors (5xx)",
            "percentunit",
            [
                (
                    f"({rate('bindery_http_requests_total', where=_FAILED)} or vector(0))"
                    f" / {rate('bindery_http_requests_total')}",
                    "",
                )
            ],
            "stat",
            3,
        ),
        Panel(
            "Tokens embedded per second",
            "short",
            [(rate("bindery_model_tokens_total"), "")],
            "stat",
            3,
        ),
        Panel("Tokens in queue", "short", [(gauge("bindery_model_queue_tokens"), "")], "stat", 3),
        Panel(
            "Requests in flight",
            "short",
            [(gauge("bindery_http_requests_in_flight"), "")],
            "stat",
            3,
        ),
        Panel("Models loaded", "short", [(gauge("bindery_models_loaded"), "")], "stat", 3),
    ),
    "Requests": (
        Panel(
            "Requests by route",
            "reqps",
            [(rate("bindery_http_requests_total", "method, route"), "{{method}} {{route}}")],
        ),
        Panel(
            "Requests by dialect",
            "reqps",
            [(rate("bindery_http_requests_total", "dialect"), "{{dialect}}")],
        ),
        Panel(
            "Requests by status",
            "reqps",
            [(rate("bindery_http_requests_total", "status"), "{{status}}")],
            description="left: the client disconnected before the response was complete.",
        ),
        Panel("Latency", "s", quantiles(_DURATION)),
        Panel(
            "p95 latency by route",
            "s",
            [(quantile(0.95, _DURATION, "method, route"), "{{method}} {{route}}")],
        ),
        Panel(
            "Errors by code",
            "reqps",
            [(f"{rate('bindery_http_errors_total', 'code')} > 0", "{{code}}")],
            description="overloaded, busy and request_timeout are signs of load.",
        ),
        Panel(
            "p95 latency by stage",
            "s",
            [(quantile(0.95, _STAGES, "stage"), "{{stage}}")],
            description="read, parse, wait for the model, write the response, send it.",
        ),
        Panel(
            "Share of time by stage",
            "percentunit",
            [
                (
                    f"{rate(f'{_STAGES}_sum', 'stage')} / scalar({rate(f'{_STAGES}_sum')})",
                    "{{stage}}",
                )
            ],
        ),
        Panel(
            "Body bytes",
            "Bps",
            [
                (rate("bindery_http_received_bytes_total"), "received"),
                (rate("bindery_http_sent_bytes_total"), "sent"),
            ],
        ),
    ),
    "Models": (
        Panel(
            "Tokens per second",
            "short",
            [(rate("bindery_model_tokens_total", "model"), "{{model}}")],
        ),
        Panel(
            "Texts per second", "short", [(rate("bindery_model_texts_total", "model"), "{{model}}")]
        ),
        Panel(
            "Queue in tokens",
            "short",
            [(gauge("bindery_model_queue_tokens", "model"), "{{model}}")],
        ),
        Panel("Time in queue", "s", quantiles("bindery_model_queue_seconds", "model")),
        Panel("Batch duration", "s", quantiles("bindery_model_batch_seconds", "model")),
        Panel(
            "Queue in texts",
            "short",
            [
                (gauge("bindery_model_queue_texts", "model"), "{{model}} waiting"),
                (gauge("bindery_model_running_texts", "model"), "{{model}} running"),
            ],
        ),
        Panel(
            "Batch fill",
            "percentunit",
            [
                (
                    share(
                        "bindery_model_batch_tokens_total", f"bindery_model_{whole}_total", "model"
                    ),
                    f"{{{{model}}}} of {label}",
                )
                for whole, label in (
                    ("budget_tokens", "the budget"),
                    ("padded_tokens", "padded tokens"),
                )
            ],
            description="Tokens of texts as a share of the batch budget, and of all tokens "
            "including padding.",
        ),
        Panel(
            "Batches per second",
            "ops",
            [(rate("bindery_model_batches_total", "model"), "{{model}}")],
        ),
        Panel(
            "Truncated per second",
            "short",
            [
                (rate("bindery_truncated_texts_total", "model"), "{{model}} texts"),
                (rate("bindery_truncated_tokens_total", "model"), "{{model}} tokens"),
            ],
        ),
        Panel(
            "Not embedded, per second",
            "short",
            [
                (rate(f"bindery_model_{what}_total", "model"), f"{{{{model}}}} {label}")
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
                (gauge("bindery_model_workers_alive", "model"), "{{model}} alive"),
                (gauge("bindery_model_workers_hung", "model"), "{{model}} hung"),
                (
                    f"sum by (model) (increase(bindery_model_workers_replaced_total{{{_SELECTED}}}"
                    "[$__range]))",
                    "{{model}} replaced",
                ),
            ],
        ),
        Panel(
            "Memory of models and cache",
            "bytes",
            [
                (gauge("bindery_models_loaded_bytes"), "models"),
                (gauge("bindery_cache_bytes"), "cache"),
            ],
        ),
        Panel(
            "Cache hit rate",
            "percentunit",
            [
                (
                    f"{rate('bindery_cache_hits_total')} / ({rate('bindery_cache_hits_total')} + "
                    f"{rate('bindery_cache_misses_total')})",
                    "texts",
                )
            ],
        ),
        Panel(
            "Cache entries and unloaded models",
            "short",
            [
                (gauge("bindery_cache_entries"), "texts in the cache"),
                (rate("bindery_models_unloaded_total"), "models unloaded per second"),
            ],
        ),
    ),
    "Jobs": (
        Panel(
            "Jobs by state",
            "short",
            [(f"min by (state) (bindery_jobs{{{_SELECTED}}})", "{{state}}")],
            width=24,
            description="Servers that share a database report the same numbers.",
        ),
    ),
    "Process": (
        Panel(
            "Memory",
            "bytes",
            [(gauge("process_resident_memory_bytes", "instance"), "{{instance}}")],
            width=6,
        ),
        Panel(
            "Cores",
            "short",
            [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")],
            width=6,
        ),
        Panel(
            "Open file descriptors",
            "short",
            [
                (gauge("process_open_fds", "instance"), "{{instance}}"),
                (gauge("process_max_fds", "instance"), "{{instance}} limit"),
            ],
            width=6,
        ),
        Panel(
            "Threads", "short", [(gauge("process_threads", "instance"), "{{instance}}")], width=6
        ),
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
