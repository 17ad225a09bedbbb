"""The bodies and answers of OpenAI's vector stores, with our additions."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from bindery.faces.http.bodies import RequestBody
from bindery.jobs import JobState
from bindery.options import ChunkOptions
from bindery.search.answers import Hit
from bindery.search.vector_stores import MOST_BATCH, StoreBatch, VectorStore
from bindery.store.vector_stores import StoreFile, StoreFileState

_LONGEST_DESCRIPTION = 512
_MOST_DAYS = 365
_MOST_RESULTS = 50
_LONGEST_NAME = 256


class ExpiresAfter(BaseModel):
    """How long after its last use a store expires."""

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=_MOST_DAYS)


class StaticChunking(BaseModel):
    """The size of chunks and what each repeats, in tokens of the model."""

    max_chunk_size_tokens: int = Field(ge=1)
    chunk_overlap_tokens: int = Field(ge=0)


class ChunkingStrategy(BaseModel):
    """``auto``, or a size."""

    type: Literal["auto", "static"]
    static: StaticChunking | None = None


class StoreBody(RequestBody):
    """A new vector store."""

    additions = frozenset(("model",))

    name: str | None = Field(None, max_length=_LONGEST_NAME)
    description: str | None = Field(None, max_length=_LONGEST_DESCRIPTION)
    file_ids: list[str] | None = Field(None, max_length=MOST_BATCH)
    chunking_strategy: ChunkingStrategy | None = None
    expires_after: ExpiresAfter | None = None
    metadata: dict[str, str] | None = None
    model: str = Field("", max_length=200, description="Ours: the model; by default the server's.")


class StoreChangeBody(RequestBody):
    """What to change of a vector store; ``null`` unsets a field."""

    name: str | None = Field(None, max_length=_LONGEST_NAME)
    expires_after: ExpiresAfter | None = None
    metadata: dict[str, str] | None = None


class StoreFileBody(RequestBody):
    """A file to attach."""

    file_id: str
    attributes: dict[str, Any] | None = None
    chunking_strategy: ChunkingStrategy | None = None


class BatchBody(RequestBody):
    """Files to attach: ids with the same attributes, or each with its own."""

    file_ids: list[str] | None = Field(None, max_length=MOST_BATCH)
    files: list[StoreFileBody] | None = Field(None, max_length=MOST_BATCH)
    attributes: dict[str, Any] | None = None
    chunking_strategy: ChunkingStrategy | None = None


class StoreAttributesBody(RequestBody):
    """The new attributes of a file, in place of all that it had."""

    attributes: dict[str, Any]


class RankingOptions(BaseModel):
    """What to rank by, and the least score of a result."""

    ranker: str = "auto"
    score_threshold: float | None = None


class StoreSearchBody(RequestBody):
    """A search, with OGX's ``search_mode`` and our ``cursor``."""

    additions = frozenset(("search_mode", "cursor"))

    query: Any = Field(description="A question, or a list of them, whose results are merged.")
    max_num_results: int = Field(10, ge=1, le=_MOST_RESULTS)
    filters: Any = Field(None, description="As OpenAI's, or text such as `year >= 2020`.")
    ranking_options: RankingOptions | None = None
    rewrite_query: bool = Field(default=False, description="Queries are never rewritten.")
    search_mode: Literal["vector", "keyword", "hybrid"] | None = None
    cursor: str | None = Field(
        None, max_length=100_000, description="`next_page` of the answer before."
    )


class FileCounts(BaseModel):
    """How many files are in each state."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class StoreObject(BaseModel):
    """A vector store; ``collection`` and ``model`` are ours."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["expired", "in_progress", "completed"]
    expires_after: ExpiresAfter | None
    expires_at: int | None
    last_active_at: int
    metadata: dict[str, str]
    collection: str
    model: str


class LastError(BaseModel):
    """Why a file failed; ``error_code`` is our code."""

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str
    error_code: str


class StoreFileObject(BaseModel):
    """A file of a vector store; ``filename`` is ours."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    usage_bytes: int
    created_at: int
    vector_store_id: str
    status: StoreFileState
    last_error: LastError | None
    attributes: dict[str, Any]
    chunking_strategy: ChunkingStrategy
    filename: str


class BatchObject(BaseModel):
    """Files that were attached together."""

    id: str
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    file_counts: FileCounts


class StoreDeleted(BaseModel):
    """A deleted store, or a file that was removed from one."""

    id: str
    object: Literal["vector_store.deleted", "vector_store.file.deleted"]
    deleted: Literal[True] = True


class StoreList(BaseModel):
    """A page of stores."""

    object: Literal["list"] = "list"
    data: list[StoreObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class StoreFileList(BaseModel):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[StoreFileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class TextPart(BaseModel):
    """A text."""

    type: Literal["text"] = "text"
    text: str


class ContentPage(BaseModel):
    """The text of a file."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[TextPart]
    has_more: Literal[False] = False
    next_page: None = None
    file_id: str
    filename: str
    attributes: dict[str, Any]


