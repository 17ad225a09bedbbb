"""``python -m tests.documents.hostile``: all of it at full scale, with the figures.

Ends with 1 where a document brought anything but a result or a clear error, or left anything.
"""

# ruff: noqa: T201 - it is a program, and prints what it found

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.documents.hostile.canary import canary
from tests.documents.hostile.curated import curated, slow
from tests.documents.hostile.doors import embed, upload
from tests.documents.hostile.mutations import mutated
from tests.documents.hostile.names import hostile_names
from tests.documents.hostile.programs import hostile_programs
from tests.documents.hostile.trial import Trial, processes

from bindery.documents.sandbox import client


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=2_000, help="damaged files, 2000")
    parser.add_argument("--names", type=int, default=5_000, help="hostile names, 5000")
    parser.add_argument("--uploads", type=int, default=500, help="of which are uploaded, 500")
    parser.add_argument("--on-disk", type=int, default=500, help="of which files are embedded, 500")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout-s", type=float, default=30.0)
    asked = parser.parse_args()
    print("layers:", ", ".join(name for name, holds in client.layers().items() if holds))
    with canary() as listening:
        names = ((name, b"# words") for name in hostile_names(asked.names, seed=asked.seed))
        for what, files in (
            ("curated", curated(listening.address)),
            ("slow", slow()),
            ("programs", ((name, text.encode()) for name, text in hostile_programs(100_000))),
            ("mutated", mutated(asked.mutations, asked.seed)),
            ("names", names),
        ):
            _try(what, files, asked.timeout_s)
        for what, do, count in (("uploads", upload, asked.uploads), ("disk", embed, asked.on_disk)):
            with tempfile.TemporaryDirectory() as scratch:
                place = Path(scratch, "above", "beside", "place")
                place.mkdir(parents=True)
                outcomes = do(hostile_names(count, [str(place)], asked.seed), place)
            print(f"{what}: {', '.join(f'{n} {outcome}' for outcome, n in outcomes.items())}")
        left = processes()
        print(f"network: {listening.hits} hits, {len(listening.attempts)} attempts in this process")
        print(f"processes left: {len(left)}")
        return 1 if listening.hits or listening.attempts or left else 0


def _try(what: str, files: Iterable[tuple[str, bytes]], timeout_s: float) -> None:
    trial, started = Trial(), time.monotonic()
    trial.run(files, timeout_s)
    seconds = sorted(second for second, _ in trial.seconds)
    slowest, name = trial.slowest
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in trial.outcomes.most_common())
    print(
        f"{what}: {len(seconds)} files in {time.monotonic() - started:.0f} s: {outcomes}; "
        f"crashed readers {len(trial.crashes)} {trial.crashes[:12]}; "
        f"median {statistics.median(seconds) * 1e3:.0f} ms, slowest {slowest:.1f} s "
        f"({name[:60]!r}); "
        f"this process grew by at most {trial.grown_bytes / 1e6:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
