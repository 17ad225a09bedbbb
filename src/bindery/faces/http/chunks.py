"""``GET /chunk/{strategy}/file/{file_id}``: a kept file in chunks, without embedding them."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from bindery.faces.http import examples
from bindery.faces.http.calls import json_answer
from bindery.faces.http.desk import Desk, desk_of
from bindery.faces.http.shapes import ChunksAnswer
from bindery.library import DEFAULT_MODEL, DEFAULT_STRATEGY
from bindery.types import Block, Chunk, Document

router = APIRouter(tags=["chunks"])

_MOST_TOKENS = 1 << 20

# Readers write headings as Markdown does; the marks are no part of a title.
_MARKS = re.compile(r"\A#{1,6}\s+|\s+#+\s*\Z")


@dataclass(frozen=True, slots=True)
class _Cut:
    """How a document is to be cut."""

    strategy: str
    model_id: str
    size: int | None
    overlap: int


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
        Query(ge=1, le=_MOST_TOKENS, description="Tokens in a chunk; the model's window if not."),
    ] = None,
    overlap: Annotated[
        int, Query(ge=0, le=_MOST_TOKENS, description="Tokens that neighbours share.")
    ] = 0,
    preview: Annotated[
        int | None, Query(ge=0, le=1 << 31, description="Show the first so many chunks.")
    ] = None,
) -> Response:
    """Parse a kept file and cut it; `text[start:end]` of the document is the chunk.

    `truncated_tokens` says what the model would not see of a chunk, were it embedded.
    """
    desk = desk_of(request)
    cut = _Cut(strategy, model, size, overlap)
    return await desk.parsing.run(_chunk, desk, file_id, cut, preview)


def _chunk(desk: Desk, file_id: str, cut: _Cut, preview: int | None) -> Response:
    desk.library.files.get(file_id)
    # A wrong strategy, model or size is told on nothing, before the document is parsed.
    _chunks_of(desk, Document("", "text", ""), cut)
    document = desk.library.read_file(file_id, timeout_s=desk.settings.parse_timeout_s)
    chunks = _chunks_of(desk, document, cut)
    room = desk.library.measure(cut.model_id).room
    places = _Places(document)
    return json_answer(
        {
            "file_id": file_id,
            "filename": document.name,
            "kind": document.kind,
            "strategy": cut.strategy,
            "model": cut.model_id,
            "size": room if cut.size is None else cut.size,
            "overlap": cut.overlap,
            "total_chunks": len(chunks),
            "total_characters": len(document.text),
            "warnings": document.warnings,
            "chunks": [
                {
                    "index": index,
                    "start": chunk.span.start,
                    "end": chunk.span.end,
                    "text": chunk.text,
                    "tokens": chunk.tokens,
                    "truncated_tokens": max(0, chunk.tokens - room),
                    "page": places.page(chunk.span.start),
                    "heading": places.heading(chunk.span.start),
                }
                for index, chunk in enumerate(chunks[:preview])
            ],
        }
    )


def _chunks_of(desk: Desk, document: Document, cut: _Cut) -> list[Chunk]:
    return desk.library.chunk(
        document,
        strategy=cut.strategy,
        model_id=cut.model_id,
        size=cut.size,
        overlap=cut.overlap,
    )


class _Places:
    """Where in a document a code point lies: on which page, under which heading."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._headings = [block for block in document.blocks if block.kind == "heading"]
        self._pages = [block for block in document.blocks if block.kind == "page"]

    def page(self, position: int) -> int | None:
        """The number of the page, from 1, or None where there are none."""
        block = _last_before(self._pages, position)
        return block.page if block else None

    def heading(self, position: int) -> str | None:
        """The heading that begins there or was the last before, or None before the first."""
        block = _last_before(self._headings, position)
        if block is None:
            return None
        return _MARKS.sub("", self._document.quote(block.span).partition("\n")[0])


def _last_before(blocks: Sequence[Block], position: int) -> Block | None:
    following = bisect_right(blocks, position, key=lambda block: block.span.start)
    return blocks[following - 1] if following else None
