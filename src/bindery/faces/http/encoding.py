"""The endpoints behind all routes that embed or rerank, in every dialect."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from bindery.encoders import Encoder
from bindery.encoders.base import Encoded
from bindery.encoders.pending import Pending
from bindery.encoders.request import EncodeRequest, SpannedText, SpansRequest
from bindery.errors import InvalidValue
from bindery.faces.http.calls import (
    ApiCall,
    answer_headers,
    arrival,
    json_answer,
    take,
    translated,
    worded_for,
)
from bindery.faces.http.dialects.base import (
    EmbedAnswer,
    EmbedRequest,
    RerankAnswer,
    RerankRequest,
    Translation,
)
from bindery.faces.http.dialects.inputs import role_of
from bindery.faces.http.dialects.token_ids import InputTexts, TokenInput, decode
from bindery.faces.http.errors import RequestTooLarge
from bindery.faces.http.observing.timings import RequestStage
from bindery.models.card import Family
from bindery.types import Role

CUT_CHARACTERS = "x-bindery-cut-characters"
"""The header that counts characters left out because token ids held only a part of them."""

# A question and a few chunks. Larger bodies use other threads, so that they do not delay these.
_SMALL_BYTES = 8192
# Writing such an answer takes 0.1 ms; under load, waiting for another thread can take several.
_LIGHT_TEXTS = 4
# Late chunking keeps all tokens of a document with their positions, up to 24 bytes each.
_MOST_LATE_CHARACTERS = 2_000_000

Embeds: TypeAlias = Translation[EmbedRequest, EmbedAnswer]


@dataclass(frozen=True, slots=True)
class _Job:
    """A checked request, in the library's terms: a model id and texts."""

    translation: Embeds
    ask: EmbedRequest
    decoded: InputTexts
    request: EncodeRequest | SpansRequest
    is_nested: bool

    @property
    def is_light(self) -> bool:
        """Whether writing the answer takes less time than waking another thread."""
        return not self.is_nested and len(self.decoded.texts) <= _LIGHT_TEXTS


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job whose texts were submitted to the model."""

    job: _Job
    pending: Pending[tuple[Encoder, Encoded]]


async def embed(request: Request, translations: Sequence[Embeds]) -> Response:
    """Embed texts, and answer in the dialect of the request.

    Threads check, tokenise and write, but none waits for vectors. Small requests have their own
    threads, so that a question does not wait behind a book. So do requests whose model has to be
    loaded first.
    """
    call = await take(request)
    services = call.services
    pool = services.encoding if len(call.raw) <= _SMALL_BYTES else services.bulk
    step = await pool.run(_begin, call, translations)
    if isinstance(step, _Job):
        step = await services.loading.run(_hand_in, call, step)
    if isinstance(step, _Waiting):
        await arrival(step.pending)
        is_light = step.job.is_light
        step = _finish(call, step) if is_light else await pool.run(_finish, call, step)
    return step


def _begin(call: ApiCall, translations: Sequence[Embeds]) -> _Job | _Waiting | Response:
    """Check the request, and submit it if its model is loaded."""
    translation, ask = translated(call, translations)
    with worded_for(translation, ask):
        job = _job(call, translation, ask)
    return _hand_in(call, job) if call.services.library.is_loaded(job.ask.model) else job


def _job(call: ApiCall, translation: Embeds, ask: EmbedRequest) -> _Job:
    library, names = call.services.library, call.services.names
    ask = replace(ask, model=names.model_id(ask.model))
    entry = library.catalog.get(ask.model)
    is_late = entry is not None and entry.card.family is Family.LATE_INTERACTION
    if is_late and not translation.may_nest:
        raise InvalidValue(
            f"{ask.model} gives several vectors per text, and this route returns one per text.",
            remedy="Use /v1/embeddings, or a model that gives one vector per text.",
            param="model",
        )
    is_nested = is_late or ask.each_token
    if entry is not None and not is_nested:
        # The encoder refuses impossible lengths.
        width = min(ask.options.dimensions or entry.card.dimensions, entry.card.dimensions)
        for output in ask.outputs:
            output.check_size(len(ask.inputs) * width)
    decoded = _texts(call, ask)
    role = role_of(ask.roles, () if entry is None else entry.card.prompts)
    return _Job(translation, ask, decoded, _request(ask, decoded.texts, role), is_nested)


def _request(ask: EmbedRequest, texts: Sequence[str], role: Role) -> EncodeRequest | SpansRequest:
    options = replace(ask.options, role=role)
    if ask.chunks_of is None:
        return EncodeRequest(texts, options, ask.titles)
    chunks = iter(texts)
    if sum(map(len, texts)) > _MOST_LATE_CHARACTERS:
        raise RequestTooLarge(
            f"The documents have more than {_MOST_LATE_CHARACTERS:,} characters.",
            remedy="Send them in several requests, or embed them as files by a job.",
            param="texts",
        )
    documents = [SpannedText.joined(list(islice(chunks, count))) for count in ask.chunks_of]
    return SpansRequest(documents, options)


def _texts(call: ApiCall, ask: EmbedRequest) -> InputTexts:
    library = call.services.library
    arrays = [ids for ids in ask.inputs if isinstance(ids, list)]
    if not arrays:
        return InputTexts([text for text in ask.inputs if isinstance(text, str)])
    whose = TokenInput.MODEL if ask.is_of_model else TokenInput(call.services.settings.token_input)
    return decode(arrays, whose, lambda: library.measure(ask.model).tokeniser)


def _hand_in(call: ApiCall, job: _Job) -> _Waiting | Response:
    call.timings.mark(RequestStage.WAIT)
    with worded_for(job.translation, job.ask):
        if job.ask.each_token:
            pending = _submit_tokens(call, job)
        else:
            pending = call.services.library.submit(
                job.ask.model, job.request, cancellation=call.cancellation, owner=call.owner
            )
    waiting = _Waiting(job, pending)
    # A short question is computed at once in this thread, so it is answered here too.
    return _finish(call, waiting) if waiting.pending.is_done else waiting


def _submit_tokens(call: ApiCall, job: _Job) -> Pending[tuple[Encoder, Encoded]]:
    """Submit texts for one vector per token; these are not cached."""
    request, cancellation = job.request, call.cancellation
    assert isinstance(request, EncodeRequest)
    lease = call.services.library.lend(job.ask.model, cancellation)
    encoder = lease.encoder
    pending = lease.held_for(lambda model: model.submit_tokens(request, cancellation))
    return pending.then(
        lambda found: (encoder, Encoded(found.tokens, found.tokens_used, found.tokens_cut))
    )


def _finish(call: ApiCall, waiting: _Waiting) -> Response:
    job = waiting.job
    call.timings.mark(RequestStage.WRITE)
    with worded_for(job.translation, job.ask):
        encoder, encoded = waiting.pending.result()
        card, texts = encoder.card, job.decoded.texts
        answer = EmbedAnswer(card, encoder.precision, texts, encoded, job.is_nested)
        total, cut = encoded.total_tokens, encoded.tokens_cut
        call.timings.count(card.id, cut, tokens=total)
        headers = answer_headers(call, total, cut)
        if job.decoded.cut_characters:
            headers[CUT_CHARACTERS] = str(job.decoded.cut_characters)
        return json_answer(job.translation.write(job.ask, answer), headers)


Reranks: TypeAlias = Translation[RerankRequest, RerankAnswer]


async def rerank(request: Request, translations: Sequence[Reranks]) -> Response:
    """Rerank documents, and answer in the dialect of the request.

    One thread waits for the vectors and computes the scores.
    """
    call = await take(request)
    return await call.services.ranking.run(_rerank, call, translations)


def _rerank(call: ApiCall, translations: Sequence[Reranks]) -> Response:
    translation, asked = translated(call, translations)
    ask = replace(asked, model=call.services.names.model_id(asked.model))
    call.timings.mark(RequestStage.WAIT)
    with worded_for(translation, ask):
        encoder, found = call.services.library.rerank(
            ask.model,
            ask.query,
            ask.documents,
            top_n=ask.top_n,
            weight=ask.weight,
            truncate=ask.truncate,
            cancellation=call.cancellation,
        )
        call.timings.mark(RequestStage.WRITE)
        call.timings.count(encoder.card.id, found.tokens_cut, tokens=found.total_tokens)
        answer = RerankAnswer(encoder.card, encoder.precision, found)
        headers = answer_headers(call, found.total_tokens, found.tokens_cut)
        return json_answer(translation.write(ask, answer), headers)
