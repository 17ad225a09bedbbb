"""Ollama's dialect, for embedding models."""

from datetime import UTC, datetime
from typing import Any, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

import bindery
from bindery.encoders.base import UNKNOWN
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_body, read_body
from bindery.faces.http.dialects.base import (
    Dialect,
    EmbedAnswer,
    EmbedRequest,
    Parameters,
    Translation,
)
from bindery.faces.http.dialects.inputs import MAX_TEXTS, texts_of
from bindery.faces.http.dialects.vectors import ExtendedBody, vector_options
from bindery.faces.http.services import AppServices
from bindery.library import Library, ModelState
from bindery.models.card import ModelCard

router = APIRouter(prefix="/api", tags=["Ollama"])

_INPUT: JsonDict = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "maxItems": MAX_TEXTS},
    ]
}
# Ollama's clients require a time, but the time of a model's last change is not known.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class OllamaBody(ExtendedBody):
    """Ollama's request. ``options`` and ``keep_alive`` are ignored: they are for chat models."""

    model: str = Field(max_length=200)
    input: Any = Field(description="A text, or a list of texts.", json_schema_extra=_INPUT)
    truncate: bool = Field(default=True, description="Cut long texts (true), or refuse them.")
    dimensions: int | None = Field(None, description="Shorter vectors, if the model supports it.")


class OllamaPromptBody(ExtendedBody):
    """Ollama's request for one text."""

    model: str = Field(max_length=200)
    prompt: str


class OllamaAnswer(BaseModel):
    """Vectors in the order of the texts; ``prompt_eval_count`` counts the tokens of all texts."""

    model: str
    embeddings: list[list[float]]
    prompt_eval_count: int | None = Field(None, examples=[10])


class OllamaPromptAnswer(BaseModel):
    """The vector of the one text."""

    embedding: list[float]


class OllamaDetails(BaseModel):
    """Ollama's description of a model file."""

    format: str = "safetensors"
    family: str
    families: list[str]
    parameter_size: str = ""
    quantization_level: str = ""


class OllamaModel(BaseModel):
    """A model on this machine; ``digest`` is its revision."""

    name: str
    model: str
    modified_at: datetime = _NO_TIME
    size: int = 0
    digest: str
    details: OllamaDetails


class OllamaModels(BaseModel):
    """Every model on this machine."""

    models: list[OllamaModel]


class ShowBody(RequestBody):
    """The model to describe."""

    model: str = Field("", max_length=200)
    name: str = Field("", max_length=200, description="The name of `model` in older clients.")


class ShowAnswer(BaseModel):
    """A model."""

    license: str
    modified_at: datetime = _NO_TIME
    details: OllamaDetails
    model_info: dict[str, str | int]
    capabilities: list[str]


class VersionAnswer(BaseModel):
    """Bindery's version, not Ollama's."""

    version: str


def _read(body: OllamaBody, _: Parameters) -> EmbedRequest:
    return EmbedRequest(
        model=body.model,
        inputs=texts_of(_listed(body.input), "input"),
        options=vector_options(body, body.truncate),
        titles=body.titles,
    )


def _listed(given: object) -> list[Any]:
    if isinstance(given, list):
        return cast("list[Any]", given)
    return [given]


def _read_prompt(body: OllamaPromptBody, _: Parameters) -> EmbedRequest:
    return EmbedRequest(
        model=body.model,
        inputs=[body.prompt],
        options=vector_options(body, "end"),
        titles=body.titles,
    )


def _write(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    total = answer.encoded.total_tokens
    return {
        "model": ask.model,
        "embeddings": answer.wire(ask.outputs[0])["embeddings"],
        **({} if total == UNKNOWN else {"prompt_eval_count": total}),
    }


def _write_prompt(ask: EmbedRequest, answer: EmbedAnswer) -> dict[str, Any]:
    return {"embedding": answer.wire(ask.outputs[0])["embeddings"][0]}


@router.get("/tags", summary="List models", name="ollama_tags")
async def tags(services: AppServices) -> OllamaModels:
    """The models on this machine, and remote models."""
    return await services.looking.run(_tags, services.library)


@router.post(
    "/show",
    summary="Describe a model",
    name="ollama_show",
    openapi_extra=examples.body(ShowBody, {"A model": {"model": examples.MODEL}}),
)
async def show(request: Request, services: AppServices) -> ShowAnswer:
    """One model of the catalog."""
    body = parse_body(await read_body(request), ShowBody)
    status = await services.looking.run(
        services.library.status, services.names.model_id(body.model or body.name)
    )
    card = status.card
    return ShowAnswer(
        license=card.licence,
        details=_details(card),
        model_info={
            "general.architecture": card.family.value,
            f"{card.family.value}.embedding_length": card.dimensions,
            f"{card.family.value}.context_length": card.max_tokens,
        },
        capabilities=["embedding"],
    )


@router.get("/version", summary="Get the version", name="ollama_version")
async def version() -> VersionAnswer:
    """The version of Bindery, not of Ollama."""
    return VersionAnswer(version=bindery.__version__)


def _tags(library: Library) -> OllamaModels:
    cards = [status.card for status in library.statuses() if status.state in _HERE]
    return OllamaModels(
        models=[
            OllamaModel(name=card.id, model=card.id, digest=card.revision, details=_details(card))
            for card in cards
        ]
    )


_HERE = {ModelState.LOADED, ModelState.PRESENT, ModelState.REMOTE}


def _details(card: ModelCard) -> OllamaDetails:
    return OllamaDetails(family=card.family.value, families=[card.family.value])


OLLAMA = Dialect(
    "Ollama",
    embeds=(
        Translation(
            paths=("/api/embed",),
            name="ollama_embed",
            summary="Embed texts",
            about="Ollama's API. Long texts are cut unless `truncate` is false; the header "
            "`x-bindery-truncated-tokens` counts the tokens that were cut.",
            body=OllamaBody,
            answer=OllamaAnswer,
            read=_read,
            write=_write,
            examples={
                "One text": {"input": examples.TEXTS[0]},
                "Two texts, refused if too long": {"truncate": False},
            },
            names={"texts": "input"},
            to_cut='"truncate": true',
        ),
        Translation(
            paths=("/api/embeddings",),
            name="ollama_embeddings",
            summary="Embed a text",
            about="Ollama's older route, for one text.",
            body=OllamaPromptBody,
            answer=OllamaPromptAnswer,
            read=_read_prompt,
            write=_write_prompt,
            examples={"One text": {}},
            names={"texts": "prompt"},
        ),
    ),
    others=router,
)
