"""Serves the app on a socket of this machine."""

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Callable

import uvicorn

from bindery.errors import InvalidValue
from bindery.faces.http.app import create_app
from bindery.faces.python import open_library
from bindery.settings import Settings

# Longer than clients keep idle connections (httpx: 5 s), so that they are the ones to close them.
_KEEP_ALIVE_S = 65
_SHUTDOWN_S = 30
_BACKLOG = 2048


def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is running.

    ``on_ready`` is called with the base address once requests are taken; models may still load
    then. Port 0 takes any free one.

    Raises InvalidValue for an address that cannot be had, or one beyond this machine: there is no
    authentication yet. Raises what opening the library does.
    """
    _refuse_strangers(settings.host)
    library = open_library(settings)
    with _listen(settings.host, settings.port) as listener:
        config = uvicorn.Config(
            create_app(library, settings),
            ws="none",
            lifespan="on",
            log_config=None,  # who runs us decides where logs go
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        server = _Server(config, _address(listener), on_ready)
        # After shutting down uvicorn raises the signal again that told it to.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Tells its address as soon as it listens."""

    def __init__(
        self, config: uvicorn.Config, address: str, on_ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._address = address
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(self._address)


def _refuse_strangers(host: str) -> None:
    if host.lower() == "localhost":
        return
    try:
        is_ours = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_ours = False
    if not is_ours:
        raise InvalidValue(
            f"The server does not listen on {host!r}: anyone who reaches it could use it, and "
            "there is no authentication yet.",
            remedy="Listen on 127.0.0.1, and put a proxy that authenticates in front.",
            param="host",
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio turn off Nagle's algorithm, which would hold
    # back the body of every answer by 40 ms, until the client acknowledges the headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # where it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Only listening tells whether another server has the port.
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _unavailable(host, port, error) from error
    return listener


def _unavailable(host: str, port: int, error: Exception) -> InvalidValue:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return InvalidValue(
            f"Port {port} of {host} is taken by another program.",
            remedy="Stop that one, or choose another port with BINDERY_PORT.",
            param="port",
        )
    return InvalidValue(
        f"Nothing can listen on port {port} of {host}: {error}.",
        remedy="Choose another port with BINDERY_PORT.",
        param="port",
    )


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
