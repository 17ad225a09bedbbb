"""The listening socket, and the check whether it is safe to open it."""

import errno
import ipaddress
import logging
import os
import socket

from bindery.errors import InvalidValue
from bindery.settings import Settings
from bindery.store.keys import KeyStore

_log = logging.getLogger(__name__)

BACKLOG = 2048


def refuse_strangers(settings: Settings) -> None:
    """Raise InvalidValue if other machines could use this server without a key.

    Raises StorageError if the keys cannot be read.
    """
    has_keys = bool(KeyStore(settings.home).read())
    if has_keys or is_loopback(settings.host):
        return
    if settings.insecure:
        _log.warning(
            "INSECURE: the server listens on %s and has no keys. Anyone who can reach it can use "
            "it, and read and delete every file. Run `bindery keys create` to require a key.",
            settings.host,
        )
        return
    raise InvalidValue(
        f"The server has no keys, so it does not listen on {settings.host!r}: anyone who can reach "
        "it could use it.",
        remedy="Create a key with `bindery keys create --name NAME`, or listen on 127.0.0.1 behind "
        "a proxy that authenticates. --insecure allows everybody.",
        param="host",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at ``host``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InvalidValue if the address is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio only turns off Nagle's algorithm if the protocol is given. Nagle would delay the body
    # of every answer by 40 ms, until the client acknowledges the headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # on Windows two servers could share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Only listen() reveals whether another server has the port.
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _unavailable(host, port, error) from error
    return listener


def _unavailable(host: str, port: int, error: Exception) -> InvalidValue:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return InvalidValue(
            f"Port {port} of {host} is in use by another program.",
            remedy="Stop that program, or choose another port with --port or BINDERY_PORT.",
            param="port",
        )
    return InvalidValue(
        f"Cannot listen on port {port} of {host}: {error}.",
        remedy="Choose another port with --port or BINDERY_PORT.",
        param="port",
    )


def address_of(listener: socket.socket) -> str:
    """The base URL for clients."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
