"""Our own route: it embeds chunks, and reports the tokens of each."""

from typing import Any, cast

from pydantic import Field
from pydantic.config import JsonDict

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import invalid_field, refuse_unknown
from bindery.faces.http.dialects.base import (
    Dialect,
    EmbedAnswer,
    EmbedRequest,
    Parameters,
    Translation,
)
from bindery.faces.http.dialects.inputs import MAX_TEXTS, texts_of
from bindery.faces.http.dialects.vectors import (
    VectorsAnswer,
    VectorsBody,
    facts,
    known,
    output_of,
    vector_options,
)
from bindery.faces.http.routes.shapes import ChunksAnswer

_CHUNKS: JsonDict = {
    "items": {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "context": {"type": "string"},
                    "title": {"type": "string"},
                },
                "required": ["text"],
            },
        ]
    }
}
_MOST_SHOWN = 1 << 31


class GenerateBody(VectorsBody):
    """Chunks to embed."""

    refuses_unknown = True
    passed_over = frozenset(ChunksAnswer.model_fields)

    chunks: list[Any] = Field(
        description="Up to 2,048 texts, or chunks as `GET /chunk` returns them, of which "
        "`context`, `text` and `title` are used.",
        json_schema_extra={**_CHUNKS, "maxItems": MAX_TEXTS},
    )
    role: str = Field(
        "document",
        max_length=100,
        description="`query`, `document`, or a task of the model; selects the prompt.",
    )


class GenerateAnswer(VectorsAnswer):
    """Embeddings in the order of the chunks, and the tokens used and cut of each chunk.

    The counts are null if the vendor of a remote model does not report them.
    """

    model_id: str
    total_chunks: int
    tokens_used: list[int | None]
    tokens_cut: list[int | None]
    embeddings: list[list[float]] | list[list[list[float]]] | list[str]


def _read(body: GenerateBody, parameters: Parameters) -> EmbedRequest:
    refuse_unknown(parameters, ("model_id", "preview"), "query parameter")
    return EmbedRequest(
        model=parameters["model_id"],
        inputs=_in_context(body.chunks),
        options=vector_options(body, body.truncate),
        roles=(body.role,),
        titles=_titles(body),
        outputs=(output_of(body.output_dtype, body.encoding_format),),
        first=_preview(parameters),
    )


def _write(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    return {
        "model_id": ask.model,
        "total_chunks": len(answer.texts),
        "tokens_used": known(answer.encoded.tokens_used),
        "tokens_cut": known(answer.encoded.tokens_cut),
        **facts(ask, answer),
    }


def _in_context(chunks: list[Any]) -> list[str]:
    """The texts, each with its context before it if it has one."""
    texts = texts_of(chunks, "chunks")
    contexts = [
        cast("dict[str, Any]", chunk).get("context") if isinstance(chunk, dict) else None
        for chunk in chunks
    ]
    for index, context in enumerate(contexts):
        if context is not None and not isinstance(context, str):
            raise InvalidValue(
                f"The context of chunks[{index}] must be a string.",
                remedy="Send a string, or leave it out.",
                param="chunks",
            )
    return [(context or "") + text for context, text in zip(contexts, texts, strict=True)]


def _titles(body: GenerateBody) -> list[Any] | None:
    """The titles, from their field or from the chunks; the encoder checks them."""
    of_chunks = [
        cast("dict[str, Any]", chunk).get("title") if isinstance(chunk, dict) else None
        for chunk in body.chunks
    ]
    if all(title is None for title in of_chunks):
        return body.titles
    if body.titles is not None:
        raise InvalidValue(
            "Titles are given both in titles and in chunks.",
            remedy="Leave one of them out.",
            param="titles",
        )
    return of_chunks


def _preview(parameters: Parameters) -> int | None:
    given = parameters.get("preview")
    if given is None:
        return None
    # Python would also accept digits of other scripts.
    count = int(given) if given.isascii() and given.isdigit() and len(given) <= 10 else -1
    if not 0 <= count <= _MOST_SHOWN:
        raise invalid_field(["preview"], f"Input should be a number from 0 to {_MOST_SHOWN}")
    return count


OWN = Dialect(
    "embeddings",
    embeds=(
        Translation(
            paths=("/embedding/{model_id:path}/generate",),
            name="generate",
            summary="Embed chunks",
            about="Returns the embedding of each chunk, in order, and its tokens used and cut.\n\n"
            "`preview=10` returns only the first ten values of each vector, or the first ten "
            "vectors of each text if the model gives several.",
            body=GenerateBody,
            answer=GenerateAnswer,
            read=_read,
            write=_write,
            examples={
                "Two texts": {},
                "Chunks as GET /chunk returns them": {
                    "chunks": [{"index": 0, "text": examples.TEXTS[0]}],
                    "role": "document",
                },
                "A question, in base64; refused if too long": {
                    "chunks": [examples.QUESTION],
                    "role": "query",
                    "encoding_format": "base64",
                    "truncate": "error",
                },
                "Eight bits for each value, with scales": {"output_dtype": "int8"},
                "One bit for each of the first 128 values": {
                    "dimensions": 128,
                    "any_dimensions": True,
                    "output_dtype": "ubinary",
                },
            },
            parameters=(
                {
                    "name": "model_id",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "examples": [examples.MODEL]},
                },
                {
                    "name": "preview",
                    "in": "query",
                    "required": False,
                    "description": "Return only the first n values, or vectors.",
                    "schema": {
                        "type": "integer",
                        "minimum": 0,
                        "maximum": _MOST_SHOWN,
                        "examples": [10],
                    },
                },
            ),
            names={"texts": "chunks", "form": "output_dtype", "output": "encoding_format"},
            to_cut='"truncate": "end"',
            may_nest=True,
        ),
    ),
)
