"""The facade that every face calls: models, files, chunks and vectors under one home folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bindery import chunking, documents
from bindery.encoders import Encoder
from bindery.encoders.base import Encoded
from bindery.encoders.figures import EncoderFigures
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.errors import ModelTooLarge
from bindery.library.cache import CacheFigures, VectorCache
from bindery.library.folders import DEFAULT_MODEL, Measure, ModelFolders
from bindery.library.loaded import LoadedModels, ModelLease
from bindery.library.loading import ModelLoader, ModelStatus, status_of
from bindery.library.names import ModelNames
from bindery.library.reranking import DEFAULT_WEIGHT, Reranked, rerank_counted
from bindery.library.rotation import apply_rotation
from bindery.models.card import Entry
from bindery.models.preload import Outcome, Progress
from bindery.models.sources import Source
from bindery.options import ChunkOptions, VectorOptions
from bindery.secret import Secret
from bindery.store.rotations import RotationStore
from bindery.types import DOCUMENT, Chunk, Document, Role, Truncate
from bindery.vectors.embeddings import Rows

if TYPE_CHECKING:
    # SQLAlchemy takes a quarter of a second to import: who only embeds does not wait for it.
    from bindery.store.database import Database
    from bindery.store.files import FileStore


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
    :class:`bindery.library.cache.VectorCache`.

    A model is named by its id or its repository, and by its path in the folder ``own_models``.
    With ``takes_folders`` every other folder may be named too: only for names from its own user.

    ``database_url`` is as :meth:`bindery.store.database.Database.open` has it, ``blobs_url`` as
    :func:`bindery.store.blobs.open_blobs`: where empty, both lie in the home.
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
        own_models: Path | None = None,
        takes_folders: bool = False,
        database_url: str = "",
        blobs_url: str = "",
    ) -> None:
        self._home = home
        self._database_url = database_url
        self._blobs_url = blobs_url
        self._folders = ModelFolders(home, catalog or {})
        self._names = ModelNames(self._folders.catalog, own=own_models, anywhere=takes_folders)
        self._loader = loader = ModelLoader(
            self._folders,
            precision=precision,
            threads=threads,
            engine=engine,
            device=device,
            keys=keys or {},
            queue_tokens=queue_tokens,
        )
        self._models = LoadedModels(
            weigh=loader.weigh, load=loader.load, budget_bytes=memory_budget_bytes
        )
        self._cache = VectorCache(capacity_bytes=cache_bytes, shares=shares_cache)

    @property
    def home(self) -> Path:
        """The folder under which everything lies."""
        return self._home

    # Models

    def find(self, name: str | Path) -> str:
        """The id of the model that a name means: an id, a repository name or a folder.

        A folder gets an id of its own when it is first named. Raises UnknownModel, which says what
        was tried, and for a folder what reading its layout raises.
        """
        if name in self._folders.catalog:
            return str(name)
        found = self._names.find(name)
        return found if isinstance(found, str) else self._folders.add(found)

    @property
    def catalog(self) -> Mapping[str, Entry]:
        """Every model that there is, by id, whatever its state."""
        return self._folders.catalog

    def statuses(self) -> list[ModelStatus]:
        """Every model of the catalog with its state, in the catalog's order."""
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
        """Fetch and verify models, in order, past those that cannot be had. Raises UnknownModel.

        In a library of precision int8 they are prepared for that too.
        """
        model_ids = [self.find(model_id) for model_id in model_ids]
        return self._loader.preload(model_ids, sources, progress=progress, force=force)

    def load(self, model_id: str) -> None:
        """Load and self-test the model where it is not loaded, so that a later call need not wait.

        Raises UnknownModel, ModelMissing, UnsupportedModel, ModelTooLarge, and ModelBroken or
        SelfTestFailed for one that is refused: the refusal stands until the process ends.
        Raises Overloaded where models in use leave no room in the budget.
        """
        self.lend(model_id).give_back()

    def lend(self, model_id: str, cancellation: Cancellation | None = None) -> ModelLease:
        """The model, loaded; within ``with library.lend(...) as encoder`` it stays so.

        Raises what :meth:`load` does.
        """
        model_id = self.find(model_id)
        try:
            return self._models.lend(model_id, cancellation)
        except ModelTooLarge as error:
            self._folders.refuse(model_id, error)
            raise

    def is_loaded(self, model_id: str) -> bool:
        """Whether the model is loaded, so that nobody who lends it waits for that."""
        return model_id in self._models.loaded()

    @property
    def until_room_s(self) -> int:
        """In how many seconds some loaded model would take a request: 0 where one does just now."""
        return min((e.until_room_s for e in self._models.loaded().values()), default=0)

    def encoder(self, model_id: str) -> Encoder:
        """The model, loaded, and kept loaded until the library is closed, whatever the budget.

        Every call gives the same one. Raises what :meth:`load` does.
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

        A model that is not loaded is loaded first. The encoder that comes with the vectors says
        what made them; only :meth:`lend` and :meth:`encoder` keep it loaded.

        ``owner`` is whose vectors may be found in the cache; None bypasses it. Vectors of spans,
        which depend on the whole text, are never cached. Raises what :meth:`load`,
        :meth:`Encoder.submit`, :meth:`Encoder.submit_spans` and
        :meth:`bindery.store.RotationStore.get` do.
        """
        lease = self.lend(model_id, cancellation)

        def submit(encoder: Encoder) -> Pending[tuple[Encoder, Encoded]]:
            full, turn = request, None
            if (rotation := request.options.rotation) is not None:
                full, turn = apply_rotation(request, self.rotations.get(rotation), encoder.card)
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
        """The vectors of the texts, in order, and the encoder that made them.

        The same as the result of :meth:`submit`. Raises what that and waiting for it do.
        """
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

        Raises what :meth:`load` and :func:`bindery.library.reranking.rerank_counted` do.
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
        """What the models and the cache have done, and what they hold."""
        figures = {name: encoder.figures() for name, encoder in self._models.loaded().items()}
        return LibraryFigures(
            models={name: one for name, one in figures.items() if one is not None},
            cache=self._cache.figures(),
            loaded_bytes=self._models.held_bytes,
            unloadings=self._models.unloadings,
        )

    def close(self) -> None:
        """Give the memory of the models and of the cache back, and let the database go."""
        self._models.close()
        self._cache.clear()
        if "database" in vars(self):
            self.database.close()

    # Files

    @cached_property
    def database(self) -> "Database":
        """The catalog of files, jobs and what was made by them; opened when first asked for."""
        from bindery.store.database import Database

        return Database.open(self._database_url or f"sqlite:///{self._home / 'bindery.db'}")

    @property
    def storage_failure(self) -> str | None:
        """Why nothing more is kept, where the disk failed to keep what it was given; else None."""
        database: Database | None = vars(self).get("database")  # it is not opened only to ask
        failure = database.failure if database else None
        return str(failure) if failure else None

    @cached_property
    def files(self) -> "FileStore":
        """The uploaded files; their folder is made when they are first asked for."""
        from bindery.store.files import open_files

        return open_files(self.database, self._blobs_url, self._home / "files")

    @cached_property
    def rotations(self) -> RotationStore:
        """The fitted rotations."""
        return RotationStore(self._home / "rotations")

    def read_file(self, file_id: str, *, timeout_s: float = 30.0) -> Document:
        """Parse a kept file in a process of its own.

        Raises UnknownFile, StorageError where its content is gone, and what parsing raises.
        """
        stored = self.files.get(file_id)
        with self.files.as_path(file_id) as path:
            return documents.parse(path, stored.name, timeout_s=timeout_s)

    # Chunks

    def measure(self, model_id: str) -> Measure:
        """How a model counts tokens, without loading its weights."""
        return self._folders.measure(self.find(model_id))

    def room(self, model_id: str, role: Role = DOCUMENT, *, title: str | None = None) -> int:
        """How many tokens of a text fit the window in a role, beside its prompt or its title.

        Raises what :meth:`bindery.library.folders.ModelFolders.room` does.
        """
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
        """Cut a document into chunks for a model, in order.

        The strategy ``semantic`` has the model embed every sentence: ``when_embedded`` is called
        with the tokens of each pass, and ``cancellation`` and ``owner`` are as in :meth:`submit`.
        ``code`` parses the program in a process of its own, within ``parse_timeout_s``. Raises
        what :meth:`bindery.options.ChunkOptions.sized` and :func:`bindery.chunking.chunk` do, for
        ``semantic`` what :meth:`embed` does, and for ``code`` what
        :func:`bindery.documents.divide` does.
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
