"""The manual, the dashboard and the alerts name exactly the metrics that exist."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindery.encoders.figures import MetricKind
from bindery.faces.http.observing.metrics_table import METRICS

ROOT = Path(__file__).parents[3]
DASHBOARD = ROOT / "ops" / "grafana" / "bindery.json"
ALERTS = ROOT / "ops" / "prometheus" / "alerts.yml"

# What prometheus_client tells of a process, without labels of its own.
PROCESS = {
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
}
# Given by Prometheus to everything that it scrapes.
TARGET = {"job", "instance"}
WORDS = {"sum", "min", "rate", "increase", "histogram_quantile", "scalar", "vector", "by", "or"}
# How many labels a line has is no matter of drawing it.
UNDRAWN = {"bindery_build_info"}


def series() -> dict[str, set[str]]:
    """Every name that a query may use, and the labels that it may use with it."""
    shown = dict.fromkeys(PROCESS, TARGET)
    for metric in METRICS:
        labels = {*metric.labels} | TARGET
        if metric.kind is MetricKind.HISTOGRAM:
            shown |= {f"{metric.name}_{part}": labels for part in ("sum", "count")}
            shown[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            shown[metric.name] = labels
    return shown


def check(query: str) -> set[str]:
    """The metrics of a query, after checking that its names and labels exist."""
    bare = re.sub(r'"[^"]*"', '""', query)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    matched = re.findall(r"([a-z_:]+)\{([^}]*)\}", bare)
    for name, matchers in matched:
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert labels <= series()[name], query
    names = set(re.findall(r"[A-Za-z_:][\w:]*", re.sub(r"\{[^}]*\}|\bby *\([^)]*\)", "", bare)))
    used = names - WORDS
    assert used <= set(series()), f"{used - set(series())} in {query}"
    known = set.intersection(*(series()[name] for name in used))
    for grouping in re.findall(r"\bby *\(([^)]*)\)", bare):
        assert {label.strip() for label in grouping.split(",")} <= known, query
    return used


def targets(panels: list[dict]) -> Iterator[str]:
    for panel in panels:
        yield from (target["expr"] for target in panel.get("targets", ()))


def queries() -> list[str]:
    return list(targets(json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]))


@pytest.mark.parametrize("query", queries())
def test_a_panel_asks_for_what_is_there(query):
    assert check(query)


def test_every_metric_is_drawn():
    drawn = {
        re.sub("_(bucket|sum|count)$", "", name) for query in queries() for name in check(query)
    }
    assert {metric.name for metric in METRICS} - UNDRAWN <= drawn


def test_alerts_ask_for_what_is_there():
    text = ALERTS.read_text(encoding="utf-8")
    found = re.findall(r"^ {8}expr: (?:>\n((?: {10}.*\n)+)|(.*)\n)", text, re.M)
    assert len(found) == text.count("- alert:") > 0
    for folded, plain in found:
        assert check(folded or plain)


@pytest.mark.parametrize(
    "wrong",
    [
        "sum(bindery_readiness)",
        'sum(bindery_ready{model="x"})',
        "sum by (model) (bindery_ready)",
        "sum by (le) (rate(bindery_model_queue_seconds_sum[5m]))",
        "rate(bindery_model_queue_seconds[5m])",
        "stddev(bindery_ready)",
    ],
)
def test_a_query_for_what_is_not_there_would_be_found(wrong):
    with pytest.raises((AssertionError, KeyError)):
        check(wrong)


def test_the_dashboard_is_what_its_program_writes():
    program = DASHBOARD.with_name("make_dashboard.py")
    spec = importlib.util.spec_from_file_location("make_dashboard", program)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert DASHBOARD.read_text(encoding="utf-8") == module.page(), f"run {program.name}"


def test_panels_neither_overlap_nor_leave_the_page():
    places = [panel["gridPos"] for panel in json.loads(DASHBOARD.read_text())["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
