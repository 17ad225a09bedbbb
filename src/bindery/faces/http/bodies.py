"""Request bodies: read, then checked. ``null`` counts as absent.

Bindery's own routes refuse unknown fields. Routes in another service's dialect ignore them, but
warn of a near miss of one of our additions.

The guard limits the size and time of a body (:mod:`.gate.intake`); this module limits the number
of its values. If an object has a name twice, the last one counts, as with most parsers.
"""

import difflib
from codecs import BOM_UTF8
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import orjson
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from bindery.errors import InvalidValue
from bindery.faces.http.errors import RequestTooLarge, UnknownField
from bindery.options import names_of, options_of

# A value takes up to 72 bytes in memory and 3 on the wire, so 16 MB of them would become 350 MB. A
# request of 300,000 tokens, OpenAI's limit, stays well below.
_MOST_VALUES = 1_000_000
_COUNTED_BYTES = 1 << 18
_LONGEST_NAME = 200


class RequestBody(BaseModel):
    """A JSON object that a client sends."""

    refuses_unknown: ClassVar[bool] = False
    """Whether the route is Bindery's own, which treats an unknown field as a mistake."""

    passed_over: ClassVar[frozenset[str]] = frozenset()
    """The fields of an answer of ours that a client may send back whole: they are ignored."""

    additions: ClassVar[frozenset[str]] = frozenset()
    """The fields that Bindery adds to another service's dialect."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)


_Body = TypeVar("_Body", bound=RequestBody)
_Options = TypeVar("_Options")


def fields_of(kind: type, *, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of an options class for :func:`pydantic.create_model`.

    The class itself checks choices, because its errors list the valid ones.
    """
    made: dict[str, Any] = {}
    for option in options_of(kind):
        annotation = str if option.choices else option.annotation
        field = Field(
            option.default,
            description=option.help,
            ge=option.least,
            le=option.most,
            json_schema_extra={"enum": list(option.choices)} if option.choices else None,
            # Error messages and databases contain these texts.
            max_length=_LONGEST_NAME if annotation in (str, str | None) else None,
        )
        if option.name not in leave_out:
            made[option.name] = (annotation, field)
    return made


def options_from(model: BaseModel, kind: type[_Options], **given: object) -> _Options:
    """The options among the fields of ``model``, and those ``given``. Raises what ``kind`` does."""
    fields = type(model).model_fields
    named = {name: getattr(model, name) for name in names_of(kind) if name in fields}
    return kind(**named | given)


def refuse_unknown(given: Iterable[str], known: Iterable[str], noun: str) -> None:
    """Raise UnknownField for the first name that is not known, with the nearest one that is."""
    known = list(known)
    for name in given:
        if name not in known:
            near = nearest(name, known)
            raise UnknownField(
                f"Unknown {noun} {name[:80]!r}.",
                remedy=f"Did you mean {near!r}?" if near else f"Known: {', '.join(known)}.",
                param=name[:80],
            )


def refuse_unknown_query(request: Request) -> None:
    """Raise UnknownField for a query parameter that the route does not have."""
    known: list[str] = []
    for field in cast(APIRoute, request.scope["route"]).dependant.query_params:
        kind = cast(object, field.field_info.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            known += kind.model_fields
        else:
            known.append(field.alias)
    refuse_unknown(request.query_params, known, "query parameter")


def near_misses(fields: Iterable[str], kind: type[RequestBody]) -> list[str]:
    """A warning for each unknown field that resembles one of our additions to a dialect."""
    unknown = [name for name in fields if name not in kind.model_fields]
    near = {name: nearest(name, kind.additions) for name in unknown}
    # In ASCII, because warnings are sent in a header.
    return [
        f"Unknown field {name[:80]!a} was ignored. Did you mean {found!r}?"
        for name, found in near.items()
        if found
    ]


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most similar, or ``""`` if none is."""
    return next(iter(difflib.get_close_matches(name[:80], known, n=1, cutoff=0.75)), "")


async def read_body(request: Request) -> bytes:
    """The whole body."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
    return bytes(body)


def parse_body(raw: bytes, kind: type[_Body]) -> _Body:
    """The checked body. Raises what :func:`parse_object` and :func:`check_fields` do."""
    return check_fields(parse_object(raw), kind)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The body's fields that are not null. Raises InvalidValue if it is not a JSON object."""
    _check_values(raw)
    try:
        value: object = orjson.loads(raw.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidValue(
            f"The body is not JSON: {error}.", remedy="Send a JSON object in UTF-8.", param="body"
        ) from None
    if not isinstance(value, dict):
        raise InvalidValue("The body is not a JSON object.", remedy="Send {...}.", param="body")
    return {k: v for k, v in cast("dict[str, Any]", value).items() if v is not None}


def check_fields(fields: dict[str, Any], kind: type[_Body]) -> _Body:
    """The checked body. Raises InvalidValue or UnknownField for the first invalid field."""
    if kind.refuses_unknown:
        refuse_unknown(fields.keys() - kind.passed_over, kind.model_fields, "field")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise invalid_field(first["loc"], first["msg"], first["input"]) from None


def invalid_field(
    location: Sequence[int | str], complaint: str, given: object = None, *, is_query: bool = False
) -> InvalidValue:
    """The error for pydantic's complaint about a field.

    It has a number of the body, but never a text; what a query parameter has is no document.
    """
    name = ".".join(str(part) for part in location)[:_LONGEST_NAME] or "body"
    got = f", got {given!r:.40}" if isinstance(given, bool | int | float) else ""
    if is_query and isinstance(given, str):
        got = f", got {given[:40]!r}"
    return InvalidValue(
        f"{name}: {complaint}{got}.", remedy="See /docs for an example.", param=name
    )


def _check_values(raw: bytes) -> None:
    # Commas in texts count too: leaving them out would take longer than parsing everything.
    if len(raw) > _MOST_VALUES and _separators(raw) > _MOST_VALUES:
        raise RequestTooLarge(
            f"The body holds more than {_MOST_VALUES:,} values and commas.",
            remedy="Send the texts in several requests.",
            param="body",
        )


def _separators(raw: bytes) -> int:
    """How many commas and opening brackets there are."""
    # By NumPy, because bytes.count holds the GIL for 25 ms with a large body.
    rows = np.frombuffer(raw, dtype=np.uint8)
    parts = (rows[start : start + _COUNTED_BYTES] for start in range(0, len(raw), _COUNTED_BYTES))
    return sum(int(np.count_nonzero(part == byte)) for part in parts for byte in b",[{")
