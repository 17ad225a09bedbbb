"""A cache of vectors, so that known texts are not computed again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from bindery.encoders import Encoded, Encoder
from bindery.encoders.base import UNKNOWN
from bindery.encoders.checks import check_options, check_texts, check_titles
from bindery.encoders.figures import counter, gauge
from bindery.encoders.head import cut
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest
from bindery.errors import BinderyError, DeadlineExceeded, InputError, InvalidValue, TextFailed
from bindery.store.values import KeptVectors
from bindery.vectors.embeddings import Embeddings

_DIGEST_BYTES = 32
# What Python needs per text in addition to its vectors: 270 to 300 bytes were measured.
_BYTES_BESIDE = 300
_BYTES_OF_A_VALUE = 4


@dataclass(slots=True)
class CacheFigures:
    """The work of the cache. The cache fills it under its lock; callers get a copy."""

    hits: int = counter("Texts answered from the vectors that are kept.")
    misses: int = counter("Texts whose vectors were not known yet.")
    bytes: int = gauge("Memory of the vectors that are kept.")
    entries: int = gauge("Texts whose vectors are kept.")


_Submit: TypeAlias = Callable[[], Pending[Encoded]]
_Give: TypeAlias = Callable[[], Encoded]
_Take: TypeAlias = Callable[[KeptVectors | TextFailed | None], None]


@dataclass(frozen=True, slots=True)
class _Texts:
    """The keys of a request's texts: which are known, and the first index of each new one."""

    keys: Sequence[bytes]
    known: Mapping[bytes, KeptVectors]
    new: Mapping[bytes, int]


