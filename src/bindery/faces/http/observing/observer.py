"""Sees every request from outside: counts it, times it and, where asked to, traces it.

Plain ASGI, around the guard, so that what the guard refuses is counted too. Messages pass as they
are: a route learns that its client has left as if nothing stood before it.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bindery.faces.http.observing.meters import Meters
from bindery.faces.http.observing.request_log import log_request
from bindery.faces.http.observing.timings import RequestStage, RequestTimings
from bindery.faces.http.observing.tracing import Tracing


class Observer:
    """Puts :class:`RequestTimings` into each request's state, and reads them."""

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
        status = received_bytes = sent_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            if message["type"] == "http.request":
                received_bytes += len(message.get("body", b""))
                if not message.get("more_body", False):
                    timings.mark_read()
            return message

        async def send_counted(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                timings.mark(RequestStage.SEND)
            else:
                sent_bytes += len(message.get("body", b""))
            await send(message)

        span = self._tracing.begin(scope, timings) if self._tracing else None
        self._meters.in_flight += 1
        try:
            await self._app(scope, receive_counted, send_counted)
        finally:
            self._meters.in_flight -= 1
            timings.end()
            self._meters.count(
                scope, timings, status=status, received_bytes=received_bytes, sent_bytes=sent_bytes
            )
            log_request(
                scope, timings, status=status, received_bytes=received_bytes, sent_bytes=sent_bytes
            )
            if self._tracing and span:
                self._tracing.end(span, scope, timings, status=status)
