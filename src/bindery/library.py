"""The facade that every face calls: models, files, chunks and vectors under one home folder."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from bindery import chunking, documents
from bindery.encoders import Encoder
from bindery.encoders.base import Encoded
from bindery.encoders.checks import check_dimensions, prompts_of
from bindery.encoders.loading import load_encoder
from bindery.encoders.marking import tokeniser_of
from bindery.encoders.remote import load_remote
from bindery.encoders.tokeniser import Tokeniser
from bindery.engines import Precision
from bindery.errors import (
    BinderyError,
    InvalidValue,
    KeyMissing,
    ModelBroken,
    ModelMissing,
    StorageError,
    UnknownModel,
    UnsupportedModel,
)
from bindery.models.cache import locate
from bindery.models.card import CatalogEntry, Entry, ModelCard, RemoteEntry
from bindery.models.catalog import CATALOG
from bindery.models.layout import Layout, read_layout
from bindery.models.preload import Outcome, Progress, State, preload
from bindery.models.secret import Secret
from bindery.models.sources import Source
from bindery.reranking import DEFAULT_WEIGHT, Reranked, rerank_counted
from bindery.store import FileStore, RotationStore
from bindery.types import DOCUMENT, Chunk, Document, Role

DEFAULT_MODEL = "vanilla"
DEFAULT_STRATEGY = "recursive"


class ModelState(StrEnum):
    """How far a model of the catalog is from answering; ``REMOTE`` is one that a vendor runs."""

    LOADED = "loaded"
    REMOTE = "remote"
    PRESENT = "present"
    MISSING = "missing"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model of the catalog and its state; ``error`` says why it cannot answer, if so."""

    card: ModelCard
    state: ModelState
    error: BinderyError | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """How a model counts the tokens of a document's text, without its weights.

    ``room`` is how many tokens of text fit beside what the model adds: special tokens, marker and
    the prompt of documents.
    """

    card: ModelCard
    tokeniser: Tokeniser
    room: int


