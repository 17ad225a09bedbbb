"""What goes in and out, as /docs shows it.

The routes that answer with vectors or chunks write their bytes themselves, in these shapes.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from bindery.faces.http.bodies import Body

MAX_TEXTS = 2048
"""Texts in one request, as OpenAI has it."""

_MOST_DIMENSIONS = 1 << 16

# Lists of either kind are checked by hand: pydantic's complaints about unions help nobody.
_CHUNKS: JsonDict = {
    "items": {
        "anyOf": [
            {"type": "string"},
            {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        ]
    }
}
_INPUT: JsonDict = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_TEXTS},
    ]
}

EncodingFormat = Literal["float", "base64"]
Truncate = Literal["end", "error"]


class GenerateBody(Body):
    """Chunks to embed."""

    chunks: list[Any] = Field(
        max_length=MAX_TEXTS,
        description="Texts, or the chunks that GET /chunk gives, of which the text is used.",
        json_schema_extra=_CHUNKS,
    )
    role: str = Field(
        "document", max_length=100, description="query, document, or a task of the model."
    )
    dimensions: int | None = Field(
        None, ge=1, le=_MOST_DIMENSIONS, description="Shorter vectors, where the model allows it."
    )
    encoding_format: EncodingFormat = Field("float", description="base64 is little-endian float32.")
    truncate: Truncate = Field(
        "end", description="What to do with a text longer than the model's window."
    )


class GenerateAnswer(BaseModel):
    """Embeddings in the order of the chunks, and what became of each chunk."""

    model_id: str
    revision: str
    precision: str
    total_chunks: int
    dimensions: int
    tokens_used: list[int]
    tokens_cut: list[int]
    embeddings: list[list[float]] | list[str]


class EmbeddingsBody(Body):
    """OpenAI's request, with ``input_type`` and ``truncate`` besides."""

    input: Any = Field(description="A text, or a list of texts.", json_schema_extra=_INPUT)
    model: str = Field(max_length=200)
    encoding_format: EncodingFormat = "float"
    dimensions: int | None = Field(None, ge=1, le=_MOST_DIMENSIONS)
    input_type: str = Field("document", max_length=100)
    truncate: Truncate = "end"


class Embedding(BaseModel):
    """One vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens that the model saw, special tokens included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """OpenAI's answer."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class ModelAnswer(BaseModel):
    """A model as OpenAI lists them, and what else there is to know of it."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str
    state: str
    family: str
    dimensions: int
    nested_dimensions: list[int]
    max_tokens: int
    revision: str
    licence: str


class ModelsAnswer(BaseModel):
    """Every model of the catalog, whatever its state."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]


class FileAnswer(BaseModel):
    """A kept file; ``file_id`` is the SHA-256 of its content."""

    file_id: str
    filename: str
    size_bytes: int
    uploaded_at: datetime


class FilesAnswer(BaseModel):
    """Every kept file, oldest first."""

    total_files: int
    files: list[FileAnswer]


class DeletedAnswer(BaseModel):
    """What is gone."""

    file_id: str
    deleted: Literal[True] = True


class ChunkAnswer(BaseModel):
    """A piece of the document: code points ``start`` to ``end`` of its text.

    ``tokens`` are those of the text alone; ``truncated_tokens`` of them the model would not see.
    ``heading`` is the one it stands under.
    """

    index: int
    start: int
    end: int
    text: str
    tokens: int
    truncated_tokens: int
    page: int | None
    heading: str | None


class ChunksAnswer(BaseModel):
    """A document in chunks; ``warnings`` say what its reader had to guess or leave out."""

    file_id: str
    filename: str
    kind: str
    strategy: str
    model: str
    size: int
    overlap: int
    total_chunks: int
    total_characters: int
    warnings: list[str]
    chunks: list[ChunkAnswer]


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"
    version: str


class ModelReadiness(BaseModel):
    """One model; where it cannot answer, why, and what to do."""

    id: str
    state: str
    code: str | None = None
    message: str | None = None
    remedy: str | None = None


class ReadyAnswer(BaseModel):
    """Whether every model that is on this machine answers with the right numbers."""

    status: Literal["ready", "loading", "not_ready"]
    models: list[ModelReadiness]


class ErrorDetail(BaseModel):
    """What is wrong, by which code, in which field, and what to do about it."""

    message: str
    type: str
    param: str | None
    code: str
    remedy: str


class ErrorAnswer(BaseModel):
    """What every route answers when it cannot do what was asked."""

    error: ErrorDetail
