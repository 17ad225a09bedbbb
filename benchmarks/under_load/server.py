"""Servers under test: started on a free port, watched through /proc, ended by pid."""
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
"""Texts that repeat would be looked up and not computed, and nothing would be measured."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command that serves on the port given with ``--port``, and the path that says it does."""

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

    ``variables`` are settings; with ``cores`` as many threads as there are of them are used.
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
        """What the process has in memory at this moment."""
        return int(self._status("VmRSS").split()[0]) / 1024

    def threads(self) -> int:
        """How many threads there are."""
        return int(self._status("Threads"))

    def open_files(self) -> int:
        """How many descriptors are open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - names alone

    def cpu_s(self) -> float:
        """Seconds of processor time that all its threads have used, those that ended included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tracebacks(self) -> int:
        """How often the log holds a traceback."""
        return self.log.read_text(errors="replace").count("Traceback (most recent call last)")

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit code. Kills it, and raises, where it does not end in time."""
        try:
            return self.process.wait(timeout=END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def tail(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-2000:]

    def _status(self, name: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(name))


@contextmanager
def serving(program: Program, *, cores: Sequence[int] = ()) -> Generator[Server]:
    """A server that is ready, on ``cores`` alone where any are given; it is always ended."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        home = _home(Path(folder))
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
        if cores:  # before it has any other threads, which inherit it
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


def _home(folder: Path) -> Path:
    """A home of its own, so that the user's files and keys play no part: only models are shared."""
    said = os.environ.get("BINDERY_HOME")
    usual = Path(said) if said else platformdirs.user_data_path("bindery")
    home = folder / "home"
    home.mkdir()
    (home / "models").symlink_to(usual / "models")
    shutil.copy(usual / "models.lock.json", home)
    return home


def free_port() -> int:
    """A port of the loopback address that nobody has just now."""
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
    """Samples a server's memory, descriptors and threads in a thread, until stopped."""

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
        """The most memory of any sample."""
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
