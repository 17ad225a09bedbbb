"""Speed of models whose files are not available: full size, random weights.

Speed does not depend on the values of weights; quality does, so it is not measured. Vectors are
compared with those of sentence-transformers before anything is timed.
"""
# pyright: basic

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from corpus import SciFact, chunks_of, ten_word_queries, write_texts
from metrics import cosines
from peers import PEERS, model_folder, python_of
from session import WORKERS, Peer, Worker, running

# Random weights amplify rounding errors more than trained ones.
SMALLEST_MEAN_COSINE = {"float32": 0.99999, "bfloat16": 0.995}
BATCH_SIZES = (2, 8, 32)
REFERENCE = "reference"

KINDS: Mapping[str, str] = {
    "colbert": "with_multi_vector_encoder.py",
    "gemma": "with_sentence_transformers.py",
    "modernbert": "with_sentence_transformers.py",
}


def checkpoint(kind: str) -> Path:
    """The folder of a full-size checkpoint, created on the first call."""
    folder = PEERS / "full_size" / kind
    if not folder.exists():
        draft = folder.with_name(f"{kind}.draft")
        python = python_of("sentence-transformers")
        subprocess.run(
            [python, WORKERS / "make_full_size.py", kind, draft, model_folder()], check=True
        )
        draft.rename(folder)
    return folder


def measure(scifact: SciFact, *, chunks: int, rounds: int, queries: int, threads: int) -> dict:
    """The figures of each kind of model."""
    return {
        "weights": "random, full size",
        **{kind: _measure(kind, scifact, chunks, rounds, queries, threads) for kind in KINDS},
    }


def _measure(
    kind: str, scifact: SciFact, chunks: int, rounds: int, queries: int, threads: int
) -> dict[str, object]:
    folder, torch, own = checkpoint(kind), python_of("sentence-transformers"), Path(sys.executable)
    program = KINDS[kind]
    peers = [
        Peer(REFERENCE, torch, program, folder, "float32", BATCH_SIZES),
        Peer(f"{REFERENCE}-bfloat16", torch, program, folder, "bfloat16", BATCH_SIZES),
        Peer("bindery", own, "with_bindery.py", folder, "float32"),
        Peer("bindery-bfloat16", own, "with_bindery.py", folder, "bfloat16"),
    ]
    asked = ten_word_queries(scifact, queries)
    with tempfile.TemporaryDirectory() as folder_name:
        path = Path(folder_name) / "texts.jsonl"
        write_texts(path, chunks_of(scifact, chunks))
        with running(peers, path, Path(folder_name), threads) as workers:
            lengths: list[int] = workers[REFERENCE].ask("tokens")["tokens"]
            idle = {name: worker.ask("memory")["now_mb"] for name, worker in workers.items()}
            agreement, sizes = _compare(kind, workers, asked[:5])
            bulk: dict[str, list[float]] = {name: [] for name in workers}
            single: dict[str, list[float]] = {name: [] for name in workers}
            for _ in range(rounds):
                for name, worker in workers.items():
                    bulk[name].append(worker.ask("encode", batch_size=sizes[name])["seconds"])
                    taken = worker.ask("queries", texts=asked)["seconds"]
                    single[name].append(statistics.median(taken))
            memory = {name: worker.ask("memory") for name, worker in workers.items()}
    return {
        "chunks": len(lengths),
        "tokens": sum(lengths),
        "agreement": agreement,
        "batch_sizes": sizes,
        "tokens_per_second": {
            name: sum(lengths) / statistics.median(taken) for name, taken in bulk.items()
        },
        "documents_times_as_fast": _ratios(bulk),
        "query_ms": {name: 1000 * statistics.median(taken) for name, taken in single.items()},
        "queries_times_as_fast": _ratios(single),
        "memory_mb": {
            name: {
                "loaded": idle[name],
                "serving": memory[name]["now_mb"],
                "most": memory[name]["resident_mb"],
            }
            for name in workers
        },
    }


def _compare(kind: str, workers: Mapping[str, Worker], queries: list[str]) -> tuple[dict, dict]:
    """Cosines with the reference in float32, and each peer's fastest batch size."""
    sizes: dict[str, int | None] = {}
    vectors: dict[str, np.ndarray] = {}
    for name, worker in workers.items():
        seconds: dict[int | None, float] = {}
        for size in worker.peer.batch_sizes or (None, None):
            answer = worker.ask("encode", batch_size=size)
            seconds[size] = answer["seconds"]
        sizes[name] = min(seconds, key=seconds.__getitem__)
        asked = np.load(worker.ask("queries", texts=queries)["vectors"])
        vectors[name] = np.vstack([np.load(answer["vectors"]), asked])
    agreement = {}
    for name, worker in workers.items():
        alike = cosines(vectors[name], vectors[REFERENCE])
        agreement[name] = {"smallest": float(alike.min()), "mean": float(alike.mean())}
        print(
            f"{kind}, {name}: cosine at least {alike.min():.6f}, mean {alike.mean():.6f}",
            flush=True,
        )
        if not alike.mean() >= SMALLEST_MEAN_COSINE[worker.peer.precision]:
            raise SystemExit(
                f"{name} returns vectors that differ from the reference's; nothing was timed."
            )
    return agreement, sizes


def _ratios(seconds: Mapping[str, list[float]]) -> dict[str, dict[str, float]]:
    """Speed relative to each reference: the median of the ratios within each round."""
    return {
        name: {
            other: statistics.median(a / b for a, b in zip(seconds[other], taken, strict=True))
            for other in (REFERENCE, f"{REFERENCE}-bfloat16")
        }
        for name, taken in seconds.items()
        if not name.startswith(REFERENCE)
    }
