"""Reranking for clients of Cohere, Jina and Voyage, which differ only in names."""

from typing import Any

from pydantic import BaseModel, Field, JsonValue
from pydantic.config import JsonDict

from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody
from bindery.faces.http.dialects.base import (
    Dialect,
    Parameters,
    RerankAnswer,
    RerankRequest,
    Translation,
)
from bindery.faces.http.dialects.inputs import MAX_DOCUMENTS, texts_of, truncation_of
from bindery.faces.http.dialects.vectors import TRUNCATE, Usage, usage
from bindery.types import Truncate

_DOCUMENTS: JsonDict = {
    "items": {
        "anyOf": [
            {"type": "string"},
            {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        ]
    },
    "maxItems": MAX_DOCUMENTS,
}


class RerankBody(RequestBody):
    """Documents to order by how well they answer a query."""

    additions = frozenset(("weight", "truncate"))

    model: str = Field(max_length=200)
    query: str
    documents: list[Any] = Field(
        description="Texts, or objects with a `text`.", json_schema_extra=_DOCUMENTS
    )
    top_n: int | None = Field(None, ge=1, description="Return only the best n; the default is all.")
    top_k: int | None = Field(None, ge=1, description="Voyage's name for `top_n`.")
    return_documents: bool = Field(default=False, description="Return the documents too.")
    weight: float | None = Field(
        None,
        ge=0,
        le=1,
        description="The share of late interaction in a dense model's score; the rest is cosine.",
    )
    truncate: Any = Field(
        None,
        description="For texts longer than the model's window: cut the `end` (default) or the "
        "`start`, or return an `error`.",
        json_schema_extra=TRUNCATE,
    )
    truncation: bool = Field(
        default=True, description="Voyage's: cut long texts (true), or refuse them."
    )


class RankedDocument(BaseModel):
    """A document's text."""

    text: str


class RankedAnswer(BaseModel):
    """The score of a document; ``index`` is its position in the request.

    Documents are sorted by ``relevance_score``. ``normalised_score`` is in [-1, 1] for every model.
    """

    index: int
    relevance_score: float
    normalised_score: float
    document: RankedDocument | None = None


class RankedRow(BaseModel):
    """The same in Voyage's format."""

    index: int
    relevance_score: float
    document: str | None = None


_RANKED: tuple[dict[str, JsonValue], ...] = (
    {"index": 1, "relevance_score": 0.5164},
    {"index": 0, "relevance_score": 0.224},
)


class RerankingAnswer(BaseModel):
    """The documents, the best first; ``usage`` counts the tokens of query and documents."""

    model: str
    revision: str
    precision: str
    results: list[RankedAnswer] = Field(
        examples=[[{**row, "normalised_score": row["relevance_score"]} for row in _RANKED]]
    )
    data: list[RankedRow] = Field(examples=[[*_RANKED]])
    usage: Usage = Field(examples=[{"prompt_tokens": 30, "total_tokens": 30}])


def _read(body: RerankBody, _: Parameters) -> RerankRequest:
    default = Truncate.END if body.truncation else Truncate.ERROR
    return RerankRequest(
        model=body.model,
        query=body.query,
        documents=texts_of(body.documents, "documents", most=MAX_DOCUMENTS),
        top_n=body.top_k if body.top_n is None else body.top_n,
        weight=body.weight,
        truncate=truncation_of(body.truncate, default=default, param="truncate"),
        returns_documents=body.return_documents,
    )


def _write(ask: RerankRequest, answer: RerankAnswer) -> dict[str, Any]:
    ranked, documents = answer.found.ranked, ask.documents
    given = ask.returns_documents
    return {
        "model": ask.model,
        "revision": answer.card.revision,
        "precision": answer.precision,
        "results": [
            {
                "index": one.index,
                "relevance_score": one.score,
                "normalised_score": one.normalised,
                **({"document": {"text": documents[one.index]}} if given else {}),
            }
            for one in ranked
        ],
        "data": [
            {
                "index": one.index,
                "relevance_score": one.score,
                **({"document": documents[one.index]} if given else {}),
            }
            for one in ranked
        ],
        "usage": usage(answer.found.total_tokens),
    }


RANKING = Dialect(
    "reranking",
    reranks=(
        Translation(
            paths=("/v1/rerank", "/v2/rerank", "/rerank"),
            name="rerank",
            summary="Rerank documents (Cohere, Jina, Voyage)",
            about="Orders documents by late interaction with the query mixed with the cosine, with "
            "any model.\n\nThe answer contains the order twice: as `results` for clients of Cohere "
            "and Jina, as `data` for Voyage's. The header `x-bindery-truncated-tokens` counts the "
            "tokens that were cut.",
            body=RerankBody,
            answer=RerankingAnswer,
            read=_read,
            write=_write,
            examples={
                "Two texts": {},
                "The best one, given back": {
                    "documents": [{"text": text} for text in examples.TEXTS],
                    "top_n": 1,
                    "return_documents": True,
                },
            },
            to_cut='"truncate": "end"',
        ),
    ),
)
