"""Tokenising and detokenising, as in Text Embeddings Inference and Cohere."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

import bindery
from bindery.encoders.tokeniser import Tokeniser, TokenPiece
from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_object
from bindery.faces.http.calls import ApiCall, checked, json_answer, take, warning_headers
from bindery.faces.http.dialects.inputs import MAX_TEXTS, inputs_of, texts_of
from bindery.faces.http.errors import RequestTooLarge
from bindery.faces.http.services import AppServices, Services

tei = APIRouter(tags=["Text Embeddings Inference"])
cohere = APIRouter(tags=["Cohere"])


# An answer takes about 70 bytes for each.
_MOST_TOKENS = 100_000
# Larger bodies have a thread that they share, so that small ones do not wait for them.
_SMALL_BYTES = 8192

_ID: JsonDict = {"type": "integer"}
_IDS: JsonDict = {"type": "array", "items": _ID}


class InfoAnswer(BaseModel):
    """The model and its limits."""

    model_id: str
    model_sha: str
    model_dtype: str | None
    model_type: dict[str, dict[str, str]]
    max_input_length: int
    max_client_batch_size: int
    max_batch_tokens: int
    max_concurrent_requests: int
    auto_truncate: bool
    version: str


class TokenizeBody(RequestBody):
    """Texts to tokenise."""

    additions = frozenset(("model",))

    inputs: Any = Field(
        json_schema_extra={
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        }
    )
    add_special_tokens: bool = True
    model: str = Field("", max_length=200, description="The default is that of the server.")


class TeiToken(BaseModel):
    """A token and its code points in the text; special tokens have none."""

    id: int = Field(examples=[6065])
    text: str = Field(examples=["Loose"])
    special: bool = Field(examples=[False])
    start: int | None = Field(examples=[0])
    stop: int | None = Field(examples=[5])


class DecodeBody(RequestBody):
    """Token ids of the model to decode."""

    additions = frozenset(("model",))

    ids: list[Any] = Field(json_schema_extra={"items": {"anyOf": [_ID, _IDS]}})
    skip_special_tokens: bool = True
    model: str = Field("", max_length=200, description="The default is that of the server.")


class CohereTokenizeBody(RequestBody):
    """A text to tokenise."""

    text: str
    model: str = Field("", max_length=200)


class CohereTokens(BaseModel):
    """The tokens of the text, without special tokens."""

    tokens: list[int] = Field(examples=[[6065, 3259]])
    token_strings: list[str] = Field(examples=[["Loose", "paper"]])


class CohereDetokenizeBody(RequestBody):
    """Token ids of the model to decode."""

    tokens: list[Any] = Field(json_schema_extra={"items": _ID})
    model: str = Field("", max_length=200)


class CohereText(BaseModel):
    """The text; it can differ from the original if the vocabulary does not keep everything."""

    text: str = Field(examples=["loose paper"])


@tei.get("/info", summary="Describe the model", name="tei_info")
async def info(services: AppServices, model: str = "") -> InfoAnswer:
    """The server's default model, or the one named by `model`."""
    return await services.looking.run(_info, services, services.names.model_id(model))


@tei.post(
    "/tokenize",
    summary="Tokenise texts",
    name="tei_tokenize",
    responses=examples.answer(list[list[TeiToken]], "The tokens of each text."),
    openapi_extra=examples.body(TokenizeBody, {"A text": {"inputs": "Loose paper"}}),
)
async def tokenize(request: Request) -> Response:
    """The model's own tokens of each text. Nothing is cut; 100,000 tokens are the limit."""
    return await _run(request, _tokenize)


@tei.post(
    "/decode",
    summary="Decode token ids",
    name="tei_decode",
    responses=examples.answer(list[str], "The texts."),
    openapi_extra=examples.body(DecodeBody, {"Two ids": {}}),
)
async def decode(request: Request) -> Response:
    """The texts of the model's own token ids; they can differ from the original texts."""
    return await _run(request, _decode)


@cohere.post(
    "/v1/tokenize",
    summary="Tokenise a text",
    name="cohere_tokenize",
    responses=examples.answer(CohereTokens, "The tokens."),
    openapi_extra=examples.body(CohereTokenizeBody, {"A text": {}}),
)
async def cohere_tokenize(request: Request) -> Response:
    """The model's own tokens of a text, up to 100,000."""
    return await _run(request, _cohere_tokenize)


@cohere.post(
    "/v1/detokenize",
    summary="Decode token ids",
    name="cohere_detokenize",
    responses=examples.answer(CohereText, "The text."),
    openapi_extra=examples.body(CohereDetokenizeBody, {"Two ids": {}}),
)
async def cohere_detokenize(request: Request) -> Response:
    """The text of the model's own token ids; it can differ from the original text."""
    return await _run(request, _cohere_detokenize)


