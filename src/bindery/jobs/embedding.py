"""Batches across files: what of them is known, what the model is asked for, and what it gave."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bindery.encoders import Encoded, Encoder
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest, chunks_request
from bindery.errors import Overloaded, TextFailed
from bindery.jobs.reading import Failed, Piece, Unchanged
from bindery.jobs.recipe import Recipe
from bindery.library import Library
from bindery.store.values import KeptVectors
from bindery.types import Chunk

# Half a second of work on two cores and more; two of them leave room in a server's queue.
BATCH_TOKENS = 16_384
BATCH_PIECES = 256


@dataclass(slots=True, eq=False)
class Batch:
    """Pieces that are embedded and kept together, and what became of other files meanwhile."""

    pieces: list[Piece] = field(default_factory=list[Piece])
    others: list[Unchanged | Failed] = field(default_factory=list[Unchanged | Failed])
    tokens: int = 0

    def __len__(self) -> int:
        return len(self.pieces) + len(self.others)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be added; late chunking has documents one at a time."""
        late = bool(self.pieces) and self.pieces[-1].document is not None
        return late or self.tokens >= BATCH_TOKENS or len(self) >= BATCH_PIECES

    def add(self, item: Piece | Unchanged | Failed) -> None:
        """Take one in."""
        if isinstance(item, Piece):
            self.pieces.append(item)
            self.tokens += item.tokens
        else:
            self.others.append(item)

    def vector_keys(self) -> list[bytes]:
        """Those of all its vectors, each once, in order."""
        return list(dict.fromkeys(key for piece in self.pieces for key in piece.keys))

    def chunks(self) -> dict[bytes, Chunk]:
        """A chunk for each vector, by its key."""
        return {
            key: chunk
            for piece in self.pieces
            for key, chunk in zip(piece.keys, piece.chunks, strict=True)
        }


@dataclass(slots=True, eq=False)
class Flight:
    """A batch of which the model has what is new."""

    batch: Batch
    new: Sequence[bytes]
    pending: Pending[tuple[Encoder, Encoded]] | None

    @property
    def is_done(self) -> bool:
        """Whether landing it waits for nothing."""
        return self.pending is None or self.pending.is_done


class Model:
    """A library's model as a recipe uses it."""

    def __init__(self, library: Library, recipe: Recipe, cancellation: Cancellation) -> None:
        self._library = library
        self._recipe = recipe
        self._cancellation = cancellation

    def start(
        self, batch: Batch, new: Sequence[bytes], *, when_full: Callable[[Overloaded], None]
    ) -> Flight:
        """Ask for the vectors of ``new``; ``when_full`` is told each time the model takes none."""
        if not new:
            return Flight(batch, new, None)
        request = self._request(batch, new)
        while True:
            try:
                pending = self._library.submit(
                    self._recipe.model,
                    request,
                    cancellation=self._cancellation,
                    # What a job makes is kept on disk; in the cache it would push queries out.
                    owner=None,
                )
            except Overloaded as error:
                when_full(error)
            else:
                return Flight(batch, new, pending)

    def finish(
        self, flight: Flight, *, when_full: Callable[[Overloaded], None]
    ) -> tuple[dict[bytes, KeptVectors], dict[bytes, TextFailed]]:
        """The vectors by key, and the keys that the engine fails on, each by itself."""
        failed: dict[bytes, TextFailed] = {}
        while flight.pending is not None:
            try:
                _, encoded = flight.pending.result()
            except Overloaded as error:
                when_full(error)
                flight = self.start(flight.batch, flight.new, when_full=when_full)
            except TextFailed as error:
                bad = self._bad(flight, error)
                failed.update(dict.fromkeys(bad, error))
                rest = [key for key in flight.new if key not in failed]
                flight = self.start(flight.batch, rest, when_full=when_full)
            else:
                return split(flight.new, encoded), failed
        return {}, failed

    def _bad(self, flight: Flight, error: TextFailed) -> list[bytes]:
        if self._recipe.is_late:  # one document, which fails whole
            return list(flight.new)
        return [flight.new[place] for place in error.places]

    def _request(self, batch: Batch, new: Sequence[bytes]) -> EncodeRequest | SpansRequest:
        vectors = self._recipe.vectors
        if not self._recipe.is_late:
            by_key = batch.chunks()
            return chunks_request([by_key[key] for key in new], vectors)
        [document] = [piece.document for piece in batch.pieces if piece.document is not None]
        chunks = [chunk for piece in batch.pieces for chunk in piece.chunks]
        return chunks_request(chunks, vectors, late_in=document)


def split(keys: Sequence[bytes], encoded: Encoded) -> dict[bytes, KeptVectors]:
    """Each text's vectors, as they are kept."""
    embeddings = encoded.embeddings
    content = embeddings.rows.astype("<f4", copy=False).tobytes()
    row_bytes = embeddings.width * 4
    ends = (embeddings.offsets * row_bytes).tolist()
    used, cut = encoded.tokens_used.tolist(), encoded.tokens_cut.tolist()
    return {
        key: KeptVectors(content[start:end], embeddings.width, used[place], cut[place])
        for place, (key, (start, end)) in enumerate(zip(keys, pairwise(ends), strict=True))
    }


def new_keys(batch: Batch, known: Iterable[bytes], flying: Iterable[bytes]) -> list[bytes]:
    """The keys of a batch that the model is to be asked for, each once, in order.

    In late chunking all of a document are, where one is.
    """
    had = {*known, *flying}
    new = [key for key in batch.vector_keys() if key not in had]
    late = any(piece.document is not None for piece in batch.pieces)
    return batch.vector_keys() if late and new else new
