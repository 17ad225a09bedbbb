"""The protocol of the workers that search, similar to ``protocol.py``.

    {"do": "build"}  -> {"seconds": 3.1, "cpu_s": 3.0, "disk_mb": 96.1, ...}
    {"do": "search", "k": 10, "filter": {"share": 100}, "questions": [0, 1]}
                     -> {"seconds": [...], "cpu_s": [...], "found": "FILE.npy"}
    {"do": "memory"} -> {"resident_mb": 512.3, "anonymous_mb": 200.1}
    {"do": "stop"}   -> no answer; the worker ends

The data are files of one folder (see ``searching/data.py``). A filter allows the rows whose share
is below a number, or those of one topic; ``{"far": true}`` those of the topic far from each query.
The file has the rows (q, k) that were found, best first, -1 for none. A library that cannot filter
answers {"unsupported": true}.
"""
# pyright: basic, reportMissingImports=false

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from protocol import claim_standard_output


class Where(NamedTuple):
    """The rows that a filter allows: ``share`` below a value, or ``topic`` equal to it."""

    key: str
    value: int


class Unsupported(Exception):
    """The library does not filter."""


class Finder(Protocol):
    """The interface of each peer; the constructor gets the data folder and one to write to."""

    def build(self) -> dict[str, Any]:
        """Index everything; what is to be reported besides the time."""
        ...

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """The rows that are found, best first. Raises Unsupported."""
        ...


def serve(make: Callable[[Path, Path], Finder], packages: list[str]) -> None:
    """Answer commands until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--texts", type=Path, required=True, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and indexes")
    arguments, _ = parser.parse_known_args()
    answers = claim_standard_output()
    own = arguments.out / arguments.name
    own.mkdir()
    finder = make(arguments.texts, own)
    answers({"versions": {package: version(package) for package in packages}})
    for line in sys.stdin:
        command = json.loads(line)
        action = command.pop("do")
        if action == "stop":
            return
        if action == "build":
            answers(_build(finder, own))
        elif action == "memory":
            answers(_memory())
        else:
            answers(_search(finder, arguments.texts, own, **command))


def _build(finder: Finder, folder: Path) -> dict[str, Any]:
    started, cpu = time.perf_counter(), time.process_time()
    reported = finder.build() or {}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
        "disk_mb": sum(path.stat().st_size for path in files) / 1e6,
        **reported,
    }


def _search(
    finder: Finder, data: Path, folder: Path, questions: list[int], k: int, filter: dict[str, int]
) -> dict[str, Any]:
    seconds: list[float] = []
    cpu_s: list[float] = []
    found = np.full((len(questions), k), -1, dtype=np.int64)
    far = np.load(data / "far.npy") if "far" in filter else None
    for place, question in enumerate(questions):
        where = Where("topic", int(far[question])) if far is not None else None
        if "share" in filter:
            where = Where("share", filter["share"])
        started, cpu = time.perf_counter(), time.process_time()
        try:
            rows = finder.search(question, k, where)
        except Unsupported:
            return {"unsupported": True}
        seconds.append(time.perf_counter() - started)
        cpu_s.append(time.process_time() - cpu)
        found[place, : len(rows)] = rows
    path = folder.parent / f"{folder.name}-found.npy"
    np.save(path, found)
    return {"seconds": seconds, "cpu_s": cpu_s, "found": str(path)}


def _memory() -> dict[str, Any]:
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    resident, anonymous = (int(fields[key].split()[0]) / 1024 for key in ("VmRSS", "RssAnon"))
    return {"resident_mb": resident, "anonymous_mb": anonymous}
