"""The messages between the client and the worker.

A request is one line of JSON and the bytes of the document. An answer is JSON of plain values. The
process that wrote it has read a hostile file and is not trusted: its answer is never unpickled, and
the values are rebuilt by constructors that check them.
"""

import base64
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar, cast

import orjson

from bindery.documents.programs import DEPTHS
from bindery.documents.readers import readers
from bindery.errors import (
    BinderyError,
    BrokenDocument,
    FileTooLarge,
    InvalidValue,
    PasswordProtected,
    UnsupportedKind,
)
from bindery.types import Block, Document, Span

MAX_ANSWER_BYTES = 256 << 20
"""Enough for the longest allowed text (50 million characters) in most scripts, and its blocks."""

_ERRORS = {
    error.code: error
    for error in (BrokenDocument, FileTooLarge, InvalidValue, PasswordProtected, UnsupportedKind)
}
PNG = b"\x89PNG\r\n\x1a\n"
_MAX_MESSAGE = 2_000
_MAX_WARNINGS = 100

_Result = TypeVar("_Result")


class Task(StrEnum):
    """What the worker should do: read a document, find where a program may be cut, draw a page."""

    READ = "read"
    DIVIDE = "divide"
    DRAW = "draw"


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one task may use. ``cpu_s`` is only a second limit; the client enforces the timeout."""

    memory_bytes: int
    cpu_s: int


@dataclass(frozen=True, slots=True)
class Request:
    """One document to read, one program to divide, or one page to draw ``width`` pixels wide."""

    name: str
    limits: SandboxLimits
    data: bytes
    task: Task = Task.READ
    page: int = 0
    width: int = 0


def pack_request(request: Request) -> bytes:
    """The line, then the document. Unlike orjson, ``json`` accepts lone surrogates in names."""
    head = {
        "task": request.task,
        "name": request.name,
        "limits": asdict(request.limits),
        "page": request.page,
        "width": request.width,
    }
    return json.dumps(head).encode("ascii") + b"\n" + request.data


def unpack_request(packed: bytes) -> Request:
    """The inverse of :func:`pack_request`."""
    line, _, data = packed.partition(b"\n")
    head = json.loads(line)
    limits, task = SandboxLimits(**head["limits"]), Task(head["task"])
    return Request(head["name"], limits, data, task, head["page"], head["width"])


def pack_document(document: Document) -> bytes:
    """A document without its name, which the client knows."""
    return orjson.dumps(
        {
            "text": document.text,
            "kind": document.kind,
            "blocks": [
                (block.kind, block.span.start, block.span.end, block.level, block.page)
                for block in document.blocks
            ],
            "warnings": document.warnings,
            "title": document.title,
        }
    )


def pack_points(points: Sequence[Sequence[int]]) -> bytes:
    """Where a program may be cut, by depth."""
    return orjson.dumps({"points": points})


def pack_picture(picture: bytes) -> bytes:
    """The picture of a page."""
    return orjson.dumps({"picture": base64.b64encode(picture).decode("ascii")})


def pack_error(error: BinderyError) -> bytes:
    """The code, message and remedy of an error."""
    texts = {"message": error.message, "remedy": error.remedy}
    printable = {key: text.encode("utf-8", "replace").decode() for key, text in texts.items()}
    return orjson.dumps({"error": error.code, **printable})


def unpack_document(packed: bytes, name: str) -> Document:
    """The document; an error in the answer is raised.

    Raises BrokenDocument for an invalid answer.
    """
    return _unpack(packed, name, lambda answer: _document(answer, name))


def unpack_points(packed: bytes, name: str, length: int) -> list[list[int]]:
    """Where a program of ``length`` characters may be cut; raises as :func:`unpack_document`."""
    return _unpack(packed, name, lambda answer: _points(answer, length))


def unpack_picture(packed: bytes, name: str) -> bytes:
    """The PNG of a page; raises as :func:`unpack_document`."""
    return _unpack(packed, name, _picture)


def _unpack(packed: bytes, name: str, build: Callable[[dict[str, Any]], _Result]) -> _Result:
    try:
        answer = cast(dict[str, Any], orjson.loads(packed))
        if "error" not in answer:
            return build(answer)
        error = _error(answer)
    # A subverted process may write anything; every mistake in it is reported the same way.
    except Exception as cause:
        raise BrokenDocument(
            f"The reader of {name!r} returned an invalid answer.",
            remedy="Treat the file as hostile unless you know its source.",
        ) from cause
    raise error


def _document(answer: dict[str, Any], name: str) -> Document:
    blocks = tuple(
        Block(
            _text(kind),
            Span(_count(start), _count(end)),
            _count(level),
            None if page is None else _count(page),
        )
        for kind, start, end, level, page in answer["blocks"]
    )
    warnings = tuple(_text(text)[:_MAX_MESSAGE] for text in answer["warnings"][:_MAX_WARNINGS])
    kind = _text(answer["kind"])
    if kind not in readers():
        raise ValueError(f"unknown kind {kind!r}")
    title = _text(answer["title"])[:_MAX_MESSAGE]
    return Document(_text(answer["text"]), kind, name, blocks, warnings, title)


def _points(answer: dict[str, Any], length: int) -> list[list[int]]:
    depths = [[_count(point) for point in points] for points in answer["points"]]
    if len(depths) > DEPTHS:
        raise ValueError(f"at most {DEPTHS} depths are allowed, got {len(depths)}")
    for points in depths:
        if any(point >= later for point, later in itertools.pairwise((-1, *points, length))):
            raise ValueError(f"points must rise and be below {length}")
    return depths


def _picture(answer: dict[str, Any]) -> bytes:
    picture = base64.b64decode(_text(answer["picture"]), validate=True)
    if not picture.startswith(PNG):
        raise ValueError("the picture is not PNG")
    return picture


def _error(answer: dict[str, Any]) -> BinderyError:
    message, remedy = _text(answer["message"]), _text(answer["remedy"])
    return _ERRORS[answer["error"]](message[:_MAX_MESSAGE], remedy=remedy[:_MAX_MESSAGE])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {value!r}")
    return value


def _count(value: object) -> int:
    if type(value) is not int:  # True is an int too
        raise TypeError(f"expected an integer, got {value!r}")
    return value