class VectorCache:
    """Keeps the vectors of texts within a number of bytes, and drops the least recently used.

    A text that is found has the same bits and token counts as when the model first ran. Full
    vectors are kept, and cut when they are asked for at a shorter length; only the vectors of
    remote models, which are cut by their vendor, are kept at the length asked for. An ``owner``
    finds only what the same owner asked for, unless the cache ``shares``: otherwise the time of an
    answer would show what others have. Errors are not kept, nor are the vectors of tokens for a
    second stage, which may need as much memory for one document as for a hundred others. With 0
    bytes nothing is kept. Thread-safe.
    """

    def __init__(self, *, capacity_bytes: int, shares: bool = False) -> None:
        if capacity_bytes < 0:
            raise InvalidValue(
                f"cache_bytes must be at least 0, got {capacity_bytes}.",
                remedy="Choose 0 for no cache.",
                param="cache_bytes",
            )
        self._capacity_bytes = capacity_bytes
        self._shares = shares
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, KeptVectors] = OrderedDict()  # most recently used last
        self._waiting: dict[bytes, list[_Take]] = {}
        self._figures = CacheFigures()

    def figures(self) -> CacheFigures:
        """A snapshot of the counters."""
        with self._lock:
            return replace(self._figures, entries=len(self._kept))

    def clear(self) -> int:
        """Forget all vectors; the number of texts."""
        with self._lock:
            count = len(self._kept)
            self._kept.clear()
            self._figures.bytes = 0
        return count

    def submit(
        self,
        encoder: Encoder,
        request: EncodeRequest,
        cancellation: Cancellation | None = None,
        *,
        owner: str = "",
    ) -> Pending[Encoded]:
        """The result of :meth:`Encoder.submit`; each text that is not known runs once.

        ``tokens_billed`` is what a vendor billed for this request, 0 if all texts were known.
        Raises what the encoder raises.
        """
        if not self._capacity_bytes or not len(request.texts):
            return encoder.submit(request, cancellation)
        card, options = encoder.card, request.options
        check_options(card, options)
        check_texts(request.texts)
        check_titles(card, options.role, request.texts, request.titles)
        if encoder.is_remote or options.dimensions is None:
            return self._submit(encoder, request, cancellation, owner)
        whole = replace(options, dimensions=None, any_dimensions=False)
        full = self._submit(encoder, replace(request, options=whole), cancellation, owner)
        return full.then(
            lambda found: replace(found, embeddings=cut(card, found.embeddings, options.dimensions))
        )

    def _submit(
        self,
        encoder: Encoder,
        request: EncodeRequest,
        cancellation: Cancellation | None,
        owner: str,
    ) -> Pending[Encoded]:
        texts = self._look_up(_keys(encoder, request, "" if self._shares else owner))
        width = request.options.dimensions or encoder.card.dimensions
        if not texts.new:
            self._count(hits=len(texts.keys))
            return Pending[Encoded].done(_joined([texts.known[key] for key in texts.keys], width))
        if len(texts.keys) == 1:
            return self._submit_one(
                lambda: encoder.submit(request, cancellation), texts.keys[0], width
            )
        self._count(hits=len(texts.keys) - len(texts.new), misses=len(texts.new))
        return self._submit_new(encoder, request, cancellation, texts)

    def _submit_one(self, submit: _Submit, key: bytes, width: int) -> Pending[Encoded]:
        """Run a single text, or wait for the caller that is running it now.

        Many callers often send the same query at the same time. With several texts, waiting
        would cost more than it gains, because a caller would wait for all texts of the first one.
        """
        answer: Future[_Give] = Future()

        def take(found: KeptVectors | TextFailed | None) -> None:
            if found is None:
                self._run_instead(submit, key, width, answer)
                return
            self._count(hits=1)
            if isinstance(found, TextFailed):
                answer.set_exception(_copied(found, found.message, found.indices))
            else:
                answer.set_result(lambda: _joined([found], width))

        with self._lock:
            if (waiting := self._waiting.get(key)) is not None:
                waiting.append(take)
                return Pending(answer, lambda give: give())
            self._waiting[key] = []
            self._figures.misses += 1
        try:
            running = submit()
        except BaseException:  # also Ctrl-C: a caller that waits for the same text runs it
            self._pass_on(key, None)
            raise
        running.when_done(lambda: self._pass_on(key, running))
        return running

    def _run_instead(self, submit: _Submit, key: bytes, width: int, answer: Future[_Give]) -> None:
        """Run the text for a caller that got no result; the others wait for the first of them."""
        try:
            running = self._submit_one(submit, key, width)
        except BaseException as error:  # noqa: BLE001 - raised where the result is read
            answer.set_exception(error)
        else:
            running.when_done(lambda: answer.set_result(running.result))

    def _pass_on(self, key: bytes, ran: Pending[Encoded] | None) -> None:
        """Keep the result of the first caller, and pass it to those that waited.

        Its errors are not passed on, because it may have been cancelled; only faults of the text.
        """
        found: KeptVectors | TextFailed | None = None
        if ran is not None:
            try:
                [found] = kept_of(ran.result())
                self._keep([key], [found])
            except TextFailed as error:
                found = error
            except Exception:  # noqa: BLE001 - raised where the caller reads the result
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
        """Run the new texts, and merge their vectors with the known ones."""
        try:
            running = encoder.submit(_only(request, texts.new.values()), cancellation)
        except InputError:
            # It names a text by its index among the new ones; the whole request gives the caller's.
            return encoder.submit(request, cancellation)

        def finish(ran: Pending[Encoded]) -> Encoded:
            try:
                encoded = ran.result()
            except TextFailed as error:
                raise _renamed(error, texts) from error
            except DeadlineExceeded as error:
                self._keep_some(ran, texts, error.computed)
                raise
            found = kept_of(encoded)
            self._keep(texts.new, found)
            vectors = {**texts.known, **dict(zip(texts.new, found, strict=True))}
            width = encoded.embeddings.width
            together = _joined([vectors[key] for key in texts.keys], width)
            return replace(together, tokens_billed=encoded.tokens_billed)

        ran: Future[Pending[Encoded]] = Future()
        running.when_done(lambda: ran.set_result(running))
        return Pending(ran, finish)

    def _keep_some(self, ran: Pending[Encoded], texts: _Texts, computed: Sequence[object]) -> None:
        """Keep what was computed before the deadline, so that another try is quick."""
        there = [index for index, one in enumerate(computed) if one is not None]
        if not there:
            return
        filler = computed[there[0]]
        encoded = ran.finished([filler if one is None else one for one in computed])
        keys, found = [*texts.new], kept_of(encoded)
        self._keep([keys[index] for index in there], [found[index] for index in there])

    def _count(self, *, hits: int, misses: int = 0) -> None:
        with self._lock:
            self._figures.hits += hits
            self._figures.misses += misses

    def _look_up(self, keys: Sequence[bytes]) -> _Texts:
        known: dict[bytes, KeptVectors] = {}
        new: dict[bytes, int] = {}
        with self._lock:
            for index, key in enumerate(keys):
                vectors = self._kept.get(key)
                if vectors is None:
                    new.setdefault(key, index)
                else:
                    self._kept.move_to_end(key)
                    known[key] = vectors
        return _Texts(keys, known, new)

    def _keep(self, keys: Iterable[bytes], found: Iterable[KeptVectors]) -> None:
        with self._lock:
            for key, vectors in zip(keys, found, strict=True):
                size = _held_bytes(vectors)
                if key in self._kept or size > self._capacity_bytes:
                    continue
                self._kept[key] = vectors
                self._figures.bytes += size
                while self._figures.bytes > self._capacity_bytes:
                    _, gone = self._kept.popitem(last=False)
                    self._figures.bytes -= _held_bytes(gone)


