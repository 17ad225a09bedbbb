"""``/collections/{name}/marks``: passages that users call right or wrong answers to a question."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_body, read_body
from bindery.faces.http.routes.collections import NamePath
from bindery.faces.http.services import collections_of, services_of
from bindery.search.queries import MOST_CHARACTERS

router = APIRouter(prefix="/collections/{name}/marks", tags=["collections"])

MarkPath = Annotated[
    int, Path(description="The `id` of a mark.", examples=["1"], ge=1, le=2_147_483_647)
]


class MarkBody(RequestBody):
    """A question, a passage by the id of its hit, and whether it answers the question."""

    refuses_unknown = True

    query: str = Field(max_length=MOST_CHARACTERS)
    id: str = Field(max_length=200, description="The `id` of a hit.")
    is_right: bool = Field(default=True, description="False for a passage that is no answer.")


class MarkAnswer(BaseModel):
    """A mark. `text` is empty, and the mark does not count, once the file has another content."""

    id: int
    query: str
    file: str
    file_id: str
    span: dict[str, int]
    text: str
    is_right: bool
    made_at: datetime


class MarksAnswer(BaseModel):
    """The marks of a collection, newest first."""

    marks: list[MarkAnswer]


class MarkDeletedAnswer(BaseModel):
    """The mark that was deleted."""

    id: int
    deleted: Literal[True] = True


@router.post(
    "",
    summary="Mark a hit",
    status_code=HTTPStatus.CREATED,
    openapi_extra=examples.body(MarkBody, examples.MARKS),
)
async def mark_hit(request: Request, name: NamePath) -> MarkAnswer:
    """Mark a passage as a right or a wrong answer. Right ones become an evaluation set."""
    services = services_of(request)
    body = parse_body(await read_body(request), MarkBody)

    def mark() -> MarkAnswer:
        collection = collections_of(request).get(name)
        made = collection.marks.add(body.query, body.id, is_right=body.is_right)
        return MarkAnswer.model_validate(made.facts())

    return await services.disk.run(mark)


@router.get("", summary="List marks")
async def list_marks_of(request: Request, name: NamePath) -> MarksAnswer:
    """The passages that were marked, newest first."""
    services = services_of(request)

    def found() -> MarksAnswer:
        marks = collections_of(request).get(name).marks
        return MarksAnswer(marks=[MarkAnswer.model_validate(one.facts()) for one in marks])

    return await services.disk.run(found)


@router.delete("/{mark_id}", summary="Delete a mark")
async def delete_mark_of(request: Request, name: NamePath, mark_id: MarkPath) -> MarkDeletedAnswer:
    """Delete a mark."""
    services = services_of(request)

    def delete() -> MarkDeletedAnswer:
        collections_of(request).get(name).marks.delete(mark_id)
        return MarkDeletedAnswer(id=mark_id)

    return await services.disk.run(delete)
