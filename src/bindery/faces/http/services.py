"""What the routes share: the library, the settings, and the threads that work for them."""

from typing import cast

from starlette.requests import Request

from bindery.faces.http.long_work import LongWork
from bindery.faces.http.names import ModelNames
from bindery.faces.http.observing.meters import Meters
from bindery.faces.http.pools import Pool
from bindery.faces.http.readiness import Readiness
from bindery.faces.http.routes.events import Listeners
from bindery.faces.http.warmup import Warmup
from bindery.jobs import Jobs
from bindery.library import Library
from bindery.settings import Settings


class Services:
    """One for each app, opened and closed with it.

    Threads that check, tokenise and write, ``encoding`` for small requests and ``bulk`` for the
    rest, are few: none waits for a vector. ``loading`` waits for models to load, ``ranking`` for
    vectors to score. Each parse may take a gigabyte, so few run at a time; ``results`` writes what
    a job made to a file. Looking things up has threads of its own, so that ``/ready`` answers while
    all others are taken. ``sending`` reads what goes out piece by piece, and refuses nothing that
    has begun. How many requests there are is the guard's to bound.
    """

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self.settings = settings
        self.names = ModelNames(library.catalog)
        self.encoding = Pool("encode", threads=2, waiting=1024)
        self.bulk = Pool("bulk", threads=3, waiting=1024)
        self.loading = Pool("load", threads=8, waiting=256)
        self.ranking = Pool("rank", threads=8, waiting=256)
        self.parsing = Pool("parse", threads=3, waiting=64)
        self.filing = Pool("file", threads=8, waiting=256)
        self.looking = Pool("look", threads=2, waiting=1024)
        self.results = Pool("results", threads=2, waiting=32)
        self.sending = Pool("send", threads=4, waiting=settings.max_requests)
        self.warmup = Warmup(library)
        self.readiness = Readiness(library, self.warmup)
        self.long_work = LongWork(library, self.warmup, parse_timeout_s=settings.parse_timeout_s)
        self.listeners = Listeners(self.sending, lambda: self.readiness.is_ending)
        self.meters = Meters()

    @property
    def jobs(self) -> Jobs:
        """The door to long work. Raises StorageError where its database cannot be opened."""
        return self.long_work.jobs

    def start(self) -> None:
        """Load the models, and then work on jobs; neither is waited for."""
        self.warmup.start()
        self.long_work.start()

    def close(self) -> None:
        """Finish what is running and give the models' memory back."""
        self.warmup.stop()
        self.long_work.stop()
        encoding = (self.encoding, self.bulk, self.loading, self.ranking)
        filing = (self.parsing, self.filing, self.results, self.sending)
        for pool in (*encoding, *filing, self.looking):
            pool.close()
        self.readiness.close()
        self.library.close()


def services_of(request: Request) -> Services:
    """The services of the app that the request came to."""
    return cast(Services, request.app.state.services)
