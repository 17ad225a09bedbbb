"""A server in its own process, and clients that send requests without a pause while it stops."""

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
given = json.loads(sys.argv[1])
if given.pop("loop") == "asyncio":
    sys.modules["uvloop"] = None  # as where it is not installed
from bindery.faces.http.wire import server
from bindery.settings import Settings
server._CLEAR_S = given.pop("clear_s", server._CLEAR_S)
def tell(address):
    print(address, type(asyncio.get_running_loop()).__module__.split(".")[0], flush=True)
server.serve(Settings(home=Path(given.pop("home")), port=0, **given), on_ready=tell)
print("ended", flush=True)
"""

EMBED = json.dumps({"model": "vanilla", "input": "Loose paper is fragile."}).encode()


@dataclass
class Server:
    """A running server; ``loop`` is the package of its event loop."""

    process: "subprocess.Popen[str]"
    port: int
    loop: str

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_until(self, status: str) -> None:
        """Return once ``/ready`` has this status."""
        while json.loads(self.get("/ready"))["status"] != status:
            time.sleep(0.02)

    def wait_for_a_request(self) -> None:
        """Return once a request is running beside the one that asks for this."""
        while b"bindery_http_requests_in_flight 2" not in self.get("/metrics"):
            time.sleep(0.02)

    def get(self, path: str) -> bytes:
        assert self.process.poll() is None
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as one:
            one.request("GET", path)
            return one.getresponse().read()

    def end(self) -> tuple[int, str, str]:
        """Wait for the end: exit code, output and errors."""
        output, errors = self.process.communicate(timeout=600)
        return self.process.returncode, output, errors


@contextlib.contextmanager
def running(home: Path, *, loop: str = "auto", **settings: object) -> Iterator[Server]:
    given = json.dumps({"home": str(home), "loop": loop, "precision": "f32", **settings})
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        try:
            address, loop = process.stdout.readline().split()
            yield Server(process, int(address.rpartition(":")[2]), loop)
        finally:
            if process.poll() is None:
                process.kill()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, closed at the end: an open one would make the next test fail."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        yield reader, writer


def head(method: str, path: str, length: int = 0) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {length}"]
    lines += ["content-type: application/json"] if length else []
    return "\r\n".join([*lines, "", ""]).encode()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Raises IncompleteReadError if the answer is incomplete."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:-2])
    body = await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split()[1]), headers, body


@dataclass
class Clients:
    """Clients with kept connections that send the next request as soon as they have an answer."""

    port: int
    outcomes: Counter[str] = field(default_factory=Counter)
    events: list[str] = field(default_factory=list)
    """The received statuses in order, of ``/ready`` and of embeddings."""

    async def embed(self) -> None:
        await self._ask("embed", head("POST", "/v1/embeddings", len(EMBED)) + EMBED)

    async def probe(self) -> None:
        await self._ask("ready", head("GET", "/ready"))

    async def _ask(self, name: str, request: bytes) -> None:
        try:
            while True:
                async with connected(self.port) as (reader, writer):
                    is_kept = True
                    while is_kept:
                        writer.write(request)
                        status, headers, _ = await read_answer(reader)
                        self.outcomes[f"{name} {status}"] += 1
                        self.events.append(f"{name} {status}")
                        is_kept = headers.get("connection") != "close"
        except ConnectionRefusedError:
            self.outcomes["refused"] += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            self.outcomes[f"lost: {type(error).__name__}"] += 1
