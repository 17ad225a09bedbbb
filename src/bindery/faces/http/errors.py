"""Errors to answers: one table from class to status, one from path to the shape of the body.

::

    {"error": {"message": ..., "type": ..., "param": ..., "code": ..., "remedy": ...}}

That is OpenAI's shape and ``remedy``, and that of our own routes; those of other dialects answer
in theirs, with ``code``, ``param`` and ``remedy`` beside. Messages and remedies go out; tracebacks,
and what the request held, never do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bindery.errors import (
    Abandoned,
    BinderyError,
    BrokenDocument,
    DeadlineExceeded,
    EngineError,
    FileTooLarge,
    IdempotencyConflict,
    InputError,
    InvalidValue,
    JobUnfinished,
    KeyMissing,
    ModelError,
    NotFound,
    Overloaded,
    ParseTimeout,
    PasswordProtected,
    Quarantined,
    QueueError,
    SourceError,
    StorageError,
    TextFailed,
    TextTooLong,
    UnknownModel,
    UnsupportedKind,
    VendorError,
    VendorRefused,
)
from bindery.faces.http.observing.timings import note_error

# A message names the value at fault, which may be as long as an address can be.
_LONGEST_MESSAGE = 500


class RequestTooLarge(InputError):
    """A body over the limit of its route."""

    code = "request_too_large"


class UnknownField(InputError):
    """The route has no field or query parameter of this name."""

    code = "unknown_field"


class RequestTimeout(InputError):
    """A body that stopped coming."""

    code = "request_timeout"


class HeadersTooLarge(InputError):
    """A request whose address and headers are longer than any that is meant well."""

    code = "headers_too_large"


class MethodNotAllowed(InputError):
    """A path that is there, but not for this method."""

    code = "method_not_allowed"


class ForeignHost(InputError):
    """A request addressed to another name than this server's."""

    code = "foreign_host"


class ForeignOrigin(InputError):
    """A request made by a web page from elsewhere."""

    code = "foreign_origin"


class Unauthenticated(InputError):
    """A request without a key, or with one that this server does not know."""

    code = "invalid_api_key"


class Forbidden(InputError):
    """A request with a key that does not open the route."""

    code = "missing_scope"


class KeysBroken(BinderyError):
    """The server cannot read its keys, and lets nobody in until it can."""

    code = "keys_broken"


class Busy(BinderyError):
    """More work waits than the server takes on."""

    code = "busy"


Statuses: TypeAlias = Mapping[type[BinderyError], int]
Codes: TypeAlias = Mapping[type[BinderyError], str]

