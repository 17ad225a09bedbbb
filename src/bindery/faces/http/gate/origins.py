"""The host names of this server, and the web pages that may use it."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from bindery.errors import InvalidValue
from bindery.faces.http.errors import ForeignHost, ForeignOrigin

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# Also of apps and extensions: app://, tauri://, vscode-webview://, chrome-extension://.
_ORIGIN = re.compile(r"(?!(?:file|ftp|data|javascript):)[a-z][a-z0-9+.-]*://[^/?#@\s*]+")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9_, -]{1,2000}")
_USUAL_HEADERS = "authorization, content-type, x-api-key, x-request-id"
# How long a browser may cache the answer to a preflight request.
_PREFLIGHT_S = "600"
_READABLE = (
    b"retry-after, x-request-id, x-bindery-tokens, x-bindery-truncated-tokens, "
    b"x-bindery-cut-characters, bindery-warning, content-disposition"
)

HeaderList = list[tuple[bytes, bytes]]


class Origins:
    """Checks Host and Origin of requests, and allows listed pages of other sites (CORS).

    A web page can let its own name resolve to this machine (DNS rebinding), or post a form to it.
    Its Host or Origin header shows that. Pages of other sites may use the server only if their
    origin is listed in ``cors``, compared exactly.

    Raises InvalidValue for an entry of ``cors`` that is not an origin; ``*`` is not one.
    """

    def __init__(self, names: Sequence[str], cors: Sequence[str] = ()) -> None:
        given = (name.strip("[]").lower() for name in names)
        self._names = frozenset({*_LOOPBACK_NAMES, *filter(None, given)})
        self._cors = frozenset(cors)
        for origin in cors:
            if not _ORIGIN.fullmatch(origin):
                raise InvalidValue(
                    f"{origin!r} is not an origin.",
                    remedy="Give scheme, host and port, as in https://app.example.com, or the "
                    "origin of an app, as in tauri://localhost; there is no wildcard.",
                    param="cors_origins",
                )

    def check(self, headers: Mapping[bytes, Sequence[bytes]]) -> None:
        """Raise ForeignHost or ForeignOrigin if the headers do not fit this server."""
        hosts = headers.get(b"host", ())
        if len(hosts) != 1 or _host_name(hosts[0].decode("latin-1")) not in self._names:
            raise ForeignHost(
                "The Host header does not name this server.",
                remedy="Use http://127.0.0.1 or http://localhost, or add the name to "
                "BINDERY_ALLOWED_HOSTS.",
            )
        for origin in headers.get(b"origin", ()):
            text = origin.decode("latin-1")
            if text not in self._cors and _origin_name(text) not in self._names:
                raise ForeignOrigin(
                    "Web pages of other sites may not use this server.",
                    remedy="Serve the page from this machine, or add its origin to "
                    "BINDERY_CORS_ORIGINS.",
                )

    def marks(self, headers: Mapping[bytes, Sequence[bytes]]) -> HeaderList:
        """The headers that let an allowed page read the answer; none for others."""
        if not self._cors:
            return []
        # A shared cache must not give one page the headers of another.
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
        """The headers that answer an allowed page's preflight request; None for other requests."""
        asks = method == "OPTIONS" and b"access-control-request-method" in headers
        if not asks or len(self.marks(headers)) < 2:
            return None
        # Clients send headers of their own, such as OpenAI's x-stainless-*. None is a risk: the
        # origin is allowed, and cookies are not used.
        asked = b", ".join(headers.get(b"access-control-request-headers", ())).decode("latin-1")
        answer = {
            "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "access-control-allow-headers": asked
            if _HEADER_NAMES.fullmatch(asked)
            else _USUAL_HEADERS,
            "access-control-max-age": _PREFLIGHT_S,
        }
        if b"access-control-request-private-network" in headers:
            # Chrome asks before a page of another network may use a server on this machine.
            answer["access-control-allow-private-network"] = "true"
        return answer


def _host_name(host: str) -> str:
    name = re.sub(r":\d{1,5}\Z", "", host)
    return name.strip("[]").lower()


def _origin_name(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
