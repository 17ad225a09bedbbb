"""OpenAI's dialect, so that its clients and all that build on them work unmodified."""

from typing import Any, cast

from fastapi import APIRouter, Request, Response

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import parse_body, read_body
from bindery.faces.http.desk import desk_of
from bindery.faces.http.encoding import Wish, check_texts, encode, to_json, vectors
from bindery.faces.http.shapes import (
    EmbeddingsAnswer,
    EmbeddingsBody,
    ModelAnswer,
    ModelsAnswer,
)
from bindery.library import Library, ModelStatus

router = APIRouter(prefix="/v1", tags=["OpenAI"])

TRUNCATED = "x-bindery-truncated-tokens"
"""The header that says how many tokens of the request the model did not see."""


@router.post(
    "/embeddings",
    summary="Embed texts (OpenAI)",
    responses=examples.answer(EmbeddingsAnswer, examples.EMBEDDED, "The embeddings."),
    openapi_extra=examples.body(EmbeddingsBody, examples.EMBEDDINGS),
)
async def create_embeddings(request: Request) -> Response:
    """As OpenAI's, with `input_type` (`query` or `document`) and `truncate` besides.

    The header `x-bindery-truncated-tokens` tells how many tokens were cut.
    """
    desk = desk_of(request)
    raw = await read_body(request)
    answer, cut = await desk.encoding.run(_embed, desk.library, raw)
    return Response(answer, media_type="application/json", headers={TRUNCATED: str(cut)})


@router.get("/models", summary="List models (OpenAI)")
async def list_models(request: Request) -> ModelsAnswer:
    """Every model of the catalog with its state; those not `loaded` load when first asked for."""
    desk = desk_of(request)
    statuses = await desk.looking.run(desk.library.statuses)
    return ModelsAnswer(data=[_model(status) for status in statuses])


@router.get("/models/{model_id:path}", summary="Describe a model (OpenAI)")
async def retrieve_model(request: Request, model_id: examples.ModelPath) -> ModelAnswer:
    """One model of the catalog."""
    desk = desk_of(request)
    return _model(await desk.looking.run(desk.library.status, model_id))


def _embed(library: Library, raw: bytes) -> tuple[bytes, int]:
    body = parse_body(raw, EmbeddingsBody)
    texts = _texts(body.input)
    wish = Wish(body.input_type, body.dimensions, body.truncate)
    try:
        encoder, encoded = encode(library, body.model, texts, wish)
    except InvalidValue as error:
        if error.param != "role":
            raise
        raise InvalidValue(error.message, remedy=error.remedy, param="input_type") from error
    rows = vectors(encoder.card, encoded.embeddings, encoding_format=body.encoding_format)
    used = int(encoded.tokens_used.sum())
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": row}
            for place, row in enumerate(rows)
        ],
        "model": body.model,
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }
    return to_json(answer), int(encoded.tokens_cut.sum())


def _texts(given: object) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise InvalidValue("input is neither a text nor a list of texts.", param="input")
    items = cast("list[Any]", given)
    if isinstance(items[0], int | list):
        # To read another model's ids as this one's would give vectors of other texts, unnoticed.
        raise InvalidValue(
            "input holds token ids, and they are not decoded yet.",
            remedy="Send text. In LangChain: check_embedding_ctx_length=False.",
            param="input",
        )
    return check_texts(items, "input")


def _model(status: ModelStatus) -> ModelAnswer:
    card = status.card
    return ModelAnswer(
        id=card.id,
        owned_by=card.repository.partition("/")[0] or "local",
        state=status.state.value,
        family=card.family.value,
        dimensions=card.dimensions,
        nested_dimensions=list(card.nested_dimensions),
        max_tokens=card.max_tokens,
        revision=card.revision,
        licence=card.licence,
    )
