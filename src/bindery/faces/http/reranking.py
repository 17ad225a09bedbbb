"""``POST /v1/rerank``: documents in the order in which they answer a query, as Cohere and Jina."""

from typing import Any, cast

from fastapi import APIRouter, Request, Response

from bindery.faces.http import examples
from bindery.faces.http.bodies import parse_body, read_body
from bindery.faces.http.desk import desk_of
from bindery.faces.http.encoding import check_texts, to_json, truncation, usage
from bindery.faces.http.shapes import MAX_DOCUMENTS, RerankAnswer, RerankBody
from bindery.library import Library

router = APIRouter(prefix="/v1", tags=["reranking"])


@router.post(
    "/rerank",
    summary="Rerank documents (Cohere, Jina)",
    responses=examples.answer(RerankAnswer, examples.RERANKED, "The documents, the best first."),
    openapi_extra=examples.body(RerankBody, examples.RERANK),
)
async def rerank(request: Request) -> Response:
    """Order documents by late interaction with a query, and by their cosine, with any model.

    The header `x-bindery-truncated-tokens` tells how many tokens the model did not see.
    """
    desk = desk_of(request)
    raw = await read_body(request)
    answer, headers = await desk.encoding.run(_rerank, desk.library, raw)
    return Response(answer, media_type="application/json", headers=headers)


def _rerank(library: Library, raw: bytes) -> tuple[bytes, dict[str, str]]:
    body = parse_body(raw, RerankBody)
    texts = [_text_of(document) for document in body.documents]
    documents = check_texts(texts, "documents", most=MAX_DOCUMENTS)
    encoder, found = library.rerank(
        body.model, body.query, documents, top_n=body.top_n, weight=body.weight
    )
    answer = {
        "model": body.model,
        "revision": encoder.card.revision,
        "precision": encoder.precision,
        "results": [
            {
                "index": one.index,
                "relevance_score": one.score,
                "normalised_score": one.normalised,
                **({"document": {"text": documents[one.index]}} if body.return_documents else {}),
            }
            for one in found.ranked
        ],
        "usage": usage(found.total_tokens),
    }
    return to_json(answer), truncation(found.tokens_cut)


def _text_of(document: object) -> object:
    if isinstance(document, dict):
        return cast("dict[str, Any]", document).get("text")
    return document
