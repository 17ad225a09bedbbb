"""The facade that every face calls: models, files, chunks and vectors under one home folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bindery import chunking, documents
from bindery.encoders import Encoder
from bindery.encoders.base import Encoded
from bindery.encoders.checks import check_dimensions
from bindery.encoders.figures import EncoderFigures
from bindery.encoders.pending import Pending
from bindery.encoders.request import EncodeRequest
from bindery.encoders.ticket import Ticket
from bindery.errors import ModelTooLarge, StorageError
from bindery.model_folders import DEFAULT_MODEL, Measure, ModelFolders
from bindery.model_loading import ModelLoader
from bindery.model_status import ModelState as ModelState
from bindery.model_status import ModelStatus, status_of
from bindery.models.card import Entry, ModelCard
from bindery.models.preload import Outcome, Progress
from bindery.models.secret import Secret
from bindery.models.sources import Source
from bindery.reranking import DEFAULT_WEIGHT, Reranked, rerank_counted
from bindery.shelf import Loan, Shelf
from bindery.store import FileStore, RotationStore
from bindery.types import DOCUMENT, Chunk, Document, Role, Truncate
from bindery.vector_cache import CacheFigures, VectorCache

DEFAULT_STRATEGY = "recursive"


@dataclass(frozen=True, slots=True)
class LibraryFigures:
    """A snapshot: of each loaded local model by id, of the cache, and of the models' memory.

    ``loaded_bytes`` is of the moment; ``unloadings`` is how often a model had to make room.
    """

    models: Mapping[str, EncoderFigures]
    cache: CacheFigures
    loaded_bytes: int
    unloadings: int


class Library:
    """Everything under one home folder. Safe to call from several threads.

    ``catalog`` adds to the built-in models. ``precision``, ``threads``, ``engine``, ``device`` and
    ``queue_tokens`` are as :func:`bindery.encoders.loading.load_encoder` has them. ``keys`` are
    those of remote models, by the variable that their rows name.

    ``memory_budget_bytes`` is what all loaded models together may hold
    (:func:`bindery.engines.footprint.footprint`): to load one, those that nobody uses are unloaded,
    the least recently used first. ``cache_bytes`` and ``shares_cache`` are those of
    :class:`bindery.vector_cache.VectorCache`.
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
        cache_bytes: int = 0,
        shares_cache: bool = False,
        memory_budget_bytes: int | None = None,
        queue_tokens: int | None = None,
    ) -> None:
        self._home = home
        self._folders = ModelFolders(home, catalog or {})
        self._loader = loader = ModelLoader(
            self._folders,
            precision=precision,
            threads=threads,
            engine=engine,
            device=device,
            keys=keys or {},
            queue_tokens=queue_tokens,
        )
        self._shelf = Shelf(weigh=loader.weigh, load=loader.load, budget_bytes=memory_budget_bytes)
        self._cache = VectorCache(capacity_bytes=cache_bytes, shares=shares_cache)

    # Models

    @property
    def catalog(self) -> Mapping[str, Entry]:
        """Every model that there is, by id, whatever its state."""
        return self._folders.catalog

    def statuses(self) -> list[ModelStatus]:
        """Every model of the catalog with its state, in the catalog's order."""
        return [self.status(model_id) for model_id in self.catalog]

    def status(self, model_id: str) -> ModelStatus:
        """The state of one model. Raises UnknownModel."""
        if (encoder := self._shelf.loaded().get(model_id)) is not None:
            return status_of(encoder)
        return self._loader.status(model_id, was_loaded=self._shelf.has_unloaded(model_id))

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
        return self._loader.preload(model_ids, sources, progress=progress, force=force)

    def load(self, model_id: str) -> None:
        """Load and self-test the model where it is not loaded, so that a later call need not wait.

        Raises UnknownModel, ModelMissing, UnsupportedModel, ModelTooLarge, and ModelBroken or
        SelfTestFailed for one that is refused: the refusal stands until the process ends.
        Raises Overloaded where models in use leave no room in the budget.
        """
        self.lend(model_id).give_back()

    def lend(self, model_id: str, ticket: Ticket | None = None) -> Loan:
        """The model, loaded; within ``with library.lend(...) as encoder`` it stays so.

        Raises what :meth:`load` does.
        """
        try:
            return self._shelf.lend(model_id, ticket)
        except ModelTooLarge as error:
            self._folders.refuse(model_id, error)
            raise

    def is_loaded(self, model_id: str) -> bool:
        """Whether the model is loaded, so that nobody who lends it waits for that."""
        return model_id in self._shelf.loaded()

    @property
    def until_room_s(self) -> int:
        """In how many seconds some loaded model would take a request: 0 where one does just now."""
        return min((e.until_room_s for e in self._shelf.loaded().values()), default=0)

    def encoder(self, model_id: str) -> Encoder:
        """The model, loaded, and kept loaded until the library is closed, whatever the budget.

        Every call gives the same one. Raises what :meth:`load` does.
        """
        return self.lend(model_id).encoder

    def submit(
        self,
        model_id: str,
        request: EncodeRequest,
        *,
        rotation: str | None = None,
        ticket: Ticket | None = None,
        owner: str = "",
    ) -> Pending[tuple[Encoder, Encoded]]:
        """Line texts up for their vectors, and return without waiting for them.

        A model that is not loaded is loaded first, which takes its time. The encoder beside the
        vectors tells what made them; only :meth:`lend` and :meth:`encoder` keep it loaded.

        With the name of a ``rotation`` the full vectors are turned by it and then cut to the
        request's dimensions, which may be any length. ``owner`` is whose vectors may be found in
        the cache. Raises what :meth:`load`, :meth:`Encoder.submit` and
        :meth:`bindery.store.RotationStore.get` do.
        """
        loan = self.lend(model_id, ticket)
        encoder = loan.encoder
        try:
            full, turned = self._turned(rotation, encoder.card, request)
            pending = self._cache.submit(encoder, full, ticket, owner=owner)
        except BaseException:
            loan.give_back()
            raise
        pending.when_done(loan.give_back)
        return pending.then(lambda encoded: (encoder, turned(encoded)))

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
        truncate: Truncate = Truncate.END,
        ticket: Ticket | None = None,
        owner: str = "",
    ) -> tuple[Encoder, Encoded]:
        """The vectors of the texts, in order, and the encoder that gave them.

        The same as the result of :meth:`submit`. Raises what that and waiting for it do.
        """
        request = EncodeRequest(texts, role, dimensions, any_dimensions, titles, truncate)
        pending = self.submit(model_id, request, rotation=rotation, ticket=ticket, owner=owner)
        return pending.result()

    def rerank(
        self,
        model_id: str,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        weight: float | None = None,
        truncate: Truncate = Truncate.END,
        ticket: Ticket | None = None,
    ) -> tuple[Encoder, Reranked]:
        """The documents by how well they answer the query, best first.

        Raises what :meth:`load` and :func:`bindery.reranking.rerank_counted` do.
        """
        share = DEFAULT_WEIGHT if weight is None else weight
        with self.lend(model_id, ticket) as encoder:
            return encoder, rerank_counted(
                encoder,
                query,
                documents,
                top_n=top_n,
                weight=share,
                truncate=truncate,
                ticket=ticket,
            )

    def figures(self) -> LibraryFigures:
        """What the models and the cache have done, and what they hold."""
        figures = {name: encoder.figures() for name, encoder in self._shelf.loaded().items()}
        return LibraryFigures(
            models={name: one for name, one in figures.items() if one is not None},
            cache=self._cache.figures(),
            loaded_bytes=self._shelf.held_bytes,
            unloadings=self._shelf.unloadings,
        )

    def close(self) -> None:
        """Give the memory of the models and of the cache back."""
        self._shelf.close()
        self._cache.clear()

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

    def measure(self, model_id: str) -> Measure:
        """How a model counts tokens, without loading its weights."""
        return self._folders.measure(model_id)

    def room(self, model_id: str, role: Role = DOCUMENT, *, title: str | None = None) -> int:
        """How many tokens of a text fit the window in a role, beside its prompt or its title.

        Raises what :meth:`bindery.model_folders.ModelFolders.room` does.
        """
        return self._folders.room(model_id, role, title=title)

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

    def _turned(
        self, rotation: str | None, card: ModelCard, request: EncodeRequest
    ) -> tuple[EncodeRequest, Callable[[Encoded], Encoded]]:
        """What to ask the model for, and what is to be done to what it gives."""
        if rotation is None:
            return request, lambda encoded: encoded
        turn, dimensions = self.rotations.get(rotation), request.dimensions
        turn.check_model(card.id, card.revision, card.dimensions)
        check_dimensions(card, dimensions, any_dimensions=True)

        def turned(encoded: Encoded) -> Encoded:
            embeddings = turn.apply(encoded.embeddings)
            if dimensions is not None:
                embeddings = embeddings.cut(dimensions)
            return replace(encoded, embeddings=embeddings)

        return replace(request, dimensions=None, any_dimensions=False), turned
