"""Sees each request from outside: counts it, times it, logs it and, if set up, traces it.

Plain ASGI around the guard, so that requests the guard refuses are counted too. Messages pass
unchanged: a route still learns when its client has left.
"""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bindery.faces.http.gate.access import Identity
from bindery.faces.http.observing.meters import Meters, key_of
from bindery.faces.http.observing.timings import RequestStage, RequestTimings
from bindery.faces.http.observing.tracing import Tracing

_log = logging.getLogger("bindery.requests")

# Monitoring asks these every second or so, so they are logged at level DEBUG.
_PROBES = {"/health", "/ready", "/metrics"}


class Observer:
    """Puts :class:`RequestTimings` into the state of each request, and reads them at its end."""

    def __init__(self, app: ASGIApp, *, meters: Meters, tracing: Tracing | None = None) -> None:
        self._app = app
        self._meters = meters
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        timings = RequestTimings()
        scope.setdefault("state", {})["timings"] = timings

        async def receive_counted() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                timings.received_bytes += len(message.get("body", b""))
                if not message.get("more_body", False):
                    timings.mark_read()
            return message

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                timings.status = message["status"]
                timings.mark(RequestStage.SEND)
            else:
                timings.sent_bytes += len(message.get("body", b""))
            await send(message)

        span = self._tracing.begin(scope, timings) if self._tracing else None
        self._meters.in_flight += 1
        try:
            await self._app(scope, receive_counted, send_counted)
        finally:
            self._meters.in_flight -= 1
            timings.end()
            self._meters.count(scope, timings)
            log_request(scope, timings)
            if self._tracing and span:
                self._tracing.end(span, scope, timings)


def log_request(scope: Scope, timings: RequestTimings) -> None:
    """Log a request without its content, also if its client left before the answer.

    The route is logged as the app defines it, because a path can hold anything a client likes.
    """
    key = key_of(scope)
    level = logging.DEBUG if key.route in _PROBES else logging.INFO
    if not _log.isEnabledFor(level):
        return
    identity: Identity = scope["state"]["identity"]
    facts = {
        "method": key.method,
        "route": key.route,
        "status": timings.status,
        "ms": round((timings.ended - timings.begun) * 1000, 2),
        "received_bytes": timings.received_bytes,
        "sent_bytes": timings.sent_bytes,
        "model": timings.model,
        "texts": timings.texts,
        "tokens": timings.tokens,
        "code": timings.error,
        "key_id": identity.key_id,
    }
    _log.log(level, "request", extra={name: value for name, value in facts.items() if value})
