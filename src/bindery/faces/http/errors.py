"""Errors as answers: one table from class to status, one from path to the format of the body.

::

    {"error": {"message": ..., "type": ..., "param": ..., "code": ..., "remedy": ...}}

This is OpenAI's format plus ``remedy``, and that of our own routes. Other dialects use their own
format, with ``code``, ``param`` and ``remedy`` added. Answers contain messages and remedies, never
tracebacks or the content of the request.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bindery.errors import (
    Abandoned,
    BinderyError,
    BrokenDocument,
    DeadlineExceeded,
    EngineError,
    ExtraMissing,
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
from bindery.models.card import FolderRow
from bindery.models.catalog import read_catalog
from bindery.settings import Settings

# Messages name the wrong value, which can be as long as a URL.
_LONGEST_MESSAGE = 500


class RequestTooLarge(InputError):
    """The body exceeds the limit of its route."""

    code = "request_too_large"


class UnsupportedEncoding(InputError):
    """The body has a ``Content-Encoding`` that the server does not decode."""

    code = "unsupported_encoding"


class UnknownField(InputError):
    """The route has no field or query parameter of this name."""

    code = "unknown_field"


class RequestTimeout(InputError):
    """The request's headers or body stopped arriving, or arrived too slowly."""

    code = "request_timeout"


class HeadersTooLarge(InputError):
    """The URL and headers exceed 32 kB, or there are more than 100 headers."""

    code = "headers_too_large"


class MethodNotAllowed(InputError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"


class ForeignHost(InputError):
    """The request is addressed to a host name that this server does not have."""

    code = "foreign_host"


class ForeignOrigin(InputError):
    """A web page of another origin made the request."""

    code = "foreign_origin"


class Unauthenticated(InputError):
    """The API key is missing or unknown."""

    code = "invalid_api_key"


class Forbidden(InputError):
    """The API key does not have the scope that the route needs."""

    code = "missing_scope"


class KeysBroken(BinderyError):
    """The server cannot read its API keys, and refuses all requests until it can."""

    code = "keys_broken"


class Busy(BinderyError):
    """The server is at its limit of concurrent work."""

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
    # Not 408 or 504: clients retry those, and parsing again would not help.
    ParseTimeout: 422,
    Quarantined: 422,
    # Not 409: the OpenAI client retries it, which does not help.
    IdempotencyConflict: 422,
    JobUnfinished: 409,
    NotFound: 404,
    # Failed dependency: the request is valid, but the operator must act first (preload, repair).
    # Not 409, 500 or 503: the OpenAI client retries those, which does not help.
    ModelError: 424,
    SourceError: 502,
    VendorError: 502,
    # As with ModelError: the row or its key must be fixed first.
    KeyMissing: 424,
    VendorRefused: 424,
    StorageError: 507,
    RequestTooLarge: 413,
    UnsupportedEncoding: 415,
    RequestTimeout: 408,
    HeadersTooLarge: 431,
    MethodNotAllowed: 405,
    ForeignHost: 421,
    ForeignOrigin: 403,
    Unauthenticated: 401,
    Forbidden: 403,
    KeysBroken: 503,
    # Not 503: clients retry that, which does not help.
    ExtraMissing: 501,
    Busy: 503,
    EngineError: 503,
    # Retrying does not help.
    TextFailed: 422,
    QueueError: 503,
    # Only logged, because the client has left; other servers log it too.
    Abandoned: 499,
}
"""The status of each class of error. Classes not listed here have that of their base class."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as it is sent. ``text`` is message and remedy in one string."""

    message: str
    remedy: str
    param: str | None
    code: str
    status: int

    @property
    def text(self) -> str:
        """The message and the remedy."""
        return f"{self.message} {self.remedy}".rstrip()

    @property
    def fields(self) -> dict[str, str | None]:
        """The fields that are added to a dialect's own."""
        return {"code": self.code, "param": self.param, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """The error format of a dialect, and the statuses and codes that differ from ours."""

    body: Callable[[Refusal], Mapping[str, object]]
    statuses: Statuses = field(default_factory=dict[type[BinderyError], int])
    codes: Codes = field(default_factory=dict[type[BinderyError], str])


def _own_body(refusal: Refusal) -> dict[str, Any]:
    usual = "invalid_request_error" if refusal.status < 500 else "server_error"
    kind = _OWN_TYPES.get(refusal.status, usual)
    return {"error": {"message": refusal.message, "type": kind, **refusal.fields}}


def _openai_body(refusal: Refusal) -> dict[str, Any]:
    """As ours, with the remedy in the message too: clients show nothing else."""
    body = _own_body(refusal)
    return {"error": {**body["error"], "message": refusal.text}}


def _cohere_body(refusal: Refusal) -> dict[str, object]:
    return {"message": refusal.text, **refusal.fields}


def _voyage_body(refusal: Refusal) -> dict[str, Any]:
    return _openai_body(refusal) | {"detail": refusal.text}


def _shared_body(refusal: Refusal) -> dict[str, Any]:
    return _voyage_body(refusal) | {"message": refusal.text}


def _tei_body(refusal: Refusal) -> dict[str, object]:
    kind = _TEI_TYPES.get(refusal.status, "Validation")
    # Cohere's clients, which can use `/rerank`, expect a `message`.
    return {"error": refusal.text, "error_type": kind, "message": refusal.text, **refusal.fields}


def _ollama_body(refusal: Refusal) -> dict[str, object]:
    return {"error": refusal.text, **refusal.fields}


def _dify_body(refusal: Refusal) -> dict[str, object]:
    number = _DIFY_CODES.get(refusal.status, refusal.status)
    return {"error_code": number, "error_msg": refusal.text, **refusal.fields}


# litellm looks at the type before the status: the usual one becomes a BadRequestError.
_OWN_TYPES = {401: "authentication_error", 403: "permission_error"}
_DIFY_CODES = {401: 1002, 403: 1002, 404: 2001}
_TEI_TYPES = {424: "Backend", 429: "Overloaded", 503: "Unhealthy"}
_OPENAI_CODES: Codes = {UnknownModel: "model_not_found", TextTooLong: "context_length_exceeded"}

_OWN = ErrorForm(_own_body)
_OPENAI = ErrorForm(_openai_body, codes=_OPENAI_CODES)
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
    "/retrieval": ErrorForm(_dify_body),
    "/librechat/*": ErrorForm(lambda refusal: {"detail": refusal.text, **refusal.fields}),
    **dict.fromkeys(
        ("/", "/embed", "/embed_all", "/similarity", "/tokenize", "/decode", "/info", "/rerank"),
        _TEI,
    ),
}
"""The error format by path: a whole path, or its beginning followed by ``*``."""

