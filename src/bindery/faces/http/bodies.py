"""Request bodies: read within bounds, then checked. ``null`` is absent, what is unknown ignored."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar, cast

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from bindery.errors import InvalidValue
from bindery.faces.http.errors import RequestTimeout, RequestTooLarge

MAX_JSON_BYTES = 16 << 20

# A client that sends nothing for so long holds a connection for no purpose.
_IDLE_S = 30.0


class Body(BaseModel):
    """A JSON object that a client sends."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)


_Body = TypeVar("_Body", bound=Body)


async def read_pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises RequestTimeout where it stops coming."""
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(_IDLE_S):
                piece = await anext(stream, None)
        except TimeoutError:
            raise RequestTimeout(
                f"Nothing of the body came for {_IDLE_S:g} s.", remedy="Send it without pauses."
            ) from None
        if piece is None:
            return
        yield piece


async def read_body(request: Request) -> bytes:
    """All of a small body. Raises RequestTooLarge past 16 MB, before reading where it is said."""
    body = bytearray()
    if announced_bytes(request) > MAX_JSON_BYTES:
        raise _too_large()
    async for piece in read_pieces(request):
        body += piece
        if len(body) > MAX_JSON_BYTES:
            raise _too_large()
    return bytes(body)


def announced_bytes(request: Request) -> int:
    """What Content-Length says, or 0 where it says nothing."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() else 0


def parse_body(raw: bytes, kind: type[_Body]) -> _Body:
    """The checked body. Raises InvalidValue that names the first field at fault."""
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidValue(
            f"The body is not JSON: {error}.", remedy="Send a JSON object in UTF-8.", param="body"
        ) from None
    if not isinstance(value, dict):
        raise InvalidValue("The body is no JSON object.", remedy="Send {...}.", param="body")
    fields = cast("dict[str, Any]", value)
    try:
        return kind.model_validate({k: v for k, v in fields.items() if v is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise invalid_field(first["loc"], first["msg"]) from None


def invalid_field(place: Sequence[int | str], complaint: str) -> InvalidValue:
    """The error for a field that pydantic complained of, without what it held."""
    name = ".".join(str(part) for part in place) or "body"
    return InvalidValue(f"{name}: {complaint}.", remedy="See /docs for an example.", param=name)


def _too_large() -> RequestTooLarge:
    return RequestTooLarge(
        f"The body is larger than {MAX_JSON_BYTES >> 20} MB.",
        remedy="Send the texts in several requests.",
        param="body",
    )