def _keys(encoder: Encoder, request: EncodeRequest, owner: str) -> list[bytes]:
    """A digest for each text, of everything that its vectors depend on and of its owner."""
    card, options = encoder.card, request.options
    about = (
        *(owner, card.id, card.revision, encoder.precision),
        *(options.role, options.dimensions, options.truncate),
    )
    # A repr is delimited, so different parts never give the same bytes.
    common = hashlib.blake2b(repr(about).encode(), digest_size=_DIGEST_BYTES)
    titles = request.titles or [None] * len(request.texts)
    keys: list[bytes] = []
    for text, title in zip(request.texts, titles, strict=True):
        digest = common.copy()
        digest.update(f"{title!r}{text}".encode())
        keys.append(digest.digest())
    return keys


def _only(request: EncodeRequest, indices: Iterable[int]) -> EncodeRequest:
    """The same request for the texts at these indices."""
    indices = list(indices)
    titles, ids = request.titles, request.ids
    return replace(
        request,
        texts=[request.texts[index] for index in indices],
        titles=None if titles is None else [titles[index] for index in indices],
        ids=None if ids is None else [ids[index] for index in indices],
    )


def kept_of(encoded: Encoded) -> list[KeptVectors]:
    """The vectors of each text as they are kept, as a copy."""
    embeddings = encoded.embeddings
    content = embeddings.rows.astype("<f4", copy=False).reshape(-1).view(np.uint8).data
    ends = (embeddings.offsets * embeddings.width * _BYTES_OF_A_VALUE).tolist()
    counts = zip(encoded.tokens_used.tolist(), encoded.tokens_cut.tolist(), strict=True)
    return [
        KeptVectors(bytes(content[start:end]), embeddings.width, used, cut)
        for (start, end), (used, cut) in zip(pairwise(ends), counts, strict=True)
    ]


def embeddings_of(vectors: Sequence[KeptVectors], width: int) -> Embeddings:
    """Vectors as they are kept, as embeddings (n texts of this width), in one read-only copy."""
    rows = np.frombuffer(b"".join(one.rows for one in vectors), dtype="<f4")
    offsets = np.zeros(len(vectors) + 1, dtype=np.int64)
    np.cumsum([len(one.rows) // (_BYTES_OF_A_VALUE * width) for one in vectors], out=offsets[1:])
    return Embeddings(rows.astype(np.float32, copy=False).reshape(-1, width), offsets)


def _joined(vectors: Sequence[KeptVectors], width: int) -> Encoded:
    """All parts in one read-only copy."""
    used = np.array([text.tokens_used for text in vectors], dtype=np.int64)
    return Encoded(
        embeddings_of(vectors, width),
        tokens_used=used,
        tokens_cut=np.array([text.tokens_cut for text in vectors], dtype=np.int64),
        # Known texts of a vendor that bills tokens cost nothing.
        tokens_billed=0 if (used == UNKNOWN).any() else None,
    )


def _renamed(error: TextFailed, texts: _Texts) -> TextFailed:
    """The same error, with the indices of the texts in the whole request."""
    ran = list(texts.new)
    failed = {ran[index] for index in error.indices}
    indices = tuple(index for index, key in enumerate(texts.keys) if key in failed)
    first, *others = indices
    more = f" and on {len(others)} more" if others else ""
    cause = error.__cause__
    reason = f": {cause.message}" if isinstance(cause, BinderyError) else "."
    return _copied(error, f"The engine failed on text {first} alone{more}{reason}", indices)


def _copied(error: TextFailed, message: str, indices: tuple[int, ...]) -> TextFailed:
    return TextFailed(message, remedy=error.remedy, param=error.param, indices=indices)


def _held_bytes(vectors: KeptVectors) -> int:
    return len(vectors.rows) + _BYTES_BESIDE
