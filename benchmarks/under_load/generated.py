"""Requests that schemathesis generates from /openapi.json, against a live server.

They run in slices, each with the next seed, until the tool's report counts enough requests. A slice
can be repeated alone with its seed.
"""
# pyright: basic

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peers import python_of
from under_load.http1 import Connection, get
from under_load.server import NO_CACHE, Server, bindery, serving
from under_load.verdicts import Measured, at_least, at_most

DOCUMENTED = (503, 507)
REQUEST_TIMEOUT_S = 30
SLICE_LIMIT_S = 900
EXAMPLES = 100

CHECKS = f"""\
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", {", ".join(map(repr, map(str, DOCUMENTED)))}]
"""


def measure(*, requests: int, seed: int, fault: str | None = None) -> Measured:
    """Run slices until ``requests`` have been sent; each slice covers every route."""
    with tempfile.TemporaryDirectory() as folder:
        home = {"BINDERY_PARSE_TIMEOUT_S": "5"}
        with serving(bindery({**NO_CACHE, **home}, fault=fault)) as server:
            operations = _operations(server)
            statuses: Counter[str] = Counter()
            routes: Counter[str] = Counter()
            faults: list[dict[str, Any]] = []
            slices, started = 0, time.perf_counter()
            while sum(statuses.values()) < requests and server.process.poll() is None:
                for found in _slice(server, Path(folder), seed + slices):
                    statuses[found["status"]] += 1
                    routes[found["route"]] += 1
                    if _is_fault(found["status"]):
                        faults.append(found | {"seed": seed + slices})
                slices += 1
                print(f"  slice {slices}: {sum(statuses.values())} requests", flush=True)
            figures: dict[str, Any] = {
                "requests": sum(statuses.values()),
                "first_seed": seed,
                "slices": slices,
                "seconds": time.perf_counter() - started,
                "statuses": dict(sorted(statuses.items())),
                "routes": dict(sorted(routes.items())),
                "routes_not_asked": sorted(operations - set(routes)),
                "faults": faults[:20],
                "tracebacks": server.tracebacks(),
                "server_lives": server.process.poll() is None,
            }
    verdicts = [
        at_least("Generated requests", figures["requests"], requests),
        at_most("Routes without a request", len(figures["routes_not_asked"]), 0),
        at_most("Undocumented 5xx, hangs and cut connections", len(faults), 0),
        at_most("Tracebacks in the log", figures["tracebacks"], 0),
        at_least("Server lives", figures["server_lives"], 1),
    ]
    return Measured(figures, verdicts)


def _is_fault(status: str) -> bool:
    return not status.isdigit() or (int(status) >= 500 and int(status) not in DOCUMENTED)


def _operations(server: Server) -> set[str]:
    with Connection(server.port) as connection:
        paths = json.loads(connection.ask(get("/openapi.json")).body)["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def _slice(server: Server, folder: Path, seed: int) -> Iterator[dict[str, Any]]:
    """Run the tool once; returns its requests, with route and status."""
    settings, report = folder / "schemathesis.toml", folder / f"{seed}.ndjson"
    settings.write_text(CHECKS)
    address = f"http://127.0.0.1:{server.port}"
    command = [
        *(python_of("schemathesis").parent / "schemathesis", "--config-file", settings),
        *("run", f"{address}/openapi.json", "--url", address, "--seed", str(seed)),
        *("--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-shrink"),
        *("--request-timeout", str(REQUEST_TIMEOUT_S), "--generation-database", "none"),
        *("--suppress-health-check", "all", "--warnings", "off"),
        *("--report", "ndjson", "--report-ndjson-path", report),
    ]
    # It exits with 1 if a check failed; the report says which.
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=SLICE_LIMIT_S, cwd=folder
    )
    if not report.exists():
        raise SystemExit(
            f"schemathesis wrote no report:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    yield from read_report(report)
    report.unlink()


def read_report(report: Path) -> Iterator[dict[str, Any]]:
    """Each request in the tool's event file; the status is "no answer" if none came."""
    with report.open(encoding="utf-8") as lines:
        for line in lines:
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder") or {}
            for interaction in recorder.get("interactions", {}).values():
                response = interaction.get("response")
                request = interaction["request"]
                status = str(response["status_code"]) if response else "no answer"
                found = {"route": recorder["label"], "status": status}
                if _is_fault(status):
                    found |= {"method": request["method"], "uri": request["uri"][:300]}
                    found["body"] = str(request.get("body"))[:300]
                yield found
