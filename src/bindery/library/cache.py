"""Vectors that were computed before: what is asked for again need not be computed again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from bindery.encoders import Encoded, Encoder
from bindery.encoders.base import UNKNOWN
from bindery.encoders.checks import check_options, check_texts, check_titles
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest
from bindery.errors import BinderyError, InputError, InvalidValue, TextFailed
from bindery.vectors.embeddings import Embeddings

_DIGEST_BYTES = 32
# What Python holds for a text beside its vectors: 270 to 300 bytes were measured.
_BYTES_BESIDE = 300
_BYTES_OF_A_VALUE = 4


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """How many texts did not need the model, how many did, and what lies in the cache now."""

    hits: int
    misses: int
    bytes: int
    entries: int


class _Vectors(NamedTuple):
    """One text's rows, as the bytes of float32, and what :class:`Encoded` says of the text."""

    rows: bytes
    tokens_used: int
    tokens_cut: int


_Submit: TypeAlias = Callable[[], Pending[Encoded]]
_Give: TypeAlias = Callable[[], Encoded]
_Take: TypeAlias = Callable[[_Vectors | TextFailed | None], None]


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of a request by their keys: which are known, and where each other first comes."""

    keys: Sequence[bytes]
    known: Mapping[bytes, _Vectors]
    new: Mapping[bytes, int]


class VectorCache:
    """Keeps the vectors of texts, up to so many bytes; those not used for longest go first.

    What is found is what the model gave when it first ran: the same bits, the same counts of
    tokens. Callers find what they asked for themselves, by their ``owner``, unless the cache
    ``shares``: else how fast an answer comes would tell one what another has. Errors are not kept,
    nor are the vectors of every token that a second stage compares: those of one document may take
    as much as a hundred others. 0 bytes keep nothing. Safe to call from several threads.
    """

    def __init__(self, *, capacity_bytes: int, shares: bool = False) -> None:
        if capacity_bytes < 0:
            raise InvalidValue(
                f"A cache cannot hold {capacity_bytes} bytes.",
                remedy="Choose 0 for none.",
                param="cache_bytes",
            )
        self._capacity_bytes = capacity_bytes
        self._shares = shares
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, _Vectors] = OrderedDict()  # the last used at the end
        self._bytes = 0
        self._waiting: dict[bytes, list[_Take]] = {}
        self._hits = 0
        self._misses = 0

    def figures(self) -> CacheFigures:
        """What it did so far, and what it holds."""
        with self._lock:
            return CacheFigures(self._hits, self._misses, self._bytes, len(self._kept))

    def clear(self) -> None:
        """Forget all vectors."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def submit(
        self,
        encoder: Encoder,
        request: EncodeRequest,
        cancellation: Cancellation | None = None,
        *,
        owner: str = "",
    ) -> Pending[Encoded]:
        """What :meth:`Encoder.submit` gives, each text that is not known being run once.

        ``tokens_billed`` is what a vendor billed for this request, 0 where all was known. Raises
        what the encoder does.
        """
        if not self._capacity_bytes or not len(request.texts):
            return encoder.submit(request, cancellation)
        card, options = encoder.card, request.options
        check_options(card, options)
        check_texts(request.texts)
        check_titles(card, options.role, request.texts, request.titles)
        texts = self._look_up(_keys(encoder, request, "" if self._shares else owner))
        width = options.dimensions or card.dimensions
        if not texts.new:
            self._count(hits=len(texts.keys))
            return Pending[Encoded].done(_joined([texts.known[key] for key in texts.keys], width))
        if len(texts.keys) == 1:
            return self._submit_one(
                lambda: encoder.submit(request, cancellation), texts.keys[0], width
            )
        self._count(hits=len(texts.keys) - len(texts.new), misses=len(texts.new))
        if len(texts.new) < len(texts.keys):
            return self._submit_new(encoder, request, cancellation, texts)

        def keep(encoded: Encoded) -> Encoded:
            self._keep(texts.keys, _split(encoded))
            return encoded

        return encoder.submit(request, cancellation).then(keep)

    def _submit_one(self, submit: _Submit, key: bytes, width: int) -> Pending[Encoded]:
        """Run a single text, or wait for the caller that runs it just now.

        Many callers with one query at one moment are common. Among several texts it would cost
        more than it gains: a caller would wait for all the others of who came first.
        """
        answer: Future[_Give] = Future()

        def take(found: _Vectors | TextFailed | None) -> None:
            if found is None:
                self._run_instead(submit, key, width, answer)
                return
            self._count(hits=1)
            if isinstance(found, TextFailed):
                answer.set_exception(_copied(found, found.message, found.places))
            else:
                answer.set_result(lambda: _joined([found], width))

        with self._lock:
            if (waiting := self._waiting.get(key)) is not None:
                waiting.append(take)
                return Pending(answer, lambda give: give())
            self._waiting[key] = []
            self._misses += 1
        try:
            running = submit()
        except BaseException:  # also Ctrl-C: who waits for the same text runs it instead
            self._pass_on(key, None)
            raise
        running.when_done(lambda: self._pass_on(key, running))
        return running

    def _run_instead(self, submit: _Submit, key: bytes, width: int, answer: Future[_Give]) -> None:
        """Run the text of one who waited in vain; the others wait for the first of them."""
        try:
            running = self._submit_one(submit, key, width)
        except BaseException as error:  # noqa: BLE001 - it goes to who waits, as executors do
            answer.set_exception(error)
        else:
            running.when_done(lambda: answer.set_result(running.result))

    def _pass_on(self, key: bytes, ran: Pending[Encoded] | None) -> None:
        """Keep what the first caller got, and give it to those who waited for it.

        An error is its own, since it may have left; only where the text is at fault it is theirs.
        """
        found: _Vectors | TextFailed | None = None
        if ran is not None:
            try:
                [found] = _split(ran.result())
                self._keep([key], [found])
            except TextFailed as error:
                found = error
            except Exception:  # noqa: BLE001 - the caller is told when it asks for the result
                found = None
        with self._lock:
            waiting = self._waiting.pop(key)
        for take in waiting:
            take(found)

    def _submit_new(
        self,
        encoder: Encoder,
        request: EncodeRequest,
        cancellation: Cancellation | None,
        texts: _Texts,
    ) -> Pending[Encoded]:
        """Run what is new, and put it among what is known."""
        try:
            running = encoder.submit(_only(request, texts.new.values()), cancellation)
        except InputError:
            # It names a text by its place among the new ones; this names it as the caller does.
            return encoder.submit(request, cancellation)

        def finish(ran: Pending[Encoded]) -> Encoded:
            try:
                encoded = ran.result()
            except TextFailed as error:
                raise _renamed(error, texts) from error
            found = _split(encoded)
            self._keep(texts.new, found)
            vectors = {**texts.known, **dict(zip(texts.new, found, strict=True))}
            width = encoded.embeddings.width
            together = _joined([vectors[key] for key in texts.keys], width)
            return replace(together, tokens_billed=encoded.tokens_billed)

        ran: Future[Pending[Encoded]] = Future()
        running.when_done(lambda: ran.set_result(running))
        return Pending(ran, finish)

    def _count(self, *, hits: int, misses: int = 0) -> None:
        with self._lock:
            self._hits += hits
            self._misses += misses

    def _look_up(self, keys: Sequence[bytes]) -> _Texts:
        known: dict[bytes, _Vectors] = {}
        new: dict[bytes, int] = {}
        with self._lock:
            for place, key in enumerate(keys):
                vectors = self._kept.get(key)
                if vectors is None:
                    new.setdefault(key, place)
                else:
                    self._kept.move_to_end(key)
                    known[key] = vectors
        return _Texts(keys, known, new)

    def _keep(self, keys: Iterable[bytes], found: Iterable[_Vectors]) -> None:
        with self._lock:
            for key, vectors in zip(keys, found, strict=True):
                size = _held_bytes(vectors)
                if key in self._kept or size > self._capacity_bytes:
                    continue
                self._kept[key] = vectors
                self._bytes += size
                while self._bytes > self._capacity_bytes:
                    _, gone = self._kept.popitem(last=False)
                    self._bytes -= _held_bytes(gone)


