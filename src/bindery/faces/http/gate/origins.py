"""By which names the server goes, and which web pages may use it."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from bindery.errors import InvalidValue
from bindery.faces.http.errors import ForeignHost, ForeignOrigin

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_ORIGIN = re.compile(r"https?://[^/?#@\s*]+")
# How long a browser need not ask again.
_PREFLIGHT_S = "600"
_READABLE = b"retry-after, x-request-id, x-bindery-truncated-tokens, bindery-warning"

HeaderList = list[tuple[bytes, bytes]]


class Origins:
    """Checks the Host and the Origin of requests, and lets chosen pages elsewhere read answers.

    A page on the web can have its own name resolve to this machine (DNS rebinding), or post a form
    to it: its Host or its Origin gives it away. Without ``cors`` no page from elsewhere may use the
    server; with it those whose Origin is listed, letter by letter.

    Raises InvalidValue for an entry of ``cors`` that is no origin: ``*`` is none.
    """

    def __init__(self, names: Sequence[str], cors: Sequence[str] = ()) -> None:
        given = (name.strip("[]").lower() for name in names)
        self._names = frozenset({*_LOOPBACK_NAMES, *filter(None, given)})
        self._cors = frozenset(cors)
        for origin in cors:
            if not _ORIGIN.fullmatch(origin):
                raise InvalidValue(
                    f"{origin!r} is not an origin that can be allowed.",
                    remedy="Give scheme, name and port, as in https://app.example.com; there is no "
                    "wildcard.",
                    param="cors_origins",
                )

    def check(self, headers: Mapping[bytes, Sequence[bytes]]) -> None:
        """Raises ForeignHost and ForeignOrigin."""
        hosts = headers.get(b"host", ())
        if len(hosts) != 1 or _host_name(hosts[0].decode("latin-1")) not in self._names:
            raise ForeignHost(
                "This server does not go by the name in the Host header.",
                remedy="Ask for it by http://127.0.0.1 or http://localhost; its other names are "
                "set with BINDERY_ALLOWED_HOSTS.",
            )
        for origin in headers.get(b"origin", ()):
            text = origin.decode("latin-1")
            if text not in self._cors and _origin_name(text) not in self._names:
                raise ForeignOrigin(
                    "Web pages from elsewhere may not use this server.",
                    remedy="Serve the page from this machine, or allow it by its origin with "
                    "BINDERY_CORS_ORIGINS.",
                )

    def marks(self, headers: Mapping[bytes, Sequence[bytes]]) -> HeaderList:
        """The headers by which an allowed page may read the answer; none for others."""
        if not self._cors:
            return []
        # Shared caches must not give one page the answer that was marked for another.
        marks = [(b"vary", b"origin")]
        origins = headers.get(b"origin", ())
        if len(origins) == 1 and origins[0].decode("latin-1") in self._cors:
            marks += [
                (b"access-control-allow-origin", origins[0]),
                (b"access-control-expose-headers", _READABLE),
            ]
        return marks

    def preflight(
        self, method: str, headers: Mapping[bytes, Sequence[bytes]]
    ) -> Mapping[str, str] | None:
        """The answer to a browser that asks beforehand, None to any other request."""
        asks = method == "OPTIONS" and b"access-control-request-method" in headers
        if not asks or len(self.marks(headers)) < 2:
            return None
        return {
            "access-control-allow-methods": "GET, POST, DELETE",
            "access-control-allow-headers": "authorization, content-type, x-api-key, x-request-id",
            "access-control-max-age": _PREFLIGHT_S,
        }


def _host_name(host: str) -> str:
    name = re.sub(r":\d{1,5}\Z", "", host)
    return name.strip("[]").lower()


def _origin_name(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
