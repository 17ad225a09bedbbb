"""Checks each request before its route runs, and makes sure that it gets an answer.

Plain ASGI, because Starlette's BaseHTTPMiddleware hides from routes that a client has left.
Everything that depends only on the headers is decided before the body is read.
"""

import hmac
import logging
import re
import secrets
from collections.abc import Callable, Generator, Iterable, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bindery.encoders.pending import Cancellation
from bindery.errors import Abandoned, BinderyError, FileTooLarge, Overloaded, StorageError
from bindery.faces.http.errors import (
    Busy,
    Forbidden,
    KeysBroken,
    PathHider,
    RequestTooLarge,
    Unauthenticated,
    error_answer,
)
from bindery.faces.http.gate.access import EMBED, FILES, Identity, RequiredScopes, RouteScopes
from bindery.faces.http.gate.intake import BodyLimits, Intake, Load
from bindery.faces.http.gate.origins import HeaderList, Origins
from bindery.faces.http.observing.timings import note_error
from bindery.faces.logs import bind_request
from bindery.secret import Secret
from bindery.settings import Settings
from bindery.store.keys import KeyRing
from bindery.store.keys import Scope as KeyScope

_log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
# How many bodies of the largest size fit in memory: more text than all queues hold.
_LARGE_BODIES = 4
# Room for multipart boundaries, headers and small fields.
_ENVELOPE_BYTES = 64 << 10

Heads = Mapping[bytes, Sequence[bytes]]


class Guard:
    """Adds a request id to every answer, refuses requests, and turns errors into answers.

    Checks in this order: Host and Origin, the key, the scopes of the route, the number of open
    requests, the announced size, and then the body as it arrives (see :mod:`.intake`). Routes find
    ``identity``, ``cancellation`` and ``request_id`` in the state of the request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Iterable[BaseRoute],
        settings: Settings,
        keys: KeyRing,
        origins: Origins,
        until_room_s: Callable[[], int],
        owner: Secret | None = None,
    ) -> None:
        self._app = app
        self._route_scopes = RouteScopes(routes)
        self._settings = settings
        self._keys = keys
        self._owner = None if owner is None else f"Bearer {owner.reveal()}".encode()
        self._origins = origins
        self._until_room_s = until_room_s
        self._load = Load()
        self._json, self._upload = _limits(settings)
        self._hides = PathHider.of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _heads(scope["headers"])
        request_id = _request_id(headers)
        cancellation = Cancellation.within(self._settings.request_timeout_s)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state.update(identity=_NOBODY, cancellation=cancellation, request_id=request_id)
        bind_request(request_id)
        answer = _Answer(scope, send, request_id, self._origins.marks(headers), self._hides)
        try:
            self._origins.check(headers)
            preflight = self._origins.preflight(scope["method"], headers)
            if preflight is not None:
                await Response(status_code=204, headers=preflight)(scope, receive, answer.send)
                return
            if scope["method"] == "HEAD":
                scope["method"] = "GET"  # until the answer starts, which then has no body
            needs = self._route_scopes.required(scope["method"], scope["path"])
            state["identity"] = self._admit(needs, headers)
            if needs == EMBED and scope["method"] == "POST":
                self._check_room()
            with self._taken_in(needs, headers, receive, cancellation) as intake:
                answer.intake = intake
                await self._app(scope, intake.receive, answer.send)
                intake.check()
        except (ClientDisconnect, Abandoned):
            _log.info("Request %s: the client left.", request_id)
        except BinderyError as error:
            await answer.fail(error, scope, receive)
        except Exception:  # a bug: the log gets the traceback, the client an answer
            _log.exception("Request %s failed.", request_id)
            if answer.has_started:
                raise  # too late for an answer: the server closes the connection
            await answer.fail(_fault(), scope, receive)

    def _admit(self, needs: RequiredScopes, headers: Heads) -> Identity:
        """Who sent the request. Raises Unauthenticated, Forbidden and KeysBroken."""
        if needs is None:
            return _NOBODY
        if self._is_owner(headers):
            return Identity(is_owner=True)
        self._keys.refresh()
        if self._keys.is_open:
            return Identity()
        try:
            key = self._keys.find(_presented(headers))
        except StorageError as error:
            raise KeysBroken(
                "The server cannot read its keys, so it accepts no requests.",
                remedy="See the log of the server.",
            ) from error
        if key is None:
            raise Unauthenticated(
                "The API key is not valid on this server.",
                remedy="`bindery keys list` shows the keys; `bindery keys create` adds one.",
            )
        if not needs <= key.scopes:
            raise Forbidden(
                f"The key {key.name!r} lacks a scope that this route requires.",
                remedy="Create a key with: bindery keys create --name NAME --scope "
                f"{' --scope '.join(sorted(needs))}",
            )
        return Identity(key.id, key.scopes, key.collections)

    def _is_owner(self, headers: Heads) -> bool:
        shown = headers.get(b"authorization", (b"",))
        return self._owner is not None and hmac.compare_digest(shown[0], self._owner)

    def _check_room(self) -> None:
        """Raise Overloaded if every model would, before the body is read and parsed.

        At ten times the capacity, reading bodies only to refuse them would cost a tenth of it.
        """
        if wait_s := self._until_room_s():
            raise Overloaded(
                "The queues of all models are full.",
                remedy="Try again later.",
                retry_after_s=wait_s,
            )

    @contextmanager
    def _taken_in(
        self, needs: RequiredScopes, headers: Heads, receive: Receive, cancellation: Cancellation
    ) -> Generator[Intake]:
        load = self._load
        # Probes are always answered. They cost almost nothing.
        counts = 0 if needs is None else 1
        if counts and load.requests >= self._settings.max_requests:
            raise Busy(
                f"The server is busy with {load.requests} requests.",
                remedy="Try again in a moment.",
            )
        has_files = needs is not None and KeyScope.FILES in needs
        is_upload = needs == FILES or (has_files and _is_multipart(headers))
        limits = self._upload if is_upload else self._json
        intake = Intake(
            receive,
            cancellation,
            limits,
            load,
            announced_bytes=_announced_bytes(headers),
            encoding=b", ".join(headers.get(b"content-encoding", ())).decode("latin-1"),
        )
        load.requests += counts
        try:
            intake.open()
            yield intake
        finally:
            load.requests -= counts
            intake.close()


class _Answer:
    """The app's ``send``: adds headers, and drops answers that the guard replaces."""

    def __init__(
        self, scope: Scope, send: Send, request_id: str, marks: HeaderList, hides: PathHider
    ) -> None:
        self.has_started = False
        self._hides = hides
        self._scope = scope
        self._is_head = scope["method"] == "HEAD"
        self._has_ended = False
        self.intake: Intake | None = None
        self._send = send
        self._marks = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            *marks,
        ]

    async def send(self, message: Message) -> None:
        """See ASGI."""
        if self.intake is not None and self.intake.failure is not None and not self.has_started:
            return  # the framework's answer to the failure; the guard sends its own
        if message["type"] == "http.response.start":
            self.has_started = True
            if self._is_head:
                self._scope["method"] = "HEAD"
            message["headers"] = [*message.get("headers", ()), *self._marks]
        elif self._is_head:
            # The answer ends at once, even if it would be a stream of events.
            if self._has_ended:
                return
            self._has_ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def fail(self, error: BinderyError, scope: Scope, receive: Receive) -> None:
        """Answer with an error, in the format that clients of the route expect."""
        if self.has_started:
            raise error
        self.intake = None
        note_error(scope, error)
        answer = error_answer(error, scope["path"], hides=self._hides)
        await answer(scope, receive, self.send)


