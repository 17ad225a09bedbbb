"""The facade that every face calls: models, files, chunks and vectors under one home folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bindery import chunking, documents
from bindery.encoders import Encoder
from bindery.encoders.base import Encoded
from bindery.encoders.checks import check_dimensions
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.errors import BinderyError, ModelTooLarge
from bindery.library.cache import VectorCache
from bindery.library.folders import DEFAULT_MODEL, Measure, ModelFolders
from bindery.library.loaded import LibraryFigures, LoadedModels, ModelLease
from bindery.library.loading import ModelLoader, ModelStatus, status_of
from bindery.library.names import ModelNames
from bindery.library.reranking import DEFAULT_WEIGHT, Reranked, rerank_counted
from bindery.models.card import Entry, ModelCard, Row
from bindery.models.preload import Outcome, Progress
from bindery.models.sources import Source
from bindery.options import ChunkOptions, ModelOptions, VectorOptions
from bindery.secret import Secret
from bindery.store.rotations import RotationStore
from bindery.types import DOCUMENT, Chunk, Document, Role, Truncate
from bindery.vectors.embeddings import Rows
from bindery.vectors.rotation import Rotation

if TYPE_CHECKING:
    # SQLAlchemy takes a quarter of a second to import, and embedding alone does not need it.
    from bindery.store.database import Database
    from bindery.store.files import FileStore


class Library:
    """Everything in one home folder. Thread-safe.

    ``catalog`` adds to the built-in models. ``keys`` are the API keys of remote models, by the
    variable that their rows name. ``queue_tokens`` is that of
    :func:`bindery.encoders.loading.load_encoder`.

    ``memory_budget_bytes`` limits the memory of all loaded models together
    (:func:`bindery.engines.footprint.footprint`): to load one, unused models are unloaded, the
    least recently used first. ``cache_bytes`` and ``shares_cache`` are those of
    :class:`bindery.library.cache.VectorCache`.

    A model is named by its id or its repository, or by its path in the folder ``own_models``. With
    ``takes_folders``, it may be any folder: only for names from the user of this machine.

    ``database_url`` is that of :meth:`bindery.store.database.Database.open`, ``blobs_url`` that of
    :func:`bindery.store.blobs.open_blobs`. If they are empty, both are in the home folder.
    """

    def __init__(
        self,
        home: Path,
        options: ModelOptions = ModelOptions(),
        *,
        catalog: Mapping[str, Row] | None = None,
        keys: Mapping[str, Secret] | None = None,
        cache_bytes: int = 0,
        shares_cache: bool = False,
        memory_budget_bytes: int | None = None,
        queue_tokens: int | None = None,
        own_models: Path | None = None,
        takes_folders: bool = False,
        database_url: str = "",
        blobs_url: str = "",
    ) -> None:
        self._home = home
        self._database_url = database_url
        self._blobs_url = blobs_url
        self._folders = ModelFolders(home, catalog or {})
        self._names = ModelNames(self._folders.rows, own=own_models, anywhere=takes_folders)
        self._loader = loader = ModelLoader(
            self._folders, options, keys=keys or {}, queue_tokens=queue_tokens
        )
        self._models = LoadedModels(
            weigh=loader.weigh, load=loader.load, budget_bytes=memory_budget_bytes
        )
        self._cache = VectorCache(capacity_bytes=cache_bytes, shares=shares_cache)

    @property
    def home(self) -> Path:
        """The home folder."""
        return self._home

    # Models

    def find(self, name: str | Path) -> str:
        """The id of the model with this name: an id, a repository name or a folder.

        A folder gets an id when it is first used. Raises UnknownModel, which says what was tried,
        and for a folder the errors of reading its layout.
        """
        if self._folders.has(name):
            return str(name)
        found = self._names.find(name)
        return found if isinstance(found, str) else self._folders.add(found)

    def find_folder(self, folder: Path) -> str:
        """The id of the model in a folder, wherever that is: not for names from the network.

        Raises UnknownModel if there is no such folder, and the errors of reading its layout.
        """
        return self._folders.add(folder)

    def folder_of(self, model_id: str) -> str:
        """The folder of a model of the user; empty for the others."""
        return self._folders.folder_of(model_id)

    @property
    def catalog(self) -> Mapping[str, Entry]:
        """All known models by id, whatever their state, apart from :attr:`unreadable` ones."""
        return self._folders.catalog

    @property
    def unreadable(self) -> Mapping[str, BinderyError]:
        """Why models in folders of the user cannot be used, by id."""
        return self._folders.unreadable

    def entry(self, name: str | Path) -> Entry:
        """The model with this name. Raises the errors of :meth:`find`."""
        return self._folders.entry(self.find(name))

    def statuses(self) -> list[ModelStatus]:
        """The state of every model, in the order of the catalog."""
        return [self.status(model_id) for model_id in self.catalog]

    def status(self, model_id: str) -> ModelStatus:
        """The state of one model. Raises UnknownModel."""
        model_id = self.find(model_id)
        if (encoder := self._models.loaded().get(model_id)) is not None:
            return status_of(encoder)
        return self._loader.status(model_id, was_loaded=self._models.has_unloaded(model_id))

    def preload(
        self,
        model_ids: Iterable[str],
        sources: Sequence[Source],
        *,
        progress: Progress,
        force: bool = False,
    ) -> list[Outcome]:
        """Fetch and verify models, in order. If one fails, the others are still fetched.

        If the precision is int8, they are also prepared for it. Raises UnknownModel.
        """
        model_ids = [self.find(model_id) for model_id in model_ids]
        return self._loader.preload(model_ids, sources, progress=progress, force=force)

    def load(self, model_id: str) -> None:
        """Load and self-test a model if it is not loaded, so that later calls need not wait.

        Raises UnknownModel, ModelMissing, UnsupportedModel, ModelTooLarge; ModelBroken or
        SelfTestFailed for a model that is refused, until the process ends; and Overloaded if models
        in use leave no room in the memory budget.
        """
        self.lend(model_id).give_back()

    def lend(self, model_id: str, cancellation: Cancellation | None = None) -> ModelLease:
        """The loaded model; it stays loaded within ``with library.lend(...) as encoder``.

        Raises the errors of :meth:`load`.
        """
        model_id = self.find(model_id)
        try:
            return self._models.lend(model_id, cancellation)
        except ModelTooLarge as error:
            self._folders.refuse(model_id, error)
            raise

    def is_loaded(self, model_id: str) -> bool:
        """Whether the model is loaded, so that :meth:`lend` does not wait for it."""
        return model_id in self._models.loaded()

    @property
    def until_room_s(self) -> int:
        """In how many seconds a loaded model will accept a request: 0 if one would now."""
        return min((e.until_room_s for e in self._models.loaded().values()), default=0)

    def encoder(self, model_id: str) -> Encoder:
        """The loaded model, always the same; it stays loaded until the library is closed.

        Raises the errors of :meth:`load`.
        """
        return self.lend(model_id).encoder

    def submit(
        self,
        model_id: str,
        request: EncodeRequest | SpansRequest,
        *,
        cancellation: Cancellation | None = None,
        owner: str | None = "",
    ) -> Pending[tuple[Encoder, Encoded]]:
        """Queue texts, or spans of texts, and return without waiting for their vectors.

        The model is loaded first if necessary. The encoder in the result describes the model; only
        :meth:`lend` and :meth:`encoder` keep it loaded.

        The cache only finds vectors of the same ``owner``; None bypasses it. Vectors of spans are
        never cached, because they depend on the whole text. Raises the errors of :meth:`load`,
        :meth:`Encoder.submit`, :meth:`Encoder.submit_spans` and
        :meth:`bindery.store.RotationStore.get`.
        """
        lease = self.lend(model_id, cancellation)

        def submit(encoder: Encoder) -> Pending[tuple[Encoder, Encoded]]:
            full, turn = request, None
            if (rotation := request.options.rotation) is not None:
                full, turn = _apply_rotation(request, self.rotations.get(rotation), encoder.card)
            if isinstance(full, SpansRequest):
                pending = encoder.submit_spans(full, cancellation)
            elif owner is None:
                pending = encoder.submit(full, cancellation)
            else:
                pending = self._cache.submit(encoder, full, cancellation, owner=owner)
            return pending.then(lambda encoded: (encoder, turn(encoded) if turn else encoded))

        return lease.held_for(submit)

    def embed(
        self,
        model_id: str,
        texts: Sequence[str],
        options: VectorOptions = VectorOptions(),
        *,
        titles: Sequence[str | None] | None = None,
        cancellation: Cancellation | None = None,
        owner: str = "",
    ) -> tuple[Encoder, Encoded]:
        """The vectors of the texts, in order, and the encoder, as :meth:`submit` gives them."""
        request = EncodeRequest(texts, options, titles)
        return self.submit(model_id, request, cancellation=cancellation, owner=owner).result()

    def rerank(
        self,
        model_id: str,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        weight: float | None = None,
        truncate: Truncate = Truncate.END,
        cancellation: Cancellation | None = None,
    ) -> tuple[Encoder, Reranked]:
        """The documents by how well they answer the query, best first.

        Raises the errors of :meth:`load` and :func:`bindery.library.reranking.rerank_counted`.
        """
        share = DEFAULT_WEIGHT if weight is None else weight
        with self.lend(model_id, cancellation) as encoder:
            return encoder, rerank_counted(
                encoder,
                query,
                documents,
                top_n=top_n,
                weight=share,
                truncate=truncate,
                cancellation=cancellation,
            )

    def figures(self) -> LibraryFigures:
        """A snapshot of the counters of the models and the cache."""
        figures = {name: encoder.figures() for name, encoder in self._models.loaded().items()}
        return LibraryFigures(
            models={name: one for name, one in figures.items() if one is not None},
            cache=self._cache.figures(),
            loaded_bytes=self._models.held_bytes,
            unloadings=self._models.unloadings,
        )

    def clear_cache(self) -> int:
        """Forget the vectors in the cache; of how many texts."""
        return self._cache.clear()

    def close(self) -> None:
        """Free the memory of the models and the cache, and close the database."""
        self._models.close()
        self._cache.clear()
        if "database" in vars(self):
            self.database.close()

    # Files

    @cached_property
    def database(self) -> "Database":
        """The database of files, jobs and their results; opened on first use."""
        from bindery.store.database import Database

        return Database.open(self._database_url or f"sqlite:///{self._home / 'bindery.db'}")

    @property
    def storage_failure(self) -> str | None:
        """Why nothing is stored any more after the disk failed; None if it works."""
        database: Database | None = vars(self).get("database")  # do not open it for this
        failure = database.failure if database else None
        return str(failure) if failure else None

    @cached_property
    def files(self) -> "FileStore":
        """The uploaded files; their folder is created on first use."""
        from bindery.store.files import open_files

        return open_files(self.database, self._blobs_url, self._home / "files")

    @cached_property
    def rotations(self) -> RotationStore:
        """The fitted rotations."""
        return RotationStore(self._home / "rotations")

    def read_file(self, file_id: str, *, timeout_s: float = 30.0) -> Document:
        """Parse a stored file in a separate process.

        Raises UnknownFile, StorageError if its content is missing, and the errors of parsing.
        """
        stored = self.files.get(file_id)
        with self.files.as_path(file_id) as path:
            return documents.parse(path, stored.name, timeout_s=timeout_s)

    # Chunks

    def measure(self, model_id: str) -> Measure:
        """How a model counts tokens; does not load its weights."""
        return self._folders.measure(self.find(model_id))

    def room(self, model_id: str, role: Role = DOCUMENT, *, title: str | None = None) -> int:
        """See :meth:`bindery.library.folders.ModelFolders.room`."""
        return self._folders.room(self.find(model_id), role, title=title)

    def chunk(
        self,
        document: Document,
        options: ChunkOptions = ChunkOptions(),
        *,
        model_id: str = DEFAULT_MODEL,
        parse_timeout_s: float = 30.0,
        when_embedded: Callable[[int], object] | None = None,
        cancellation: Cancellation | None = None,
        owner: str = "",
    ) -> list[Chunk]:
        """Split a document into chunks for a model, in order.

        The strategy ``semantic`` embeds every sentence: ``when_embedded`` is called with the tokens
        of each pass, and ``cancellation`` and ``owner`` are those of :meth:`submit`. ``code``
        parses the program in a separate process, within ``parse_timeout_s``. Raises the errors of
        :meth:`bindery.options.ChunkOptions.sized` and :func:`bindery.chunking.chunk`; for
        ``semantic`` those of :meth:`embed`, for ``code`` those of :func:`bindery.documents.divide`.
        """

        def embed(texts: Sequence[str]) -> Rows:
            _, encoded = self.embed(model_id, texts, cancellation=cancellation, owner=owner)
            if when_embedded is not None:
                when_embedded(encoded.total_tokens)
            return encoded.embeddings.rows

        measure = self.measure(model_id)
        return chunking.chunk(
            document,
            measure.tokeniser,
            options.sized(measure.room),
            embed=embed,
            divide=partial(documents.divide, timeout_s=parse_timeout_s),
        )


def _apply_rotation(
    request: EncodeRequest | SpansRequest, rotation: Rotation, card: ModelCard
) -> tuple[EncodeRequest | SpansRequest, Callable[[Encoded], Encoded]]:
    """A request for the model's full vectors, and a function that rotates and cuts them.

    Raises InvalidValue for a rotation of another model's vectors, and for a length that the model
    cannot give.
    """
    dimensions = request.options.dimensions
    rotation.check_model(card.id, card.revision, card.dimensions)
    check_dimensions(card, dimensions, any_dimensions=True)

    def turn(encoded: Encoded) -> Encoded:
        embeddings = rotation.apply(encoded.embeddings)
        if dimensions is not None:
            embeddings = embeddings.cut(dimensions)
        return replace(encoded, embeddings=embeddings)

    full = replace(request.options, dimensions=None, any_dimensions=False, rotation=None)
    return replace(request, options=full), turn
