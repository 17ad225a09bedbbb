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

MAX_DOCUMENTS = 1000
"""Documents to order in one request, as Cohere has it."""


# Lists of either kind are checked by hand: pydantic's complaints about unions help nobody.
_CHUNKS: JsonDict = {
    "items": {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"text": {"type": "string"}, "title": {"type": "string"}},
                "required": ["text"],
            },
        ]
    }
}
_TITLES: JsonDict = {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
_INPUT: JsonDict = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_TEXTS},
    ]
}
_DOCUMENTS: JsonDict = {
    "items": {
        "anyOf": [
            {"type": "string"},
            {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        ]
    }
}

EncodingFormat = Literal["float", "base64"]
OutputDtype = Literal["float", "float32", "float16", "int8", "binary", "ubinary"]
Truncate = Literal["end", "error"]


class VectorsBody(Body):
    """What both embedding routes may be asked of the vectors."""

    # No bounds here: the model's own check lists the lengths that it allows.
    dimensions: int | None = Field(None, description="Shorter vectors, where the model allows it.")
    any_dimensions: bool = Field(
        default=False, description="Allow `dimensions` that the model was not trained for."
    )
    rotation: str | None = Field(
        None,
        max_length=100,
        description="The rotation to turn vectors by before they are cut: see /rotations.",
    )
    titles: list[Any] | None = Field(
        None,
        max_length=MAX_TEXTS,
        description="The titles of the texts, null for one without.",
        json_schema_extra=_TITLES,
    )
    output_dtype: OutputDtype = Field(
        "float32",
        description="What numbers are: int8 comes with `scales`; binary and ubinary hold a bit "
        "for each value, eight to a byte.",
    )
    encoding_format: EncodingFormat = Field(
        "float", description="Lists of numbers, or base64 of their little-endian bytes."
    )
    truncate: Truncate = Field(
        "end", description="What to do with a text longer than the model's window."
    )


class GenerateBody(VectorsBody):
    """Chunks to embed."""

    chunks: list[Any] = Field(
        max_length=MAX_TEXTS,
        description="Texts, or chunks as GET /chunk gives them, of which text and title are used.",
        json_schema_extra=_CHUNKS,
    )
    role: str = Field(
        "document", max_length=100, description="query, document, or a task of the model."
    )


class VectorsAnswer(BaseModel):
    """What made the vectors, and what goes with them.

    ``offsets`` come with several vectors a text, for late interaction: text i has the vectors from
    ``offsets[i]`` to ``offsets[i + 1]``. ``scales`` come with int8, one for each vector.
    """

    revision: str
    precision: str
    dimensions: int
    output_dtype: str
    rotation: str | None
    offsets: list[int] | None = None
    scales: list[float] | None = None


class GenerateAnswer(VectorsAnswer):
    """Embeddings in the order of the chunks, and what became of each chunk.

    Counts of tokens are null where a remote model's vendor does not tell them.
    """

    model_id: str
    total_chunks: int
    tokens_used: list[int | None]
    tokens_cut: list[int | None]
    embeddings: list[list[float]] | list[list[list[float]]] | list[str]


class EmbeddingsBody(VectorsBody):
    """OpenAI's request, and what the vectors may be asked for besides."""

    input: Any = Field(description="A text, or a list of texts.", json_schema_extra=_INPUT)
    model: str = Field(max_length=200)
    input_type: str = Field("document", max_length=100)


class Embedding(BaseModel):
    """The vector of one text; with late interaction its vectors."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | list[list[float]] | str


class Usage(BaseModel):
    """Tokens that the model saw, special tokens included; null where its vendor does not tell."""

    prompt_tokens: int | None
    total_tokens: int | None


class EmbeddingsAnswer(VectorsAnswer):
    """OpenAI's answer, and what made the vectors."""

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


class RerankBody(Body):
    """Documents to put in the order in which they answer a query, as Cohere and Jina ask."""

    model: str = Field(max_length=200)
    query: str
    documents: list[Any] = Field(
        max_length=MAX_DOCUMENTS,
        description="Texts, or objects with a `text`.",
        json_schema_extra=_DOCUMENTS,
    )
    top_n: int | None = Field(None, ge=1, description="Give the best so many; all if not.")
    return_documents: bool = Field(default=False, description="Give the documents back, too.")
    weight: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Of late interaction in a dense model's score; the rest is the cosine's.",
    )


class RankedDocument(BaseModel):
    """A document's text."""

    text: str


class RankedAnswer(BaseModel):
    """A document's place: ``index`` is its place in the request.

    ``relevance_score`` is what orders; ``normalised_score`` is in [-1, 1] for every model.
    """

    index: int
    relevance_score: float
    normalised_score: float
    document: RankedDocument | None = None


class RerankAnswer(BaseModel):
    """The documents, the best first; ``usage`` counts the tokens of the texts alone."""

    model: str
    revision: str
    precision: str
    results: list[RankedAnswer]
    usage: Usage


class RotationAnswer(BaseModel):
    """A fitted rotation; ``energy`` is the share that the first so many dimensions keep."""

    name: str
    model: str
    revision: str
    dimensions: int
    fitted_on: int
    digest: str
    energy: dict[str, float]


class RotationsAnswer(BaseModel):
    """Every rotation, by name."""

    total_rotations: int
    rotations: list[RotationAnswer]


class ErrorFacts(BaseModel):
    """What is wrong, by which code, and what to do about it."""

    code: str
    message: str
    remedy: str


class ModelRow(BaseModel):
    """A row of the catalog; ``error`` says why it cannot answer, and what to do.

    ``dimensions`` are the full ones, ``nested_dimensions`` what vectors may be cut to.
    ``query_max_tokens`` is the window of queries where it is another. ``prompts`` are put before
    texts, by role. ``repository`` and ``revision`` are empty for a remote model. ``gated`` models
    want their terms accepted first; ``verified`` rows were held against
    the model's own files (null for a remote model, which has none here).
    """

    id: str
    state: str
    family: str
    dimensions: int
    nested_dimensions: list[int]
    max_tokens: int
    query_max_tokens: int | None
    roles: list[str]
    prompts: dict[str, str]
    takes_titles: bool
    repository: str
    revision: str
    licence: str
    gated: bool
    verified: bool | None
    error: ErrorFacts | None


class RowsAnswer(BaseModel):
    """Every model of the catalog, whatever its state."""

    total_models: int
    models: list[ModelRow]


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