STATUSES: Statuses = {
    BinderyError: 500,
    InputError: 400,
    FileTooLarge: 413,
    UnsupportedKind: 415,
    BrokenDocument: 422,
    PasswordProtected: 422,
    # Not 408 or 504: clients send those again, and the document would be parsed again in vain.
    ParseTimeout: 422,
    Quarantined: 422,
    # Not 409, which the OpenAI client would send again; nor is there anything to wait for.
    IdempotencyConflict: 422,
    JobUnfinished: 409,
    NotFound: 404,
    # Failed dependency: the request is right, and the operator must act first (preload, repair).
    # Not 409, 500 or 503: the OpenAI client repeats those, and repeating does not help.
    ModelError: 424,
    SourceError: 502,
    VendorError: 502,
    # As with ModelError: the row or its key must be mended first.
    KeyMissing: 424,
    VendorRefused: 424,
    StorageError: 507,
    RequestTooLarge: 413,
    RequestTimeout: 408,
    HeadersTooLarge: 431,
    MethodNotAllowed: 405,
    ForeignHost: 421,
    ForeignOrigin: 403,
    Unauthenticated: 401,
    Forbidden: 403,
    KeysBroken: 503,
    Busy: 503,
    EngineError: 503,
    # To send it again does not help.
    TextFailed: 422,
    QueueError: 503,
    # Nobody reads it: what others log where the client has left.
    Abandoned: 499,
}
"""Each class of error, by the nearest of its ancestors that is listed here."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as it goes out. ``text`` is all of it for people, in one string."""

    message: str
    remedy: str
    param: str | None
    code: str
    status: int

    @property
    def text(self) -> str:
        """The message, and what to do about it."""
        return f"{self.message} {self.remedy}".rstrip()

    @property
    def fields(self) -> dict[str, str | None]:
        """What stands beside a dialect's own words, where that has room for it."""
        return {"code": self.code, "param": self.param, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """How a dialect tells of an error, and where it has a status or a code of its own."""

    body: Callable[[Refusal], Mapping[str, object]]
    statuses: Statuses = field(default_factory=dict[type[BinderyError], int])
    codes: Codes = field(default_factory=dict[type[BinderyError], str])


def _own_body(refusal: Refusal) -> dict[str, object]:
    usual = "invalid_request_error" if refusal.status < 500 else "server_error"
    kind = _OWN_TYPES.get(refusal.status, usual)
    return {"error": {"message": refusal.message, "type": kind, **refusal.fields}}


def _cohere_body(refusal: Refusal) -> dict[str, object]:
    return {"message": refusal.text, **refusal.fields}


def _voyage_body(refusal: Refusal) -> dict[str, object]:
    return _own_body(refusal) | {"detail": refusal.text}


def _shared_body(refusal: Refusal) -> dict[str, object]:
    return _voyage_body(refusal) | {"message": refusal.text}


def _tei_body(refusal: Refusal) -> dict[str, object]:
    kind = _TEI_TYPES.get(refusal.status, "Validation")
    # Cohere's clients, whose rerank has an alias here, look for a message.
    return {"error": refusal.text, "error_type": kind, "message": refusal.text, **refusal.fields}


def _ollama_body(refusal: Refusal) -> dict[str, object]:
    return {"error": refusal.text, **refusal.fields}


# litellm goes by the type before the status: of the usual one it makes a BadRequestError.
_OWN_TYPES = {401: "authentication_error", 403: "permission_error"}
_TEI_TYPES = {424: "Backend", 429: "Overloaded", 503: "Unhealthy"}
_OPENAI_CODES: Codes = {
    UnknownModel: "model_not_found",
    TextTooLong: "context_length_exceeded",
}

_OWN = ErrorForm(_own_body)
_OPENAI = ErrorForm(_own_body, codes=_OPENAI_CODES)
_COHERE = ErrorForm(_cohere_body)
_TEI = ErrorForm(
    _tei_body,
    statuses={
        InvalidValue: 422,
        TextTooLong: 413,
        EngineError: 424,
        TextFailed: 424,
        Overloaded: 429,
        DeadlineExceeded: 429,
        Busy: 429,
    },
)

FORMS: Mapping[str, ErrorForm] = {
    "/v1/*": _OPENAI,
    "/v1/embeddings": ErrorForm(_voyage_body, codes=_OPENAI_CODES),
    "/v1/contextualizedembeddings": ErrorForm(_voyage_body, codes=_OPENAI_CODES),
    "/embeddings": ErrorForm(_voyage_body, codes=_OPENAI_CODES),
    **dict.fromkeys(("/v1/embed", "/v1/tokenize", "/v1/detokenize"), _COHERE),
    "/v1/rerank": ErrorForm(_shared_body, codes=_OPENAI_CODES),
    "/v2/*": _COHERE,
    "/api/*": ErrorForm(_ollama_body),
    **dict.fromkeys(
        ("/", "/embed", "/embed_all", "/similarity", "/tokenize", "/decode", "/info", "/rerank"),
        _TEI,
    ),
}
"""How errors are told by path: all of one, or the beginning of one up to a ``*``."""

_HEADERS: Mapping[type[BinderyError], Mapping[str, str]] = {
    Unauthenticated: {"www-authenticate": "Bearer"},
    # What has not come of the body would be taken for the next request.
    RequestTimeout: {"connection": "close"},
}
# What may be sent again as it is, and after how long.
_COMES_BACK = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
_RETRY_AFTER_S = "1"


def status_of(error: BinderyError, form: ErrorForm = _OWN) -> int:
    """The HTTP status that an error answers with."""
    statuses = {**STATUSES, **form.statuses}
    return next(statuses[kind] for kind in type(error).__mro__ if kind in statuses)


def form_at(path: str) -> ErrorForm:
    """How errors of a route are told; of one that is not there, too."""
    top = path.split("/", 2)[1] if path.count("/") > 1 else ""
    return FORMS.get(path) or FORMS.get(f"/{top}/*") or _OWN


def error_answer(
    error: BinderyError, path: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer that tells of ``error``, as clients of the route at ``path`` expect it."""
    form = form_at(path)
    status = status_of(error, form)
    refusal = Refusal(
        _clipped(error.message),
        _clipped(error.remedy),
        error.param,
        form.codes.get(type(error), error.code),
        status,
    )
    after = str(error.retry_after_s) if isinstance(error, Overloaded) else _RETRY_AFTER_S
    retry = {"retry-after": after} if status in _COMES_BACK else {}
    return Response(
        orjson.dumps(form.body(refusal)),
        status,
        media_type="application/json",
        headers={**retry, **_HEADERS.get(type(error), {}), **(headers or {})},
    )


def answer_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for every BinderyError that a route raises."""
    assert isinstance(error, BinderyError)
    note_error(request.scope, error)
    return error_answer(error, request.scope["path"])


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} ..."
