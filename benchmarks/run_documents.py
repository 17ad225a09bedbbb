"""Quality and speed of parsing documents: ``run_documents.py --data FOLDER``.

The data folder contains ``documents/`` with files of all kinds, and ``documents/expected/`` with
reference texts of some of them, named like the document with ``.md`` instead of, or after, its
extension. Kreuzberg and markitdown read the same files in separate environments (``.peers/``).
"""
# pyright: basic

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from peers import BENCHMARKS, USUAL_DATA, python_of
from reading.agreement import agreement
from results import keep, warn_if_busy

WORKER = BENCHMARKS / "workers" / "read_documents.py"
OURS = "bindery"
LIBRARIES = (OURS, "bindery in its sandbox", "kreuzberg", "markitdown")


def main() -> None:
    """Read all files with every library, compare the texts and save the figures."""
    arguments = _arguments()
    warn_if_busy()
    folder = arguments.data / "documents"
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and path.name != "manifest.json"
    )
    readings: dict[str, dict[str, Any]] = {}
    for library in LIBRARIES:
        print(f"== {library}", flush=True)
        readings[library] = _read(library, files, arguments.rounds)
    figures = {
        "f1_against_references": _against_references(folder / "expected", files, readings),
        "f1_against_peers": _against_peers(readings),
        "speed": _speed(readings),
    }
    print(f"saved in {keep('documents', figures)}")


def _read(library: str, files: list[Path], rounds: int) -> dict[str, Any]:
    python = sys.executable if library.startswith(OURS) else python_of(library)
    command = [python, WORKER, library, str(rounds), *files]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"file"')]
    return {line["file"]: line for line in lines}


def _reference(folder: Path, file: Path) -> Path | None:
    """The reference text of a document; documents with the same stem differ in their kind."""
    whole, stem = folder / f"{file.name}.md", folder / f"{file.stem}.md"
    return whole if whole.exists() else stem if stem.exists() and file.suffix == ".pdf" else None


def _against_references(
    folder: Path, files: list[Path], readings: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for file in files:
        reference = _reference(folder, file)
        if reference is None:
            continue
        expected = reference.read_text(encoding="utf-8")
        table[file.name] = {
            library: round(agreement(read[file.name]["text"], expected).f1, 4)
            for library, read in readings.items()
        }
    _show("word F1 against the references", table)
    return table


def _against_peers(readings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Agreement with the peers' texts, for files without a reference text."""
    table = {
        name: {
            peer: round(agreement(ours["text"], readings[peer][name]["text"]).f1, 4)
            for peer in ("kreuzberg", "markitdown")
            if readings[peer][name]["text"].strip()
        }
        for name, ours in readings[OURS].items()
        if ours["text"].strip()
    }
    _show("word F1 of our text against a peer's", table)
    return table


def _speed(readings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Files per second, over the files that every library can read; the median of the rounds."""
    names = [
        name
        for name in readings[OURS]
        if all(not read[name]["error"] for read in readings.values())
    ]
    table: dict[str, dict[str, float]] = {}
    for library, read in readings.items():
        seconds = {name: median(read[name]["seconds"]) for name in names}
        table[library] = {
            "files": len(names),
            "files_per_s": round(len(names) / sum(seconds.values()), 2),
            "median_ms": round(1000 * median(seconds.values()), 2),
            "refused": sum(bool(line["error"]) for line in read.values()),
        }
    _show(f"speed, {len(names)} files that all libraries can read", table)
    return table


def _show(title: str, table: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n{title}")
    for name, row in table.items():
        print(f"{name[:44]:44} " + "  ".join(f"{key} {value:g}" for key, value in row.items()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    usual = next((folder for folder in USUAL_DATA if folder.exists()), USUAL_DATA[0])
    parser.add_argument("--data", type=Path, default=usual)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
