"""Measure Bindery and save the figures: ``python benchmarks/run.py --data FOLDER``."""
# pyright: basic

import argparse
from pathlib import Path
from typing import Any

import forms
import full_size
import peak
import quality
import rotation
import second_stage
import speed
from corpus import read_scifact
from peers import USUAL_DATA
from results import cores, keep, warn_if_busy

SECTIONS = ("quality", "forms", "rotation", "second_stage", "speed", "full_size", "peak")


def main() -> None:
    """Run the selected sections, in order."""
    arguments = _arguments()
    warn_if_busy()
    figures: dict[str, Any] = {}
    for section in arguments.only or SECTIONS:
        print(f"== {section}", flush=True)
        figures[section] = _MEASURES[section](arguments)
        print(f"saved in {keep(section, figures[section])}", flush=True)
    _summarise(figures)


def _speed(arguments: argparse.Namespace) -> dict[str, object]:
    peers = speed.contestants()
    chosen = [peer for peer in peers if not arguments.peers or peer.name in arguments.peers]
    return speed.measure(
        read_scifact(arguments.data),
        chosen,
        chunks=arguments.chunks,
        rounds=arguments.rounds,
        queries=arguments.queries,
        threads=arguments.threads,
    )


def _full_size(arguments: argparse.Namespace) -> dict[str, object]:
    return full_size.measure(
        read_scifact(arguments.data),
        chunks=min(arguments.chunks, 100),
        rounds=min(arguments.rounds, 3),
        queries=10,
        threads=arguments.threads,
    )


def _quality(arguments: argparse.Namespace) -> dict[str, object]:
    return quality.measure(arguments.data)


def _forms(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    return forms.measure(arguments.data)


def _rotation(arguments: argparse.Namespace) -> dict[str, object]:
    return rotation.measure(arguments.data)


def _second_stage(arguments: argparse.Namespace) -> dict[str, object]:
    return second_stage.measure(arguments.data)


def _peak(arguments: argparse.Namespace) -> dict[str, object]:
    return {name: peak.measure(name, arguments.threads) for name in peak.PRECISIONS}


_MEASURES = {
    "quality": _quality,
    "forms": _forms,
    "rotation": _rotation,
    "second_stage": _second_stage,
    "speed": _speed,
    "full_size": _full_size,
    "peak": _peak,
}


def _summarise(figures: dict[str, Any]) -> None:
    timed = figures.get("speed")
    if not timed:
        return
    for name, figure in timed["throughput"].items():
        latency = timed["latency"][name]["median_ms"]
        print(f"{name:32} {figure['chunks_per_second']:8.1f} chunks/s {latency:8.2f} ms per query")
    if "peak" not in figures:
        return
    for name, precision in (("bindery", "float32"), ("bindery-bfloat16", "bfloat16")):
        if name not in timed["throughput"]:
            continue
        per_chunk = timed["chunks"]["gflop"] / timed["chunks"]["count"]
        reached = per_chunk * timed["throughput"][name]["chunks_per_second"]
        best = figures["peak"][precision]["gflops"]
        print(f"{name}: {reached:.0f} of {best:.0f} GFLOP/s, {reached / best:.0%} of the peak")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    usual = next((folder for folder in USUAL_DATA if folder.is_dir()), USUAL_DATA[0])
    parser.add_argument("--data", type=Path, default=usual, help="data folder, with scifact/")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="run only these sections")
    parser.add_argument("--peers", nargs="+", help="run only these peers")
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--threads", type=int, default=cores())
    return parser.parse_args()


if __name__ == "__main__":
    main()
