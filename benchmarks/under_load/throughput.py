"""The same chunks and queries over HTTP, in process, and by Infinity.

All stay loaded, and only one of them computes at a time. Generators run on the same cores, so they
do no more than necessary: send prepared bytes and receive those of the response.
"""
# pyright: basic

import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from corpus import SciFact, chunks_of, ten_word_queries, write_texts
from metrics import cosines
from peers import model_folder, python_of
from session import REST_S, Peer, Worker, running
from under_load import load
from under_load.http1 import embeddings
from under_load.server import Program, Server, bindery, serving
from under_load.verdicts import Measured, Verdict, at_least, at_most

SHORT = {"float32": "f32", "bfloat16": "bf16", "int8": "int8"}
# Cosine to the vectors of the same precision in process. The vectors of int8 differ more from
# Infinity's float32: at least .9906 for all-MiniLM, without loss of nDCG@10 (docs/precision.md).
LEAST_COSINE = {"float32": 0.999, "bfloat16": 0.999, "int8": 0.98}
TURN = 20
QUERY_RATE_PER_S = 5.0

WAYS: Mapping[str, tuple[int, int]] = {
    "4_clients_32_chunks": (4, 32),
    "1_client_512_chunks": (1, 512),
    "32_clients_1_chunk": (32, 1),
}
"""How the chunks are sent: concurrent clients, and chunks per request (or all of them)."""


def infinity(precision: str, threads: int) -> Program:
    """Infinity on torch, with the same files and without telemetry."""
    program = python_of("infinity").parent / "infinity_emb"
    command = [program, "v2", "--model-id", model_folder(), "--served-model-name", "vanilla"]
    command += ["--engine", "torch", "--device", "cpu", "--dtype", precision]
    command += ["--no-bettertransformer", "--no-compile", "--host", "127.0.0.1"]
    count = str(threads)
    limits = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": "1"}
    offline = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    return Program(command, limits | offline, ready_path="/health")


PATHS = {"bindery": "/v1/embeddings", "infinity": "/embeddings"}


def measure(
    scifact: SciFact,
    *,
    chunks: int,
    rounds: int,
    queries: int,
    threads: int,
    precision: str,
    peers: Sequence[str] = ("infinity",),
    fault: str | None = None,
) -> Measured:
    """Compare the vectors, then time. Without ``peers``, only Bindery is measured."""
    texts = chunks_of(scifact, chunks)
    asked = ten_word_queries(scifact, queries)
    own = bindery(precision=SHORT[precision], fault=fault)
    own.variables["BINDERY_THREADS"] = str(threads)
    programs = {"bindery": own}
    if "infinity" in peers:
        programs["infinity"] = infinity("float32", threads)
    peer = Peer("bindery", Path(sys.executable), "with_bindery.py", model_folder(), precision)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "texts.jsonl"
        write_texts(path, texts)
        worker = stack.enter_context(running([peer], path, Path(folder), threads))["bindery"]
        servers = {
            name: stack.enter_context(serving(program)) for name, program in programs.items()
        }
        agreement = _compare(worker, servers, texts)
        same_vectors = _same_vectors(agreement, LEAST_COSINE[precision])
        if not all(verdict.holds for verdict in same_vectors):
            return Measured({"agreement": agreement}, same_vectors)
        throughput = _throughput(worker, servers, texts, rounds)
        latency = _latency(worker, servers, asked)
        under_bulk = _under_bulk(servers["bindery"].port, texts, asked[0])
    figures: dict[str, Any] = {
        "precision": precision,
        "ready_s": {name: server.ready_s for name, server in servers.items()},
        "agreement": agreement,
        "throughput": throughput,
        "latency": latency,
        "query_under_bulk": under_bulk,
    }
    verdicts = _verdicts(figures, judged=precision != "float32")
    return Measured(figures, [*same_vectors, *verdicts])


def _same_vectors(agreement: Mapping[str, float], least: float) -> list[Verdict]:
    return [
        at_least(f"Smallest cosine of {name} to the vectors in process", cosine, least)
        for name, cosine in agreement.items()
    ]


def _verdicts(figures: Mapping[str, Any], *, judged: bool) -> list[Verdict]:
    """The targets, for the precisions used in production; float32 is for information."""
    if not judged:
        return []
    throughput, latency = figures["throughput"], figures["latency"]
    bulk, single = throughput["4_clients_32_chunks"], throughput["32_clients_1_chunk"]
    large = throughput["1_client_512_chunks"]
    verdicts = [
        at_least("Bulk of 4 clients, share of in-process", bulk["share_of_in_process"], 0.9),
        at_least("Bulk of 1 client, share of in-process", large["share_of_in_process"], 0.9),
        at_least(
            "32 single-text clients, share of in-process", single["share_of_in_process"], 0.85
        ),
        at_most(
            "Query p95 under bulk, times its idle value", figures["query_under_bulk"]["times"], 3.0
        ),
    ]
    if "infinity" in latency:
        verdicts += [
            at_least("Bulk of 4 clients, times Infinity", bulk["times_infinity"], 4.0),
            at_least("Bulk of 1 client, times Infinity", large["times_infinity"], 4.0),
            at_most("Short query p50, share of Infinity's", latency["share_of_infinity"], 0.3),
        ]
    return verdicts


