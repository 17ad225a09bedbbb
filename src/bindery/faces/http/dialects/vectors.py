"""Fields about vectors that several dialects share, in requests and in answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from bindery.encoders.base import UNKNOWN, Counts
from bindery.faces.http.bodies import RequestBody, options_from
from bindery.faces.http.dialects.base import EmbedAnswer, EmbedRequest, Output
from bindery.faces.http.dialects.inputs import MAX_TEXTS, truncation_of
from bindery.options import VectorOptions
from bindery.types import Truncate
from bindery.vectors import Form

OutputDtype = Literal["float", "float32", "float16", "int8", "uint8", "binary", "ubinary"]
EncodingFormat = Literal["float", "base64"]

OUTPUTS: Mapping[str, Output] = {
    "float": Output(),  # as Voyage and Cohere call it
    "float32": Output(),
    "float16": Output(Form.FLOAT16),
    "int8": Output(Form.INT8),
    "uint8": Output(Form.INT8, is_unsigned=True),
    "binary": Output(Form.BINARY),
    "ubinary": Output(Form.UBINARY),
}
"""The vendors' names of number formats."""

# Checked by truncation_of, because pydantic's messages about unions are hard to understand.
TRUNCATE: JsonDict = {"enum": ["end", "start", "error", True, False]}
_TITLES: JsonDict = {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}


class CutBody(RequestBody):
    """Our additions to every dialect: how vectors are cut."""

    additions = frozenset(("any_dimensions", "rotation"))

    any_dimensions: bool = Field(
        default=False, description="Allow `dimensions` that the model was not trained for."
    )
    rotation: str | None = Field(
        None,
        max_length=100,
        description="The rotation to apply to vectors before they are cut: see `/rotations`.",
    )


class ExtendedBody(CutBody):
    """Our additions to every dialect in which each text stands for itself."""

    additions = CutBody.additions | {"titles"}

    titles: list[Any] | None = Field(
        None,
        max_length=MAX_TEXTS,
        description="The titles of the texts, null for texts without one; only for models that "
        "take titles.",
        json_schema_extra=_TITLES,
    )


class VectorsBody(ExtendedBody):
    """The fields about vectors of our own route, which are our additions to OpenAI's."""

    additions = ExtendedBody.additions | {
        "dimensions",
        "output_dtype",
        "encoding_format",
        "truncate",
    }

    # No bounds here: the model's own check lists the lengths that it supports.
    dimensions: int | None = Field(None, description="A shorter length that the model supports.")
    output_dtype: OutputDtype = Field(
        "float32",
        description="The type of the numbers: `float32` (also `float`), `float16`, `int8`, "
        "`uint8` (each `int8` plus 128), or one bit per value, eight to a byte, as `binary` or "
        "`ubinary`. `int8` and `uint8` come with `scales`.",
    )
    encoding_format: EncodingFormat = Field(
        "float", description="`float`: lists of numbers. `base64`: their little-endian bytes."
    )
    truncate: Any = Field(
        None,
        description="For texts longer than the model's window: cut the `end` or the `start`, or "
        "return an `error` (default). `true` means `end`, `false` means `error`.",
        json_schema_extra=TRUNCATE,
    )


class VectorsAnswer(BaseModel):
    """How the vectors were made.

    ``offsets`` are present if texts have several vectors (late interaction): text i has the vectors
    from ``offsets[i]`` to ``offsets[i + 1]``. int8 and uint8 have ``scales``, one per vector.
    """

    revision: str
    precision: str
    dimensions: int
    output_dtype: str
    rotation: str | None
    offsets: list[int] | None = None
    scales: list[float] | None = None


class Usage(BaseModel):
    """Tokens that the model read, with special tokens; null if the vendor does not report them."""

    prompt_tokens: int | None
    total_tokens: int | None


def vector_options(body: CutBody, truncate: object, **given: object) -> VectorOptions:
    """The options of a body, all but the role. Long texts are refused if ``truncate`` is None.

    Raises InvalidValue for other values than those of ``truncate`` in :class:`VectorsBody`.
    """
    side = truncation_of(truncate, default=Truncate.ERROR, param="truncate")
    return options_from(body, VectorOptions, truncate=side, **given)


def output_of(dtype: str, encoding_format: EncodingFormat = "float") -> Output:
    """The format with this name. Raises KeyError for an unknown name."""
    return replace(OUTPUTS[dtype], base64=encoding_format == "base64")


def facts(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    """The fields of :class:`VectorsAnswer`, and ``embeddings``."""
    output = ask.outputs[0]
    return {
        "revision": answer.card.revision,
        "precision": answer.precision,
        "dimensions": answer.encoded.embeddings.width,
        "output_dtype": output.name,
        "rotation": ask.options.rotation,
        **answer.wire(output, first=ask.first),
    }


def usage(total_tokens: int) -> dict[str, int | None]:
    """The tokens of all texts in OpenAI's format; null if unknown."""
    tokens = None if total_tokens == UNKNOWN else total_tokens
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def known(counts: Counts) -> Counts | list[int | None]:
    """Counts of tokens, with null for those that a vendor does not report."""
    if (counts >= 0).all():
        return counts
    return [None if count < 0 else count for count in counts.tolist()]
