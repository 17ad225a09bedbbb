"""``GET /chunk/{strategy}/file/{file_id}``: the chunks of a stored file, without vectors."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, create_model

from bindery.chunking import OffsetTokeniser, facts_of, truncated
from bindery.faces.http import examples
from bindery.faces.http.bodies import fields_of, options_from
from bindery.faces.http.calls import json_answer
from bindery.faces.http.errors import Forbidden
from bindery.faces.http.gate.access import Identity, Scope, cancellation_of, identity_of
from bindery.faces.http.routes.shapes import ChunksAnswer
from bindery.faces.http.services import AppServices, files_of, services_of
from bindery.library import DEFAULT_MODEL
from bindery.options import SEMANTIC, ChunkOptions
from bindery.types import Chunk, Document

router = APIRouter(tags=["chunks"])


class ChunkQuery(
    create_model(
        "ChunkQuery", __base__=BaseModel, **fields_of(ChunkOptions, leave_out=["strategy"])
    )
):
    """The chunk options, except the strategy, which is in the path."""

    model: str = Field(
        DEFAULT_MODEL, max_length=200, description="The model whose tokens are counted."
    )
    preview: int | None = Field(
        None, ge=0, le=1 << 31, description="Return only the first n chunks."
    )


@router.get(
    "/chunk/{strategy}/file/{file_id}",
    summary="Chunk a file",
    responses=examples.answer(ChunksAnswer, "The chunks.", examples.CHUNKED),
)
async def chunk_file(
    request: Request,
    services: AppServices,
    strategy: Annotated[str, Path(examples=[ChunkOptions().strategy])],
    file_id: examples.FilePath,
    query: Annotated[ChunkQuery, Query()],
) -> Response:
    """Parse a stored file and cut it into chunks; a chunk is `text[start:end]` of the document.

    `/embedding/{model_id}/generate` embeds `context` and `text` together. If a chunk has
    `tokens_cut`, the model would not see the part that begins at `cut_at`.
    """
    identity = identity_of(request)
    _check_scope(identity, strategy)
    options = options_from(query, ChunkOptions, strategy=strategy)
    cut = partial(
        services.library.chunk,
        options=options,
        model_id=query.model,
        parse_timeout_s=services.settings.parse_timeout_s,
        cancellation=cancellation_of(request),
        owner=identity.key_id,
    )
    return await services.parsing.run(_chunk, request, file_id, options, query, cut)


def _check_scope(identity: Identity, strategy: str) -> None:
    """Raise Forbidden for the strategy that runs a model if the key has no scope for that."""
    if strategy == SEMANTIC and Scope.EMBED not in identity.scopes:
        raise Forbidden(
            f"The strategy {SEMANTIC!r} embeds sentences, but this key lacks the scope 'embed'.",
            remedy="Create a key with: bindery keys create --name NAME --scope files --scope embed",
        )


def _chunk(
    request: Request,
    file_id: str,
    options: ChunkOptions,
    query: ChunkQuery,
    cut: Callable[..., list[Chunk]],
) -> Response:
    services = services_of(request)
    name = files_of(request).get(file_id).name
    spent: list[int] = []
    # Report a wrong strategy, model or size before parsing the document.
    cut(Document("", "text", ""), when_embedded=spent.append)
    document = services.library.read_file(file_id, timeout_s=services.settings.parse_timeout_s)
    chunks = cut(document, when_embedded=spent.append)
    measure = services.library.measure(query.model)
    tokeniser, room = measure.tokeniser, measure.room
    options = options.sized(room)
    return json_answer(
        {
            "file_id": file_id,
            "filename": name,
            "kind": document.kind,
            "strategy": options.strategy,
            "model": query.model,
            "size": options.size,
            "overlap": options.overlap,
            "context": options.context,
            "total_chunks": len(chunks),
            "total_characters": len(document.text),
            "tokens_spent": sum(spent),
            "warnings": document.warnings,
            "chunks": [
                {"index": index, **_facts(chunk, tokeniser, room)}
                for index, chunk in enumerate(chunks[: query.preview])
            ],
        }
    )


def _facts(chunk: Chunk, tokeniser: OffsetTokeniser, room: int) -> dict[str, Any]:
    facts = facts_of(chunk, truncated(chunk, tokeniser, room=room), room=room)
    return {**facts, "heading": chunk.headings[-1] if chunk.headings else None}
