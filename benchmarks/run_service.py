"""Measure the server under load and compare the figures with their targets.

``python benchmarks/run_service.py --data FOLDER`` takes about 75 minutes; ``--only``
selects sections, ``--quick`` runs them at a small scale. It exits with 1 if a target is missed.
``--control`` plants faults in the server, one after the other, and exits with 1 if one is not
detected: a benchmark that cannot fail proves nothing.
"""
# pyright: basic

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from corpus import read_scifact
from peers import USUAL_DATA
from results import cores, keep, path_for, warn_if_busy
from under_load import cost, drain, generated, largest, overload, slow_clients, soak, throughput
from under_load.faults import FAULTS
from under_load.verdicts import Measured


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale of every section."""

    chunks: int = 400
    rounds: int = 5
    queries: int = 200
    overload_s: float = 120.0
    chunks_a_request: int = 4
    connections: int = 500
    slow_rounds: int = 5
    sigterms: int = 200
    requests: int = 20_000
    soak_s: float = 1200.0
    cost_requests: int = 3000


QUICK = Scale(
    chunks=64,
    rounds=2,
    queries=40,
    overload_s=10.0,
    slow_rounds=1,
    sigterms=5,
    requests=500,
    soak_s=180.0,
    cost_requests=1000,
)


@dataclass(frozen=True, slots=True)
class Run:
    """The input of one section: texts, scale, seed, and the planted fault if any."""

    data: Path
    scale: Scale
    seed: int
    precision: str = "bfloat16"
    fault: str | None = None
    keeps_samples: bool = False


def _throughput(run: Run) -> Measured:
    return throughput.measure(
        read_scifact(run.data),
        chunks=run.scale.chunks,
        rounds=run.scale.rounds,
        queries=run.scale.queries,
        threads=cores(),
        precision=run.precision,
        fault=run.fault,
    )


def _overload(run: Run) -> Measured:
    return overload.measure(
        read_scifact(run.data),
        seconds=run.scale.overload_s,
        chunks_a_request=run.scale.chunks_a_request,
        fault=run.fault,
    )


def _slow(run: Run) -> Measured:
    return slow_clients.measure(
        read_scifact(run.data),
        connections=run.scale.connections,
        rounds=run.scale.slow_rounds,
        fault=run.fault,
    )


def _drain(run: Run) -> Measured:
    return drain.measure(
        read_scifact(run.data), rounds=run.scale.sigterms, seed=run.seed, fault=run.fault
    )


def _generated(run: Run) -> Measured:
    return generated.measure(requests=run.scale.requests, seed=run.seed, fault=run.fault)


def _largest(run: Run) -> Measured:
    return largest.measure(fault=run.fault)


def _soak(run: Run) -> Measured:
    return soak.measure(
        read_scifact(run.data),
        seconds=run.scale.soak_s,
        csv_path=path_for("-soak.csv") if run.keeps_samples else None,
        seed=run.seed,
        fault=run.fault,
    )


def _cost(run: Run) -> Measured:
    return cost.measure(requests=run.scale.cost_requests)


SECTIONS: Mapping[str, Callable[[Run], Measured]] = {
    "throughput": _throughput,
    "overload": _overload,
    "slow": _slow,
    "drain": _drain,
    "generated": _generated,
    "largest": _largest,
    "soak": _soak,
    "cost": _cost,
}


def main() -> None:
    """Run the sections or their controls, and return the exit code."""
    arguments = _arguments()
    warn_if_busy()
    chosen = arguments.only or list(SECTIONS)
    scale = Scale(**{name: getattr(arguments, name) for name in Scale.__slots__})
    run = Run(arguments.data, scale, arguments.seed, arguments.precision)
    whole = _control(chosen, run) if arguments.control else _measure(chosen, run)
    sys.exit(0 if whole else 1)


def _measure(chosen: list[str], run: Run) -> bool:
    holds = True
    for name in chosen:
        print(f"== {name}", flush=True)
        measured = _run(name, replace(run, keeps_samples=run.scale == Scale()))
        holds = holds and all(verdict.holds for verdict in measured.verdicts)
        beside = "" if run.precision == "bfloat16" else f"_{run.precision}"
        print(f"saved in {keep(f'service_{name}{beside}', measured.record())}", flush=True)
    return holds


def _control(chosen: list[str], run: Run) -> bool:
    """The verdict that should detect a fault must fail with it, and because of it."""
    found: dict[str, bool] = {}
    for section in chosen:
        faults = {name: fault for name, fault in FAULTS.items() if fault.section == section}
        if not faults:
            continue
        print(f"== {section} as it is", flush=True)
        sound = {verdict.name: verdict for verdict in _run(section, run).verdicts}
        for name, fault in faults.items():
            print(f"== {section} with the fault {name}", flush=True)
            faulty = _run(section, replace(run, fault=name)).verdicts
            found[name] = any(
                verdict.name.startswith(fault.found_by) and verdict.shows(sound[verdict.name])
                for verdict in faulty
            )
            print("  found" if found[name] else "  NOT FOUND", flush=True)
    print(f"saved in {keep('service_controls', found)}", flush=True)
    return all(found.values())


def _run(section: str, run: Run) -> Measured:
    measured = SECTIONS[section](run)
    for verdict in measured.verdicts:
        print(f"  {verdict}", flush=True)
    return measured


def _arguments() -> argparse.Namespace:
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--quick", action="store_true", help="run at a small scale")
    first.add_argument(
        "--control", action="store_true", help="plant faults; at a small scale by default"
    )
    known, _ = first.parse_known_args()
    scale = QUICK if known.quick or known.control else Scale()

    parser = argparse.ArgumentParser(description=__doc__, parents=[first])
    usual = next((folder for folder in USUAL_DATA if folder.is_dir()), USUAL_DATA[0])
    parser.add_argument("--data", type=Path, default=usual, help="folder of scifact/")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="run only these sections")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=throughput.SHORT, default="bfloat16")
    for name in Scale.__slots__:
        default = getattr(scale, name)
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(default), default=default, help=f"{default}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
