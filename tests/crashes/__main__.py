"""Stop a process at every bad moment: ``python -m tests.crashes [--kills 200] [--images 100]``.

It uploads files, runs jobs over them and deletes some, and says what it was told is done; another
process adds, removes, seals and merges rows of an index. After its end everything that was said
must be so, and what was left open must end as if nothing had happened.
With ``--control`` durability is switched off, and the harness has to notice. Ends with 1 if
something is lost, doubled or wrong; with ``--control``, if nothing is.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.crashes.endings import (
    FILES_AND_JOBS,
    INDEX,
    Outcome,
    can_lose_power,
    kill_at_random,
    kill_at_storage_calls,
    lose_power,
)

from bindery.settings import read_settings

Run = Callable[[Path], Outcome]

_KINDS = ["kill", "calls", "power", "kill-index", "calls-index", "power-index"]
_INDEX_ROUNDS = 16
_MOST_CALLS = 1 << 20


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=_KINDS)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--step", type=int, default=1, help="kill at every STEP-th storage call")
    parser.add_argument("--first", type=int, default=1, help="the storage call to begin with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--control", action="store_true", help="the harness must fail")
    arguments = parser.parse_args()
    models = read_settings(os.environ).home / "models"
    is_well = True
    for name, run in _runs(arguments, models):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=_scratch(name)) as folder:
            outcome = run(Path(folder))
        is_well &= bool(outcome.faults) == arguments.control
        _say(
            f"{name}: {outcome.endings} endings, {outcome.acknowledged} acknowledgements, "
            f"{len(outcome.faults)} faults, {time.monotonic() - started:.0f} s"
        )
        for fault in outcome.faults[:5]:
            _say(f"    {fault}")
    return 0 if is_well else 1


def _runs(arguments: argparse.Namespace, models: Path) -> list[tuple[str, Run]]:
    seed = arguments.seed
    early, no_sync = ("early_acknowledgement", "no_sync") if arguments.control else (None, None)
    numbers = range(arguments.first, _MOST_CALLS, arguments.step)
    runs: dict[str, Run] = {}
    for end, subject, rounds in (("", FILES_AND_JOBS, 1), ("-index", INDEX, _INDEX_ROUNDS)):
        about = {"models": models, "seed": seed}
        runs[f"kill{end}"] = partial(
            kill_at_random, subject, times=arguments.kills, careless=early, **about
        )
        runs[f"calls{end}"] = partial(
            kill_at_storage_calls, subject, numbers=numbers, rounds=rounds, careless=early, **about
        )
        runs[f"power{end}"] = partial(
            lose_power, subject, images=arguments.images, careless=no_sync, **about
        )
    wanted = arguments.only or list(runs)
    if not can_lose_power() and any(name.startswith("power") for name in wanted):
        _say("power: left out; it needs root and mkfs.ext4.")
        wanted = [name for name in wanted if not name.startswith("power")]
    return [(name, runs[name]) for name in wanted]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _scratch(name: str) -> str | None:
    # Images of power losses are copied whole: in memory that takes no time.
    return "/dev/shm" if name.startswith("power") and Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
