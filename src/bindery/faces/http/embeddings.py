"""``POST /embedding/{model_id}/generate``: chunks in, embeddings out."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Request, Response

from bindery.faces.http import examples
from bindery.faces.http.bodies import parse_body, read_body
from bindery.faces.http.desk import desk_of
from bindery.faces.http.encoding import Wish, check_texts, encode, to_json, vectors
from bindery.faces.http.shapes import GenerateAnswer, GenerateBody
from bindery.library import Library

router = APIRouter(tags=["embeddings"])


@router.post(
    "/embedding/{model_id}/generate",
    summary="Embed chunks",
    responses=examples.answer(GenerateAnswer, examples.GENERATED, "The embeddings."),
    openapi_extra=examples.body(GenerateBody, examples.GENERATE),
)
async def generate(
    request: Request,
    model_id: Annotated[str, Path(examples=[examples.MODEL])],
    preview: Annotated[
        int | None,
        Query(ge=0, le=1 << 31, description="Show the first so many values.", examples=[10]),
    ] = None,
) -> Response:
    """Give the embedding of each chunk, in order, and the tokens that were used and cut.

    `preview=10` shows the first ten values of each vector; nothing else changes.
    """
    desk = desk_of(request)
    raw = await read_body(request)
    answer = await desk.encoding.run(_generate, desk.library, model_id, raw, preview)
    return Response(answer, media_type="application/json")


def _generate(library: Library, model_id: str, raw: bytes, preview: int | None) -> bytes:
    body = parse_body(raw, GenerateBody)
    texts = check_texts([_text_of(chunk) for chunk in body.chunks], "chunks")
    wish = Wish(body.role, body.dimensions, body.truncate)
    encoder, encoded = encode(library, model_id, texts, wish)
    return to_json(
        {
            "model_id": model_id,
            "revision": encoder.card.revision,
            "precision": encoder.precision,
            "total_chunks": len(texts),
            "dimensions": encoded.embeddings.width,
            "tokens_used": encoded.tokens_used,
            "tokens_cut": encoded.tokens_cut,
            "embeddings": vectors(
                encoder.card,
                encoded.embeddings,
                encoding_format=body.encoding_format,
                preview=preview,
            ),
        }
    )


def _text_of(chunk: object) -> object:
    """A chunk as the chunk route gives it stands for its text."""
    if not isinstance(chunk, dict):
        return chunk
    return cast("dict[str, Any]", chunk).get("text")
