"""Voyage's dialect: OpenAI's with other names, and with long texts cut by default."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.dialects import openai
from bindery.faces.http.dialects.base import (
    Dialect,
    EmbedAnswer,
    EmbedRequest,
    Parameters,
    Translation,
)
from bindery.faces.http.dialects.inputs import MAX_DOCUMENTS, documents_of, inputs_of, roles_of
from bindery.faces.http.dialects.vectors import (
    CutBody,
    EncodingFormat,
    ExtendedBody,
    Usage,
    VectorsAnswer,
    output_of,
    vector_options,
)

Dtype: TypeAlias = Literal["float", "int8", "uint8", "binary", "ubinary"]

_NAMES = {
    "role": "input_type",
    "dimensions": "output_dimension",
    "form": "output_dtype",
    "output": "encoding_format",
}


class _VoyageBody(CutBody):
    """The fields of both requests."""

    model: str = Field(max_length=200)
    input_type: str = Field("document", max_length=100)
    output_dimension: int | None = Field(None, description="Voyage's name for `dimensions`.")
    output_dtype: Dtype = "float"
    encoding_format: EncodingFormat = "float"


class VoyageBody(_VoyageBody, ExtendedBody):
    """Voyage's request."""

    input: Any = Field(json_schema_extra=openai.INPUT)
    truncation: bool = Field(
        default=True, description="Voyage's: cut long texts (true), or refuse them."
    )


def _read(body: VoyageBody, _: Parameters) -> EmbedRequest:
    return EmbedRequest(
        model=body.model,
        inputs=inputs_of(body.input, "input"),
        options=vector_options(body, body.truncation, dimensions=body.output_dimension),
        roles=roles_of(body.input_type),
        titles=body.titles,
        outputs=(output_of(body.output_dtype, body.encoding_format),),
    )


class ContextualizedBody(_VoyageBody):
    """Voyage's request for chunks embedded in the context of their documents."""

    inputs: Any = Field(
        description="Documents, each as the list of its chunks in order.",
        json_schema_extra={
            "type": "array",
            "items": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            "minItems": 1,
            "maxItems": MAX_DOCUMENTS,
        },
    )
    enable_auto_chunking: bool = Field(
        default=False, description="Voyage's. Not supported: use `/chunk` first."
    )


class ContextualizedDocument(BaseModel):
    """The vectors of the chunks of one document, in order."""

    object: Literal["list"]
    index: int
    data: list[openai.Embedding]


class ContextualizedAnswer(VectorsAnswer):
    """Voyage's answer, and how the vectors were made."""

    object: Literal["list"]
    data: list[ContextualizedDocument]
    model: str
    usage: Usage


def _read_contextualized(body: ContextualizedBody, _: Parameters) -> EmbedRequest:
    if body.enable_auto_chunking:
        raise InvalidValue(
            "enable_auto_chunking is not supported.",
            remedy="Send each document as the list of its chunks.",
            param="enable_auto_chunking",
        )
    documents = documents_of(body.inputs, "inputs")
    return EmbedRequest(
        model=body.model,
        inputs=[chunk for chunks in documents for chunk in chunks],
        chunks_of=[len(chunks) for chunks in documents],
        options=vector_options(body, "error", dimensions=body.output_dimension),
        roles=roles_of(body.input_type),
        outputs=(output_of(body.output_dtype, body.encoding_format),),
    )


def _write_contextualized(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    flat = openai.write(ask, answer)
    chunks: Iterator[dict[str, Any]] = iter(flat["data"])
    documents = [list(islice(chunks, count)) for count in ask.chunks_of or ()]
    return {
        **flat,
        "data": [
            {
                "object": "list",
                "index": index,
                "data": [{**chunk, "index": number} for number, chunk in enumerate(document)],
            }
            for index, document in enumerate(documents)
        ],
    }


VOYAGE = Dialect(
    "Voyage",
    embeds=(
        Translation(
            paths=openai.EMBEDDINGS,
            marks=frozenset({"truncation", "output_dimension"}),
            name="create_embeddings_voyage",
            summary="Embed texts",
            about="",
            body=VoyageBody,
            answer=openai.EmbeddingsAnswer,
            read=_read,
            write=openai.write,
            examples={"As Voyage's client asks": {"input_type": "query", "truncation": True}},
            names={"texts": "input", **_NAMES},
            to_cut='"truncation": true',
            may_nest=True,
        ),
        Translation(
            paths=("/v1/contextualizedembeddings",),
            name="create_contextualized_embeddings",
            summary="Embed chunks in their documents",
            about="Voyage's API, by late chunking: the model reads a document's chunks at once, "
            "in overlapping windows if they are longer than its own. Each chunk's vector is then "
            "pooled from its own tokens. Only for models with one vector per text and mean "
            "pooling. Nothing is cut.",
            body=ContextualizedBody,
            answer=ContextualizedAnswer,
            read=_read_contextualized,
            write=_write_contextualized,
            examples={
                "The chunks of two documents": {"inputs": [examples.TEXTS, examples.TEXTS[:1]]}
            },
            names={"texts": "inputs", **_NAMES},
        ),
    ),
)
