"""What may be asked of vectors on the routes that are ours or extended by us, and what is told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from bindery.encoders.base import UNKNOWN, Counts
from bindery.faces.http.bodies import RequestBody
from bindery.faces.http.dialects.base import EmbedAnswer, EmbedAsk, Output
from bindery.faces.http.dialects.inputs import MAX_TEXTS
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
"""What each dialect's word for numbers means."""

# Checked by hand, as lists of two kinds are: pydantic's complaints about unions help nobody.
TRUNCATE: JsonDict = {"enum": ["end", "start", "error", True, False]}
_TITLES: JsonDict = {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}


class CutBody(RequestBody):
    """How vectors may be cut, for dialects that have no field for it."""

    additions = frozenset(("any_dimensions", "rotation"))

    any_dimensions: bool = Field(
        default=False, description="Allow `dimensions` that the model was not trained for."
    )
    rotation: str | None = Field(
        None,
        max_length=100,
        description="The rotation to turn vectors by before they are cut: see /rotations.",
    )


class ExtendedBody(CutBody):
    """What every dialect's embeddings may be asked for, if it has no field of its own for it."""

    additions = CutBody.additions | {"titles"}

    titles: list[Any] | None = Field(
        None,
        max_length=MAX_TEXTS,
        description="The titles of the texts, null for one without.",
        json_schema_extra=_TITLES,
    )


class VectorsBody(ExtendedBody):
    """What our own route and OpenAI's may be asked of the vectors."""

    additions = ExtendedBody.additions | {
        "dimensions",
        "output_dtype",
        "encoding_format",
        "truncate",
    }

    # No bounds here: the model's own check lists the lengths that it allows.
    dimensions: int | None = Field(None, description="Shorter vectors, where the model allows it.")
    output_dtype: OutputDtype = Field(
        "float32",
        description="What numbers are: int8 and uint8 come with `scales`; binary and ubinary hold "
        "a bit for each value, eight to a byte.",
    )
    encoding_format: EncodingFormat = Field(
        "float", description="Lists of numbers, or base64 of their little-endian bytes."
    )
    truncate: Any = Field(
        None,
        description="What becomes of a text longer than the model's window: cut its `end` or "
        "`start`, or an `error` (default). `true` is `end`, `false` is `error`.",
        json_schema_extra=TRUNCATE,
    )

    @property
    def output(self) -> Output:
        """What the vectors are written as."""
        return output_of(self.output_dtype, is_base64=self.encoding_format == "base64")


class VectorsAnswer(BaseModel):
    """What made the vectors, and what goes with them.

    ``offsets`` come with several vectors a text, for late interaction: text i has the vectors from
    ``offsets[i]`` to ``offsets[i + 1]``. ``scales`` come with int8 and uint8, one for each vector.
    """

    revision: str
    precision: str
    dimensions: int
    output_dtype: str
    rotation: str | None
    offsets: list[int] | None = None
    scales: list[float] | None = None


class Usage(BaseModel):
    """Tokens that the model saw, special tokens included; null where its vendor does not tell."""

    prompt_tokens: int | None
    total_tokens: int | None


def output_of(dtype: str, *, is_base64: bool) -> Output:
    """What vectors are written as. Raises KeyError for a word that no dialect has."""
    return replace(OUTPUTS[dtype], base64=is_base64) if is_base64 else OUTPUTS[dtype]


def facts(ask: EmbedAsk, answer: EmbedAnswer) -> dict[str, Any]:
    """What made the vectors, and the vectors with what goes with them."""
    output = ask.outputs[0]
    return {
        "revision": answer.card.revision,
        "precision": answer.precision,
        "dimensions": answer.encoded.embeddings.width,
        "output_dtype": output.name,
        "rotation": ask.rotation,
        **answer.wire(output, first=ask.first),
    }


def usage(total_tokens: int) -> dict[str, int | None]:
    """The tokens of all texts together, as OpenAI's answers give them; null where not known."""
    tokens = None if total_tokens == UNKNOWN else total_tokens
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def known(counts: Counts) -> Counts | list[int | None]:
    """Counts of tokens as an answer gives them: null where a remote vendor does not tell."""
    if (counts >= 0).all():
        return counts
    return [None if count < 0 else count for count in counts.tolist()]
