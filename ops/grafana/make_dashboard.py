"""Writes bindery.json, the dashboard beside this file: ``python ops/grafana/make_dashboard.py``."""

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
    """A panel: what it draws, each query with the legend of its lines."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    width: int = 8
    description: str = ""


def gauge(name: str, by: str = "") -> str:
    """The sum of a gauge over all that is selected."""
    return f"sum{_by(by)}({name}{{{_SELECTED}}})"


def rate(name: str, by: str = "", where: str = "") -> str:
    """What a counter gains in a second."""
    return f"sum{_by(by)}(rate({name}{{{_SELECTED}{where}}}[$__rate_interval]))"


def share(part: str, whole: str, by: str = "") -> str:
    """One counter's gain as a share of another's."""
    return f"{rate(part, by)} / {rate(whole, by)}"


def quantile(q: float, name: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram, from what it gained."""
    return f"histogram_quantile({q}, {rate(f'{name}_bucket', f'le, {by}'.rstrip(', '), where)})"


def quantiles(name: str, by: str = "", where: str = "") -> list[tuple[str, str]]:
    """p50, p95 and p99."""
    label = f"{{{{{by}}}}} " if by else ""
    return [(quantile(q, name, by, where), f"{label}p{round(q * 100)}") for q in (0.5, 0.95, 0.99)]


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""


_FAILED = ', status="5xx"'
_DURATION = "bindery_http_request_duration_seconds"
_STAGES = "bindery_http_stage_duration_seconds"

ROWS: dict[str, Sequence[Panel]] = {
    "At a glance": (
        Panel("Ready", "bool_yes_no", [(f"min(bindery_ready{{{_SELECTED}}})", "")], "stat", 3),
        Panel("Requests", "reqps", [(rate("bindery_http_requests_total"), "")], "stat", 3),
        Panel("p95 of all", "s", [(quantile(0.95, _DURATION), "")], "stat", 3),
        Panel(
            "Failed (5xx)",
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
        Panel("Tokens embedded", "short", [(rate("bindery_model_tokens_total"), "")], "stat", 3),
        Panel("Tokens waiting", "short", [(gauge("bindery_model_queue_tokens"), "")], "stat", 3),
        Panel("In flight", "short", [(gauge("bindery_http_requests_in_flight"), "")], "stat", 3),
        Panel("Models loaded", "short", [(gauge("bindery_models_loaded"), "")], "stat", 3),
    ),
    "Requests": (
        Panel(
            "By route",
            "reqps",
            [(rate("bindery_http_requests_total", "method, route"), "{{method}} {{route}}")],
        ),
        Panel(
            "By dialect", "reqps", [(rate("bindery_http_requests_total", "dialect"), "{{dialect}}")]
        ),
        Panel(
            "By status",
            "reqps",
            [(rate("bindery_http_requests_total", "status"), "{{status}}")],
            description="left: the client left before it had an answer.",
        ),
        Panel("How long they take", "s", quantiles(_DURATION)),
        Panel(
            "p95 by route",
            "s",
            [(quantile(0.95, _DURATION, "method, route"), "{{method}} {{route}}")],
        ),
        Panel(
            "Refused and failed",
            "reqps",
            [(f"{rate('bindery_http_errors_total', 'code')} > 0", "{{code}}")],
            description="By the error's code; overloaded, busy and request_timeout are load.",
        ),
        Panel(
            "p95 by stage",
            "s",
            [(quantile(0.95, _STAGES, "stage"), "{{stage}}")],
            description="read the body, parse it, wait for the model, write, send.",
        ),
        Panel(
            "Where the time goes",
            "percentunit",
            [
                (
                    f"{rate(f'{_STAGES}_sum', 'stage')} / scalar({rate(f'{_STAGES}_sum')})",
                    "{{stage}}",
                )
            ],
        ),
        Panel(
            "Bodies",
            "Bps",
            [
                (rate("bindery_http_received_bytes_total"), "received"),
                (rate("bindery_http_sent_bytes_total"), "sent"),
            ],
        ),
    ),
    "Models": (
        Panel("Tokens", "short", [(rate("bindery_model_tokens_total", "model"), "{{model}}")]),
        Panel("Texts", "short", [(rate("bindery_model_texts_total", "model"), "{{model}}")]),
        Panel(
            "Queue, in tokens",
            "short",
            [(gauge("bindery_model_queue_tokens", "model"), "{{model}}")],
        ),
        Panel("Wait before the model", "s", quantiles("bindery_model_queue_seconds", "model")),
        Panel("Batches take", "s", quantiles("bindery_model_batch_seconds", "model")),
        Panel(
            "Queue, in texts",
            "short",
            [
                (gauge("bindery_model_queue_texts", "model"), "{{model}} wait"),
                (gauge("bindery_model_running_texts", "model"), "{{model}} run"),
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
                for whole, label in (("budget_tokens", "the budget"), ("padded_tokens", "what ran"))
            ],
            description="Tokens of texts, as a share of what batches could hold and of what ran "
            "with padding.",
        ),
        Panel("Batches", "ops", [(rate("bindery_model_batches_total", "model"), "{{model}}")]),
        Panel(
            "Truncated",
            "short",
            [
                (rate("bindery_truncated_texts_total", "model"), "{{model}} texts"),
                (rate("bindery_truncated_tokens_total", "model"), "{{model}} tokens"),
            ],
        ),
        Panel(
            "Not embedded",
            "short",
            [
                (rate(f"bindery_model_{what}_total", "model"), f"{{{{model}}}} {label}")
                for what, label in (
                    ("failed_texts", "texts failed"),
                    ("failed_batches", "batches failed"),
                    ("abandoned_texts", "texts, client left"),
                    ("expired_texts", "texts, time was up"),
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
            "Cache hits",
            "percentunit",
            [
                (
                    f"{rate('bindery_cache_hits_total')} / ({rate('bindery_cache_hits_total')} + "
                    f"{rate('bindery_cache_misses_total')})",
                    "of texts",
                )
            ],
        ),
        Panel(
            "Coming and going",
            "short",
            [
                (gauge("bindery_cache_entries"), "texts in the cache"),
                (rate("bindery_models_unloaded_total"), "models unloaded"),
            ],
        ),
    ),
    "Jobs": (
        Panel(
            "Jobs by state",
            "short",
            [(f"min by (state) (bindery_jobs{{{_SELECTED}}})", "{{state}}")],
            width=24,
            description="Every server of a database shows all of them.",
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
            "Open files",
            "short",
            [
                (gauge("process_open_fds", "instance"), "{{instance}}"),
                (gauge("process_max_fds", "instance"), "{{instance}} most"),
            ],
            width=6,
        ),
        Panel(
            "Threads", "short", [(gauge("process_threads", "instance"), "{{instance}}")], width=6
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "title": "Bindery",
        "uid": "bindery",
        "description": "What a Bindery server and its models do.",
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
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            yield _panel(panel, number, place)
            left += panel.width
        top += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
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
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": options[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "editorMode": "code",
                "expr": query,
                "legendFormat": label or "__auto",
                "range": True,
            }
            for place, (query, label) in enumerate(panel.queries)
        ],
    }


def page() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
