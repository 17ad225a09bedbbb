"""A request as the worker threads see it, and how a route waits without blocking a thread."""

import asyncio
import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bindery.encoders.base import UNKNOWN, Counts
from bindery.encoders.pending import Cancellation, Pending
from bindery.errors import InputError, TextTooLong
from bindery.faces.http.bodies import (
    RequestBody,
    check_fields,
    near_misses,
    parse_object,
    read_body,
)
from bindery.faces.http.dialects.base import EmbedRequest, Parameters, Translation
from bindery.faces.http.gate.access import cancellation_of, identity_of
from bindery.faces.http.observing.timings import RequestStage, RequestTimings, timings_of
from bindery.faces.http.services import Services, services_of

TRUNCATED = "x-bindery-truncated-tokens"
"""The header with the number of tokens that were cut off."""

TOKENS = "x-bindery-tokens"
"""The header with the number of tokens that the model read, with special tokens and prompts."""

WARNING = "bindery-warning"
"""The header that names fields which were ignored and look like one of Bindery's own."""

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")
_Body = TypeVar("_Body", bound=RequestBody)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request: its body, its sender and its timings."""

    services: Services
    raw: bytes
    parameters: Parameters
    cancellation: Cancellation
    owner: str
    timings: RequestTimings
    warnings: list[str] = field(default_factory=list[str])


async def take(request: Request) -> ApiCall:
    """Read the whole request."""
    raw = await read_body(request)
    timings = timings_of(request)
    timings.mark(RequestStage.PARSE)
    return ApiCall(
        services_of(request),
        raw,
        {**request.query_params, **request.path_params},
        cancellation_of(request),
        identity_of(request).key_id,
        timings,
    )


def translated(
    call: ApiCall, translations: Sequence[Translation[_Asked, _Answer]]
) -> tuple[Translation[_Asked, _Answer], _Asked]:
    """The request, read by the first of the dialects on its path that recognises it.

    Raises InvalidValue if the body is not valid in that dialect.
    """
    fields = parse_object(call.raw)
    found = next(one for one in translations if not one.marks or not one.marks.isdisjoint(fields))
    call.timings.dialect = found.dialect
    return found, found.read(checked(call, fields, found.body), call.parameters)


def checked(call: ApiCall, fields: dict[str, Any], kind: type[_Body]) -> _Body:
    """The checked body; the answer will warn of near misses of our additions to the dialect."""
    call.warnings.extend(near_misses(fields, kind))
    return check_fields(fields, kind)


async def arrival(pending: Pending[Any]) -> None:
    """Wait until a value or its error has arrived, without blocking a thread."""
    loop = asyncio.get_running_loop()
    arrived = loop.create_future()

    def wake() -> None:
        if not arrived.done():
            arrived.set_result(None)

    def call_back() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits any more
            loop.call_soon_threadsafe(wake)

    pending.when_done(call_back)
    await arrived


@contextlib.contextmanager
def worded_for(translation: Translation[_Asked, Any], ask: _Asked) -> Generator[None]:
    """Rewrite errors to name the dialect's own fields and options."""
    options = ask.options if isinstance(ask, EmbedRequest) else None
    has_more = options and not (options.any_dimensions or options.rotation)
    try:
        yield
    except InputError as error:
        if isinstance(error, TextTooLong) and translation.to_cut:
            error.remedy = f"Send shorter texts, or send {translation.to_cut} to cut them."
        if error.param == "dimensions" and has_more:
            error.remedy += ' Or send "any_dimensions": true to allow any shorter length.'
        error.param = translation.names.get(error.param or "", error.param)
        raise


def json_answer(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; NumPy arrays are written directly, without lists in between."""
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, media_type="application/json", headers=dict(headers or {}))


def warning_headers(call: ApiCall) -> dict[str, str]:
    """The header with the warnings, if there are any."""
    return {WARNING: " ".join(call.warnings)} if call.warnings else {}


def answer_headers(call: ApiCall, total: int, cut: Counts) -> dict[str, str]:
    """The headers with the tokens used and cut, if they are known, and with warnings."""
    headers = warning_headers(call)
    if total != UNKNOWN:
        headers[TOKENS] = str(total)
    if (cut >= 0).all():
        headers[TRUNCATED] = str(int(cut.sum()))
    return headers
