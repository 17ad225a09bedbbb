"""Throughput and latency of Bindery and its peers, measured in turn on one machine.

Vectors are compared before anything is timed; if a peer's vectors differ from the reference's, the
run stops. Then every peer takes its turn in each round, with all of them loaded, so that a
temporary slowdown affects them all. Ratios are computed within a round; their median is reported.
"""
# pyright: basic

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import peak
from bindery.encoders.calibration import calibrate
from bindery.models.layouts import read_layout
from corpus import SciFact, chunks_of, ten_word_queries, write_texts
from metrics import cosines
from peers import model_folder, onnx_folder, python_of
from session import Peer, Worker, running

REFERENCE = "sentence-transformers"
SMALLEST_COSINE = {"float32": 0.9999, "bfloat16": 0.999, "int8": 0.985}
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
QUERIES_A_TURN = 20

Figures = dict[str, object]


def contestants() -> list[Peer]:
    """Bindery and its peers, the reference first."""
    torch, onnx = python_of("sentence-transformers"), python_of("fastembed")
    model, exported = model_folder(), onnx_folder()
    calibrate(read_layout(model))  # int8 needs it; does nothing if it exists
    own = Path(sys.executable)
    reference, fast = "with_sentence_transformers.py", "with_fastembed.py"
    return [
        Peer(REFERENCE, torch, reference, model, "float32", BATCH_SIZES),
        Peer(f"{REFERENCE}-bfloat16", torch, reference, model, "bfloat16", BATCH_SIZES),
        Peer("fastembed", onnx, fast, exported / "model.onnx", "float32", BATCH_SIZES),
        Peer("fastembed-fused", onnx, fast, exported / "fused.onnx", "float32", BATCH_SIZES),
        Peer("bindery", own, "with_bindery.py", model, "float32"),
        Peer("bindery-bfloat16", own, "with_bindery.py", model, "bfloat16"),
        Peer("bindery-int8", own, "with_bindery.py", model, "int8"),
    ]


def measure(
    scifact: SciFact, peers: Sequence[Peer], *, chunks: int, rounds: int, queries: int, threads: int
) -> Figures:
    """Compare vectors, tune batch sizes, then time; returns the figures."""
    texts = chunks_of(scifact, chunks)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        write_texts(path, texts)
        with running(peers, path, Path(folder), threads) as workers:
            lengths: list[int] = workers[REFERENCE].ask("tokens")["tokens"]
            figures: Figures = {
                "threads": threads,
                "chunks": _describe(lengths),
                "loading": {name: worker.ready for name, worker in workers.items()},
                "agreement": _compare(workers, ten_word_queries(scifact, QUERIES_A_TURN)),
            }
            sizes = _best_batch_sizes(workers)
            figures["batch_sizes"] = sizes
            figures["throughput"] = _throughput(workers, sizes, lengths, rounds)
            figures["latency"] = _latency(workers, ten_word_queries(scifact, queries))
            figures["memory"] = {name: worker.ask("memory") for name, worker in workers.items()}
    return figures


def _compare(workers: Mapping[str, Worker], queries: list[str]) -> Figures:
    """Cosines of all vectors with the reference's; exits if one is too low."""
    vectors = {
        name: np.vstack(
            [
                np.load(worker.ask("encode")["vectors"]),
                np.load(worker.ask("queries", texts=queries)["vectors"]),
            ]
        )
        for name, worker in workers.items()
    }
    agreement: Figures = {}
    for name, worker in workers.items():
        alike = cosines(vectors[name], vectors[REFERENCE])
        difference = np.abs(vectors[name] - vectors[REFERENCE]).max()
        agreement[name] = {
            "smallest_cosine": float(alike.min()),
            "mean_cosine": float(alike.mean()),
            "largest_difference": float(difference),
        }
        print(f"{name}: cosine at least {alike.min():.6f}, mean {alike.mean():.6f}", flush=True)
        if not alike.min() >= SMALLEST_COSINE[worker.peer.precision]:
            raise SystemExit(
                f"{name} returns vectors that differ from the reference's; nothing was timed."
            )
    return agreement


def _best_batch_sizes(workers: Mapping[str, Worker]) -> dict[str, int | None]:
    """The fastest batch size of each peer with a choice, from one run of each."""
    best: dict[str, int | None] = {}
    for name, worker in workers.items():
        seconds = {
            size: worker.ask("encode", batch_size=size)["seconds"]
            for size in worker.peer.batch_sizes
        }
        best[name] = min(seconds, key=seconds.__getitem__) if seconds else None
        print(f"{name}: best batch size {best[name]}", flush=True)
    return best


def _throughput(
    workers: Mapping[str, Worker],
    sizes: Mapping[str, int | None],
    lengths: Sequence[int],
    rounds: int,
) -> Figures:
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            answer = worker.ask("encode", batch_size=sizes[name])
            seconds[name].append(answer["seconds"])
    tokens = sum(lengths)
    return {
        name: {
            "chunks_per_second": len(lengths) / statistics.median(taken),
            "tokens_per_second": tokens / statistics.median(taken),
            "seconds": taken,
            "times_as_fast_as": _ratios(seconds, name),
        }
        for name, taken in seconds.items()
    }


def _latency(workers: Mapping[str, Worker], queries: list[str]) -> Figures:
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    rounds: dict[str, list[float]] = {name: [] for name in workers}
    for start in range(0, len(queries), QUERIES_A_TURN):
        for name, worker in workers.items():
            taken = worker.ask("queries", texts=queries[start : start + QUERIES_A_TURN])["seconds"]
            seconds[name] += taken
            rounds[name].append(statistics.median(taken))
    return {
        name: {
            "median_ms": 1000 * statistics.median(taken),
            "p95_ms": 1000 * float(np.quantile(taken, 0.95)),
            "queries": len(taken),
            "times_as_fast_as": _ratios(rounds, name),
        }
        for name, taken in seconds.items()
    }


def _ratios(seconds: Mapping[str, Sequence[float]], name: str) -> dict[str, float]:
    """Speed relative to each other peer: the median of the ratios within each round."""
    return {
        other: statistics.median(a / b for a, b in zip(taken, seconds[name], strict=True))
        for other, taken in seconds.items()
        if other != name
    }


def _describe(lengths: Sequence[int]) -> Figures:
    config = json.loads((model_folder() / "config.json").read_text())
    return {
        "count": len(lengths),
        "tokens": sum(lengths),
        "mean_tokens": statistics.mean(lengths),
        "median_tokens": statistics.median(lengths),
        "shortest_tokens": min(lengths),
        "longest_tokens": max(lengths),
        "gflop": peak.forward_flops(config, lengths) / 1e9,
    }
