"""Measure the quality and speed of chunking strategies.

``python benchmarks/run_chunking.py --data FOLDER``; ``--only quality`` or ``--only speed`` runs
one part. Figures go to ``results/``.
"""
# pyright: basic

import argparse
import os
from pathlib import Path

from bindery.chunking import CHUNKERS
from bindery.library import Library
from bindery.models.cache import locate
from bindery.models.catalog import CATALOG
from bindery.options import ModelOptions
from bindery.settings import read_settings
from chunks import quality, speed
from peers import PEERS, USUAL_DATA
from results import cores, keep, warn_if_busy

SECTIONS = ("quality", "speed")
# The strategy for source code is not meant for prose.
PROSE = tuple(name for name in CHUNKERS if name != "code")


def main() -> None:
    """Run the selected sections and save their figures."""
    arguments = _arguments()
    warn_if_busy()
    home = read_settings(os.environ).home
    if "quality" in arguments.only:
        library = Library(home, ModelOptions(precision="f32"))
        figures = quality.measure(
            arguments.data,
            library,
            PEERS / "vectors",
            model=arguments.model,
            strategies=arguments.strategies,
            sizes=arguments.sizes,
        )
        library.close()
        print(f"saved in {keep('chunking_quality', figures)}")
    if "speed" in arguments.only:
        model = locate(CATALOG[arguments.model], home)
        figures = speed.measure(arguments.data, model, rounds=arguments.rounds, threads=cores())
        print(f"saved in {keep('chunking_speed', figures)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    usual = next((folder for folder in USUAL_DATA if folder.is_dir()), USUAL_DATA[0])
    parser.add_argument("--data", type=Path, default=usual, help="folder of chunking/ and scifact/")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--model", default="vanilla")
    parser.add_argument("--strategies", nargs="+", choices=PROSE, default=PROSE)
    parser.add_argument("--sizes", nargs="+", type=int, default=quality.SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
