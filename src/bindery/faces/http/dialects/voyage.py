"""Voyage's dialect: OpenAI's with other names, and texts that are cut unless that is refused."""

from typing import Any, Literal

from pydantic import Field

from bindery.faces.http import examples
from bindery.faces.http.dialects import openai
from bindery.faces.http.dialects.base import Dialect, EmbedAsk, Parameters, Translation
from bindery.faces.http.dialects.inputs import inputs_of, truncation_of
from bindery.faces.http.dialects.roles import roles_of
from bindery.faces.http.dialects.vectors import EncodingFormat, ExtendedBody, output_of
from bindery.types import Truncate


class VoyageBody(ExtendedBody):
    """Voyage's request."""

    input: Any = Field(json_schema_extra=openai.INPUT)
    model: str = Field(max_length=200)
    input_type: str = Field("document", max_length=100)
    truncation: bool = Field(
        default=True, description="Voyage's: cut what is too long, or refuse it."
    )
    output_dimension: int | None = Field(None, description="Voyage's name for `dimensions`.")
    output_dtype: Literal["float", "int8", "uint8", "binary", "ubinary"] = "float"
    encoding_format: EncodingFormat = "float"


def _read(body: VoyageBody, parameters: Parameters) -> EmbedAsk:
    del parameters
    return EmbedAsk(
        model=body.model,
        inputs=inputs_of(body.input, "input"),
        roles=roles_of(body.input_type),
        truncate=truncation_of(body.truncation, default=Truncate.END, param="truncation"),
        dimensions=body.output_dimension,
        any_dimensions=body.any_dimensions,
        rotation=body.rotation,
        titles=body.titles,
        outputs=(output_of(body.output_dtype, is_base64=body.encoding_format == "base64"),),
    )


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
            examples=examples.VOYAGE,
            example=examples.EMBEDDED,
            names={
                "texts": "input",
                "role": "input_type",
                "dimensions": "output_dimension",
                "form": "output_dtype",
                "output": "encoding_format",
            },
            to_cut='"truncation": true',
            may_nest=True,
        ),
    ),
)
