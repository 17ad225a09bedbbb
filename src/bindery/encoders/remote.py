"""Remote models: a vendor computes the vectors; batching, order and checks are ours."""

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_EXCEPTION,
    Future,
    InvalidStateError,
    ThreadPoolExecutor,
    wait,
)
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import numpy as np

from bindery.encoders.base import UNKNOWN, Encoded, Encoder, TokenVectors
from bindery.encoders.checks import (
    check_options,
    check_texts,
    prompts_of,
    refuse_spans,
)
from bindery.encoders.model_tokeniser import ModelTokeniser
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.encoders.vendors.base import VENDOR_APIS, VendorApi, VendorReply, VendorRequest
from bindery.encoders.vendors.client import Pace, Stop, VendorClient
from bindery.errors import Abandoned, InvalidValue, KeyMissing, UnsupportedModel
from bindery.models.card import RemoteEntry
from bindery.models.endpoint import Endpoint
from bindery.secret import Secret
from bindery.types import DOCUMENT, QUERY, Role, Truncate
from bindery.vectors.embeddings import Embeddings

# Special tokens, and the prompt that Voyage adds to each text.
_TOKENS_BESIDE_TEXT = 16


def load_remote(
    entry: RemoteEntry, key: Secret | None = None, *, pace: Pace | None = None
) -> "RemoteEncoder":
    """A remote model. Nothing is sent until it is used.

    ``key`` is the value of the environment variable ``entry.endpoint.key``. Raises KeyMissing if
    the row names a variable and ``key`` is None, and InvalidValue for a row that does not fit the
    vendor.
    """
    if entry.endpoint.key and key is None:
        raise KeyMissing(
            f"Model {entry.id!r} needs a key for {entry.endpoint.base_url}.",
            remedy=f"Set {entry.endpoint.key}.",
            param="model",
        )
    return RemoteEncoder(entry, key if entry.endpoint.key else None, pace or Pace())


class RemoteEncoder(Encoder):
    """An Encoder that uses a vendor's server.

    Texts are sent in batches within the vendor's limits, several at a time; results are in order.
    """

    is_remote = True

    def __init__(self, entry: RemoteEntry, key: Secret | None, pace: Pace) -> None:
        self._endpoint = entry.endpoint
        self._api = VENDOR_APIS[entry.endpoint.vendor]
        self._roles = _roles(entry, self._api)
        prompts = {role: entry.card.prompts.get(role, "") for role in self._roles}
        self.card = replace(entry.card, prompts=prompts)
        _check_extra(self._endpoint, self._api)
        self.precision = "remote"
        self._client = VendorClient(self._endpoint, self._api, key, pace)
        self._finaliser = weakref.finalize(self, self._client.close)

    @property
    def tokeniser(self) -> ModelTokeniser:
        """See Encoder: only the vendor has the tokeniser."""
        self._refuse_tokens("does not show its tokens")

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder; the result may also raise VendorError.

        Nothing is cut here, because only the vendor has the tokeniser. Most vendors refuse texts
        that are too long with TextTooLong, whatever ``truncate`` says; for those that may cut,
        ``tokens_cut`` is UNKNOWN. No vendor can cut the start, so that is refused.
        """
        texts = request.texts
        check_texts(texts)
        check_options(self.card, request.options)
        prompts = prompts_of(self.card, request.options.role, texts, request.titles)
        self._check_truncate(request.options.truncate)
        prompted = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        self._check_empty(prompted)
        cancellation = cancellation or Cancellation()
        cancellation.check()

        width = request.options.dimensions or self.card.dimensions
        # A model with several lengths is always told which, because its default may differ.
        told = width if self.card.nested_dimensions or width != self.card.dimensions else None
        requests = [
            VendorRequest(prompted[batch], self._roles[request.options.role], told, batch.start)
            for batch in self._batches(prompted)
        ]
        replies = _in_background(partial(self._ask_all, requests, width), cancellation)
        return Pending(replies, lambda found: self._encoded(found, width, len(texts)))

    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """See Encoder: refused, because no vendor returns vectors of tokens."""
        del request, cancellation
        self._refuse_tokens("does not return vectors of single tokens")

    def submit_spans(
        self, request: SpansRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder: refused, because no vendor returns vectors of tokens."""
        del request, cancellation
        refuse_spans(self.card, "is remote and does not return vectors of single tokens")

    def close(self) -> None:
        """Close the connections."""
        self._finaliser()

    def _refuse_tokens(self, reason: str) -> NoReturn:
        raise UnsupportedModel(
            f"Model {self.card.id!r} is remote and {reason}.",
            remedy="Choose a local model for that, such as 'vanilla' to measure chunks with.",
            param="model",
        )

    def _check_truncate(self, truncate: Truncate) -> None:
        if truncate is Truncate.START:
            raise InvalidValue(
                f"Model {self.card.id!r} is remote, and its vendor cannot cut the start of a text.",
                remedy=f"Choose {Truncate.END.value!r} or {Truncate.ERROR.value!r}.",
                param="truncate",
            )

    def _encoded(self, replies: Sequence[VendorReply], width: int, texts: int) -> Encoded:
        none = np.zeros((0, width), dtype=np.float32)
        embeddings = Embeddings.dense(np.concatenate([none, *(reply.vectors for reply in replies)]))
        billed = [reply.tokens for reply in replies if reply.tokens is not None]
        return Encoded(
            embeddings.normalised() if self.card.normalised else embeddings,
            tokens_used=np.full(texts, UNKNOWN, dtype=np.int64),
            tokens_cut=np.full(texts, UNKNOWN if self._api.may_cut else 0, dtype=np.int64),
            tokens_billed=sum(billed) if len(billed) == len(replies) else None,
        )

    def _check_empty(self, texts: Sequence[str]) -> None:
        if not self._api.takes_empty and "" in texts:
            raise InvalidValue(
                f"Text {texts.index('')} is empty, which {self._api.title} does not accept.",
                remedy="Leave empty texts out.",
                param="texts",
            )

    def _batches(self, texts: Sequence[str]) -> Iterator[slice]:
        """Runs of texts within the limits; a text beyond them goes alone.

        The vendors' tokenisers work on bytes, so a token has at least one byte. A request with no
        more bytes than the allowed tokens is therefore always within the limit.
        """
        most_texts = self._api.most_texts(self._endpoint)
        most_tokens = self._api.most_tokens(self._endpoint)
        first, tokens = 0, 0
        for index, text in enumerate(texts):
            more = len(text.encode()) + _TOKENS_BESIDE_TEXT
            if index > first and (index - first == most_texts or tokens + more > most_tokens):
                yield slice(first, index)
                first, tokens = index, 0
            tokens += more
        if texts:
            yield slice(first, len(texts))

    def _ask_all(
        self, requests: Sequence[VendorRequest], width: int, stop: Stop, cancellation: Cancellation
    ) -> list[VendorReply]:
        def ask(one: VendorRequest) -> VendorReply:
            cancellation.check()
            return self._client.embed(one, width, stop)

        if len(requests) <= 1:
            return [ask(one) for one in requests]
        with ThreadPoolExecutor(self._endpoint.requests_at_once) as pool:
            replies = [pool.submit(ask, one) for one in requests]
            try:
                done = wait(replies, return_when=FIRST_EXCEPTION).done
                for reply in replies:
                    if reply in done:
                        reply.result()
            finally:
                # After a failure the others are not needed.
                _finish(stop, None)
                pool.shutdown(wait=False, cancel_futures=True)
        return [reply.result() for reply in replies]


