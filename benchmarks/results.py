"""Save figures in one JSON file per commit, with the machine and versions."""
# pyright: basic

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from peers import ROOT

FOLDER = Path(__file__).resolve().parent / "results"


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep(section: str, figures: Mapping[str, object]) -> Path:
    """Save one section in the file of this commit, next to the others."""
    commit, changed = _commit()
    path = path_for(".json")
    record = json.loads(path.read_text()) if path.exists() else {}
    record |= {
        "commit": commit,
        "uncommitted_changes": changed,
        "machine": machine(),
        "versions": {name: version(name) for name in ("bindery-search", "openvino", "numpy")},
        section: {"date": datetime.now(UTC).isoformat(timespec="seconds")} | dict(figures),
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def path_for(ending: str) -> Path:
    """A file in the results folder, named after this commit."""
    commit, changed = _commit()
    FOLDER.mkdir(exist_ok=True)
    return FOLDER / f"{commit}{'-changed' if changed else ''}{ending}"


def machine() -> dict[str, object]:
    """CPU, cores, instruction sets, memory and operating system."""
    processor, flags = _processor()
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return {
        "processor": processor,
        "cores": cores(),
        "features": [flag for flag in wanted if flag in flags],
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def warn_if_busy() -> None:
    """Warn if something else is using the machine: the figures would be worthless."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        print(f"Warning: the load of this machine is {load:.1f}. Measure on an idle machine.")


def _commit() -> tuple[str, bool]:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()

    return git("rev-parse", "--short=12", "HEAD"), bool(git("status", "--porcelain", "--", "src"))


def _processor() -> tuple[str, frozenset[str]]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine(), frozenset()
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in pairs}
    return fields.get("model name", platform.machine()), frozenset(fields.get("flags", "").split())


def _memory_bytes() -> int:
    if not hasattr(os, "sysconf"):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
