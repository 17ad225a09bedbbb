"""Measure search beside other indexes: ``python benchmarks/run_search.py --data FOLDER``.

``--only`` selects sections. Figures go to ``results/``. Data that are not in the folder are made.
"""
# pyright: basic

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import USUAL_DATA
from results import cores, keep, warn_if_busy
from searching import indexes
from searching.data import texts_folder, vectors_folder


def _vectors(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = vectors_folder(arguments.data, arguments.rows)
    peers = [name for name in indexes.VECTOR_PEERS if name in arguments.peers]
    return indexes.measure_vectors(folder, peers, rounds=arguments.rounds, threads=cores())


def _million(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = vectors_folder(arguments.data, 1_000_000)
    return indexes.measure_vectors(folder, [], rounds=arguments.rounds, threads=cores())


def _words(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = texts_folder(arguments.data, arguments.pieces)
    peers = [name for name in indexes.WORD_PEERS if name in arguments.peers]
    return indexes.measure_words(
        folder, peers, rounds=arguments.rounds, threads=cores(), queries=300
    )


SECTIONS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "vectors": _vectors,
    "words": _words,
    "million": _million,
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
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warn_if_busy()
    for section in arguments.only:
        print(f"== {section}", flush=True)
        print(f"saved in {keep(f'search_{section}', SECTIONS[section](arguments))}", flush=True)


if __name__ == "__main__":
    main()
