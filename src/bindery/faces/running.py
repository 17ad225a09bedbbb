"""The server of a home, which commands on this machine find and ask.

::

    server.json    its address, a token of its owner, and the process and settings it runs with

The file can be read by its owner alone and is removed when the server stops. One that is left
behind names a process that has ended.
"""

import hashlib
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import orjson

from bindery import __version__
from bindery.disk import storage_errors, whole_file
from bindery.secret import Secret
from bindery.settings import Settings

_NAME = "server.json"
# A command with other values of these might give another answer than the server.
_SAME = ("database_url", "blobs_url", "catalog", "models_folder", "precision", "engine", "device")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server of a home. Commands show it ``token`` instead of an API key."""

    host: str
    port: int
    token: Secret


def expected_address(settings: Settings) -> str:
    """The address for links if no server was asked: the setting, or else where one would listen."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{settings.port}"


def new_token() -> Secret:
    """A token for one run of a server."""
    return Secret(secrets.token_hex(32), name="the token of the server")


class Announcement:
    """The file that names a server, from :meth:`make` to :meth:`withdraw`."""

    def __init__(self, settings: Settings, token: Secret) -> None:
        self._settings = settings
        self._path = settings.home / _NAME
        self._token = token

    def make(self, listener: socket.socket) -> None:
        """Write the file, if this machine can reach the server on a loopback address."""
        host, port = listener.getsockname()[:2]
        if not _loopback(host):
            return
        facts = {"host": _loopback(host), "port": port, "token": self._token.reveal()}
        with storage_errors(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)  # nothing may be stored yet
        with whole_file(self._path, mode=0o600) as file:
            file.write(orjson.dumps({**facts, **asdict(_process(os.getpid(), self._settings))}))

    def withdraw(self) -> None:
        """Remove the file, unless another server has replaced it."""
        facts = _read(self._path)
        if facts is not None and facts.get("token") == self._token.reveal():
            with storage_errors(self._path):
                self._path.unlink(missing_ok=True)


def find_server(settings: Settings) -> RunningServer | None:
    """The server that runs on a home, with the same version and the same settings."""
    facts = _read(settings.home / _NAME)
    try:
        if facts is None or not _loopback(facts["host"]):
            return None
        if any(facts[k] != v for k, v in asdict(_process(facts["pid"], settings)).items()):
            return None
        token = Secret(facts["token"], name="the token of the server")
        return RunningServer(facts["host"], int(facts["port"]), token)
    except (KeyError, TypeError, ValueError):  # of another version
        return None


@dataclass(frozen=True, slots=True)
class _Process:
    """What tells a running server from one that has ended, or that would answer otherwise."""

    pid: int
    started: str
    machine: str
    version: str
    settings: str


def _process(pid: int, settings: Settings) -> _Process:
    same = repr([str(getattr(settings, name)) for name in _SAME])
    digest = hashlib.sha256(same.encode()).hexdigest()
    return _Process(pid, _started(pid), socket.gethostname(), __version__, digest)


def _started(pid: int) -> str:
    """When a process started, where the system tells; "ended" if there is no such process."""
    try:
        # The name of a program, in brackets, may contain spaces.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:  # no such process, or a system without /proc
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "ended"
    except OSError:  # it is another user's
        pass
    return ""


def _read(path: Path) -> dict[str, Any] | None:
    try:
        facts = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else None


def _loopback(host: str) -> str:
    """The address at which this machine reaches a server that listens on ``host``, or ""."""
    address = ip_address(host.partition("%")[0])
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host if address.is_loopback else ""
