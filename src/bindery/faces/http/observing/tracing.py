"""Traces over OTLP, if an endpoint is set. Without one, OpenTelemetry's SDK is not even loaded.

Spans contain numbers and names from tables, never a text, a path or a header of the request.
FastAPI would send traces to a global provider, with URLs and queries. Ours is not global, and
:func:`bindery.faces.http.app.create_app` turns FastAPI's tracing off.
"""

import threading
from typing import TYPE_CHECKING

import structlog
from starlette.types import Scope

from bindery import __version__
from bindery.errors import InvalidValue
from bindery.faces.http.observing.meters import OTHER, RouteKey, key_of
from bindery.faces.http.observing.timings import RequestTimings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

# Unsent spans are lost after this: a collector that is down must not delay the server's end.
_CLOSE_S = 5.0

_PATH = "/v1/traces"


class Tracing:
    """Sends spans of requests to ``provider``, and shuts it down with itself."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("bindery", __version__)

    def begin(self, scope: Scope, timings: RequestTimings) -> "Span":
        """Start the span of a request, as a child of the client's span (W3C ``traceparent``).

        Log lines carry its ``trace_id`` from here on.
        """
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, format_trace_id

        carrier = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        span = self._tracer.start_span(
            "HTTP", extract(carrier), SpanKind.SERVER, start_time=timings.begun_ns
        )
        about = span.get_span_context()
        if about.is_valid:
            structlog.contextvars.bind_contextvars(trace_id=format_trace_id(about.trace_id))
        return span

    def end(self, span: "Span", scope: Scope, timings: RequestTimings) -> None:
        """End the span of an answered request, with a child span for each stage."""
        from opentelemetry.trace import StatusCode, set_span_in_context

        key = key_of(scope)
        if span.is_recording():
            if key != OTHER:
                span.update_name(f"{key.method} {key.route}")
            span.set_attributes(_facts(key, timings))
            span.set_attribute("bindery.request_id", scope["state"].get("request_id", ""))
            if timings.status >= 500 or not timings.status:
                span.set_status(StatusCode.ERROR)
            context = set_span_in_context(span)
            for stage, begin, end in timings.laps:
                child = self._tracer.start_span(stage, context, start_time=_ns(timings, begin))
                child.end(_ns(timings, end))
        span.end(_ns(timings, timings.ended))

    def close(self) -> None:
        """Send the remaining spans, for at most some seconds."""
        closing = threading.Thread(
            target=self._provider.shutdown, name="bindery-traces", daemon=True
        )
        closing.start()
        closing.join(_CLOSE_S)


def open_tracing(endpoint: str | None) -> Tracing | None:
    """Tracing to the collector at ``endpoint`` over HTTP; None without an endpoint.

    OpenTelemetry's own variables (``OTEL_*``) set everything else. Raises InvalidValue if the extra
    ``otel`` is not installed.
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise InvalidValue(
            f"Cannot send traces to {endpoint!r}: OpenTelemetry is not installed.",
            remedy='Run `pip install "bindery-search[otel]"`, or unset the endpoint.',
            param="otel_endpoint",
        ) from error
    resource = Resource.create({SERVICE_VERSION: __version__})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "bindery"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    address = endpoint.rstrip("/")
    address = address if address.endswith(_PATH) else address + _PATH
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    return Tracing(provider)


def _facts(key: RouteKey, timings: RequestTimings) -> dict[str, str | int]:
    """The attributes of a span, named by OpenTelemetry's conventions if there are any."""
    facts = {
        "http.request.method": key.method if key != OTHER else "_OTHER",
        "http.route": key.route if key != OTHER else "",
        "http.response.status_code": timings.status,
        "error.type": timings.error,
        "bindery.model": timings.model,
        "bindery.texts": timings.texts,
        "bindery.tokens": timings.tokens,
        "bindery.truncated_tokens": timings.cut_tokens,
    }
    return {name: value for name, value in facts.items() if value}


def _ns(timings: RequestTimings, moment: float) -> int:
    """A time of ``perf_counter`` as wall-clock time."""
    return timings.begun_ns + round((moment - timings.begun) * 1e9)
