"""Errors to answers: one table from class to status, one shape for every route.

::

    {"error": {"message": ..., "type": ..., "param": ..., "code": ..., "remedy": ...}}

That is OpenAI's shape and ``remedy``, so that its clients find what they look for. Messages and
remedies go out; tracebacks, and what the request held, never do.
"""

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bindery.errors import (
    BinderyError,
    BrokenDocument,
    FileTooLarge,
    InputError,
    KeyMissing,
    ModelError,
    NotFound,
    ParseTimeout,
    PasswordProtected,
    SourceError,
    StorageError,
    TextTooLong,
    UnknownModel,
    UnsupportedKind,
    VendorError,
    VendorRefused,
)

# A message names the value at fault, which may be as long as an address can be.
_LONGEST_MESSAGE = 500


class RequestTooLarge(InputError):
    """A body over the limit of its route."""

    code = "request_too_large"


class RequestTimeout(InputError):
    """A body that stopped coming."""

    code = "request_timeout"


class MethodNotAllowed(InputError):
    """A path that is there, but not for this method."""

    code = "method_not_allowed"


class ForeignHost(InputError):
    """A request addressed to another name than this server's."""

    code = "foreign_host"


class ForeignOrigin(InputError):
    """A request made by a web page from elsewhere."""

    code = "foreign_origin"


class Busy(BinderyError):
    """More work waits than the server takes on."""

    code = "busy"


STATUSES: Mapping[type[BinderyError], int] = {
    BinderyError: 500,
    InputError: 400,
    FileTooLarge: 413,
    UnsupportedKind: 415,
    BrokenDocument: 422,
    PasswordProtected: 422,
    # Not 408 or 504: clients send those again, and the document would be parsed again in vain.
    ParseTimeout: 422,
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
    MethodNotAllowed: 405,
    ForeignHost: 421,
    ForeignOrigin: 403,
    Busy: 503,
}
"""Each class of error, by the nearest of its ancestors that is listed here."""

OPENAI_CODES: Mapping[type[BinderyError], str] = {
    UnknownModel: "model_not_found",
    TextTooLong: "context_length_exceeded",
}
"""Where OpenAI has a code of its own for what we call otherwise; used under ``/v1``."""

_RETRY_AFTER_S = "1"


def status_of(error: BinderyError) -> int:
    """The HTTP status that an error answers with."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def error_answer(
    error: BinderyError, path: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer that tells of ``error``, as clients of the route at ``path`` expect it."""
    status = status_of(error)
    code = OPENAI_CODES.get(type(error)) if path.startswith("/v1/") else None
    extra = {"retry-after": _RETRY_AFTER_S} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    body = {
        "message": _clipped(error.message),
        "type": "invalid_request_error" if status < 500 else "server_error",
        "param": error.param,
        "code": code or error.code,
        "remedy": _clipped(error.remedy),
    }
    return Response(
        orjson.dumps({"error": body}),
        status,
        media_type="application/json",
        headers={**extra, **(headers or {})},
    )


def answer_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for every BinderyError that a route raises."""
    assert isinstance(error, BinderyError)
    return error_answer(error, request.scope["path"])


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} ..."
