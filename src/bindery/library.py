"""The facade that every face calls: models, files, chunks and vectors under one home folder."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from bindery import chunking, documents
from bindery.encoders import Encoder
from bindery.encoders.loading import load_encoder
from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import (
    BinderyError,
    ModelBroken,
    ModelMissing,
    StorageError,
    UnknownModel,
    UnsupportedModel,
)
from bindery.models.cache import locate
from bindery.models.card import CatalogEntry, ModelCard
from bindery.models.catalog import CATALOG, require_served
from bindery.models.layout import Layout, read_layout
from bindery.models.preload import Outcome, Progress, preload
from bindery.models.sources import Source
from bindery.store import FileStore
from bindery.types import DOCUMENT, Chunk, Document, Role

DEFAULT_MODEL = "vanilla"
DEFAULT_STRATEGY = "recursive"


class ModelState(StrEnum):
    """How far a model of the catalog is from answering."""

    LOADED = "loaded"
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
    """How a model counts the tokens of a text, and how many it can take; without its weights."""

    card: ModelCard
    tokeniser: Tokeniser

    def room(self, role: Role) -> int:
        """How many tokens of text fit beside the special tokens and the role's prompt."""
        return self.tokeniser.room(self.card.prompts.get(role, ""))


class Library:
    """Everything under one home folder. Safe to call from several threads.

    ``catalog`` adds to the built-in models. ``precision`` is ``"auto"``, ``"f32"`` or ``"bf16"``;
    ``threads`` None means every core.
    """

    def __init__(
        self,
        home: Path,
        *,
        catalog: Mapping[str, CatalogEntry] | None = None,
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        self._home = home
        self._catalog = {**CATALOG, **(catalog or {})}
        self._precision = precision
        self._threads = threads
        self._loading = threading.Lock()
        self._layouts: dict[str, Layout] = {}
        self._measures: dict[str, Measure] = {}
        self._encoders: dict[str, Encoder] = {}
        self._refused: dict[str, BinderyError] = {}

    # Models

    @property
    def catalog(self) -> Mapping[str, CatalogEntry]:
        """Every model that there is, by id, whatever its state."""
        return MappingProxyType(self._catalog)

    def statuses(self) -> list[ModelStatus]:
        """Every model of the catalog with its state, in the catalog's order."""
        return [self.status(model_id) for model_id in self._catalog]

    def status(self, model_id: str) -> ModelStatus:
        """The state of one model. Raises UnknownModel."""
        card = self._entry(model_id).card
        if (loaded := self._encoders.get(model_id)) is not None:
            return ModelStatus(loaded.card, ModelState.LOADED)
        try:
            self._layout(model_id)
        except ModelMissing as error:
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
        """Fetch and verify models, in order, past those that cannot be had. Raises UnknownModel."""
        entries = [self._entry(model_id) for model_id in model_ids]
        outcomes = preload(entries, self._home, sources, progress=progress, force=force)
        for entry in entries:
            # What was fetched may differ from what was read before.
            for known in (self._refused, self._layouts, self._measures):
                known.pop(entry.id, None)
        return outcomes

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
            layout = self._layout(model_id)
            try:
                encoder = load_encoder(layout, precision=self._precision, threads=self._threads)
            except BinderyError as error:
                self._refused[model_id] = error
                raise
            self._encoders[model_id] = encoder
            return encoder

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
                layout = self._layout(model_id)
                self._measures[model_id] = Measure(layout.card, Tokeniser.of(layout))
            return self._measures[model_id]

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
        budget = measure.room(DOCUMENT) if size is None else size
        return chunking.chunk(
            document, measure.tokeniser, strategy=strategy, size=budget, overlap=overlap
        )

    def _entry(self, model_id: str) -> CatalogEntry:
        if model_id not in self._catalog:
            raise UnknownModel(
                f"There is no model {model_id!r}.",
                remedy=f"Known: {', '.join(self._catalog)}.",
                param="model",
            )
        return self._catalog[model_id]

    def _layout(self, model_id: str) -> Layout:
        """The model's verified folder; verified once, because that reads every byte of it."""
        if model_id in self._refused:
            raise self._refused[model_id].with_traceback(None)
        if model_id not in self._layouts:
            entry = self._entry(model_id)
            require_served(entry)
            try:
                self._layouts[model_id] = read_layout(locate(entry, self._home), entry=entry)
            except ModelBroken as error:
                self._refused[model_id] = error
                raise
        return self._layouts[model_id]