async def _run(request: Request, work: Callable[[ApiCall], Response]) -> Response:
    call = await take(request)
    services = call.services
    pool = services.encoding if len(call.raw) <= _SMALL_BYTES else services.tokenising
    return await pool.run(work, call)


def _cohere_tokenize(call: ApiCall) -> Response:
    body = checked(call, parse_object(call.raw), CohereTokenizeBody)
    ids: list[int] = []
    strings: list[str] = []
    for pieces in _Budget("text").pieces(call, _tokeniser(call, body.model), body.text):
        ids += [piece.id for piece in pieces if piece.span]
        strings += [piece.text for piece in pieces if piece.span]
    return json_answer({"tokens": ids, "token_strings": strings})


def _cohere_detokenize(call: ApiCall) -> Response:
    body = checked(call, parse_object(call.raw), CohereDetokenizeBody)
    text = _decoded(body.tokens, "tokens", _tokeniser(call, body.model), keeps_special=False)[0]
    return json_answer({"text": text})


def _info(services: Services, model_id: str) -> InfoAnswer:
    status = services.library.status(model_id)
    card, settings = status.card, services.settings
    pooling = "+".join(pooling.value for pooling in card.pooling)
    return InfoAnswer(
        model_id=card.repository or card.id,
        model_sha=card.revision,
        model_dtype=None,
        model_type={"embedding": {"pooling": pooling}},
        max_input_length=card.max_tokens,
        max_client_batch_size=MAX_TEXTS,
        max_batch_tokens=settings.queue_tokens,
        max_concurrent_requests=settings.max_requests,
        auto_truncate=False,
        version=bindery.__version__,
    )


def _tokenize(call: ApiCall) -> Response:
    body = checked(call, parse_object(call.raw), TokenizeBody)
    given = [body.inputs] if isinstance(body.inputs, str) else body.inputs
    if not isinstance(given, list):
        raise InvalidValue(
            "inputs must be a string or a list of strings.", remedy="Send strings.", param="inputs"
        )
    texts = texts_of(cast("list[Any]", given), "inputs")
    tokeniser = _tokeniser(call, body.model)
    budget = _Budget("inputs")
    found: list[orjson.Fragment] = []
    for text in texts:
        # Written while tokenising, because JSON takes a tenth of the memory of the objects.
        written: list[bytes] = []
        for pieces in budget.pieces(call, tokeniser, text):
            tokens = [_token(piece) for piece in pieces if body.add_special_tokens or piece.span]
            if tokens:
                written.append(orjson.dumps(tokens)[1:-1])
        found.append(orjson.Fragment(b"[" + b",".join(written) + b"]"))
    return json_answer(found, warning_headers(call))


def _decode(call: ApiCall) -> Response:
    body = checked(call, parse_object(call.raw), DecodeBody)
    tokeniser = _tokeniser(call, body.model)
    keeps = not body.skip_special_tokens
    found = _decoded(body.ids, "ids", tokeniser, keeps_special=keeps)
    return json_answer(found, warning_headers(call))


def _decoded(
    given: list[Any], param: str, tokeniser: Tokeniser, *, keeps_special: bool
) -> list[str]:
    arrays = [ids for ids in inputs_of(given, param) if isinstance(ids, list)]
    if not arrays:
        raise InvalidValue(f"{param} must be token ids.", remedy="Send numbers.", param=param)
    return [tokeniser.decode(ids, keeps_special=keeps_special) for ids in arrays]


class _Budget:
    """Counts the tokens of an answer. Raises RequestTooLarge for too many."""

    def __init__(self, param: str) -> None:
        self._param = param
        self._left = _MOST_TOKENS

    def pieces(self, call: ApiCall, tokeniser: Tokeniser, text: str) -> Iterator[list[TokenPiece]]:
        """The tokens of a text, some at a time."""
        for pieces in tokeniser.pieces(text, call.cancellation):
            self._left -= len(pieces)
            if self._left < 0:
                raise RequestTooLarge(
                    f"{self._param} has more than {_MOST_TOKENS:,} tokens.",
                    remedy="Send less text in a request.",
                    param=self._param,
                )
            yield pieces


def _tokeniser(call: ApiCall, model: str) -> Tokeniser:
    name = model or call.parameters.get("model", "")
    return call.services.library.measure(call.services.names.model_id(name)).tokeniser


def _token(piece: TokenPiece) -> dict[str, object]:
    start, stop = piece.span or (None, None)
    return {
        "id": piece.id,
        "text": piece.text,
        "special": piece.span is None,
        "start": start,
        "stop": stop,
    }
