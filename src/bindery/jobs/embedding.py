"""How a batch is embedded by the model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bindery.encoders import Encoded, Encoder
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest, chunks_request
from bindery.errors import Overloaded, TextFailed
from bindery.jobs.parts import JobBatch
from bindery.jobs.recipe import Recipe
from bindery.library import Library
from bindery.library.cache import kept_of
from bindery.store.values import KeptVectors


@dataclass(slots=True, eq=False)
class Flight:
    """A batch whose ``new`` vectors the model is computing."""

    batch: JobBatch
    new: Sequence[bytes]
    pending: Pending[tuple[Encoder, Encoded]] | None

    @property
    def is_done(self) -> bool:
        """Whether the vectors are ready."""
        return self.pending is None or self.pending.is_done


class Model:
    """The model of a recipe. ``when_full`` is called whenever its queue is full, and waits."""

    def __init__(
        self,
        library: Library,
        recipe: Recipe,
        cancellation: Cancellation,
        when_full: Callable[[Overloaded], None],
    ) -> None:
        self._library = library
        self._recipe = recipe
        self._cancellation = cancellation
        self._when_full = when_full

    def start(self, batch: JobBatch, new: Sequence[bytes]) -> Flight:
        """Begin to compute the vectors of ``new``."""
        if not new:
            return Flight(batch, new, None)
        request = self._request(batch, new)
        while True:
            try:
                pending = self._library.submit(
                    self._recipe.loaded_as,
                    request,
                    cancellation=self._cancellation,
                    # A job's vectors are stored; in the cache they would displace queries.
                    owner=None,
                )
            except Overloaded as error:
                self._when_full(error)
            else:
                return Flight(batch, new, pending)

    def finish(self, flight: Flight) -> tuple[dict[bytes, KeptVectors], dict[bytes, TextFailed]]:
        """The vectors by key, and the error of each key that the engine fails on."""
        failed: dict[bytes, TextFailed] = {}
        while flight.pending is not None:
            try:
                _, encoded = flight.pending.result()
            except Overloaded as error:
                self._when_full(error)
                flight = self.start(flight.batch, flight.new)
            except TextFailed as error:
                bad = self._bad(flight, error)
                failed.update(dict.fromkeys(bad, error))
                rest = [key for key in flight.new if key not in failed]
                flight = self.start(flight.batch, rest)
            else:
                return dict(zip(flight.new, kept_of(encoded), strict=True)), failed
        return {}, failed

    def _bad(self, flight: Flight, error: TextFailed) -> list[bytes]:
        if self._recipe.is_late:  # one document, which fails as a whole
            return list(flight.new)
        return [flight.new[index] for index in error.indices]

    def _request(self, batch: JobBatch, new: Sequence[bytes]) -> EncodeRequest | SpansRequest:
        vectors = self._recipe.vectors
        if not self._recipe.is_late:
            by_key = batch.chunks()
            slot = self._recipe.title_slot
            return chunks_request([by_key[key] for key in new], vectors, title_slot=slot)
        [document] = [part.document for part in batch.parts if part.document is not None]
        chunks = [chunk for part in batch.parts for chunk in part.chunks]
        return chunks_request(chunks, vectors, late_in=document)


def new_keys(batch: JobBatch, known: Iterable[bytes], flying: Iterable[bytes]) -> list[bytes]:
    """The keys of a batch whose vectors must be computed, in order and without duplicates.

    Late chunking computes all vectors of a document if one is missing.
    """
    had = {*known, *flying}
    new = [key for key in batch.vector_keys() if key not in had]
    late = any(part.document is not None for part in batch.parts)
    return batch.vector_keys() if late and new else new