_HEADERS: Mapping[type[BinderyError], Mapping[str, str]] = {
    Unauthenticated: {"www-authenticate": "Bearer"},
    # The rest of the body would be read as the next request.
    RequestTimeout: {"connection": "close"},
}
# The statuses after which a client may retry, and the delay.
_COMES_BACK = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
_RETRY_AFTER_S = "1"


class PathHider:
    """Takes the folders of the server out of messages: clients never see where it keeps things."""

    @classmethod
    def of(cls, settings: Settings) -> "PathHider":
        """For the folders of a server with these settings."""
        rows = read_catalog(settings.catalog).values() if settings.catalog else ()
        folders = [row.folder for row in rows if isinstance(row, FolderRow)]
        return cls(settings.home, settings.models_folder, settings.catalog, *folders)

    def __init__(self, *folders: Path | None) -> None:
        known = {str(path) for folder in folders if folder for path in (folder, folder.resolve())}
        # The longest first, because one may be in another.
        self._folders = sorted(known - {"/", "."}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text with paths relative to these folders."""
        for folder in self._folders:
            text = text.replace(f"{folder}{os.sep}", "").replace(folder, "its folder")
        return text


def status_of(error: BinderyError, form: ErrorForm = _OWN) -> int:
    """The HTTP status of an error."""
    statuses = {**STATUSES, **form.statuses}
    return next(statuses[kind] for kind in type(error).__mro__ if kind in statuses)


def form_at(path: str) -> ErrorForm:
    """The error format of a path, whether or not there is a route."""
    top = path.split("/", 2)[1] if path.count("/") > 1 else ""
    return FORMS.get(path) or FORMS.get(f"/{top}/*") or _OWN


def error_answer(
    error: BinderyError,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    hides: Callable[[str], str] = str,
) -> Response:
    """The answer for ``error``, in the format that clients of ``path`` expect."""
    form = form_at(path)
    status = status_of(error, form)
    refusal = Refusal(
        _clipped(hides(error.message)),
        _clipped(hides(error.remedy)),
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
    """Starlette's handler for each BinderyError that a route raises."""
    assert isinstance(error, BinderyError)
    note_error(request.scope, error)
    hides: PathHider = request.app.state.services.readiness.hides
    return error_answer(error, request.scope["path"], hides=hides)


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} ..."
