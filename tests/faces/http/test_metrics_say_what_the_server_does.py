"""`/metrics`: every number is what happened, under labels that no request can invent."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from tests.faces.http.serving import serving

from bindery.encoders.figures import EncoderFigures, Histogram, MetricKind
from bindery.faces.http.app import create_app
from bindery.faces.http.observing.meters import BOUNDS_S, Meters
from bindery.faces.http.observing.metrics_table import METRICS
from bindery.faces.http.observing.observer import Observer
from bindery.faces.http.observing.timings import RequestStage
from bindery.faces.http.wire.protocol import protocol_for
from bindery.library import Library
from bindery.options import ModelOptions

GENERATE = "/embedding/{model_id}/generate"
SUFFIXES = {
    MetricKind.COUNTER: {""},
    MetricKind.GAUGE: {""},
    MetricKind.HISTOGRAM: {"_bucket", "_sum", "_count"},
}


@pytest.fixture(scope="module")
def client(home, settings) -> Iterator[TestClient]:
    """A separate app, so that no other requests are counted; its model is loaded."""
    with open_app(home, settings) as client:
        assert embed(client, "warm").status_code == 200
        yield client


@contextmanager
def open_app(home, settings) -> Iterator[TestClient]:
    app = create_app(Library(home, ModelOptions(precision="f32"), cache_bytes=1 << 20), settings)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def embed(client: TestClient, *texts: str):
    return client.post("/embedding/vanilla/generate", json={"chunks": texts, "truncate": "end"})


def scrape(client: TestClient) -> dict[tuple[str, ...], float]:
    """Every number, by the name of its metric and its labels, such as `model=vanilla`."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (
            sample.name,
            *sorted(f"{name}={value}" for name, value in sample.labels.items()),
        ): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@contextmanager
def gains(client: TestClient) -> Iterator[dict[tuple[str, ...], float]]:
    """The increase of every number within the block, filled in at its end, without zeros."""
    before, gained = scrape(client), {}
    yield gained
    after = scrape(client)
    gained.update({k: n - before.get(k, 0) for k, n in after.items() if n != before.get(k, 0)})


# The page


def test_the_page_shows_the_table_and_what_every_process_has(client):
    text = client.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    rows = {metric.name.removesuffix("_total"): metric for metric in METRICS}
    assert set(rows) <= set(families)
    assert all(name.startswith("process_") for name in set(families) - set(rows))
    for name, metric in rows.items():
        family = families[name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert sample.name.removeprefix(metric.name) in SUFFIXES[metric.kind]
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_names_follow_the_conventions_of_prometheus():
    for metric in METRICS:
        assert metric.help.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
        assert (metric.kind is MetricKind.HISTOGRAM) <= metric.name.endswith("_seconds")
        assert not any(word in metric.name for word in ("_ms", "_mb", "_megabytes", "_minutes"))
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_everything_that_an_encoder_tells_is_shown():
    shown = {metric.name.removesuffix("_total") for metric in METRICS}
    assert {f"bindery_model_{field.name}" for field in fields(EncoderFigures)} <= shown


def test_histograms_rise_and_end_with_their_count(client):
    embed(client, "one")
    for family in text_string_to_metric_families(client.get("/metrics").text):
        if family.type != "histogram":
            continue
        runs: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        counts = {}
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            if sample.name.endswith("_bucket"):
                runs.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
            elif sample.name.endswith("_count"):
                counts[labels] = sample.value
        assert runs, family.name
        for labels, run in runs.items():
            assert all(a < b and m <= n for (a, m), (b, n) in pairwise(run))
            assert run[-1] == (float("inf"), counts[labels])


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/plain", "text/plain;version=x;;", "nonsense;="]
)
def test_the_text_format_is_what_one_gets(client, accept):
    answer = client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert list(text_string_to_metric_families(answer.text))


@pytest.mark.parametrize("version", ["1.0.0", "0.0.1", "abc"])
def test_open_metrics_is_what_one_gets_on_demand(client, version):
    accept = f"application/openmetrics-text;version={version},text/plain;version=0.0.4;q=0.5"
    answer = client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found = {family.name for family in openmetrics.text_string_to_metric_families(answer.text)}
    assert found >= {metric.name.removesuffix("_total") for metric in METRICS}


# What is counted


def test_a_request_is_counted_under_its_route_its_dialect_and_its_status(client):
    with gains(client) as gained:
        for text in ("a", "b", "c"):
            embed(client, text)
        client.post("/embedding/vanilla/generate", content=b"{")
        client.get("/files/none")
        client.get("/no/such/route")
    requests = {key: n for key, n in gained.items() if key[0] == "bindery_http_requests_total"}
    name, files = "bindery_http_requests_total", "route=/files/{file_id}"
    dialect, route = "dialect=embeddings", f"route={GENERATE}"
    assert requests == {
        (name, dialect, "method=POST", route, "status=2xx"): 3,
        (name, dialect, "method=POST", route, "status=4xx"): 1,
        (name, "dialect=files", "method=GET", files, "status=4xx"): 1,
        (name, "dialect=other", "method=other", "route=other", "status=4xx"): 1,
        # The previous scrape.
        (name, "dialect=health", "method=GET", "route=/metrics", "status=2xx"): 1,
    }


