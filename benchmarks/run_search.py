"""Measure search beside other indexes: ``python benchmarks/run_search.py --data FOLDER``.

``--only`` selects sections. Figures go to ``results/``. Data that are not in the folder are made.
"""
# pyright: basic

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus import SciFact, chunks_of, read_scifact, titles_of
from peers import PEERS, USUAL_DATA
from results import cores, keep, warn_if_busy
from searching import changes, indexes, late, servers, service
from searching.data import texts_folder, vectors_folder
from under_load.server import new_home


def _vectors(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = vectors_folder(arguments.data, arguments.rows)
    peers = [name for name in indexes.VECTOR_PEERS if name in arguments.peers]
    return indexes.measure_vectors(
        folder, peers, rounds=arguments.rounds, threads=cores(), queries=arguments.queries
    )


def _million(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = vectors_folder(arguments.data, 1_000_000)
    return indexes.measure_vectors(
        folder, [], rounds=arguments.rounds, threads=cores(), queries=arguments.queries
    )


def _words(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = texts_folder(arguments.data, arguments.pieces)
    peers = [name for name in indexes.WORD_PEERS if name in arguments.peers]
    return indexes.measure_words(
        folder, peers, rounds=arguments.rounds, threads=cores(), queries=arguments.queries
    )


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    home, _ = _filled_home(arguments)
    with tempfile.TemporaryDirectory() as folder:
        return changes.measure(home, Path(folder), rounds=4 * arguments.rounds)


def _service(arguments: argparse.Namespace) -> dict[str, Any]:
    home, scifact = _filled_home(arguments)
    return service.measure(home, list(scifact.queries.values())[:200], chunks_of(scifact, 400))


def _servers(arguments: argparse.Namespace) -> dict[str, Any]:
    home, scifact = _filled_home(arguments)
    queries = list(scifact.queries.values())[: arguments.queries]
    return servers.measure(
        home, titles_of(scifact)[: arguments.files], queries, rounds=arguments.rounds
    )


def _filled_home(arguments: argparse.Namespace) -> tuple[Path, SciFact]:
    """A home with a collection of SciFact's titles, a file each."""
    scifact = read_scifact(arguments.data)
    folder = PEERS / "search"
    home = folder / "home"
    if not home.exists():
        folder.mkdir(parents=True, exist_ok=True)
        new_home(folder)
    changes.fill(home, titles_of(scifact)[: arguments.files])
    return home, scifact


def _late(arguments: argparse.Namespace) -> dict[str, Any]:
    return late.measure(read_scifact(arguments.data), queries=min(100, arguments.queries))


SECTIONS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "vectors": _vectors,
    "words": _words,
    "million": _million,
    "changes": _changes,
    "service": _service,
    "servers": _servers,
    "late": _late,
}


def main() -> None:
    """Run the selected sections and save their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = next((folder for folder in USUAL_DATA if folder.is_dir()), USUAL_DATA[0])
    peers = (*indexes.VECTOR_PEERS, *indexes.WORD_PEERS)
    parser.add_argument("--data", type=Path, default=usual, help="folder of scifact/")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=tuple(SECTIONS))
    parser.add_argument("--peers", nargs="*", choices=peers, default=peers)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pieces", type=int, default=89_276)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--queries", type=int, default=300, help="at most 300")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warn_if_busy()
    for section in arguments.only:
        print(f"== {section}", flush=True)
        load = os.getloadavg()[0]
        figures = {"load_at_start": load, **SECTIONS[section](arguments)}
        print(f"saved in {keep(f'search_{section}', figures)}", flush=True)


if __name__ == "__main__":
    main()
