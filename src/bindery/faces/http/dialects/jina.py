"""Jina's dialect: OpenAI's with tasks, and another name for the form of the vectors."""

from typing import Any

from pydantic import Field
from pydantic.config import JsonDict

from bindery.errors import InvalidValue
from bindery.faces.http.dialects import openai
from bindery.faces.http.dialects.base import Dialect, EmbedRequest, Output, Parameters, Translation
from bindery.faces.http.dialects.inputs import inputs_of, roles_of
from bindery.faces.http.dialects.vectors import ExtendedBody, output_of, vector_options

_OUTPUTS = {
    "float": Output(),
    "base64": Output(base64=True),
    "binary": output_of("binary"),
    "ubinary": output_of("ubinary"),
}
_TYPES: JsonDict = {"enum": [*_OUTPUTS]}


class JinaBody(ExtendedBody):
    """Jina's request. ``normalized`` is ignored: vectors keep the length that the model gives."""

    additions = ExtendedBody.additions | {"dimensions", "truncate"}

    input: Any = Field(json_schema_extra=openai.INPUT)
    model: str = Field(max_length=200)
    task: str = Field(
        "retrieval.passage",
        max_length=100,
        description="Jina's: retrieval.query, retrieval.passage, text-matching, classification, "
        "separation, or a role or task of the model.",
    )
    dimensions: int | None = None
    embedding_type: Any = Field(
        "float", description="Jina's: float, base64, binary or ubinary.", json_schema_extra=_TYPES
    )
    truncate: Any = None
    late_chunking: bool = Field(
        default=False,
        description="Jina's: the inputs are chunks of one document, which is read as a whole.",
    )


def _read(body: JinaBody, _: Parameters) -> EmbedRequest:
    inputs = inputs_of(body.input, "input")
    if body.late_chunking and body.titles:
        raise InvalidValue(
            "late_chunking does not support titles, because its inputs are one document.",
            remedy="Leave the titles out.",
            param="titles",
        )
    return EmbedRequest(
        model=body.model,
        inputs=inputs,
        chunks_of=[len(inputs)] if body.late_chunking else None,
        options=vector_options(body, body.truncate),
        roles=roles_of(body.task),
        titles=body.titles,
        outputs=(_output(body.embedding_type),),
    )


def _output(given: object) -> Output:
    """The requested type, given by itself or as a list of one."""
    wanted = given[0] if isinstance(given, list) and len(given) == 1 else given  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if not isinstance(wanted, str) or wanted not in _OUTPUTS:
        raise InvalidValue(
            f"embedding_type must be one of: {', '.join(_OUTPUTS)}.",
            remedy="Request one type at a time.",
            param="embedding_type",
        )
    return _OUTPUTS[wanted]


JINA = Dialect(
    "Jina",
    embeds=(
        Translation(
            paths=openai.EMBEDDINGS,
            marks=frozenset({"task", "embedding_type", "late_chunking", "normalized"}),
            name="create_embeddings_jina",
            summary="Embed texts",
            about="",
            body=JinaBody,
            answer=openai.EmbeddingsAnswer,
            read=_read,
            write=openai.write,
            examples={"As Jina's clients ask": {"task": "retrieval.passage"}},
            names={"texts": "input", "role": "task", "output": "embedding_type"},
            to_cut='"truncate": true',
            may_nest=True,
        ),
    ),
)
