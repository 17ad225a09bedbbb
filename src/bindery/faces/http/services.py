"""The services that all routes share: the library, the settings and the threads."""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from bindery.errors import UnknownModel
from bindery.evaluation.runs import EvaluationRuns
from bindery.faces.http.background import BackgroundJobs, Pool, Readiness, Warmup
from bindery.faces.http.errors import PathHider
from bindery.faces.http.gate.access import Scope, identity_of
from bindery.faces.http.observing.meters import Meters
from bindery.faces.http.routes.events import Listeners
from bindery.jobs import Job, Jobs
from bindery.library import DEFAULT_MODEL, Library
from bindery.search.collection import Collections
from bindery.search.exchange import sweep_drafts
from bindery.search.maintainer import Maintainer
from bindery.search.vector_stores import VectorStores
from bindery.settings import Found
from bindery.store.files import FileStore

# Ollama puts a model's variant after a colon, and this one if a client names none.
_OLLAMA_TAG = ":latest"


class Services:
    """One per app, opened and closed with it.

    Each kind of work has its own threads, so that slow requests do not block quick ones:

    - ``encoding`` (small requests) and ``bulk`` (the rest) check, tokenise and write answers.
      They are few, because none of them waits for a vector.
    - ``tokenising`` answers long texts with their tokens. That is pure Python, and with more than
      one thread of it everything else would wait.
    - ``loading`` waits for models to load, and ``ranking`` for the vectors to score.
    - ``parsing`` is small because one document can take a gigabyte of memory.
    - ``results`` writes the results of a job to a file, which can take minutes.
    - ``adding`` waits for what happens while local files are added, for hours.
    - ``looking`` answers what needs no file, such as the list of models, however busy the disk is.
    - ``disk`` does everything else that touches the disk. Its queue holds as many calls as there
      can be requests, so a download that has started is never refused.

    The guard limits how many requests there are. Routes use :func:`collections_of` and
    :func:`files_of`, because a key may see only some of them.
    """

    def __init__(self, library: Library, found: Found) -> None:
        self.library = library
        self.found = found
        settings = self.settings = found.settings
        self.all_collections = Collections(library)
        self.names = ServedModels(library)
        self.encoding = Pool("encode", threads=2, waiting=1024)
        self.bulk = Pool("bulk", threads=3, waiting=1024)
        self.tokenising = Pool("tokenise", threads=1, waiting=1024)
        self.loading = Pool("load", threads=8, waiting=256)
        self.ranking = Pool("rank", threads=8, waiting=256)
        self.parsing = Pool("parse", threads=3, waiting=64)
        self.looking = Pool("look", threads=2, waiting=1024)
        self.adding = Pool("add", threads=4, waiting=64)
        self.results = Pool("results", threads=2, waiting=32)
        self.disk = Pool("disk", threads=12, waiting=settings.max_requests)
        self.warmup = Warmup(library)
        self.readiness = Readiness(library, self.warmup, PathHider.of(settings))
        self.background_jobs = BackgroundJobs(
            library,
            self.warmup,
            parse_timeout_s=settings.parse_timeout_s,
            when_filled=self.all_collections.end_rebuild,
        )
        self.evaluations = EvaluationRuns(self.all_collections)
        self.maintainer = Maintainer(library, lambda: self.all_collections, each_minute=self._clear)
        self.listeners = Listeners(self.disk, lambda: self.readiness.is_ending)
        self.meters = Meters()

    @property
    def jobs(self) -> Jobs:
        """The jobs of the library. Raises StorageError if their database cannot be opened."""
        return self.background_jobs.jobs

    def _clear(self) -> None:
        sweep_drafts(self.all_collections)
        VectorStores(self.all_collections, self.jobs, self.library.files).empty_expired()

    def start(self) -> None:
        """Start loading the models, then working on jobs and indexes. Returns at once."""
        self.warmup.start()
        self.background_jobs.start()
        self.maintainer.start()
        self.evaluations.start()

    def close(self) -> None:
        """Finish running work and free the memory of the models."""
        self.warmup.stop()
        self.background_jobs.stop()
        self.evaluations.stop()
        self.maintainer.stop()
        embedding = (self.encoding, self.bulk, self.tokenising, self.loading, self.ranking)
        for pool in (*embedding, self.parsing, self.adding, self.looking, self.results, self.disk):
            pool.close()
        self.readiness.close()
        self.library.close()


def services_of(request: Request) -> Services:
    """The services of the app that received the request."""
    return cast(Services, request.app.state.services)


def public_address(request: Request) -> str:
    """The address for links in answers: the setting, or else the one that the client used.

    The guard has compared the Host header with the names of this server.
    """
    return services_of(request).settings.public_url or str(request.base_url).rstrip("/")


def collections_of(request: Request) -> Collections:
    """The collections that the key of a request may see. The others do not exist for it."""
    return services_of(request).all_collections.limited(identity_of(request).collections)


def files_of(request: Request) -> FileStore:
    """The stored files that the key of a request may see. Raises StorageError.

    For a key that is limited to collections, these are the files that it has uploaded, and those
    that files of its collections are from.
    """
    identity = identity_of(request)
    files = services_of(request).library.files
    if identity.collections is None:
        return files
    return files.limited(identity.key_id, identity.collections)


def sees_job(request: Request, job: Job) -> bool:
    """Whether the key of a request may see a job: its own, or any with the scope ``admin``."""
    identity = identity_of(request)
    return job.owner == identity.key_id or Scope.ADMIN in identity.scopes


async def _of_app(request: Request) -> Services:  # FastAPI calls other functions in a thread
    return services_of(request)


AppServices = Annotated[Services, Depends(_of_app)]
"""The parameter of a route that gets the services."""


class ServedModels:
    """The names that clients use for models: those of the library, and Ollama's forms of them."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def model_id(self, name: str) -> str:
        """The id of the named model; ``DEFAULT_MODEL`` for ``""``. Unknown names stay as given."""
        plain = name.removesuffix(_OLLAMA_TAG)
        if not plain:
            return DEFAULT_MODEL
        try:
            return self._library.find(plain)
        except UnknownModel:
            return name
