"""The tools that change collections. Assistants get them only if a setting says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import orjson
from pydantic import BaseModel, Field

from bindery.errors import InvalidValue
from bindery.faces.mcp.shapes import Arguments
from bindery.faces.mcp.tools import AnyTool, Caller, Tool
from bindery.jobs import FileState, Jobs
from bindery.store.files import FileStore


class NewText(Arguments):
    """A document to add."""

    collection: str = Field(description="The collection, which must exist.")
    name: str = Field(
        min_length=1,
        max_length=200,
        description="Such as oak.md. A file of that name is replaced.",
    )
    text: str = Field(description="Its text, as Markdown or plain text.")
    attributes: str = Field(
        default="", description='Attributes for filters as JSON, such as {"year": 2024}.'
    )


class OldDocument(Arguments):
    """A document to remove."""

    collection: str = Field(description="The collection.")
    file: str = Field(description="The name of the file, as results have it.")


class AddedDocument(BaseModel):
    """A document that is searched from now on."""

    collection: str
    file: str
    passages: int


class RemovedDocument(BaseModel):
    """A document that is not found any more."""

    collection: str
    file: str
    passages: int


@dataclass(frozen=True, slots=True)
class Writer(Caller):
    """A client that may also change collections; ``owner`` names it to jobs."""

    files: FileStore
    jobs: Callable[[], Jobs]
    owner: str
    limit_bytes: int


def _add(caller: Writer, given: NewText) -> AddedDocument:
    collection = caller.collections.get(given.collection)
    attributes = _attributes(given.attributes)
    if not given.text.strip():
        raise InvalidValue("text is blank.", remedy="Send the text to add.", param="text")
    with caller.files.receive(limit_bytes=caller.limit_bytes) as incoming:
        incoming.write(given.text.encode())
        file = incoming.keep(given.name)
    jobs = caller.jobs()
    job = jobs.submit(collection.request([file.id], attributes=attributes), owner=caller.owner)
    job = jobs.finish(job.id)
    (done,) = jobs.files(job.id)
    if done.state is not FileState.DONE:
        why = done.error_message or f"its job is {job.state}"
        raise InvalidValue(f"{given.name!r} was not added: {why}", remedy=done.remedy or "")
    return AddedDocument(collection=collection.name, file=done.name, passages=done.chunks)


def _attributes(text: str) -> Mapping[str, object] | None:
    if not text.strip():
        return None
    try:
        given: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise InvalidValue(
            "attributes is not a JSON object.",
            remedy='Write it like: {"year": 2024}.',
            param="attributes",
        )
    return cast("dict[str, object]", given)


def _remove(caller: Writer, given: OldDocument) -> RemovedDocument:
    collection = caller.collections.get(given.collection)
    receipt = collection.remove([given.file])
    return RemovedDocument(collection=collection.name, file=given.file, passages=receipt.chunks)


WRITE_TOOLS: Sequence[AnyTool] = (
    Tool(
        "add_document",
        "Add a document",
        "Add a text to a collection, or replace the document of its name. Only if the user asks.",
        NewText,
        AddedDocument,
        _add,
        reads_only=False,
    ),
    Tool(
        "remove_document",
        "Remove a document",
        "Remove a document from a collection. Only if the user asks.",
        OldDocument,
        RemovedDocument,
        _remove,
        reads_only=False,
    ),
)
"""The tools that change collections."""
