"""``GET /chunk/{strategy}/file/{file_id}``: a kept file in chunks, without embedding them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from bindery.chunking import SEMANTIC, Context, OffsetTokeniser, truncated, usual_size
from bindery.encoders.pending import Cancellation
from bindery.faces.http import examples
from bindery.faces.http.calls import json_answer
from bindery.faces.http.errors import Forbidden
from bindery.faces.http.gate.access import Identity, Scope, cancellation_of, identity_of
from bindery.faces.http.routes.shapes import ChunksAnswer
from bindery.faces.http.services import Services, services_of
from bindery.library import DEFAULT_MODEL, DEFAULT_STRATEGY
from bindery.types import Chunk, Document

router = APIRouter(tags=["chunks"])

_MOST_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True)
class _Cut:
    """How a document is to be cut, and for whom: ``semantic`` runs the model."""

    strategy: str
    model_id: str
    size: int | None
    overlap: int
    context: Context
    parent_size: int | None
    cancellation: Cancellation
    owner: str


@router.get(
    "/chunk/{strategy}/file/{file_id}",
    summary="Chunk a file",
    responses=examples.answer(ChunksAnswer, examples.CHUNKED, "The chunks."),
)
async def chunk_file(
    request: Request,
    strategy: Annotated[str, Path(examples=[DEFAULT_STRATEGY])],
    file_id: examples.FilePath,
    model: Annotated[
        str, Query(description="Whose tokens are counted.", max_length=200)
    ] = DEFAULT_MODEL,
    size: Annotated[
        int | None,
        Query(ge=1, le=_MOST_TOKENS, description="Tokens in a chunk; 128 if not, or the window."),
    ] = None,
    overlap: Annotated[
        int, Query(ge=0, le=_MOST_TOKENS, description="Tokens that neighbours share.")
    ] = 0,
    context: Annotated[
        Context,
        Query(description="What stands before each chunk and counts as its tokens."),
    ] = "none",
    parent_size: Annotated[
        int | None,
        Query(ge=1, le=_MOST_TOKENS, description="Tokens in a parent, of `parent-child` alone."),
    ] = None,
    preview: Annotated[
        int | None, Query(ge=0, le=1 << 31, description="Show the first so many chunks.")
    ] = None,
) -> Response:
    """Parse a kept file and cut it; `text[start:end]` of the document is the chunk.

    What `/embedding/{model_id}/generate` embeds is `context` and `text` together. Of a chunk with
    `truncated_tokens` the model would not see what begins at `truncated_start`.
    """
    services, identity = services_of(request), identity_of(request)
    _check_scope(identity, strategy)
    who = cancellation_of(request), identity.key_id
    cut = _Cut(strategy, model, size, overlap, context, parent_size, *who)
    return await services.parsing.run(_chunk, services, file_id, cut, preview)


def _check_scope(identity: Identity, strategy: str) -> None:
    """The route is one of files, but for the strategy that runs a model over them."""
    if strategy == SEMANTIC and Scope.EMBED not in identity.scopes:
        raise Forbidden(
            f"The strategy {SEMANTIC!r} embeds the file's sentences, which this key may not do.",
            remedy="Make one with: bindery keys create --scope files --scope embed.",
        )


def _chunk(services: Services, file_id: str, cut: _Cut, preview: int | None) -> Response:
    services.library.files.get(file_id)
    spent: list[int] = []
    # A wrong strategy, model or size is told on nothing, before the document is parsed.
    _chunks_of(services, Document("", "text", ""), cut, spent.append)
    document = services.library.read_file(file_id, timeout_s=services.settings.parse_timeout_s)
    chunks = _chunks_of(services, document, cut, spent.append)
    measure = services.library.measure(cut.model_id)
    tokeniser, room = measure.tokeniser, measure.room
    return json_answer(
        {
            "file_id": file_id,
            "filename": document.name,
            "kind": document.kind,
            "strategy": cut.strategy,
            "model": cut.model_id,
            "size": usual_size(room) if cut.size is None else cut.size,
            "overlap": cut.overlap,
            "context": cut.context,
            "total_chunks": len(chunks),
            "total_characters": len(document.text),
            "tokens_spent": sum(spent),
            "warnings": document.warnings,
            "chunks": [
                {"index": index, **_facts(chunk, tokeniser, room)}
                for index, chunk in enumerate(chunks[:preview])
            ],
        }
    )


def _facts(chunk: Chunk, tokeniser: OffsetTokeniser, room: int) -> dict[str, Any]:
    unseen = truncated(chunk, tokeniser, room=room)
    parent = chunk.parent
    return {
        "start": chunk.span.start,
        "end": chunk.span.end,
        "text": chunk.text,
        "context": chunk.context,
        "tokens": chunk.tokens,
        "truncated_tokens": max(0, chunk.tokens - room),
        "truncated_start": unseen and unseen.start,
        "page": chunk.page,
        "heading": chunk.headings[-1] if chunk.headings else None,
        "headings": chunk.headings,
        "parent": parent and {"start": parent.start, "end": parent.end},
    }


def _chunks_of(
    services: Services, document: Document, cut: _Cut, when_embedded: Callable[[int], object]
) -> list[Chunk]:
    return services.library.chunk(
        document,
        strategy=cut.strategy,
        model_id=cut.model_id,
        size=cut.size,
        overlap=cut.overlap,
        context=cut.context,
        parent_size=cut.parent_size,
        parse_timeout_s=services.settings.parse_timeout_s,
        when_embedded=when_embedded,
        cancellation=cut.cancellation,
        owner=cut.owner,
    )
