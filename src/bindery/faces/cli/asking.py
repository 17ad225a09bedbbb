"""Asking the server of a home, which has the models loaded already.

Requests go to a loopback address of this machine and never through a proxy. If no server answers,
the command does the work itself.
"""

import http.client
import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from bindery.errors import Abandoned, error_from
from bindery.faces.running import RunningServer, find_server
from bindery.settings import Settings

if TYPE_CHECKING:
    from bindery.search.collection import Collections
    from bindery.search.local_work import LocalWork

_CONNECT_S = 1.0
# The server may have to load a model first.
_ANSWER_S = 300.0
# The server is stopping, or is another one than the file says.
_ANSWERS_NOTHING = (401, 503)

Facts: TypeAlias = dict[str, Any]


class Asked:
    """The collections of a home: those of a server that runs on it, or opened by this process."""

    def __init__(self, settings: Settings, *, alone: bool = False) -> None:
        self.settings = settings
        self._is_alone = alone
        self._collections: Collections | None = None
        self._kept: ExitStack | None = None

    def get(
        self,
        method: str,
        *path: str,
        query: str = "",
        body: Mapping[str, object] | None = None,
        alone: "Callable[[Collections], Facts]",
    ) -> Facts:
        """The answer of the server to a request under ``/collections``, or that of ``alone``.

        ``path`` are the parts of the path. Raises the error that the server answers.
        """
        once = self.stream(
            method, *path, query=query, body=body, alone=lambda all_: iter([alone(all_)])
        )
        return next(once)

    def stream(
        self,
        method: str,
        *path: str,
        query: str = "",
        body: Mapping[str, object] | None = None,
        alone: "Callable[[Collections], Iterator[Facts]]",
    ) -> Iterator[Facts]:
        """The same for an answer of several lines."""
        server = None if self._is_alone else find_server(self.settings)
        if server is not None:
            try:
                yield from ask(server, method, path, body, query=query)
            except NoServer:  # this process can answer as well
                pass
            else:
                return
        with self.opened() as collections:
            yield from alone(collections)

    def for_model(self, model: str | None) -> "Asked":
        """The same; by this process if the model is a path, which a server does not take."""
        return Asked(self.settings, alone=True) if model and Path(model).exists() else self

    def work(
        self, name: str, verb: str, *, body: Mapping[str, object], alone: "Callable[[], LocalWork]"
    ) -> Iterator[Facts]:
        """What happens while the server, or this process, does long work on a collection.

        The facts at its end are the last of it: see :func:`bindery.jobs.following.follow_work`.
        """

        def lines(found: "Collections") -> Iterator[Facts]:
            # As heavy as the collections themselves.
            from bindery.jobs.following import follow_work

            events = follow_work(partial(alone(), found), threading.Event())
            return (line for line in events if line is not None)

        return self.stream("POST", name, "local", verb, body=body, alone=lines)

    @contextmanager
    def kept_open(self) -> Generator[None]:
        """Keep the collections open until the block ends, if this process opens them at all."""
        with ExitStack() as self._kept:
            yield
        self._kept = None

    @contextmanager
    def opened(self) -> "Generator[Collections]":
        """The collections, opened by this process. They stay open until the first block ends."""
        if self._collections is None and self._kept is not None:
            self._kept.enter_context(self._opened())
        if self._collections is not None:
            yield self._collections
            return
        with self._opened() as collections:
            yield collections

    @contextmanager
    def _opened(self) -> "Generator[Collections]":
        # They import SQLAlchemy and NumPy, which take half a second.
        from bindery.faces.python import open_library
        from bindery.search.collection import Collections

        with closing(open_library(self.settings)) as library:
            self._collections = Collections(library)
            try:
                yield self._collections
            finally:
                self._collections = None


class NoServer(Exception):
    """No server answers, or it will not for long."""


def ask(
    server: RunningServer,
    method: str,
    path: tuple[str, ...],
    body: Mapping[str, object] | None,
    *,
    query: str = "",
) -> Iterator[Facts]:
    """The lines of JSON of an answer, as they come.

    Raises NoServer, and the error that the server answers.
    """
    connection = http.client.HTTPConnection(server.host, server.port, timeout=_CONNECT_S)
    headers = {"authorization": f"Bearer {server.token.reveal()}"}
    if body is not None:
        headers["content-type"] = "application/json"
    address = "/".join(["", "collections", *(quote(part, safe="") for part in path)])
    address += f"?{query}" if query else ""
    with closing(connection):
        try:
            connection.connect()
            connection.sock.settimeout(_ANSWER_S)
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, address, sent, headers)
            answer = connection.getresponse()
            if answer.status in _ANSWERS_NOTHING:
                raise NoServer
            lines = (line for line in iter(answer.readline, b"") if line.strip())
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                raise error_from(json.loads(next(lines, b"{}"))["error"])
            first = next(lines)
        except (OSError, http.client.HTTPException, ValueError, StopIteration) as error:
            raise NoServer from error
        try:
            for line in map(json.loads, chain([first], lines)):
                if line.get("event") == "error":
                    raise error_from(line["error"])
                yield line
        except (OSError, http.client.HTTPException) as error:
            raise Abandoned("The server stopped before it had answered.") from error