def _compare(
    worker: Worker, servers: Mapping[str, Server], texts: Sequence[str]
) -> dict[str, float]:
    """The lowest cosine to the vectors in process."""
    reference = np.load(worker.ask("encode")["vectors"])
    smallest: dict[str, float] = {}
    for name, server in servers.items():
        _, bodies = load.ask_all(server.port, _requests(name, texts, 32), 4)
        vectors = [
            np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4")
            for body in bodies
            for item in json.loads(body)["data"]
        ]
        smallest[name] = float(cosines(np.vstack(vectors), reference).min())
    return smallest


def _throughput(
    worker: Worker, servers: Mapping[str, Server], texts: Sequence[str], rounds: int
) -> dict[str, Any]:
    """Each way by each server and the worker, in turn; ratios are within a round."""
    in_process: list[float] = []
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        in_process.append(worker.ask("encode")["seconds"])
        for way, (clients, size) in WAYS.items():
            for name, server in servers.items():
                time.sleep(REST_S)
                seconds, _ = load.ask_all(server.port, _requests(name, texts, size), clients)
                taken.setdefault((way, name), []).append(seconds)
    count = len(texts)
    found: dict[str, Any] = {
        "in_process_chunks_per_second": count / statistics.median(in_process),
    }
    for way in WAYS:
        own = taken[way, "bindery"]
        shares = [a / b for a, b in zip(in_process, own, strict=True)]
        found[way] = {
            f"{name}_chunks_per_second": count / statistics.median(taken[way, name])
            for name in servers
        } | {"share_of_in_process": statistics.median(shares)}
        if "infinity" in servers:
            times = [a / b for a, b in zip(taken[way, "infinity"], own, strict=True)]
            found[way]["times_infinity"] = statistics.median(times)
    return found


def _latency(
    worker: Worker, servers: Mapping[str, Server], queries: Sequence[str]
) -> dict[str, Any]:
    """One short query at a time, in turns of 20."""
    in_process: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in servers}
    added: list[float] = []
    for start in range(0, len(queries), TURN):
        turn = queries[start : start + TURN]
        own = worker.ask("queries", texts=list(turn))["seconds"]
        in_process += own
        for name, server in servers.items():
            time.sleep(REST_S)
            taken[name] += load.ask_in_turn(server.port, _requests(name, turn, 1))
        added.append(statistics.median(taken["bindery"][-len(turn) :]) - statistics.median(own))
    found: dict[str, Any] = {"in_process": _milliseconds(in_process)}
    found |= {name: _milliseconds(seconds) for name, seconds in taken.items()}
    found["http_adds_ms"] = 1000 * statistics.median(added)
    if "infinity" in servers:
        found["share_of_infinity"] = found["bindery"]["p50_ms"] / found["infinity"]["p50_ms"]
    return found


def _under_bulk(port: int, texts: Sequence[str], query: str, rounds: int = 3) -> dict[str, Any]:
    """Five queries per second, alone and while four clients send all chunks repeatedly."""
    seconds = 20.0
    idle: list[float] = []
    busy: list[float] = []
    bulk = _requests("bindery", texts, 32)
    with load.generators((), 2) as pool:
        for _ in range(rounds):
            time.sleep(REST_S)
            asked = embeddings([query])
            idle += _latencies(
                load.probe(port, asked, rate_per_s=QUERY_RATE_PER_S, seconds=seconds)
            )
            start = time.perf_counter() + 0.2
            others = pool.submit(
                load.keep_asking, port, bulk, 4, seconds=seconds + 2, start_at=start
            )
            samples = load.probe(
                port, asked, rate_per_s=QUERY_RATE_PER_S, seconds=seconds, start_at=start + 1
            )
            busy += _latencies(samples)
            others.result()
    found = {"idle": _milliseconds(idle), "busy": _milliseconds(busy)}
    return {**found, "times": found["busy"]["p95_ms"] / found["idle"]["p95_ms"]}


def _latencies(samples: Sequence[load.Sample]) -> list[float]:
    """Latencies; a response that did not come counts as infinitely late."""
    return [sample.latency_s if sample.status == 200 else float("inf") for sample in samples]


def _milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    return {
        f"p{round(100 * part)}_ms": 1000 * float(np.quantile(seconds, part))
        for part in (0.5, 0.95, 0.99)
    }


def _requests(name: str, texts: Sequence[str], size: int) -> list[bytes]:
    parts = (texts[start : start + size] for start in range(0, len(texts), size))
    return [embeddings(part, PATHS[name]) for part in parts]
