"""What stands before every route: who may ask, and that every request gets a proper answer.

Plain ASGI: Starlette's BaseHTTPMiddleware hides from the routes that a client has left.
"""

import logging
import re
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bindery.errors import BinderyError
from bindery.faces.http.errors import ForeignHost, ForeignOrigin, error_answer

_log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Guard:
    """Marks every answer with a request id, turns strangers away, and answers what went wrong.

    ``hosts`` are the names this server goes by, without port. A page on the web can have its own
    name resolve to this machine (DNS rebinding), or post a form to it: its Host or its Origin
    gives it away. There is no CORS, so it reads no answer either.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        request_id = _request_id(headers.get("x-request-id", ""))
        marks = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        has_started = False

        async def send_marked(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message["headers"] = [*message.get("headers", ()), *marks]
            await send(message)

        try:
            self._check(headers)
            await self._app(scope, receive, send_marked)
        except ClientDisconnect:
            _log.info("Request %s: the client left.", request_id)
        except BinderyError as error:
            await error_answer(error, scope["path"])(scope, receive, send_marked)
        except Exception:  # a fault of ours: the log gets the traceback, the client an answer
            _log.exception("Request %s failed.", request_id)
            if has_started:
                raise  # too late for an answer; the server cuts the connection
            await error_answer(_fault(), scope["path"])(scope, receive, send_marked)

    def _check(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._hosts:
            raise ForeignHost(
                "This server does not go by the name in the Host header.",
                remedy="Ask for it by http://127.0.0.1 or http://localhost; a proxy in front must "
                "send one of those as Host.",
            )
        for origin in headers.getlist("origin"):
            if _origin_name(origin) not in self._hosts:
                raise ForeignOrigin(
                    "Web pages from elsewhere may not use this server.",
                    remedy="Serve the page from this machine, or put a proxy in front.",
                )


def _request_id(given: str) -> str:
    return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def _host_name(host: str) -> str:
    name = re.sub(r":\d{1,5}\Z", "", host)
    return name.strip("[]").lower()


def _origin_name(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _fault() -> BinderyError:
    return BinderyError(
        "Something went wrong in the server.",
        remedy="Its log tells more, under the x-request-id of this answer.",
    )
