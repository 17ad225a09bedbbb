"""Documents in the order in which they answer a query: the one endpoint behind all that rerank."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from bindery.faces.http.calls import (
    ApiCall,
    json_answer,
    take,
    token_headers,
    translated,
    worded_for,
)
from bindery.faces.http.dialects.base import RerankAnswer, RerankAsk, Translation
from bindery.faces.http.observing.timings import RequestStage

Reranks: TypeAlias = Translation[RerankAsk, RerankAnswer]


async def rerank(request: Request, translations: Sequence[Reranks]) -> Response:
    """Answer in the dialect that the request speaks.

    Scores are computed where the vectors are waited for, in threads that do nothing else.
    """
    call = await take(request)
    return await call.services.ranking.run(_rerank, call, translations)


def _rerank(call: ApiCall, translations: Sequence[Reranks]) -> Response:
    translation, asked = translated(call, translations)
    ask = replace(asked, model=call.services.names.model_id(asked.model))
    call.timings.mark(RequestStage.WAIT)
    with worded_for(translation, ask):
        encoder, found = call.services.library.rerank(
            ask.model,
            ask.query,
            ask.documents,
            top_n=ask.top_n,
            weight=ask.weight,
            truncate=ask.truncate,
            cancellation=call.cancellation,
        )
        call.timings.mark(RequestStage.WRITE)
        call.timings.count(encoder.card.id, found.tokens_cut, tokens=found.total_tokens)
        answer = RerankAnswer(encoder.card, encoder.precision, found)
        headers = token_headers(found.total_tokens, found.tokens_cut)
        return json_answer(translation.write(ask, answer), headers)
