"""``POST /embedding/{model_id}/generate``: chunks in, embeddings out."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Request, Response

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import parse_body, read_body
from bindery.faces.http.desk import desk_of
from bindery.faces.http.encoding import (
    check_texts,
    encode,
    known,
    renamed,
    to_json,
    vector_fields,
)
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
        Query(ge=0, le=1 << 31, description="Show the first so many.", examples=[10]),
    ] = None,
) -> Response:
    """Give the embedding of each chunk, in order, and the tokens that were used and cut.

    `preview=10` shows the first ten values of each vector, or the first ten vectors of each text
    where the model gives several; nothing else changes.
    """
    desk = desk_of(request)
    raw = await read_body(request)
    answer = await desk.encoding.run(_generate, desk.library, model_id, raw, preview)
    return Response(answer, media_type="application/json")


def _generate(library: Library, model_id: str, raw: bytes, preview: int | None) -> bytes:
    body = parse_body(raw, GenerateBody)
    texts = check_texts([_part(chunk, "text") for chunk in body.chunks], "chunks")
    try:
        encoder, encoded = encode(library, model_id, texts, body.role, body, _titles(body))
        fields = vector_fields(encoder, encoded, body, first=preview)
    except InvalidValue as error:
        raise renamed(error, {"form": "output_dtype"}) from error
    return to_json(
        {
            "model_id": model_id,
            "total_chunks": len(texts),
            "tokens_used": known(encoded.tokens_used),
            "tokens_cut": known(encoded.tokens_cut),
            **fields,
        }
    )


def _part(chunk: object, name: str) -> object:
    """What a chunk, as the chunk route gives it, has by that name; a text is its own ``text``."""
    if isinstance(chunk, dict):
        return cast("dict[str, Any]", chunk).get(name)
    return chunk if name == "text" else None


def _titles(body: GenerateBody) -> list[Any] | None:
    """The titles as they were given, in their field or with the chunks; the encoder checks them."""
    of_chunks = [_part(chunk, "title") for chunk in body.chunks]
    if all(title is None for title in of_chunks):
        return body.titles
    if body.titles is not None:
        raise InvalidValue(
            "There are titles in titles and in chunks.", remedy="Send either.", param="titles"
        )
    return of_chunks