def _keys(encoder: Encoder, request: EncodeRequest, owner: str) -> list[bytes]:
    """A digest for each text over everything that its vectors depend on, and its owner."""
    card, options = encoder.card, request.options
    about = (
        *(owner, card.id, card.revision, encoder.precision),
        *(options.role, options.dimensions, options.any_dimensions, options.truncate),
    )
    # A repr says where it ends, so no two different lists of parts make the same bytes.
    common = hashlib.blake2b(repr(about).encode(), digest_size=_DIGEST_BYTES)
    titles = request.titles or [None] * len(request.texts)
    keys: list[bytes] = []
    for text, title in zip(request.texts, titles, strict=True):
        digest = common.copy()
        digest.update(f"{title!r}{text}".encode())
        keys.append(digest.digest())
    return keys


def _only(request: EncodeRequest, places: Iterable[int]) -> EncodeRequest:
    """The same request for the texts at these places."""
    places = list(places)
    titles, ids = request.titles, request.ids
    return replace(
        request,
        texts=[request.texts[place] for place in places],
        titles=None if titles is None else [titles[place] for place in places],
        ids=None if ids is None else [ids[place] for place in places],
    )


def _split(encoded: Encoded) -> list[_Vectors]:
    """Each text's part, as a copy."""
    embeddings = encoded.embeddings
    content = embeddings.rows.reshape(-1).view(np.uint8).data
    ends = (embeddings.offsets * embeddings.width * _BYTES_OF_A_VALUE).tolist()
    counts = zip(encoded.tokens_used.tolist(), encoded.tokens_cut.tolist(), strict=True)
    return [
        _Vectors(bytes(content[start:end]), used, cut)
        for (start, end), (used, cut) in zip(pairwise(ends), counts, strict=True)
    ]


