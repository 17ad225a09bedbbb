"""Remote models: the vectors are a vendor's, the order, the checks and the errors ours."""

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
    check_dimensions,
    check_texts,
    prompts_of,
    refuse_spans,
)
from bindery.encoders.model_tokeniser import ModelTokeniser
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.encoders.vendors import DIALECTS
from bindery.encoders.vendors.base import Ask, Dialect, Reply
from bindery.encoders.vendors.client import Pace, Stop, VendorClient
from bindery.errors import Abandoned, InvalidValue, KeyMissing, UnsupportedModel
from bindery.models.card import RemoteEntry
from bindery.models.endpoint import Endpoint
from bindery.secret import Secret
from bindery.types import DOCUMENT, QUERY, Role, Truncate
from bindery.vectors.embeddings import Embeddings

# Special tokens, and the prompt that Voyage puts before each text.
_TOKENS_BESIDE_TEXT = 16


def load_remote(
    entry: RemoteEntry, key: Secret | None = None, *, pace: Pace | None = None
) -> "RemoteEncoder":
    """A remote model, ready to be asked; nothing is sent before it is.

    ``key`` is what the environment variable ``entry.endpoint.key`` holds. Raises KeyMissing where
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
    """An Encoder over a vendor's server.

    Texts go out in batches within the vendor's limits, several at a time, and come back in order.
    """

    def __init__(self, entry: RemoteEntry, key: Secret | None, pace: Pace) -> None:
        self._endpoint = entry.endpoint
        self._dialect = DIALECTS[entry.endpoint.vendor]
        self._roles = _roles(entry, self._dialect)
        prompts = {role: entry.card.prompts.get(role, "") for role in self._roles}
        self.card = replace(entry.card, prompts=prompts)
        _check_extra(self._endpoint, self._dialect)
        self.precision = "remote"
        self._client = VendorClient(self._endpoint, self._dialect, key, pace)
        self._finaliser = weakref.finalize(self, self._client.close)

    @property
    def tokeniser(self) -> ModelTokeniser:
        """See Encoder: only the vendor has the tokeniser."""
        self._refuse_tokens("does not show its tokens")

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder; the value raises VendorError besides.

        Nothing is cut here, where the tokeniser is not. Of texts that are too long most vendors
        raise TextTooLong, whatever ``truncate`` says; of those that may cut them ``tokens_cut`` is
        UNKNOWN. None can be told to cut the start, so that is refused.
        """
        texts = request.texts
        check_texts(texts)
        check_dimensions(self.card, request.dimensions, any_dimensions=request.any_dimensions)
        prompts = prompts_of(self.card, request.role, texts, request.titles)
        self._check_truncate(request.truncate)
        prompted = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        self._check_empty(prompted)
        cancellation = cancellation or Cancellation()
        cancellation.check()

        width = request.dimensions or self.card.dimensions
        # A model that knows several lengths is always told which: its own default may be another.
        told = width if self.card.nested_dimensions or width != self.card.dimensions else None
        asks = [
            Ask(prompted[batch], self._roles[request.role], told, batch.start)
            for batch in self._batches(prompted)
        ]
        replies = _in_background(partial(self._ask_all, asks, width), cancellation)
        return Pending(replies, lambda found: self._encoded(found, width, len(texts)))

    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """See Encoder: no vendor shows a token's vector."""
        del request, cancellation
        self._refuse_tokens("does not return vectors of single tokens")

    def submit_spans(
        self, request: SpansRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder: no vendor shows a token's vector."""
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
                f"Model {self.card.id!r} is remote: nobody there cuts the start of a text.",
                remedy=f"Choose {Truncate.END.value!r} or {Truncate.ERROR.value!r}.",
                param="truncate",
            )

    def _encoded(self, replies: Sequence[Reply], width: int, texts: int) -> Encoded:
        none = np.zeros((0, width), dtype=np.float32)
        embeddings = Embeddings.dense(np.concatenate([none, *(reply.vectors for reply in replies)]))
        billed = [reply.tokens for reply in replies if reply.tokens is not None]
        return Encoded(
            embeddings.normalised() if self.card.normalised else embeddings,
            tokens_used=np.full(texts, UNKNOWN, dtype=np.int64),
            tokens_cut=np.full(texts, UNKNOWN if self._dialect.may_cut else 0, dtype=np.int64),
            tokens_billed=sum(billed) if len(billed) == len(replies) else None,
        )

    def _check_empty(self, texts: Sequence[str]) -> None:
        if not self._dialect.takes_empty and "" in texts:
            raise InvalidValue(
                f"Text {texts.index('')} is empty, which {self._dialect.title} does not take.",
                remedy="Leave empty texts out.",
                param="texts",
            )

    def _batches(self, texts: Sequence[str]) -> Iterator[slice]:
        """Runs of texts within the limits; one that is beyond them by itself goes alone.

        The vendor's tokeniser is not here. Over bytes, as theirs are, a token has at least one, so
        a request of no more bytes than tokens allowed is always within the limit.
        """
        most_texts = self._dialect.most_texts(self._endpoint)
        most_tokens = self._dialect.most_tokens(self._endpoint)
        first, tokens = 0, 0
        for place, text in enumerate(texts):
            more = len(text.encode()) + _TOKENS_BESIDE_TEXT
            if place > first and (place - first == most_texts or tokens + more > most_tokens):
                yield slice(first, place)
                first, tokens = place, 0
            tokens += more
        if texts:
            yield slice(first, len(texts))

    def _ask_all(
        self, asks: Sequence[Ask], width: int, stop: Stop, cancellation: Cancellation
    ) -> list[Reply]:
        def ask(one: Ask) -> Reply:
            cancellation.check()
            return self._client.embed(one, width, stop)

        if len(asks) <= 1:
            return [ask(one) for one in asks]
        with ThreadPoolExecutor(self._endpoint.requests_at_once) as pool:
            replies = [pool.submit(ask, one) for one in asks]
            try:
                done = wait(replies, return_when=FIRST_EXCEPTION).done
                for reply in replies:
                    if reply in done:
                        reply.result()
            finally:
                # After a failure nobody waits for the others.
                _finish(stop, None)
                pool.shutdown(wait=False, cancel_futures=True)
        return [reply.result() for reply in replies]


