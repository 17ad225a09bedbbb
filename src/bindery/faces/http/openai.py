"""OpenAI's dialect, so that its clients and all that build on them work unmodified."""

from typing import Any, cast

from fastapi import APIRouter, Request, Response

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import parse_body, read_body
from bindery.faces.http.desk import desk_of
from bindery.faces.http.encoding import (
    check_texts,
    encode,
    renamed,
    to_json,
    truncation,
    usage,
    vector_fields,
)
from bindery.faces.http.shapes import (
    EmbeddingsAnswer,
    EmbeddingsBody,
    ModelAnswer,
    ModelsAnswer,
)
from bindery.library import Library, ModelStatus

router = APIRouter(prefix="/v1", tags=["OpenAI"])


@router.post(
    "/embeddings",
    summary="Embed texts (OpenAI)",
    responses=examples.answer(EmbeddingsAnswer, examples.EMBEDDED, "The embeddings."),
    openapi_extra=examples.body(EmbeddingsBody, examples.EMBEDDINGS),
)
async def create_embeddings(request: Request) -> Response:
    """As OpenAI's; `input_type` (`query` or `document`) and what vectors may be besides.

    The header `x-bindery-truncated-tokens` tells how many tokens were cut.
    """
    desk = desk_of(request)
    raw = await read_body(request)
    answer, headers = await desk.encoding.run(_embed, desk.library, raw)
    return Response(answer, media_type="application/json", headers=headers)


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


def _embed(library: Library, raw: bytes) -> tuple[bytes, dict[str, str]]:
    body = parse_body(raw, EmbeddingsBody)
    texts = _texts(body.input)
    try:
        encoder, encoded = encode(library, body.model, texts, body.input_type, body, body.titles)
        fields = vector_fields(encoder, encoded, body)
    except InvalidValue as error:
        raise renamed(error, {"role": "input_type", "form": "output_dtype"}) from error
    rows = fields.pop("embeddings")
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": row}
            for place, row in enumerate(rows)
        ],
        "model": body.model,
        "usage": usage(encoded.total_tokens),
        **fields,
    }
    return to_json(answer), truncation(encoded.tokens_cut)


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