def _in_background(
    ask: Callable[[Stop, Cancellation], list[VendorReply]], cancellation: Cancellation
) -> "Future[Any]":
    """Call ``ask`` in a separate thread, until the caller cancels."""
    answer: Future[Any] = Future()
    stop: Stop = Future()

    def run() -> None:
        try:
            _finish(answer, ask(stop, cancellation))
        except BaseException as error:  # noqa: BLE001 - raised where the result is read
            _fail(answer, error)

    def leave() -> None:
        _finish(stop, None)
        _fail(answer, Abandoned("The request was cancelled."))

    threading.Thread(target=run, name="bindery-remote", daemon=True).start()
    cancellation.when_cancelled(leave)
    return answer


def _finish(future: "Future[Any]", value: object) -> None:
    # An answer and a cancellation may come at the same time.
    with suppress(InvalidStateError):
        future.set_result(value)


def _fail(future: "Future[Any]", error: BaseException) -> None:
    with suppress(InvalidStateError):
        future.set_exception(error)


def _roles(entry: RemoteEntry, api: VendorApi) -> dict[Role, str]:
    """The roles of the model, with the vendor's term for each."""
    if api.roles is None:
        return {role: role for role in (QUERY, DOCUMENT, *entry.card.prompts)}
    strange = [role for role in entry.card.prompts if role not in api.roles]
    if strange:
        raise InvalidValue(
            f"{api.title} does not know the role {strange[0]!r}.",
            remedy=f"Prompts of {entry.id!r} are for: {', '.join(api.roles)}.",
            param="prompts",
        )
    return dict(api.roles)


def _check_extra(endpoint: Endpoint, api: VendorApi) -> None:
    ours = api.body(endpoint, VendorRequest(["text"], "role", 1))
    taken = sorted(set(endpoint.extra) & set(ours))
    if taken:
        raise InvalidValue(
            f"Every request to {api.title} already has the field {taken[0]!r}.",
            remedy="Leave it out of extra.",
            param="extra",
        )
