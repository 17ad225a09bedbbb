"""Servers under test: started on a free port, watched through /proc, stopped by pid."""
# pyright: basic

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from under_load.http1 import Connection, get

HERE = Path(__file__).resolve().parent
STARTUP_LIMIT_S = 120.0
END_LIMIT_S = 45.0

NO_CACHE = {"BINDERY_CACHE_MB": "0"}
"""With the cache, repeated texts would be looked up instead of computed."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command that serves on the port given with ``--port``, and its readiness path."""

    command: Sequence[str | Path]
    variables: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/ready"


def bindery(
    variables: Mapping[str, str] = NO_CACHE,
    *,
    cores: Sequence[int] = (),
    precision: str = "auto",
    fault: str | None = None,
) -> Program:
    """``bindery serve`` of this checkout, or the same with a planted fault (see faults.py).

    ``variables`` are settings. With ``cores``, it uses as many threads as there are cores.
    """
    folder = Path(sys.executable).parent
    plain: list[str | Path] = [folder / "bindery", "serve"]
    faulty: list[str | Path] = [sys.executable, "-P", HERE / "faults.py", fault or "", "serve"]
    settings = {"BINDERY_PRECISION": precision, "OPENBLAS_NUM_THREADS": "1", **variables}
    if cores:
        settings["BINDERY_THREADS"] = str(len(cores))
    return Program(faulty if fault else plain, settings)


class Server:
    """A running server; start it with :func:`serving`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.ready_s = float("nan")

    def resident_mb(self) -> float:
        """The current resident memory of the process."""
        return int(self._status("VmRSS").split()[0]) / 1024

    def threads(self) -> int:
        """The number of threads."""
        return int(self._status("Threads"))

    def open_files(self) -> int:
        """The number of open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - names alone

    def cpu_s(self) -> float:
        """CPU seconds used by all its threads, including those that have ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tracebacks(self) -> int:
        """The number of tracebacks in the log."""
        return self.log.read_text(errors="replace").count("Traceback (most recent call last)")

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for its exit code. Kills it and raises if it does not exit in time."""
        try:
            return self.process.wait(timeout=END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def tail(self) -> str:
        """The end of its output."""
        return self.log.read_text(errors="replace")[-2000:]

    def _status(self, name: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(name))


@contextmanager
def serving(
    program: Program, *, cores: Sequence[int] = (), home: Path | None = None
) -> Generator[Server]:
    """Run a server until it is ready, on ``cores`` if given; it is always stopped.

    Without ``home``, it has a temporary one.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        home = home or new_home(Path(folder))
        port = free_port()
        started = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*program.command, "--port", str(port)],
                env=os.environ | dict(program.variables) | {"BINDERY_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if cores:  # before it starts other threads, which inherit it
            os.sched_setaffinity(process.pid, cores)
        server = Server(process, port, log)
        try:
            _wait_until_ready(server, program.ready_path)
            server.ready_s = time.perf_counter() - started
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
            with suppress(subprocess.TimeoutExpired):  # it was killed
                server.wait()


def new_home(folder: Path) -> Path:
    """A temporary home that shares only the models, not the user's files and keys."""
    said = os.environ.get("BINDERY_HOME")
    usual = Path(said) if said else platformdirs.user_data_path("bindery")
    home = folder / "home"
    home.mkdir()
    (home / "models").symlink_to(usual / "models")
    shutil.copy(usual / "models.lock.json", home)
    return home


def free_port() -> int:
    """A free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(server: Server, path: str) -> None:
    deadline = time.monotonic() + STARTUP_LIMIT_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise SystemExit(f"The server ended before it was ready:\n{server.tail()}")
        try:
            with Connection(server.port, timeout_s=5) as connection:
                if connection.ask(get(path)).status == 200:
                    return
        except OSError:
            pass  # not listening yet
        time.sleep(0.02)
    raise SystemExit(f"The server was not ready within {STARTUP_LIMIT_S} s:\n{server.tail()}")


class Watch:
    """Samples a server's memory, descriptors and threads in a thread until stopped."""

    def __init__(self, server: Server, *, every_s: float) -> None:
        self.samples: list[tuple[float, float, int, int]] = []  # seconds, MB, files, threads
        self._server = server
        self._every_s = every_s
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_stopping.set()
        self._thread.join()

    @property
    def most_mb(self) -> float:
        """The largest memory of all samples."""
        return max(sample[1] for sample in self.samples)

    def _run(self) -> None:
        started = time.perf_counter()
        while True:
            with suppress(OSError):  # it has ended
                server = self._server
                found = (server.resident_mb(), server.open_files(), server.threads())
                self.samples.append((time.perf_counter() - started, *found))
            if self._is_stopping.wait(self._every_s):
                return
