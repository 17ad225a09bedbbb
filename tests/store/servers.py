"""Real servers for the tests, each ended with its block: PostgreSQL, and one that speaks S3."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A server that runs as root refuses to: it runs as this user there.
_NOBODY = 65534
_START_S = 60.0


def postgresql_programs() -> Path | None:
    """Where initdb and postgres lie; Debian's package puts them beside, not on, the path."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    places = [*packaged, *([Path(found).parent] if found else [])]
    return next((one for one in places if (one / "postgres").exists()), None)


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """A new server on a socket in a folder of its own; gives the address of its database."""
    # A socket's path may have 107 bytes, which pytest's folders often have.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=memory if memory.is_dir() else None))
    user = _NOBODY if sys.platform != "win32" and os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user, -1)
    try:
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "tests", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        log = (folder / "log").open("wb")
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60"],
            stdout=subprocess.DEVNULL, stderr=log, user=user, cwd=folder,
        )  # fmt: skip
        try:
            _wait(server, lambda: _answers(programs, folder))
            yield f"postgresql://tests@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing of it is to stay
            server.wait(30)
            log.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def s3(program: str) -> Iterator[str]:
    """A new moto server; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(server, lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _answers(programs: Path, folder: Path) -> bool:
    asked = subprocess.run([programs / "pg_isready", "-h", folder, "-q"])
    return asked.returncode == 0


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait(server: "subprocess.Popen[bytes]", is_ready: Callable[[], bool]) -> None:
    until = time.monotonic() + _START_S
    while not is_ready():
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < until, "the server does not start"
        time.sleep(0.05)