def _in_background(
    ask: Callable[[Stop, Cancellation], list[Reply]], cancellation: Cancellation
) -> "Future[Any]":
    """Ask in a thread of its own, until the caller leaves."""
    answer: Future[Any] = Future()
    stop: Stop = Future()

    def run() -> None:
        try:
            _finish(answer, ask(stop, cancellation))
        except BaseException as error:  # noqa: BLE001 (passed on to who waits, as executors do)
            _fail(answer, error)

    def leave() -> None:
        _finish(stop, None)
        _fail(answer, Abandoned("The request was cancelled."))

    threading.Thread(target=run, name="bindery-remote", daemon=True).start()
    cancellation.when_cancelled(leave)
    return answer


def _finish(future: "Future[Any]", value: object) -> None:
    # Two threads may come to the end of it at once: an answer, and a caller who leaves.
    with suppress(InvalidStateError):
        future.set_result(value)


def _fail(future: "Future[Any]", error: BaseException) -> None:
    with suppress(InvalidStateError):
        future.set_exception(error)


def _roles(entry: RemoteEntry, dialect: Dialect) -> dict[Role, str]:
    """The roles of the model, and the vendor's word for each."""
    if dialect.roles is None:
        return {role: role for role in (QUERY, DOCUMENT, *entry.card.prompts)}
    strange = [role for role in entry.card.prompts if role not in dialect.roles]
    if strange:
        raise InvalidValue(
            f"{strange[0]!r} is no role that {dialect.title} knows.",
            remedy=f"Prompts of {entry.id!r} are for: {', '.join(dialect.roles)}.",
            param="prompts",
        )
    return dict(dialect.roles)


def _check_extra(endpoint: Endpoint, dialect: Dialect) -> None:
    ours = dialect.write(endpoint, Ask(["text"], "role", 1))
    taken = sorted(set(endpoint.extra) & set(ours))
    if taken:
        raise InvalidValue(
            f"{taken[0]!r} is a field that every request to {dialect.title} has already.",
            remedy="Leave it out of extra.",
            param="extra",
        )
