"""Indexes side by side: each in a process and an environment of its own, asked in turn."""
# pyright: basic

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peers import python_of
from session import Peer, Worker, WorkerError, running

FILTERS: Mapping[str, Mapping[str, int]] = {
    "none": {},
    **{f"{share / 10:g} %": {"share": share} for share in (1, 10, 100, 500, 900)},
    "far topic": {"far": 1},
}
"""Filters by name; one topic far from the query is about 1 % of the rows."""

VECTOR_PEERS = ("usearch", "faiss", "qdrant-edge", "lancedb")
WORD_PEERS = ("tantivy", "bm25s", "fts5")


def measure_vectors(
    folder: Path, peers: Sequence[str], *, rounds: int, threads: int, queries: int
) -> dict[str, Any]:
    """Times and recall@10 of Bindery, NumPy and the peers for every filter."""
    chosen = [
        Peer("bindery", Path(sys.executable), "find_with_bindery.py", folder),
        Peer("numpy", Path(sys.executable), "find_with_numpy.py", folder),
        *_peers(peers, "find", folder),
    ]
    expected = {name: _exact(folder, filter)[:queries] for name, filter in FILTERS.items()}

    def about(name: str, found: np.ndarray) -> dict[str, float]:
        recall = [
            len(set(some[:10].tolist()) & best) / len(best) if best else 1.0
            for some, best in zip(found, expected[name], strict=True)
        ]
        return {"recall": float(np.mean(recall)), "worst_recall": float(min(recall))}

    return _measure(chosen, folder, FILTERS, 10, queries, rounds, threads, about)


def measure_words(
    folder: Path, peers: Sequence[str], *, rounds: int, threads: int, queries: int
) -> dict[str, Any]:
    """Times of the best 100, and which share of Bindery's best 10 a peer also finds."""
    chosen = [
        *(
            Peer(name, Path(sys.executable), "match_with_bindery.py", folder)
            for name in ("bindery", "bindery-read")
        ),
        *_peers(peers, "match", folder),
    ]
    ours: list[np.ndarray] = []

    def about(_name: str, found: np.ndarray) -> dict[str, float]:
        ours.append(found[:, :10])  # Bindery is asked first
        same = [len({*a} & {*b[:10]}) / 10 for a, b in zip(ours[0], found, strict=True)]
        return {"same_best_10": float(np.mean(same))}

    return _measure(chosen, folder, {"none": {}}, 100, queries, rounds, threads, about)


def _peers(names: Sequence[str], verb: str, folder: Path) -> list[Peer]:
    return [
        Peer(name, python_of(name), f"{verb}_with_{name.replace('-', '_')}.py", folder)
        for name in names
    ]


def _measure(
    chosen: Sequence[Peer],
    folder: Path,
    filters: Mapping[str, Mapping[str, int]],
    k: int,
    queries: int,
    rounds: int,
    threads: int,
    about: Any,
) -> dict[str, Any]:
    """Build each index, then ask all in turn, round by round."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as out, running(chosen, folder, Path(out), threads) as all_:
        for name, worker in list(all_.items()):
            print(f"Building {name}", flush=True)
            try:
                figures[name] = {"build": worker.ask("build"), **worker.ready}
            except WorkerError as error:  # the others are still worth measuring
                figures[name] = {"failed": str(error)[-500:]}
                del all_[name]
        for filter, where in filters.items():
            times = _in_turn(all_, where, k, queries, rounds)
            for name, asked in times.items():
                found = about(filter, np.load(asked[0]["found"]))
                figures[name][filter] = found | _summary(asked, times["bindery"])
                print(filter, name, figures[name][filter], flush=True)
        for name, worker in all_.items():
            figures[name]["memory"] = worker.ask("memory")
    return figures


def _in_turn(
    workers: Mapping[str, Worker], where: Mapping[str, int], k: int, queries: int, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """What each worker answers in each round; not those that cannot filter."""
    times: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for name, worker in workers.items():
            answer = worker.ask("search", k=k, filter=where, questions=list(range(queries)))
            if not answer.get("unsupported"):
                times.setdefault(name, []).append(answer)
    return times


def _summary(
    rounds: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Milliseconds of a call; the ratio is the median of those within each round."""
    seconds = np.array([one["seconds"] for one in rounds]) * 1e3
    ratios = [
        float(np.median(one["seconds"]) / np.median(own["seconds"]))
        for one, own in zip(rounds, ours, strict=True)
    ]
    return {
        "p50_ms": float(np.median(seconds)),
        "best_round_p50_ms": float(np.median(seconds, axis=1).min()),
        "p95_ms": float(np.quantile(seconds, 0.95)),
        "cpu_p50_ms": float(np.median([one["cpu_s"] for one in rounds])) * 1e3,
        "times_as_slow_as_bindery": float(np.median(ratios)),
    }


def _exact(folder: Path, filter: Mapping[str, int]) -> list[set[int]]:
    """The best 10 of each query among the allowed rows, in float32."""
    rows, queries = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "Q.npy")
    shares, topics = np.load(folder / "share.npy"), np.load(folder / "topic.npy")
    far = np.load(folder / "far.npy")
    scores = np.concatenate(
        [queries @ rows[n : n + 50_000].T for n in range(0, len(rows), 50_000)], axis=1
    )
    found: list[set[int]] = []
    for place, some in enumerate(scores):
        allowed = np.arange(len(rows))
        if "share" in filter:
            allowed = np.flatnonzero(shares < filter["share"])
        if "far" in filter:
            allowed = np.flatnonzero(topics == far[place])
        few = some[allowed]
        best = allowed[np.argpartition(-few, min(10, len(few) - 1))[:10]] if len(few) else allowed
        found.append(set(best.tolist()))
    return found
