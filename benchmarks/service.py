"""What the service costs: the same chunks and queries through HTTP and in process, in turn.

A server of our own on the loopback address, started by ``bindery serve`` and ended here, and a
worker that calls the library; only one of them computes at a time. Clients run on the same cores,
so they do no more than a client must: send JSON, read the bytes.
"""
# pyright: basic

import base64
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from corpus import SciFact, chunks_of, ten_word_queries, write_texts
from metrics import cosines
from peers import model_folder
from session import Peer, Worker, running

CLIENTS = 4
CHUNKS_A_REQUEST = 32
STARTUP_LIMIT_S = 60.0
Figures = dict[str, object]


def measure(
    scifact: SciFact, *, chunks: int, rounds: int, queries: int, threads: int, precision: str
) -> Figures:
    """Compare the vectors, then time; returns what goes into the results."""
    texts = chunks_of(scifact, chunks)
    asked = ten_word_queries(scifact, queries)
    peer = Peer("bindery", Path(sys.executable), "with_bindery.py", model_folder(), precision)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        write_texts(path, texts)
        with (
            running([peer], path, Path(folder), threads) as workers,
            serving(precision, threads) as (port, startup),
        ):
            worker = workers["bindery"]
            agreement = _compare(worker, port, texts)
            throughput = _throughput(worker, port, texts, rounds)
            return {
                "precision": precision,
                "startup_s": startup,
                "agreement": agreement,
                "throughput": throughput,
                "latency": _latency(worker, port, asked),
            }


@contextmanager
def serving(precision: str, threads: int) -> Generator[tuple[int, Figures]]:
    """A server on a free port: the port, and the seconds until it was ready and had answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    short = {"float32": "f32", "bfloat16": "bf16"}[precision]
    settings = {"BINDERY_PRECISION": short, "BINDERY_THREADS": str(threads)}
    started = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "bindery", "serve", "--port", str(port)],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_until_ready(port, process)
            ready = time.perf_counter() - started
            _ask(http.client.HTTPConnection("127.0.0.1", port), ["hello"])
            first = time.perf_counter() - started
            yield port, {"ready": ready, "first_answer": first}
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTUP_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"The server ended with {process.returncode} before it was ready.")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.02)
    raise SystemExit(f"The server was not ready within {STARTUP_LIMIT_S} s.")


def _ask(connection: http.client.HTTPConnection, texts: Sequence[str]) -> bytes:
    body = json.dumps({"model": "vanilla", "input": texts, "encoding_format": "base64"})
    connection.request("POST", "/v1/embeddings", body, {"content-type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise SystemExit(f"The server answered {response.status}: {answer[:300]!r}")
    return answer


def _embed_all(port: int, texts: Sequence[str]) -> list[bytes]:
    """All texts by several clients at once, each with a connection of its own that it keeps."""
    parts = [
        texts[start : start + CHUNKS_A_REQUEST] for start in range(0, len(texts), CHUNKS_A_REQUEST)
    ]
    answers: list[bytes] = [b""] * len(parts)

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for place in range(number, len(parts), CLIENTS):
            answers[place] = _ask(connection, parts[place])
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(client, range(CLIENTS)))
    return answers


def _compare(worker: Worker, port: int, texts: Sequence[str]) -> Figures:
    reference = np.load(worker.ask("encode")["vectors"])
    served = np.vstack(
        [
            np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4")
            for answer in _embed_all(port, texts)
            for item in json.loads(answer)["data"]
        ]
    )
    alike = cosines(served, reference)
    if not alike.min() >= 0.999:
        raise SystemExit(f"Served vectors differ (cosine {alike.min():.6f}); nothing was timed.")
    return {"smallest_cosine": float(alike.min()), "mean_cosine": float(alike.mean())}


def _throughput(worker: Worker, port: int, texts: Sequence[str], rounds: int) -> Figures:
    in_process: list[float] = []
    through_http: list[float] = []
    for _ in range(rounds):
        in_process.append(worker.ask("encode")["seconds"])
        time.sleep(0.5)
        start = time.perf_counter()
        _embed_all(port, texts)
        through_http.append(time.perf_counter() - start)
    shares = [a / b for a, b in zip(in_process, through_http, strict=True)]
    return {
        "clients": CLIENTS,
        "chunks_a_request": CHUNKS_A_REQUEST,
        "in_process_chunks_per_second": len(texts) / statistics.median(in_process),
        "http_chunks_per_second": len(texts) / statistics.median(through_http),
        "http_share_of_in_process": statistics.median(shares),
    }


def _latency(worker: Worker, port: int, queries: Sequence[str], turn: int = 20) -> Figures:
    in_process: list[float] = []
    through_http: list[float] = []
    differences: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for start in range(0, len(queries), turn):
        own = worker.ask("queries", texts=list(queries[start : start + turn]))["seconds"]
        time.sleep(0.5)
        served = [_timed(connection, query) for query in queries[start : start + turn]]
        in_process += own
        through_http += served
        differences.append(statistics.median(served) - statistics.median(own))
    return {
        "in_process_median_ms": 1000 * statistics.median(in_process),
        "http_median_ms": 1000 * statistics.median(through_http),
        "http_p95_ms": 1000 * float(np.quantile(through_http, 0.95)),
        "http_adds_ms": 1000 * statistics.median(differences),
    }


def _timed(connection: http.client.HTTPConnection, query: str) -> float:
    start = time.perf_counter()
    _ask(connection, [query])
    return time.perf_counter() - start
