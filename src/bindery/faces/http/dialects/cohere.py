"""Cohere's dialect, versions 1 and 2: several forms per answer, and long texts cut by default."""

from dataclasses import replace
from typing import Any, Literal
from uuid import uuid4

import numpy as np
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from bindery.encoders.base import UNKNOWN
from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.dialects import tokens
from bindery.faces.http.dialects.base import (
    Dialect,
    EmbedAnswer,
    EmbedRequest,
    Output,
    Parameters,
    Translation,
)
from bindery.faces.http.dialects.inputs import MAX_TEXTS, roles_of, texts_of
from bindery.faces.http.dialects.vectors import OUTPUTS, ExtendedBody, vector_options

_OUTPUTS = {
    **{name: OUTPUTS[name] for name in ("float", "int8", "uint8", "binary", "ubinary")},
    "base64": Output(base64=True),
}
_NAMES = {output: name for name, output in _OUTPUTS.items()}
_TYPES: JsonDict = {"items": {"type": "string", "enum": [*_OUTPUTS]}, "minItems": 1}
_ANSWER_ID = "0e1c7f2a-8a52-4b0e-9d0f-0d6f1f5c2a11"
_TEXTS: JsonDict = {"items": {"type": "string"}, "minItems": 1, "maxItems": MAX_TEXTS}


class CohereBody(ExtendedBody):
    """Cohere's request."""

    model: str = Field("", max_length=200, description="The default is that of the server.")
    texts: list[Any] = Field(json_schema_extra=_TEXTS)
    input_type: str = Field(
        "search_document",
        max_length=100,
        description="search_query, search_document, classification, clustering, or a role or task "
        "of the model.",
    )
    embedding_types: list[str] | None = Field(None, max_length=20, json_schema_extra=_TYPES)
    output_dimension: int | None = Field(
        None, description="Shorter vectors, if the model supports it."
    )
    truncate: Any = Field(
        "END",
        description="For texts that are too long: the side to cut, or NONE to refuse them.",
        json_schema_extra={"enum": ["END", "START", "NONE"]},
    )


class CohereMeta(BaseModel):
    """Usage; ``warnings`` name each text that was cut, and the number of cut tokens."""

    api_version: dict[str, str] = Field(examples=[{"version": "2"}])
    billed_units: dict[str, int] = Field(examples=[{"input_tokens": 10}])
    warnings: list[str] | None = None


class CohereAnswer(BaseModel):
    """Embeddings by form; int8 and uint8 come with ``scales``."""

    id: str = Field(examples=[_ANSWER_ID])
    response_type: Literal["embeddings_by_type"]
    embeddings: dict[str, Any] = Field(examples=[{"float": [[-0.1002, 0.0913, 0.0477]]}])
    texts: list[str]
    meta: CohereMeta
    scales: list[float] | None = None


class CoherePlainAnswer(BaseModel):
    """Embeddings in the format of version 1."""

    id: str = Field(examples=[_ANSWER_ID])
    response_type: Literal["embeddings_floats"]
    embeddings: list[list[float]]
    texts: list[str]
    meta: CohereMeta


def _read(body: CohereBody, _: Parameters) -> EmbedRequest:
    if not body.texts:
        raise InvalidValue(
            "texts must not be empty.", remedy="Send at least one text.", param="texts"
        )
    names = list(dict.fromkeys(body.embedding_types or ["float"]))
    unknown = [name for name in names if name not in _OUTPUTS]
    if unknown:
        raise InvalidValue(
            f"embedding_types must be of: {', '.join(_OUTPUTS)}.",
            remedy="Leave other types out.",
            param="embedding_types",
        )
    return EmbedRequest(
        model=body.model,
        inputs=texts_of(body.texts, "texts"),
        options=vector_options(body, body.truncate, dimensions=body.output_dimension),
        roles=roles_of(body.input_type),
        titles=body.titles,
        outputs=tuple(_OUTPUTS[name] for name in names),
    )


def _write(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    """The answer of version 2, and of version 1 with ``embedding_types``."""
    wires = {output: answer.wire(output) for output in ask.outputs}
    scales = [wire["scales"] for wire in wires.values() if "scales" in wire]
    return {
        "response_type": "embeddings_by_type",
        "embeddings": {_NAMES[output]: wire["embeddings"] for output, wire in wires.items()},
        **({"scales": scales[0]} if scales else {}),
        **_rest(answer, version="2"),
    }


def _write_plain(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    """The answer of version 1 without ``embedding_types``."""
    return {
        "response_type": "embeddings_floats",
        "embeddings": answer.wire(ask.outputs[0])["embeddings"],
        **_rest(answer, version="1"),
    }


def _rest(answer: EmbedAnswer, *, version: str) -> dict[str, Any]:
    encoded = answer.encoded
    total = encoded.total_tokens
    warnings = [
        f"Text {index}: {encoded.tokens_cut[index]} tokens were cut."
        for index in np.flatnonzero(encoded.tokens_cut > 0).tolist()
    ]
    return {
        "id": str(uuid4()),
        "texts": answer.texts,
        "meta": {
            "api_version": {"version": version},
            "billed_units": {} if total == UNKNOWN else {"input_tokens": total},
            **({"warnings": warnings} if warnings else {}),
        },
    }


_EMBED = Translation(
    paths=("/v2/embed",),
    name="cohere_embed",
    summary="Embed texts",
    about="Version 2 of Cohere's API, with every form in `embedding_types`. Long texts are cut at "
    "their end, with a warning in `meta.warnings`, unless `truncate` is NONE.",
    body=CohereBody,
    answer=CohereAnswer,
    read=_read,
    write=_write,
    examples={
        "Two texts": {"model": examples.MODEL, "input_type": "search_document"},
        "In two forms": {
            "model": examples.MODEL,
            "texts": [examples.QUESTION],
            "input_type": "search_query",
            "embedding_types": ["int8", "base64"],
        },
    },
    names={
        "role": "input_type",
        "dimensions": "output_dimension",
        "form": "embedding_types",
        "output": "embedding_types",
    },
    to_cut='"truncate": "END"',
)
_EMBED_1 = replace(
    _EMBED,
    paths=("/v1/embed",),
    name="cohere_embed_1",
    summary="Embed texts (version 1)",
    about="Version 1 of Cohere's API: a plain list unless `embedding_types` are given.",
)

COHERE = Dialect(
    "Cohere",
    embeds=(
        _EMBED,
        replace(_EMBED_1, answer=CoherePlainAnswer, write=_write_plain),
        replace(_EMBED_1, name="cohere_embed_1_by_type", marks=frozenset({"embedding_types"})),
    ),
    others=tokens.cohere,
)
