"""The line that the log gets for each request: what was asked and came of it, without content."""

import logging

from starlette.types import Scope

from bindery.faces.http.gate.identity import Identity
from bindery.faces.http.observing.meters import key_of
from bindery.faces.http.observing.timings import RequestTimings

_log = logging.getLogger("bindery.requests")

# These are asked every second or so, and tell nothing that their answers do not.
_PROBES = {"/health", "/ready", "/metrics"}


def log_request(
    scope: Scope, timings: RequestTimings, *, status: int, received_bytes: int, sent_bytes: int
) -> None:
    """Log an answered request; ``status`` is 0 where its client left before.

    The route is the app's own pattern: a path can hold what a client likes.
    """
    key = key_of(scope)
    level = logging.DEBUG if key.route in _PROBES else logging.INFO
    if not _log.isEnabledFor(level):
        return
    identity: Identity = scope["state"]["identity"]
    facts = {
        "method": key.method,
        "route": key.route,
        "status": status,
        "ms": round((timings.ended - timings.begun) * 1000, 2),
        "received_bytes": received_bytes,
        "sent_bytes": sent_bytes,
        "model": timings.model,
        "texts": timings.texts,
        "tokens": timings.tokens,
        "code": timings.error,
        "key_id": identity.key_id,
    }
    _log.log(level, "request", extra={name: value for name, value in facts.items() if value})