class Library:
    """Everything under one home folder. Safe to call from several threads.

    ``catalog`` adds to the built-in models. ``precision``, ``threads``, ``engine`` and ``device``
    are as :func:`bindery.encoders.loading.load_encoder` has them. ``keys`` are those of remote
    models, by the variable that their rows name.
    """

    def __init__(
        self,
        home: Path,
        *,
        catalog: Mapping[str, Entry] | None = None,
        precision: str = "auto",
        threads: int | None = None,
        engine: str = "auto",
        device: str = "auto",
        keys: Mapping[str, Secret] | None = None,
    ) -> None:
        self._home = home
        self._catalog: dict[str, Entry] = {**CATALOG, **(catalog or {})}
        self._precision = precision
        self._threads = threads
        self._engine = engine
        self._device = device
        self._keys = keys or {}
        self._loading = threading.Lock()
        self._layouts: dict[str, Layout] = {}
        self._measures: dict[str, Measure] = {}
        self._encoders: dict[str, Encoder] = {}
        self._refused: dict[str, BinderyError] = {}

    # Models

    @property
    def catalog(self) -> Mapping[str, Entry]:
        """Every model that there is, by id, whatever its state."""
        return MappingProxyType(self._catalog)

    def statuses(self) -> list[ModelStatus]:
        """Every model of the catalog with its state, in the catalog's order."""
        return [self.status(model_id) for model_id in self._catalog]

    def status(self, model_id: str) -> ModelStatus:
        """The state of one model. Raises UnknownModel."""
        entry = self._entry(model_id)
        card = entry.card
        if (loaded := self._encoders.get(model_id)) is not None:
            return ModelStatus(loaded.card, ModelState.LOADED)
        try:
            if isinstance(entry, RemoteEntry):
                load_remote(entry, self._keys.get(entry.endpoint.key)).close()
                return ModelStatus(card, ModelState.REMOTE)
            self._layout(entry)
        except (ModelMissing, KeyMissing) as error:
            return ModelStatus(card, ModelState.MISSING, error)
        except UnsupportedModel as error:
            return ModelStatus(card, ModelState.UNSUPPORTED, error)
        except BinderyError as error:
            return ModelStatus(card, ModelState.REFUSED, error)
        return ModelStatus(card, ModelState.PRESENT)

    def preload(
        self,
        model_ids: Iterable[str],
        sources: Sequence[Source],
        *,
        progress: Progress,
        force: bool = False,
    ) -> list[Outcome]:
        """Fetch and verify models, in order, past those that cannot be had. Raises UnknownModel.

        In a library of precision int8 they are prepared for that too.
        """
        entries = [self._local(model_id) for model_id in model_ids]
        outcomes = preload(entries, self._home, sources, progress=progress, force=force)
        for entry in entries:
            # What was fetched may differ from what was read before.
            for known in (self._refused, self._layouts, self._measures):
                known.pop(entry.id, None)
        if self._precision != Precision.INT8:
            return outcomes
        return [
            self._calibrated(entry, outcome)
            for entry, outcome in zip(entries, outcomes, strict=True)
        ]

    def encoder(self, model_id: str) -> Encoder:
        """The model, loaded and self-tested once; every later call gets the same one.

        Raises UnknownModel, ModelMissing, UnsupportedModel, and ModelBroken or SelfTestFailed for
        one that is refused: the refusal stands until the process ends.
        """
        # A model that is there must not wait for another that is being loaded.
        if (loaded := self._encoders.get(model_id)) is not None:
            return loaded
        with self._loading:
            if model_id in self._encoders:
                return self._encoders[model_id]
            entry = self._entry(model_id)
            if isinstance(entry, RemoteEntry):
                encoder: Encoder = load_remote(entry, self._keys.get(entry.endpoint.key))
            else:
                encoder = self._load(entry)
            self._encoders[model_id] = encoder
            return encoder

    def embed(
        self,
        model_id: str,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        any_dimensions: bool = False,
        rotation: str | None = None,
        titles: Sequence[str | None] | None = None,
    ) -> tuple[Encoder, Encoded]:
        """The vectors of the texts, in order, and the encoder that gave them.

        With the name of a ``rotation`` the full vectors are turned by it and then cut to
        ``dimensions``, which may be any length. Raises what :meth:`encoder`, the encoder and
        :meth:`bindery.store.RotationStore.get` do.
        """
        encoder = self.encoder(model_id)
        if rotation is None:
            encoded = encoder.encode_counted(
                texts, role, dimensions, titles=titles, any_dimensions=any_dimensions
            )
            return encoder, encoded
        turn, card = self.rotations.get(rotation), encoder.card
        turn.check_model(card.id, card.revision, card.dimensions)
        check_dimensions(card, dimensions, any_dimensions=True)
        encoded = encoder.encode_counted(texts, role, titles=titles)
        turned = turn.apply(encoded.embeddings)
        if dimensions is not None:
            turned = turned.cut(dimensions)
        return encoder, replace(encoded, embeddings=turned)

    def rerank(
        self,
        model_id: str,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        weight: float | None = None,
    ) -> tuple[Encoder, Reranked]:
        """The documents by how well they answer the query, best first.

        Raises what :meth:`encoder` and :func:`bindery.reranking.rerank` do.
        """
        encoder = self.encoder(model_id)
        share = DEFAULT_WEIGHT if weight is None else weight
        return encoder, rerank_counted(encoder, query, documents, top_n=top_n, weight=share)

    def close(self) -> None:
        """Give every model's memory back."""
        with self._loading:
            for encoder in self._encoders.values():
                encoder.close()
            self._encoders.clear()

    # Files

    @cached_property
    def files(self) -> FileStore:
        """The uploaded files; their folder is made when they are first asked for."""
        return FileStore(self._home / "files")

    @cached_property
    def rotations(self) -> RotationStore:
        """The fitted rotations."""
        return RotationStore(self._home / "rotations")

    def read_file(self, file_id: str, *, timeout_s: float = 30.0) -> Document:
        """Parse a kept file in a process of its own.

        Raises UnknownFile, StorageError where its content is gone, and what parsing raises.
        """
        stored = self.files.get(file_id)
        path = self.files.path(file_id)
        if not path.is_file():
            raise StorageError(
                f"The content of {stored.name!r} is gone from the store.",
                remedy="Delete the file and upload it again.",
            )
        return documents.parse(path, stored.name, timeout_s=timeout_s)

    # Chunks

    def measure(self, model_id: str) -> "Measure":
        """How a model counts tokens, without loading its weights."""
        if (known := self._measures.get(model_id)) is not None:
            return known
        with self._loading:
            if model_id not in self._measures:
                layout = self._layout(self._local(model_id))
                tokeniser = tokeniser_of(layout, DOCUMENT)
                room = tokeniser.room(layout.card.prompts.get(DOCUMENT, ""))
                self._measures[model_id] = Measure(layout.card, tokeniser, room)
            return self._measures[model_id]

    def room(self, model_id: str, role: Role = DOCUMENT, *, title: str | None = None) -> int:
        """How many tokens of a text fit the window in a role, beside its prompt or its title.

        Raises InvalidValue for a role or a title that the model does not know, and for one that
        leaves no room.
        """
        with self._loading:
            layout = self._layout(self._local(model_id))
        [prompt] = prompts_of(layout.card, role, [""], None if title is None else [title])
        room = tokeniser_of(layout, role).room(prompt)
        if room < 1:
            raise InvalidValue(
                f"What goes before a text leaves no room for it in {model_id}'s window.",
                remedy="Choose a shorter title." if title else "",
                param="titles" if title else "role",
            )
        return room

    def chunk(
        self,
        document: Document,
        *,
        strategy: str = DEFAULT_STRATEGY,
        model_id: str = DEFAULT_MODEL,
        size: int | None = None,
        overlap: int = 0,
    ) -> list[Chunk]:
        """Cut a document into chunks for a model, in order.

        ``size`` None is what the model's window leaves beside special tokens and prompt. Raises
        what :func:`bindery.chunking.chunk` does.
        """
        measure = self.measure(model_id)
        budget = measure.room if size is None else size
        return chunking.chunk(
            document, measure.tokeniser, strategy=strategy, size=budget, overlap=overlap
        )

    def _entry(self, model_id: str) -> Entry:
        if model_id not in self._catalog:
            raise UnknownModel(
                f"There is no model {model_id!r}.",
                remedy=f"Known: {', '.join(self._catalog)}.",
                param="model",
            )
        return self._catalog[model_id]

    def _local(self, model_id: str) -> CatalogEntry:
        entry = self._entry(model_id)
        if isinstance(entry, RemoteEntry):
            raise UnsupportedModel(
                f"Model {model_id!r} is remote: its files and its tokeniser are not here.",
                remedy=f"Choose a local model for that, such as {DEFAULT_MODEL!r}.",
                param="model",
            )
        return entry

    def _calibrated(self, entry: CatalogEntry, outcome: Outcome) -> Outcome:
        """How the preload of a model ended, with its preparation for int8."""
        # It loads the runtime, which commands that need no model do without.
        from bindery.encoders.calibration import calibrate

        if outcome.error:
            return outcome
        try:
            calibrate(self._layout(entry), threads=self._threads)
        except BinderyError as error:
            return replace(outcome, state=State.FAILED, source="", error=error)
        return outcome

    def _load(self, entry: CatalogEntry) -> Encoder:
        layout = self._layout(entry)
        try:
            return load_encoder(
                layout,
                precision=self._precision,
                threads=self._threads,
                engine=self._engine,
                device=self._device,
            )
        except BinderyError as error:
            self._refused[entry.id] = error
            raise

    def _layout(self, entry: CatalogEntry) -> Layout:
        """The model's verified folder; verified once, because that reads every byte of it."""
        if entry.id in self._refused:
            raise self._refused[entry.id].with_traceback(None)
        if entry.id not in self._layouts:
            try:
                self._layouts[entry.id] = read_layout(locate(entry, self._home), entry=entry)
            except ModelBroken as error:
                self._refused[entry.id] = error
                raise
        return self._layouts[entry.id]
