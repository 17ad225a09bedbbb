"""The socket that the server listens on, and whether it may."""

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
    """Raise InvalidValue where other machines could reach a server that asks for no key.

    Raises StorageError where the keys cannot be read.
    """
    has_keys = bool(KeyStore(settings.home).read())
    if has_keys or is_loopback(settings.host):
        return
    if settings.insecure:
        _log.warning(
            "INSECURE: there are no keys, and the server listens on %s. Whoever reaches it may use "
            "it, read every file and delete it. `bindery keys create` ends that at once.",
            settings.host,
        )
        return
    raise InvalidValue(
        f"The server does not listen on {settings.host!r}: anyone who reaches it could use it, and "
        "there are no keys.",
        remedy="Make one with `bindery keys create --name NAME`, or listen on 127.0.0.1 with a "
        "proxy that authenticates in front; --insecure serves everybody.",
        param="host",
    )


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches a server there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises InvalidValue where none can be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio turn off Nagle's algorithm, which would hold
    # back the body of every answer by 40 ms, until the client acknowledges the headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # where it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Only listening tells whether another server has the port.
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _unavailable(host, port, error) from error
    return listener


def _unavailable(host: str, port: int, error: Exception) -> InvalidValue:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return InvalidValue(
            f"Port {port} of {host} is taken by another program.",
            remedy="Stop that one, or choose another port with --port or BINDERY_PORT.",
            param="port",
        )
    return InvalidValue(
        f"Nothing can listen on port {port} of {host}: {error}.",
        remedy="Choose another port with --port or BINDERY_PORT.",
        param="port",
    )


def address_of(listener: socket.socket) -> str:
    """The address that clients ask."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
