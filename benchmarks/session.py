"""Workers of several peers, kept loaded side by side so that they can be measured in turn."""
# pyright: basic

import json
import os
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).resolve().parent / "workers"
REST_S = 0.5


@dataclass(frozen=True, slots=True)
class Peer:
    """A library to measure: its program, environment, model and precision.

    ``batch_sizes`` are tried before timing, and the fastest is used. Empty if the library chooses
    its batches itself.
    """

    name: str
    python: Path
    program: str
    model: Path
    precision: str = "float32"
    batch_sizes: tuple[int, ...] = ()


class WorkerError(RuntimeError):
    """A worker exited before it answered; the message has the end of its output."""


class Worker:
    """A running worker; start it with :func:`running`."""

    def __init__(self, peer: Peer, texts: Path, folder: Path, threads: int) -> None:
        self.peer = peer
        self._log = folder / f"{peer.name}.log"
        command: Sequence[str | Path] = [
            *(peer.python, WORKERS / peer.program, "--name", peer.name, "--texts", texts),
            *("--model", peer.model, "--precision", peer.precision),
            *("--threads", str(threads), "--out", folder),
        ]
        limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        # As docs/settings.md recommends, for every peer: none of them computes with NumPy.
        limits["OPENBLAS_NUM_THREADS"] = "1"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | limits,
            )
        self.ready = self._answer()

    def ask(self, action: str, **options: object) -> dict[str, Any]:
        """Rest briefly so that the cores are idle, send one command and wait for its answer."""
        time.sleep(REST_S)
        self._send({"do": action} | options)
        return self._answer()

    def stop(self) -> None:
        """Stop the worker, or kill it if it does not stop by itself."""
        if self._process.poll() is None:
            self._send({"do": "stop"})
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _send(self, command: Mapping[str, object]) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failure() from error

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        return json.loads(line)

    def _failure(self) -> WorkerError:
        tail = self._log.read_text(errors="replace")[-2000:]
        return WorkerError(f"The worker of {self.peer.name} exited:\n{tail}")


@contextmanager
def running(
    peers: Sequence[Peer], texts: Path, folder: Path, threads: int
) -> Generator[dict[str, Worker]]:
    """Start a worker for each peer, by name, and stop all at the end."""
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for peer in peers:
            print(f"Loading {peer.name}", flush=True)
            worker = Worker(peer, texts, folder, threads)
            stack.callback(worker.stop)
            workers[peer.name] = worker
        yield workers