def test_dialects_that_share_a_route_are_told_apart(client):
    asked = {
        "OpenAI": {"model": "vanilla", "input": "x"},
        "Voyage": {"model": "vanilla", "input": "x", "truncation": True},
        "Jina": {"model": "vanilla", "input": "x", "normalized": True},
    }
    with gains(client) as gained:
        for body in asked.values():
            assert client.post("/v1/embeddings", json=body).status_code == 200
    found = {key[1] for key in gained if key[0] == "bindery_http_requests_total"}
    assert found == {*(f"dialect={name}" for name in asked), "dialect=health"}


def test_every_door_is_counted_as_such(client):
    stores, collections = "/v1/vector_stores/nowhere/search", "/collections/nowhere/search"
    asked = {"OpenAI vector stores": stores, "collections": collections, "MCP": "/mcp"}
    asked |= {"Open WebUI": "/open-webui/x", "LibreChat": "/librechat/query", "Dify": "/retrieval"}
    with gains(client) as gained:
        for path in asked.values():
            assert client.post(path, json={"query": "x"}).status_code in (400, 404, 406)
    found = {key[1] for key in gained if key[0] == "bindery_http_requests_total"}
    assert found == {*(f"dialect={name}" for name in asked), "dialect=health"}


def test_errors_are_counted_by_their_code_wherever_they_are_told(client):
    with gains(client) as gained:
        client.get("/health", headers={"host": "elsewhere.example"})
        client.get("/no/such/route")
        client.put("/files")
        client.get("/files/none")
        embed(client, *["x"] * 3000)
        client.post("/embedding/none/generate", json={"chunks": ["x"]})
        client.post("/v1/embeddings", content=b" " * (17 << 20))
        client.get("/chunk/recursive/file/none", params={"size": "large"})
    codes = {key[1]: n for key, n in gained.items() if key[0] == "bindery_http_errors_total"}
    assert codes == {
        "code=foreign_host": 1,
        "code=not_found": 1,
        "code=method_not_allowed": 1,
        "code=unknown_file": 1,
        "code=unknown_model": 1,
        "code=request_too_large": 1,
        "code=invalid_value": 2,
    }


def test_what_never_becomes_a_request_is_counted_too(tmp_path, settings):
    app = create_app(Library(tmp_path), settings)
    meters = app.state.services.meters
    with (
        serving(app, http=protocol_for(settings, meters)) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=300) as connection,
    ):
        connection.sendall(b"no HTTP at all\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400")
    assert (meters.errors["invalid_value"], sum(meters.requests.values())) == (1, 0)


def test_errors_are_there_before_they_happen(client):
    shown = {key[1] for key in scrape(client) if key[0] == "bindery_http_errors_total"}
    assert {"code=overloaded", "code=busy", "code=request_timeout", "code=internal_error"} <= shown


def test_what_was_cut_is_counted_by_model(client):
    with gains(client) as gained:
        cut = embed(client, "word " * 400, "short", "word " * 300).json()["tokens_cut"]
    assert (len(cut), cut[1]) == (3, 0)
    assert gained["bindery_truncated_texts_total", "model=vanilla"] == 2
    assert gained["bindery_truncated_tokens_total", "model=vanilla"] == sum(cut)


def test_bytes_are_those_of_the_bodies(client):
    with gains(client) as gained:
        answer = embed(client, "some text")
    labels = ("method=POST", f"route={GENERATE}")
    sent = len(answer.request.content)
    assert gained["bindery_http_received_bytes_total", *labels] == sent
    assert gained["bindery_http_sent_bytes_total", *labels] == len(answer.content)


def test_each_stage_is_timed_once_and_all_are_within_the_whole(client):
    with gains(client) as gained:
        embed(client, "stages of a text")
    labels = ("method=POST", f"route={GENERATE}")
    stage = "bindery_http_stage_duration_seconds"
    assert {
        s: gained.get((f"{stage}_count", *labels, f"stage={s}")) for s in RequestStage
    } == dict.fromkeys(RequestStage, 1)
    parts = sum(gained[f"{stage}_sum", *labels, f"stage={s}"] for s in RequestStage)
    whole = gained["bindery_http_request_duration_seconds_sum", *labels]
    assert 0 < parts <= whole + 1e-9