class StoreResult(BaseModel):
    """A passage that was found; the fields after ``content`` are ours."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, Any]
    content: list[TextPart]
    chunk_id: str
    start: int
    end: int
    page: int | None
    last_page: int | None
    headings: list[str]
    text_sha256: str
    url: str


class StoreResults(BaseModel):
    """The results, best first; the fields after ``next_page`` are ours."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[StoreResult]
    has_more: bool
    next_page: str | None
    mode: str
    model: str
    is_exact: bool
    stages: list[dict[str, Any]]


def counts_of(counts: Mapping[StoreFileState, int]) -> FileCounts:
    """The counts of states, those that are missing as 0."""
    named = {state.value: counts.get(state, 0) for state in StoreFileState}
    return FileCounts(**named, total=sum(named.values()))


def store_object(store: VectorStore) -> StoreObject:
    """A store in OpenAI's format."""
    facts, expires_at = store.facts, store.facts.expires_at
    status = "in_progress" if store.counts.get(StoreFileState.IN_PROGRESS) else "completed"
    days = facts.expires_days
    return StoreObject(
        id=store.id,
        created_at=int(store.created_at),
        name=store.name,
        description=facts.description,
        usage_bytes=store.usage_bytes,
        file_counts=counts_of(store.counts),
        status="expired" if facts.is_expired else status,
        expires_after=None if days is None else ExpiresAfter(anchor="last_active_at", days=days),
        expires_at=None if expires_at is None else int(expires_at),
        last_active_at=int(facts.last_active_at),
        metadata=dict(facts.metadata or {}),
        collection=store.collection.name,
        model=store.collection.recipe.model,
    )


_UNSUPPORTED = {"unsupported_kind"}
_INVALID = {
    *("broken_document", "password_protected", "parse_timeout", "file_too_large"),
    *("quarantined", "invalid_input", "invalid_value", "unknown_file", "text_failed"),
}


def file_object(store_id: str, file: StoreFile, chunks: ChunkOptions) -> StoreFileObject:
    """A file in OpenAI's format; its chunks are those of the collection's recipe."""
    error = None
    if file.error_code:
        invalid = "invalid_file" if file.error_code in _INVALID else "server_error"
        error = LastError(
            code="unsupported_file" if file.error_code in _UNSUPPORTED else invalid,
            message=file.error_message,
            error_code=file.error_code,
        )
    made = StaticChunking(
        max_chunk_size_tokens=chunks.size or 0, chunk_overlap_tokens=chunks.overlap
    )
    return StoreFileObject(
        id=file.id,
        usage_bytes=file.usage_bytes,
        created_at=int(file.created_at),
        vector_store_id=store_id,
        status=file.state,
        last_error=error,
        attributes=dict(file.attributes),
        chunking_strategy=ChunkingStrategy(type="static", static=made),
        filename=file.filename,
    )


def batch_object(store_id: str, batch: StoreBatch) -> BatchObject:
    """A batch in OpenAI's format."""
    counts = counts_of({s: sum(f.state is s for f in batch.files) for s in StoreFileState})
    state = batch.job.state
    is_cancelled = state is JobState.CANCELLED
    over = "cancelled" if is_cancelled else "completed" if counts.completed else "failed"
    if not batch.files and not is_cancelled:  # all were removed since
        over = "completed"
    return BatchObject(
        id=batch.id,
        created_at=int(batch.job.created_at),
        vector_store_id=store_id,
        status=over if state.is_over else "in_progress",
        file_counts=counts,
    )


def result_of(hit: Hit, filename: str, address: str) -> StoreResult:
    """A hit in OpenAI's format."""
    return StoreResult(
        file_id=hit.file_id,
        filename=filename,
        score=hit.score,
        attributes=dict(hit.attributes or {}),
        content=[TextPart(text=hit.text)],
        chunk_id=hit.id,
        start=hit.span.start,
        end=hit.span.end,
        page=hit.page,
        last_page=hit.last_page,
        headings=list(hit.headings),
        text_sha256=hit.text_sha256,
        url=hit.url(address),
    )
