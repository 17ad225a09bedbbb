"""What the routes share: the library, the settings, and the threads that work for them."""

from typing import cast

from starlette.requests import Request

from bindery.faces.http.meters import Meters
from bindery.faces.http.names import ModelNames
from bindery.faces.http.pools import Pool
from bindery.faces.http.readiness import Readiness
from bindery.faces.http.warmup import Warmup
from bindery.library import Library
from bindery.settings import Settings


class Desk:
    """One for each app, opened and closed with it.

    Threads that check, tokenise and write, ``encoding`` for small requests and ``bulk`` for the
    rest, are few: none waits for a vector. ``loading`` waits for models to load, ``ranking`` for
    vectors to score. Each parse may take a gigabyte, so few run at a time. Looking things up has
    threads of its own, so that ``/ready`` answers while all others are taken. How many requests
    there are is the guard's to bound.
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
        self.warmup = Warmup(library)
        self.readiness = Readiness(library, self.warmup)
        self.meters = Meters()

    def close(self) -> None:
        """Finish what is running and give the models' memory back."""
        self.warmup.stop()
        encoding = (self.encoding, self.bulk, self.loading, self.ranking)
        for pool in (*encoding, self.parsing, self.filing, self.looking):
            pool.close()
        self.readiness.close()
        self.library.close()


def desk_of(request: Request) -> Desk:
    """The desk of the app that the request came to."""
    return cast(Desk, request.app.state.desk)
