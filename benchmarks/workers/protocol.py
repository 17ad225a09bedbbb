"""The protocol of all workers: one JSON object per line on standard input and output.

A worker loads its texts and model once, reports that it is ready, and then executes commands, so
that several can take turns on one machine with their models loaded:

    {"do": "encode", "batch_size": 32}   -> {"seconds": 1.2, "vectors": "FILE.npy"}
    {"do": "queries", "texts": [...]}    -> {"seconds": [0.01, ...], "vectors": "FILE.npy"}
    {"do": "tokens"}                     -> {"tokens": [12, ...]}
    {"do": "memory"}                     -> {"resident_mb": 512.3, "now_mb": 498.1}
    {"do": "stop"}                       -> no answer; the worker ends

``batch_size`` may be omitted or null for the library's default. Vectors are float32, one row per
text or per token. ``resident_mb`` is the peak so far. Anything that a library prints goes to
standard error.
"""
# pyright: basic, reportMissingImports=false

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Encoder(Protocol):
    """The interface that each peer implements."""

    def encode(self, texts: list[str], batch_size: int | None) -> np.ndarray:
        """Vectors of documents, (n, d) float32, or those of their tokens, (rows, d)."""
        ...

    def encode_query(self, text: str) -> np.ndarray:
        """The vector of one query, (d,) float32, or those of its tokens, (rows, d)."""
        ...

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Token counts of each text as the model sees it: with special tokens, truncated."""
        ...


def serve(build: Callable[[argparse.Namespace], Encoder], packages: list[str]) -> None:
    """Read the arguments, build the encoder and answer commands until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--texts", type=Path, required=True, help='lines of {"text": ...}')
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for vectors")
    arguments = parser.parse_args()
    answers = claim_standard_output()

    with arguments.texts.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    started = time.perf_counter()
    encoder = build(arguments)
    load_s = time.perf_counter() - started
    encoder.encode_query("ready")
    first_s = time.perf_counter() - started
    versions = {package: version(package) for package in packages}
    answers({"load_s": load_s, "load_and_first_query_s": first_s, "versions": versions})

    for line in sys.stdin:
        command = json.loads(line)
        action = command.pop("do")
        if action == "stop":
            return
        answers(ACTIONS[action](encoder, texts, arguments, **command))


def _encode(
    encoder: Encoder, texts: list[str], arguments: argparse.Namespace, batch_size: int | None = None
) -> dict[str, Any]:
    started = time.perf_counter()
    vectors = encoder.encode(texts, batch_size)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "vectors": _save(arguments, "documents", vectors)}


def _queries(
    encoder: Encoder, _texts: list[str], arguments: argparse.Namespace, texts: list[str]
) -> dict[str, Any]:
    seconds, vectors = [], []
    for text in texts:
        started = time.perf_counter()
        vector = encoder.encode_query(text)
        seconds.append(time.perf_counter() - started)
        vectors.append(np.atleast_2d(vector))
    return {"seconds": seconds, "vectors": _save(arguments, "queries", np.concatenate(vectors))}


def _tokens(encoder: Encoder, texts: list[str], _arguments: argparse.Namespace) -> dict[str, Any]:
    return {"tokens": encoder.count_tokens(texts)}


def _memory(_encoder: Encoder, _texts: list[str], _arguments: argparse.Namespace) -> dict[str, Any]:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    most = kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return {"resident_mb": most, "now_mb": _resident_mb()}


def _resident_mb() -> float | None:
    """The current resident memory, if the system reports it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024


ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "encode": _encode,
    "queries": _queries,
    "tokens": _tokens,
    "memory": _memory,
}


def _save(arguments: argparse.Namespace, what: str, vectors: np.ndarray) -> str:
    path = arguments.out / f"{arguments.name}-{what}.npy"
    np.save(path, np.asarray(vectors, dtype=np.float32))
    return str(path)


def claim_standard_output() -> Callable[[dict[str, Any]], None]:
    """Reserve standard output for answers: what libraries print goes to standard error."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        channel.write(json.dumps(content) + "\n")
        channel.flush()

    return answer
