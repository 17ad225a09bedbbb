"""The models of answers, as /docs shows them.

Routes that return vectors or chunks write their bytes themselves, in these shapes.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ModelAnswer(BaseModel):
    """A model in OpenAI's format, with our own fields.

    ``name``, ``endpoints`` and ``context_length`` are Cohere's fields.
    """

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
    name: str
    endpoints: list[str]
    context_length: int


class ModelsAnswer(BaseModel):
    """Every model of the catalog, whatever its state."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]


class RotationAnswer(BaseModel):
    """A fitted rotation; ``energy`` is the share kept by the first n dimensions, for several n."""

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
    """What is wrong, its stable code, and how to fix it."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    message: str
    remedy: str


class ModelRow(BaseModel):
    """A row of the catalog; ``error`` says why the model cannot answer, and how to fix that.

    Vectors have ``dimensions`` values and can be cut to ``nested_dimensions``. ``query_max_tokens``
    is the window of queries if it differs. ``prompts`` are put before texts, by role. ``languages``
    are those that it is meant for (ISO 639-1, or "multilingual"), empty if they are not known.
    ``repository`` and ``revision`` are empty for a remote model. ``size_mb`` is about how large its
    files are (null if not known), and ``purpose`` what it is for. ``gated`` models require that you
    accept their terms. ``verified`` rows were checked against the files of the model (null for a
    remote model).
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
    languages: list[str]
    repository: str
    revision: str
    licence: str
    size_mb: int | None
    purpose: str
    gated: bool
    verified: bool | None
    error: ErrorFacts | None


class RowsAnswer(BaseModel):
    """Every model of the catalog, whatever its state; ``data`` lists them in OpenAI's format."""

    total_models: int
    models: list[ModelRow]
    object: Literal["list"] = "list"
    data: list[ModelAnswer]


class FileAnswer(BaseModel):
    """A stored file; ``file_id`` is the SHA-256 of its content."""

    model_config = ConfigDict(from_attributes=True)

    file_id: str = Field(validation_alias="id")
    filename: str = Field(validation_alias="name")
    size_bytes: int
    uploaded_at: datetime


class FilesAnswer(BaseModel):
    """All files, oldest first."""

    total_files: int
    files: list[FileAnswer]


class DeletedAnswer(BaseModel):
    """The deleted file."""

    file_id: str
    deleted: Literal[True] = True


class SpanAnswer(BaseModel):
    """Code points ``start`` to ``end`` of the document's text."""

    start: int
    end: int


class ChunkAnswer(BaseModel):
    """A piece of the document: code points ``start`` to ``end`` of its text.

    ``context`` is put before the text when it is embedded; ``tokens`` counts both. The model would
    not see the last ``tokens_cut`` of them, which begin at ``cut_at``. ``headings`` are those above
    the chunk, outermost first, and ``heading`` is the last of them. ``parent`` is the larger piece
    to show instead.
    """

    index: int
    start: int
    end: int
    text: str
    context: str
    tokens: int
    tokens_cut: int
    cut_at: int | None
    page: int | None
    last_page: int | None
    heading: str | None
    headings: list[str]
    parent: SpanAnswer | None


class ChunksAnswer(BaseModel):
    """The chunks of a document; ``warnings`` say what its reader had to guess or leave out.

    ``tokens_spent`` counts the tokens that the model read to find where to cut; only the strategy
    ``semantic`` needs any.
    """

    file_id: str
    filename: str
    kind: str
    strategy: str
    model: str
    size: int
    overlap: int
    context: str
    total_chunks: int
    total_characters: int
    tokens_spent: int
    warnings: list[str]
    chunks: list[ChunkAnswer]


class HealthAnswer(BaseModel):
    """The process is running."""

    status: Literal["ok"] = "ok"
    version: str


class ModelReadiness(BaseModel):
    """A model; if it cannot answer, why, and how to fix that."""

    id: str
    state: str
    code: str | None = None
    message: str | None = None
    remedy: str | None = None


class ReadyAnswer(BaseModel):
    """Whether every model on this machine is loaded and passed its self-test.

    ``models`` are those on this machine, and the usual one if there are none. ``storage`` says what
    is wrong with the disk, else null: if it failed, the server is not ready; if it is almost full
    or read-only, only uploads fail.
    """

    status: Literal["ready", "loading", "not_ready", "draining"]
    models: list[ModelReadiness]
    storage: str | None = None


class ErrorDetail(BaseModel):
    """What is wrong, its stable code, the field, and how to fix it."""

    message: str
    type: str
    param: str | None
    code: str
    remedy: str


class ErrorAnswer(BaseModel):
    """The answer of every route to a request that fails."""

    error: ErrorDetail
