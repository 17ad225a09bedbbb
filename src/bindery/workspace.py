"""What a person opens: models, files and jobs under one home folder, and one call for each step."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, overload

from bindery import documents
from bindery.encoders import Encoded
from bindery.encoders.request import EncodeRequest, chunks_request, has_title_slot
from bindery.errors import InvalidValue
from bindery.evaluation.evaluating import evaluate
from bindery.evaluation.questions import JudgedQuestion
from bindery.evaluation.results import EvaluateOptions, Evaluation
from bindery.jobs import JobRequest, Jobs
from bindery.library import DEFAULT_MODEL, Library, ModelStatus
from bindery.options import ChunkOptions, SearchOptions, VectorOptions
from bindery.search.adding import Addition, AddOptions, AddReport, add_local
from bindery.search.answers import SearchAnswer
from bindery.search.collection import DEFAULT_COLLECTION, Collections
from bindery.search.exchange import ImportReport, export_collection
from bindery.search.foreign import import_collection
from bindery.store.files import FileStore
from bindery.types import Chunk, Chunks, Document
from bindery.vectors.forms import Form


class Workspace:
    r"""Everything that Bindery keeps under one home folder, for one program.

    >>> import bindery
    >>> with bindery.open() as workspace:
    ...     document = workspace.parse(b"# Oak\n\nIt lasts.", name="wood.md")
    ...     chunks = workspace.chunk(document, size=64, context="headings")
    ...     vectors = workspace.embed(chunks).embeddings
    >>> vectors.rows.shape
    (1, 384)

    Options are given as fields of :class:`bindery.ChunkOptions` and :class:`bindery.VectorOptions`,
    or as a value of the class. A model is named by its id, its repository or a folder. Thread-safe.
    In a ``with`` statement it is closed at the end.
    """

    def __init__(self, library: Library, *, parse_timeout_s: float = 30.0) -> None:
        self.library = library
        self._parse_timeout_s = parse_timeout_s
        self._jobs: Jobs | None = None

    def parse(self, source: Path | str | bytes, *, name: str = "") -> Document:
        """Read a document from a file, or from bytes that have a ``name``.

        It is read in a separate process, without access to the network or to other files. Raises
        UnsupportedKind, BrokenDocument, PasswordProtected and ParseTimeout; UnknownFile if there is
        no such file.
        """
        if isinstance(source, bytes):
            return documents.parse(source, name or "document", timeout_s=self._parse_timeout_s)
        path = Path(source).expanduser()
        return documents.parse(path, name or path.name, timeout_s=self._parse_timeout_s)

    def chunk(
        self,
        document: Document,
        options: ChunkOptions | None = None,
        *,
        model: str = DEFAULT_MODEL,
        **fields: Any,  # noqa: ANN401 - those of ChunkOptions
    ) -> Chunks:
        """Cut a document into chunks for a model, in order; see :class:`bindery.ChunkOptions`.

        ``fields`` are fields of ChunkOptions, such as ``size=64``, and replace those of
        ``options``. Raises what :meth:`bindery.Library.chunk` does.
        """
        chosen = replace(options or ChunkOptions(), **fields)
        timeout_s = self._parse_timeout_s
        found = self.library.chunk(document, chosen, model_id=model, parse_timeout_s=timeout_s)
        return Chunks(found)

    def embed(
        self,
        texts: Sequence[str] | Sequence[Chunk] | Document,
        options: VectorOptions | None = None,
        *,
        model: str = DEFAULT_MODEL,
        late_in: Document | None = None,
        **fields: Any,  # noqa: ANN401 - those of VectorOptions
    ) -> Encoded:
        """The vectors of texts or chunks, in order, with the tokens used and cut of each.

        A chunk is embedded with its context before it. A document is cut with the default
        ChunkOptions first. ``late_in`` is the document of chunks that the strategy ``late`` cut.
        ``fields`` are fields of :class:`bindery.VectorOptions`, such as ``dimensions=128``, and
        replace those of ``options``. No texts give vectors of shape (0, d). Raises what
        :meth:`bindery.Library.submit` and waiting for its result raise.
        """
        chosen = replace(options or VectorOptions(), **fields)
        if isinstance(texts, str):
            raise InvalidValue("texts must be a list, got one string.", param="texts")
        items = self.chunk(texts, model=model) if isinstance(texts, Document) else texts
        chunks = [one for one in items if isinstance(one, Chunk)]
        if chunks and len(chunks) == len(items):
            card = self.library.entry(model).card
            slot = has_title_slot(card, chosen)
            request = chunks_request(chunks, chosen, late_in=late_in, title_slot=slot)
        else:
            request = EncodeRequest([*items], chosen)  # pyright: ignore[reportArgumentType]
        return self.library.submit(model, request).result()[1]

    @property
    def jobs(self) -> Jobs:
        """Long work on kept files, which resumes after a crash."""
        if self._jobs is None:
            self._jobs = Jobs(
                self.library,
                parse_timeout_s=self._parse_timeout_s,
                when_filled=self.collections.end_rebuild,
            )
        return self._jobs

    @cached_property
    def collections(self) -> Collections:
        """The collections of files that are searched together."""
        return Collections(self.library)

    def add(
        self,
        paths: Sequence[str | Path],
        collection: str = DEFAULT_COLLECTION,
        *,
        attributes: Mapping[str, object] | None = None,
        options: AddOptions | None = None,
        model: str = DEFAULT_MODEL,
        chunks: ChunkOptions | None = None,
        vectors: VectorOptions | None = None,
    ) -> AddReport:
        """Add files and folders to a collection, which is made if it is not there.

        ``model``, ``chunks`` and ``vectors`` say how the files of a new collection are cut and
        embedded. Raises what :func:`bindery.search.adding.add_local` does.
        """
        request = JobRequest(("-",), model, chunks or ChunkOptions(), vectors or VectorOptions())
        chosen = options or AddOptions(timeout_s=self._parse_timeout_s)
        wanted = Addition(collection, paths, request, chosen, attributes)
        return add_local(self.collections, wanted)[1]

    @overload
    def search(
        self,
        query: str,
        collection: str = ...,
        options: SearchOptions | None = ...,
        **fields: Any,  # noqa: ANN401
    ) -> SearchAnswer: ...

    @overload
    def search(
        self,
        query: list[str],
        collection: str = ...,
        options: SearchOptions | None = ...,
        **fields: Any,  # noqa: ANN401
    ) -> list[SearchAnswer]: ...

    def search(
        self,
        query: str | list[str],
        collection: str = DEFAULT_COLLECTION,
        options: SearchOptions | None = None,
        **fields: Any,
    ) -> SearchAnswer | list[SearchAnswer]:
        """The passages of a collection that answer a query best.

        A list of queries gives an answer for each, in order, and embeds them in one batch.
        ``fields`` are fields of :class:`bindery.options.SearchOptions`, such as ``top=5``, and
        replace those of ``options``. Raises UnknownCollection, and what
        :meth:`bindery.search.collection.Collection.search` does.
        """
        chosen = replace(options or SearchOptions(), **fields)
        return self.collections.get(collection).search(query, chosen)

    def export_collection(
        self, collection: str, path: str | Path, *, form: Form = Form.FLOAT32
    ) -> int:
        """Write the chunks, vectors and attributes of a collection to a file; how many chunks.

        Raises what :func:`bindery.search.exchange.export_collection` does.
        """
        return export_collection(self.collections.get(collection), Path(path), form)

    def import_collection(
        self,
        collection: str,
        source: str | Path,
        *,
        model: str = DEFAULT_MODEL,
        store: str = "",
        table: str = "",
    ) -> ImportReport:
        """Make a collection of an exported table, of JSON lines, or of a table of another store.

        Arguments and errors are those of :func:`bindery.search.foreign.import_collection`.
        """
        return import_collection(
            self.collections, collection, source, model=model, store=store, table=table
        )

    def evaluate(
        self,
        questions: Sequence[JudgedQuestion],
        collection: str = DEFAULT_COLLECTION,
        options: EvaluateOptions | None = None,
    ) -> Evaluation:
        """How well a collection answers questions, as it is and with other settings.

        :func:`bindery.evaluation.questions.read_questions` reads them from a file. Raises what
        :func:`bindery.evaluation.evaluating.evaluate` does.
        """
        return evaluate(self.collections, collection, questions, options or EvaluateOptions())

    @property
    def files(self) -> FileStore:
        """The files that are kept under the home folder."""
        return self.library.files

    @property
    def models(self) -> Mapping[str, ModelStatus]:
        """Every model of the catalog by its id, and whether it can answer."""
        return {status.card.id: status for status in self.library.statuses()}

    def close(self) -> None:
        """Stop jobs and free the memory of models."""
        if self._jobs is not None:
            self._jobs.stop()
        self.library.close()

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workspace({os.fspath(self.library.home)!r})"
