"""Remote models: the vectors are a vendor's, the order, the checks and the errors ours."""

import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from bindery.embeddings import Embeddings
from bindery.encoders.base import UNKNOWN, Encoded, TokenVectors
from bindery.encoders.checks import check_dimensions, check_texts, prompts_of
from bindery.encoders.vendors import DIALECTS
from bindery.encoders.vendors.base import Ask, Dialect, Reply
from bindery.encoders.vendors.client import Pace, Stop, VendorClient
from bindery.errors import InvalidValue, KeyMissing, UnsupportedModel
from bindery.models.card import ModelCard, RemoteEntry
from bindery.models.endpoint import Endpoint
from bindery.models.secret import Secret
from bindery.types import DOCUMENT, QUERY, Role

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


class RemoteEncoder:
    """An Encoder over a vendor's server.

    Texts go out in batches within the vendor's limits, several at a time, and come back in order.
    """

    def __init__(self, entry: RemoteEntry, key: Secret | None, pace: Pace) -> None:
        self._endpoint = entry.endpoint
        self._dialect = DIALECTS[entry.endpoint.vendor]
        self._roles = _roles(entry, self._dialect)
        prompts = {role: entry.card.prompts.get(role, "") for role in self._roles}
        self._card = replace(entry.card, prompts=prompts)
        _check_extra(self._endpoint, self._dialect)
        self._client = VendorClient(self._endpoint, self._dialect, key, pace)
        self._finaliser = weakref.finalize(self, self._client.close)

    @property
    def card(self) -> ModelCard:
        """See Encoder."""
        return self._card

    @property
    def precision(self) -> str:
        """See Encoder."""
        return "remote"

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
    ) -> Embeddings:
        """See Encoder; raises VendorError and TextTooLong besides."""
        return self.encode_counted(
            texts, role, dimensions, titles=titles, any_dimensions=any_dimensions
        ).embeddings

    def encode_counted(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
    ) -> Encoded:
        """See Encoder; raises VendorError and TextTooLong besides."""
        check_texts(texts)
        check_dimensions(self._card, dimensions, any_dimensions=any_dimensions)
        prompts = prompts_of(self._card, role, texts, titles)
        prompted = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        self._check_empty(prompted)

        width = dimensions or self._card.dimensions
        # A model that knows several lengths is always told which: its own default may be another.
        told = width if self._card.nested_dimensions or width != self._card.dimensions else None
        asks = [
            Ask(prompted[batch], self._roles[role], told, batch.start)
            for batch in self._batches(prompted)
        ]
        replies = self._ask_all(asks, width)

        none = np.zeros((0, width), dtype=np.float32)
        embeddings = Embeddings.dense(np.concatenate([none, *(reply.vectors for reply in replies)]))
        billed = [reply.tokens for reply in replies if reply.tokens is not None]
        return Encoded(
            embeddings.normalised() if self._card.normalised else embeddings,
            tokens_used=np.full(len(texts), UNKNOWN, dtype=np.int64),
            tokens_cut=np.full(len(texts), UNKNOWN if self._dialect.may_cut else 0, dtype=np.int64),
            tokens_billed=sum(billed) if len(billed) == len(replies) else None,
        )

    def encode_tokens(
        self, texts: Sequence[str], role: Role, *, titles: Sequence[str | None] | None = None
    ) -> TokenVectors:
        """See Encoder: no vendor shows a token's vector."""
        del texts, role, titles
        self._refuse_tokens("shows no vectors of single tokens")

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See Encoder: the tokeniser is not here."""
        del texts
        self._refuse_tokens("does not show its tokens")

    def room(self, role: Role) -> int:
        """See Encoder: the tokeniser is not here."""
        del role
        self._refuse_tokens("does not show its tokens")

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """See Encoder: the tokeniser is not here."""
        del texts
        self._refuse_tokens("does not show its tokens")

    @property
    def splits_at_blanks(self) -> bool:
        """See Encoder: the tokeniser is not here."""
        self._refuse_tokens("does not show its tokens")

    def close(self) -> None:
        """Close the connections."""
        self._finaliser()

    def _refuse_tokens(self, reason: str) -> NoReturn:
        raise UnsupportedModel(
            f"Model {self._card.id!r} is remote and {reason}.",
            remedy="Choose a local model for that, such as 'vanilla' to measure chunks with.",
            param="model",
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

    def _ask_all(self, asks: Sequence[Ask], width: int) -> list[Reply]:
        stop: Stop = Future()
        if len(asks) <= 1:
            return [self._client.embed(ask, width, stop) for ask in asks]
        with ThreadPoolExecutor(self._endpoint.requests_at_once) as pool:
            replies = [pool.submit(self._client.embed, ask, width, stop) for ask in asks]
            try:
                done = wait(replies, return_when=FIRST_EXCEPTION).done
                for reply in replies:
                    if reply in done:
                        reply.result()
            finally:
                # After a failure, or when the caller is interrupted: nobody waits for the others.
                stop.set_result(None)
                pool.shutdown(wait=False, cancel_futures=True)
        return [reply.result() for reply in replies]


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
