"""Serves the app on a socket of this machine, and ends as whoever runs it expects."""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from bindery.faces.http.app import create_app
from bindery.faces.http.observing.tracing import open_tracing
from bindery.faces.http.services import Services
from bindery.faces.http.wire.draining import Drain, DrainMiddleware, accept_queued
from bindery.faces.http.wire.listening import BACKLOG, address_of, listen, refuse_strangers
from bindery.faces.http.wire.protocol import protocol_for
from bindery.faces.logs import log_fault
from bindery.faces.python import open_library
from bindery.settings import Settings

_log = logging.getLogger(__name__)

# Longer than clients keep idle connections (httpx: 5 s), so that they are the ones to close them.
_KEEP_ALIVE_S = 65
# Once time is up: to tell those who still wait, and to give memory and threads back.
_CLEAR_S = 1.0
_STOPPED = 130


def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was asked, and return.

    ``on_ready`` is called with the base address once requests are taken; models may still load
    then. Port 0 takes any free one. On a signal readiness goes at once; for
    ``settings.drain_delay_s`` requests are taken as before, on SIGINT not at all; all is over
    ``settings.drain_timeout_s`` after the signal, where need be by ending the process with code 0.
    A second signal ends it at once, with code 130.

    Raises InvalidValue for an address that cannot be had, or for one beyond this machine while
    there are no keys. Raises what opening the library does.
    """
    refuse_strangers(settings)
    library = open_library(settings, serves=True)
    app = create_app(library, settings, tracing=open_tracing(settings.otel_endpoint))
    services: Services = app.state.services
    with listen(settings.host, settings.port) as listener:
        config = uvicorn.Config(
            DrainMiddleware(app, lambda: services.readiness.is_ending),
            http=protocol_for(settings, services.meters),
            ws="none",
            lifespan="on",
            log_config=None,  # who runs us decides where logs go
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        server = _Server(config, settings, services)
        server.serve_on(listener, on_ready)


class _Server(uvicorn.Server):
    """Tells its address as soon as it listens, and leaves nobody without an answer at the end."""

    def __init__(self, config: uvicorn.Config, settings: Settings, services: Services) -> None:
        super().__init__(config)
        self._settings = settings
        self._services = services
        self._on_ready: Callable[[], None] = lambda: None
        self._delay_s = settings.drain_delay_s
        self._last_resort: threading.Timer | None = None

    def serve_on(self, listener: socket.socket, on_ready: Callable[[str], None] | None) -> None:
        """Serve, and return when all is over."""
        if on_ready is not None:
            self._on_ready = lambda: on_ready(address_of(listener))
        try:
            self.run(sockets=[listener])
        finally:
            if self._last_resort is not None:
                self._last_resort.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end, the second one is the end."""
        if self.should_exit:
            os._exit(_STOPPED)
        self.should_exit = True
        self._services.readiness.is_ending = True
        if sig == signal.SIGINT:
            self._delay_s = 0.0  # somebody sits at the terminal and waits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        asyncio.get_running_loop().set_exception_handler(_log_unhandled)
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: not ready, closed to new clients, nobody left to answer, and everything put away."""
        self._services.readiness.is_ending = True
        begin = time.monotonic()
        until = begin + max(self._settings.drain_timeout_s, self._delay_s)
        self._last_resort = threading.Timer(until + _CLEAR_S - begin, self._give_up)
        self._last_resort.daemon = True
        self._last_resort.start()

        # Jobs end their batch while requests are answered; they go on when a server starts again.
        jobs_end = asyncio.create_task(asyncio.to_thread(self._services.background_jobs.stop))
        leave = Drain(self.server_state.connections)
        _log.info("Ending: not ready any more, and still serving for %g s.", self._delay_s)
        await leave.watch(begin + self._delay_s)
        for listener in sockets or ():
            await accept_queued(listener, until)
        for server in self.servers:
            server.close()
        _log.info("Closed to new clients; %d requests run.", len(self.server_state.tasks))
        if not await leave.take(until):
            await self._cut()
        await jobs_end
        await super().shutdown(sockets)
        _log.info("Ended after %.1f s.", time.monotonic() - begin)

    async def _cut(self) -> None:
        tasks = set(self.server_state.tasks)
        _log.warning("Time is up: %d requests are told so.", len(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLEAR_S / 2)
        for connection in list(self.server_state.connections):
            connection.transport.close()

    def _give_up(self) -> None:
        """In a thread of its own: nothing that hangs keeps the process from ending in time."""
        unanswered = len(self.server_state.tasks)
        _log.warning("Ended by force: work that was cut short does not end.")
        logging.shutdown()
        os._exit(1 if unanswered else 0)


def _log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio does, but without the objects that it would show, which may hold texts."""
    log_fault(str(context["message"]), context.get("exception"))
