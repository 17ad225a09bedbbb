"""Tracing: a span for each request and each of its stages, without the content of the request."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from bindery.errors import InvalidValue
from bindery.faces.http.app import create_app
from bindery.faces.http.observing import tracing
from bindery.faces.http.observing.timings import RequestStage
from bindery.faces.http.observing.tracing import Tracing, open_tracing
from bindery.library import Library
from bindery.options import ModelOptions

GENERATE = "/embedding/vanilla/generate"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(scope="module")
def client(home, settings, exporter) -> Iterator[TestClient]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(
        Library(home, ModelOptions(precision="f32")), settings, tracing=Tracing(provider)
    )
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def spans(client, exporter):
    """The span of the last request, and those of its stages."""
    exporter.clear()

    def finished() -> tuple[ReadableSpan, list[ReadableSpan]]:
        [*children, parent] = exporter.get_finished_spans()
        return parent, children

    return finished


def test_a_request_is_a_span_and_its_stages_are_within_it(client, spans):
    texts = ["word " * 400, "short"]
    answer = client.post(GENERATE, json={"chunks": texts, "truncate": "end"}).json()
    parent, children = spans()
    assert parent.name == "POST /embedding/{model_id}/generate"
    assert (parent.kind.name, parent.parent, parent.status.is_ok) == ("SERVER", None, True)
    attributes = dict(parent.attributes)
    assert attributes.pop("bindery.request_id").startswith("req_")
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/embedding/{model_id}/generate",
        "http.response.status_code": 200,
        "bindery.model": "vanilla",
        "bindery.texts": 2,
        "bindery.tokens": sum(answer["tokens_used"]),
        "bindery.truncated_tokens": sum(answer["tokens_cut"]),
    }
    assert [child.name for child in children] == list(RequestStage)
    assert {child.parent.span_id for child in children} == {parent.context.span_id}
    times = [time for child in children for time in (child.start_time, child.end_time)]
    times = [parent.start_time, *times, parent.end_time]
    assert all(before <= after for before, after in pairwise(times))


def test_the_clients_trace_goes_on(client, spans):
    client.get("/health", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    parent, _ = spans()
    assert f"{parent.context.trace_id:032x}" == TRACE
    assert f"{parent.parent.span_id:016x}" == PARENT


@pytest.mark.parametrize("given", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", "00-é-1-01"])
def test_a_trace_that_makes_no_sense_is_not_followed(client, spans, given):
    answer = client.get("/health", headers={b"traceparent": given.encode("latin-1")})
    parent, _ = spans()
    assert answer.status_code == 200
    assert parent.parent is None
    assert f"{parent.context.trace_id:032x}" != TRACE


def test_what_a_client_does_not_want_traced_is_not(client, exporter):
    exporter.clear()
    answer = client.get("/health", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert answer.status_code == 200
    assert exporter.get_finished_spans() == ()


def test_errors_tell_their_code_and_no_route_that_is_not_ours(client, spans):
    client.get("/canary/canary")
    parent, _ = spans()
    assert parent.name == "HTTP"
    assert parent.attributes["error.type"] == "not_found"
    assert parent.attributes["http.response.status_code"] == 404
    assert "http.route" not in parent.attributes


def test_no_span_holds_what_the_client_said(client, exporter):
    exporter.clear()
    headers = {"user-agent": "canary", "authorization": "Bearer canary", "x-canary": "canary"}
    for path in (GENERATE, "/embedding/canary/generate", "/v1/embeddings", "/canary"):
        body = {"chunks": ["canary"], "input": ["canary"], "model": "canary", "role": "canary"}
        client.post(path, json=body, headers=headers, params={"canary": "canary"})
    client.request("CANARY", "/files/canary", headers=headers)
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "/v1/embeddings" in told
    assert "canary" not in told.lower()


# Over the wire


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A collector for OTLP over HTTP: its URL, and what it received."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            received.append(ExportTraceServiceRequest.FromString(raw))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_spans_reach_a_collector_before_the_server_ends(tmp_path, settings):
    with collector() as (address, received):
        app = create_app(Library(tmp_path), settings, tracing=open_tracing(address))
        with TestClient(app, base_url="http://127.0.0.1") as client:
            client.get("/health")
    [resource] = [spans for request in received for spans in request.resource_spans]
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert about["service.name"] == "bindery"
    spans = [span for scope in resource.scope_spans for span in scope.spans]
    assert "GET /health" in {span.name for span in spans}


def test_a_collector_that_does_not_answer_does_not_hold_up_the_end(monkeypatch, tmp_path, settings):
    monkeypatch.setattr(tracing, "_CLOSE_S", 0.1)
    released = threading.Event()

    class Stuck(InMemorySpanExporter):
        def shutdown(self) -> None:
            assert released.wait(120)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Stuck()))
    app = create_app(Library(tmp_path), settings, tracing=Tracing(provider))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.get("/health")
    assert [thread.name for thread in threading.enumerate()].count("bindery-traces") == 1
    released.set()


# Off

_ASK = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from bindery.faces.http.app import create_app
from bindery.faces.http.observing.tracing import open_tracing
from bindery.library import Library
from bindery.settings import Settings

settings = Settings(home=Path(sys.argv[1]), otel_endpoint=sys.argv[2] or None)
tracing = open_tracing(settings.otel_endpoint)
app = create_app(Library(settings.home), settings, tracing=tracing)
with TestClient(app, base_url="http://127.0.0.1") as client:
    assert client.get("/health").status_code == 200
kinds = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests")
print(sorted(kind for kind in kinds if kind in sys.modules))
"""


def modules_of(home, endpoint: str) -> str:
    # FastAPI would configure itself from these, and send URLs and queries.
    environment = {
        "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }
    run = subprocess.run(
        [sys.executable, "-c", _ASK, str(home), endpoint],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_nothing_of_it_is_loaded_until_an_endpoint_is_set(tmp_path):
    assert modules_of(tmp_path, "") == "[]"
    with collector() as (address, _):
        assert "opentelemetry.sdk" in modules_of(tmp_path, address)


def test_an_endpoint_without_the_extra_is_told(monkeypatch):
    module = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InvalidValue, match="not installed") as caught:
        open_tracing("http://127.0.0.1:4318")
    assert "bindery-search[otel]" in caught.value.remedy
    assert open_tracing(None) is None
    assert open_tracing("") is None