def _joined(vectors: Sequence[_Vectors], width: int) -> Encoded:
    """The parts in one, as a copy that cannot be written to."""
    rows = np.frombuffer(b"".join(text.rows for text in vectors), dtype=np.float32)
    offsets = np.zeros(len(vectors) + 1, dtype=np.int64)
    np.cumsum([len(text.rows) for text in vectors], out=offsets[1:])
    used = np.array([text.tokens_used for text in vectors], dtype=np.int64)
    return Encoded(
        Embeddings(rows.reshape(-1, width), offsets // (width * _BYTES_OF_A_VALUE)),
        tokens_used=used,
        tokens_cut=np.array([text.tokens_cut for text in vectors], dtype=np.int64),
        # A vendor that counts bills tokens; what is not asked of it costs none.
        tokens_billed=0 if (used == UNKNOWN).any() else None,
    )


def _renamed(error: TextFailed, texts: _Texts) -> TextFailed:
    """The same error, with the places that the texts which ran have in the whole request."""
    ran = list(texts.new)
    failed = {ran[place] for place in error.places}
    places = tuple(place for place, key in enumerate(texts.keys) if key in failed)
    first, *others = places
    more = f" and on {len(others)} more" if others else ""
    cause = error.__cause__
    reason = f": {cause.message}" if isinstance(cause, BinderyError) else "."
    return _copied(error, f"The engine fails on text {first} by itself{more}{reason}", places)


def _copied(error: TextFailed, message: str, places: tuple[int, ...]) -> TextFailed:
    return TextFailed(message, remedy=error.remedy, param=error.param, places=places)


def _held_bytes(vectors: _Vectors) -> int:
    return len(vectors.rows) + _BYTES_BESIDE
