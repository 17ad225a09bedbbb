"""OpenAI's dialect: its clients, and everything built on them, work unmodified."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from bindery.faces.http import examples
from bindery.faces.http.dialects import openai_files, openai_store_files, openai_stores
from bindery.faces.http.dialects.base import (
    Dialect,
    EmbedAnswer,
    EmbedRequest,
    Parameters,
    Translation,
)
from bindery.faces.http.dialects.inputs import MAX_TEXTS, inputs_of, roles_of
from bindery.faces.http.dialects.vectors import (
    Usage,
    VectorsAnswer,
    VectorsBody,
    facts,
    known,
    output_of,
    usage,
    vector_options,
)

EMBEDDINGS = ("/v1/embeddings", "/embeddings")
"""OpenAI's route, which others adopted, and an alias for base URLs without ``/v1``."""

_IDS: JsonDict = {"type": "array", "items": {"type": "integer"}}
INPUT_KINDS: tuple[JsonDict, ...] = (
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_TEXTS},
    _IDS,
    {"type": "array", "items": _IDS, "minItems": 1, "maxItems": MAX_TEXTS},
)
INPUT: JsonDict = {"anyOf": [*INPUT_KINDS]}


class EmbeddingsBody(VectorsBody):
    """OpenAI's request with our additions."""

    additions = VectorsBody.additions | {"input_type"}

    input: Any = Field(
        description="A text or a list of texts. Token ids depend on the setting `token_input`.",
        json_schema_extra=INPUT,
    )
    model: str = Field(max_length=200)
    input_type: str = Field(
        "document", max_length=100, description="`query`, `document`, or a task of the model."
    )


class Embedding(BaseModel):
    """The vector of one text; a list of vectors for late interaction."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | list[list[float]] | str


class EmbeddingsAnswer(VectorsAnswer):
    """OpenAI's answer, and how the vectors were made.

    ``tokens_cut`` exists if a text was cut, and has the number of cut tokens for each text.
    """

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage
    tokens_cut: list[int] | None = None


def read(body: EmbeddingsBody, _: Parameters) -> EmbedRequest:
    """The request in neutral form."""
    return EmbedRequest(
        model=body.model,
        inputs=inputs_of(body.input, "input"),
        options=vector_options(body, body.truncate),
        roles=roles_of(body.input_type),
        titles=body.titles,
        outputs=(output_of(body.output_dtype, body.encoding_format),),
    )


def write(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    """The answer in OpenAI's format, which Voyage and Jina adopted."""
    fields = facts(ask, answer)
    rows = fields.pop("embeddings")
    cut = answer.encoded.tokens_cut
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": row}
            for index, row in enumerate(rows)
        ],
        "model": ask.model,
        "usage": usage(answer.encoded.total_tokens),
        **({"tokens_cut": known(cut)} if (cut > 0).any() else {}),
        **fields,
    }


_others = APIRouter()
_others.include_router(openai_files.router)
_others.include_router(openai_stores.router)
_others.include_router(openai_store_files.router)

OPENAI = Dialect(
    "OpenAI",
    embeds=(
        Translation(
            paths=EMBEDDINGS,
            name="create_embeddings",
            summary="Embed texts",
            about="OpenAI's embeddings API with additions: `input_type` (`query` or `document`), "
            "`output_dtype` and others.\n\nA request with `truncation` or `output_dimension` is "
            "read as Voyage's, one with `task`, `embedding_type`, `late_chunking` or `normalized` "
            "as Jina's.\n\nThe header `x-bindery-truncated-tokens` counts the tokens that were "
            "cut.",
            body=EmbeddingsBody,
            answer=EmbeddingsAnswer,
            read=read,
            write=write,
            examples={
                "One text": {"input": examples.TEXTS[0]},
                "Several texts, in base64, as the OpenAI client asks": {
                    "encoding_format": "base64"
                },
                "A question": {"input": examples.QUESTION, "input_type": "query"},
                "One byte for each value": {"output_dtype": "int8"},
            },
            names={
                "texts": "input",
                "role": "input_type",
                "form": "output_dtype",
                "output": "encoding_format",
            },
            # Clients look for words in the printed error. Both kinds of quotes in it would make
            # Python escape the apostrophe of "longer than the model's context length".
            to_cut="'truncate': 'end'",
            may_nest=True,
        ),
    ),
    others=_others,
)