_NOBODY = Identity(scopes=frozenset())


def _limits(settings: Settings) -> tuple[BodyLimits, BodyLimits]:
    """The limits of bodies that are read whole, and of uploads, which are written to disk."""
    json = BodyLimits(
        settings.body_limit_bytes,
        _LARGE_BODIES * settings.body_limit_bytes,
        settings.body_timeout_s,
        lambda: RequestTooLarge(
            f"The body is larger than {settings.body_limit_bytes / 1024 / 1024:g} MB.",
            remedy="Send the texts in several requests.",
            param="body",
        ),
    )
    upload = BodyLimits(
        settings.upload_limit_bytes + _ENVELOPE_BYTES,
        None,
        settings.body_timeout_s,
        lambda: FileTooLarge(
            f"The upload is larger than {settings.upload_limit_bytes / 1024 / 1024:g} MB.",
            remedy="Split the file, or raise BINDERY_UPLOAD_LIMIT_MB.",
            param="file",
        ),
    )
    return json, upload


def _heads(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    heads: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        heads.setdefault(name, []).append(value)
    return heads


def _is_multipart(headers: Heads) -> bool:
    kinds = headers.get(b"content-type", ())
    return any(kind.lower().startswith(b"multipart/form-data") for kind in kinds)


def _request_id(headers: Heads) -> str:
    given = headers.get(b"x-request-id", (b"",))[0].decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def _announced_bytes(headers: Heads) -> int | None:
    """The announced length of the body; None if the client does not announce it."""
    if b"transfer-encoding" in headers:
        return None
    length = headers.get(b"content-length", (b"0",))[0]
    # Python refuses to parse numbers of thousands of digits.
    return int(length[:20]) if length.isdigit() else None


def _presented(headers: Heads) -> str:
    """The key of a request. Raises Unauthenticated for no key, or for several different ones."""
    shown = {value.decode("latin-1").strip() for value in headers.get(b"x-api-key", ())}
    for value in headers.get(b"authorization", ()):
        found = _BEARER.fullmatch(value.decode("latin-1").strip())
        shown.add(found[1] if found else "")
    shown.discard("")
    if len(shown) != 1:
        raise Unauthenticated(
            "The request has several different API keys."
            if shown
            else "This server requires a key.",
            remedy="Send one key: Authorization: Bearer bindery_...",
        )
    return shown.pop()


def _fault() -> BinderyError:
    return BinderyError(
        "Internal server error.",
        remedy="Look for the x-request-id of this answer in the log of the server.",
    )