def test_texts_and_tokens_are_those_that_the_model_took(client):
    with gains(client) as gained:
        used = embed(client, "never seen before", "nor this one").json()["tokens_used"]
    assert gained["bindery_model_texts_total", "model=vanilla"] == 2
    assert gained["bindery_model_tokens_total", "model=vanilla"] == sum(used)


def test_a_text_that_is_known_is_a_hit_and_costs_the_model_nothing(client):
    with gains(client) as first:
        embed(client, "the same text", "another")
    with gains(client) as again:
        embed(client, "the same text", "the same text", "another")
    assert first["bindery_cache_misses_total",] == first["bindery_cache_entries",] == 2
    assert first["bindery_cache_bytes",] > 2 * 384 * 4
    assert again["bindery_cache_hits_total",] == 3
    assert "bindery_cache_hits_total" not in {key[0] for key in first}
    assert not {key[0] for key in again} & {
        "bindery_cache_misses_total",
        "bindery_model_texts_total",
    }


def test_the_server_is_ready_once_its_models_answer(client, tmp_path, settings):
    now = scrape(client)
    assert (now["bindery_ready",], now["bindery_models_loaded",]) == (1, 1)
    assert now["bindery_models_loaded_bytes",] > 40 << 20
    with open_app(tmp_path, settings) as bare:
        now = scrape(bare)
        assert (now["bindery_ready",], now["bindery_models_loaded",]) == (0, 0)


def test_the_process_is_shown(client):
    now = scrape(client)
    assert now["process_resident_memory_bytes",] > 50 << 20
    assert now["process_open_fds",] > 3
    assert now["process_threads",] > 1


# Labels


def labels_of(client: TestClient) -> set[str]:
    return {label for key in scrape(client) for label in key[1:] if not label.startswith("le=")}


def test_no_request_makes_a_label(client):
    client.get("/no/such/route")
    client.request("QUUX", "/files")
    embed(client, "x")
    client.get("/files/none")
    before = labels_of(client)
    for number in range(60):
        name = f"random-{number}"
        client.get(f"/{name}")
        client.get(f"/files/{name}")
        client.request(f"M{number}", f"/files/{name}")
        client.get(f"/v1/models/{name}", headers={"host": f"{name}.example"})
        client.post(
            f"/embedding/{name}/generate?{name}={name}",
            json={"chunks": [name], "role": name},
            headers={"x-request-id": name, "user-agent": name},
        )
        client.post("/v1/embeddings", json={"model": name, "input": name, name: name})
    after = labels_of(client)
    assert "random" not in "".join(after)
    # Of the routes that only the loop requested.
    assert len(after - before) <= 8
    assert len(after) <= 200


def test_two_apps_in_a_process_share_no_number(client, tmp_path, settings):
    with open_app(tmp_path, settings) as other, gains(other) as gained:
        embed(client, "for the first alone")
    assert {key for key in gained if GENERATE in "".join(key) or "model=" in "".join(key)} == set()


# The instruments


@given(seconds=st.lists(st.floats(0, 100) | st.sampled_from(BOUNDS_S), max_size=50))
def test_a_histogram_counts_each_value_under_the_first_bound_that_holds_it(seconds):
    filled = Histogram(BOUNDS_S)
    for value in seconds:
        filled.add(value)
    found = filled.copy()
    filled.add(1.0)
    for place, bound in enumerate(BOUNDS_S):
        assert sum(found.counts[: place + 1]) == sum(value <= bound for value in seconds)
    assert sum(found.counts) == len(seconds)
    assert found.total == pytest.approx(sum(seconds))


def observed(app, messages) -> tuple[Meters, list[dict]]:
    """A plain ASGI app behind an observer, called once by a client that sends these messages."""
    meters, sent, left = Meters(), [], list(messages)

    async def receive():
        return left.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(Observer(app, meters=meters)(scope, receive, send))
    return meters, sent


def test_messages_pass_as_they_are_and_a_client_that_left_is_counted_as_such():
    seen = []
    messages = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"de"},
        {"type": "http.disconnect"},
    ]

    async def app(scope, receive, send):
        seen.extend([await receive() for _ in messages])

    meters, sent = observed(app, messages)
    assert (seen, sent) == (messages, [])
    assert meters.requests == {("other", "other", "other", "left"): 1}
    [meter] = meters.routes.values()
    assert meter.received_bytes == 5


def test_requests_in_flight_are_those_that_are_not_answered():
    inside = []

    async def app(scope, receive, send):
        inside.append(meters_inside[0].in_flight)
        raise RuntimeError

    meters_inside = [Meters()]
    observer = Observer(app, meters=meters_inside[0])
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    for _ in range(3):
        with pytest.raises(RuntimeError):
            asyncio.run(observer(dict(scope), None, None))
    assert (inside, meters_inside[0].in_flight) == ([1, 1, 1], 0)
