"""Embed folders end to end: ``python benchmarks/run_jobs.py --data FOLDER``.

A folder of real documents, and a synthetic mix of many kinds with SciFact's texts, markup and
images. It reports the share of the time in which the model runs, the peak memory of all processes
(for the whole mix and a quarter of it, to see whether it grows), and texts per second.
"""
# pyright: basic

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

import results
from corpus import read_scifact
from mix import write_mix

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).resolve().parent / "workers" / "embed_folder.py"
# Documents are read while the model runs, so the rest of the time is overhead.
LEAST_MODEL_SHARE = 0.9
MOST_GROWTH = 1.25


def main() -> int:
    """Measure, save the figures, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    results.warn_if_busy()
    abstracts = [f"{one['title']}\n\n{one['text']}" for one in _abstracts(arguments.data)]
    figures: dict[str, Any] = {"precision": arguments.precision}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        quarter, whole = folder / "quarter", folder / "whole"
        write_mix(quarter, abstracts, megabytes=arguments.megabytes / 4)
        write_mix(whole, abstracts, megabytes=arguments.megabytes)
        documents = arguments.data / "documents"
        for name, path in (("documents", documents), ("quarter", quarter), ("mix", whole)):
            figures[name] = _embed(path, folder / f"{name}.out", arguments.precision)
            print(name, json.dumps(figures[name]), flush=True)
    share = figures["mix"]["model_share"]
    growth = figures["mix"]["peak_mb"] / figures["quarter"]["peak_mb"]
    figures["peak_times_that_of_a_quarter"] = growth
    print(f"saved in {results.keep('jobs', figures)}")
    print(f"model's share of the time: {share:.3f} (target {LEAST_MODEL_SHARE})")
    print(f"peak memory relative to a quarter: {growth:.2f} (at most {MOST_GROWTH})")
    return 0 if share >= LEAST_MODEL_SHARE and growth <= MOST_GROWTH else 1


def _abstracts(data: Path) -> list[dict[str, str]]:
    read_scifact(data)  # fails with a helpful message if the data is missing
    lines = (data / "scifact" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _embed(folder: Path, out: Path, precision: str) -> dict[str, Any]:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    command = [sys.executable, str(WORKER), str(folder), str(out), precision]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    peak = _Peak(process.pid)
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{folder} was not embedded.")
    record = json.loads(told)
    wall_s = record["wall_s"]
    return {
        **record,
        "megabytes": size / 1e6,
        "model_share": record["model_s"] / (results.cores() * wall_s),
        "tokens_per_s": record["tokens"] / wall_s,
        "files_per_s": record["files"] / wall_s,
        "peak_mb": peak.end() / 1e6,
        "rerun_s": _again(command, environment),
    }


def _again(command: list[str], environment: dict[str, str]) -> float:
    """The same again, with all vectors already there."""
    started = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)
    return time.monotonic() - started


class _Peak:
    """The peak memory of a process and its children together, sampled ten times per second."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._bytes = 0
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def end(self) -> int:
        """Stop sampling and return the peak."""
        self._is_over.set()
        self._watcher.join()
        return self._bytes

    def _watch(self) -> None:
        while not self._is_over.wait(0.1):
            held = 0
            try:
                for one in (self._process, *self._process.children(recursive=True)):
                    held += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue  # a child of the sandbox has exited meanwhile
            self._bytes = max(self._bytes, held)


if __name__ == "__main__":
    sys.exit(main())
