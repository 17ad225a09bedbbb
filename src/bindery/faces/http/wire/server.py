"""Runs the app on a socket, from its start to an orderly end."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
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
from bindery.faces.running import Announcement, new_token
from bindery.settings import Settings

_log = logging.getLogger(__name__)

# A thread that runs Python lets the event loop wait this long, each time that it asks for the GIL:
# with Python's 5 ms and twenty large bodies arriving at once, /health waited for half a second.
_SWITCH_S = 0.001
# Longer than clients keep idle connections (httpx: 5 s), so that clients close them first.
_KEEP_ALIVE_S = 65
# After the deadline: time to answer waiting requests with 503, and to free memory and threads.
_CLEAR_S = 1.0
_STOPPED = 130


def serve(
    settings: Settings,
    *,
    origins: Mapping[str, str] | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, answer the requests in flight, and return.

    ``on_ready`` is called with the base URL once requests are accepted; models may still be
    loading. Port 0 means any free port. After a signal ``/ready`` fails at once, and requests are
    still accepted for ``settings.drain_delay_s`` (after SIGINT, not at all). Everything has ended
    ``settings.drain_timeout_s`` after the signal, if necessary by ending the process with code 0.
    A second signal ends it at once with code 130.

    Raises InvalidValue if the address is not available, or if other machines can reach it and
    there are no keys. Raises the errors of opening the library.
    """
    refuse_strangers(settings)
    library = open_library(settings, serves=True)
    token = new_token()
    tracing = open_tracing(settings.otel_endpoint)
    app = create_app(library, settings, origins=origins, tracing=tracing, owner=token)
    services: Services = app.state.services
    sys.setswitchinterval(_SWITCH_S)
    with listen(settings.host, settings.port) as listener:
        config = uvicorn.Config(
            DrainMiddleware(app, lambda: services.readiness.is_ending),
            http=protocol_for(settings, services.meters),
            ws="none",
            lifespan="on",
            log_config=None,  # the caller decides where logs go
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        server = _Server(config, settings, services, Announcement(settings, token))
        server.serve_on(listener, on_ready)


class _Server(uvicorn.Server):
    """Reports its address once it listens, and answers every request before it ends."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        services: Services,
        announcement: Announcement,
    ) -> None:
        super().__init__(config)
        self._settings = settings
        self._services = services
        self._announcement = announcement
        self._on_ready: Callable[[], None] = lambda: None
        self._delay_s = settings.drain_delay_s
        self._last_resort: threading.Timer | None = None

    def serve_on(self, listener: socket.socket, on_ready: Callable[[str], None] | None) -> None:
        """Serve, and return when everything has ended."""

        def tell() -> None:
            self._announcement.make(listener)
            if on_ready is not None:
                on_ready(address_of(listener))

        self._on_ready = tell
        try:
            self.run(sockets=[listener])
        finally:
            if self._last_resort is not None:
                self._last_resort.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start draining on the first signal, end the process on the second."""
        if self.should_exit:
            os._exit(_STOPPED)
        self.should_exit = True
        self._services.readiness.is_ending = True
        if sig == signal.SIGINT:
            self._delay_s = 0.0  # a person at the terminal is waiting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and report the address."""
        asyncio.get_running_loop().set_exception_handler(_log_unhandled)
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop being ready, refuse new clients, answer open requests, and close everything."""
        self._services.readiness.is_ending = True
        self._announcement.withdraw()
        begin = time.monotonic()
        until = begin + max(self._settings.drain_timeout_s, self._delay_s)
        self._last_resort = threading.Timer(until + _CLEAR_S - begin, self._give_up)
        self._last_resort.daemon = True
        self._last_resort.start()

        # In that time jobs finish their batch; they resume when a server starts again.
        jobs_end = asyncio.create_task(asyncio.to_thread(self._services.background_jobs.stop))
        drain = Drain(self.server_state.connections)
        _log.info(
            "Stopping: /ready fails, and requests are accepted for another %g s.", self._delay_s
        )
        await drain.watch(begin + self._delay_s)
        for listener in sockets or ():
            await accept_queued(listener, until)
        for server in self.servers:
            server.close()
        _log.info("Closed to new clients; %d requests are running.", len(self.server_state.tasks))
        if not await drain.close_all(until):
            await self._cut()
        await jobs_end
        await super().shutdown(sockets)
        _log.info("Stopped after %.1f s.", time.monotonic() - begin)

    async def _cut(self) -> None:
        tasks = set(self.server_state.tasks)
        _log.warning("The drain timeout is over: %d requests are answered with 503.", len(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLEAR_S / 2)
        for connection in list(self.server_state.connections):
            connection.transport.close()

    def _give_up(self) -> None:
        """Runs in its own thread, so that the process ends in time even if something hangs."""
        unanswered = len(self.server_state.tasks)
        _log.warning("Ended by force: cancelled work did not stop.")
        logging.shutdown()
        os._exit(1 if unanswered else 0)


def _log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log as asyncio does, but without the objects that it shows, which can contain texts."""
    log_fault(str(context["message"]), context.get("exception"))
