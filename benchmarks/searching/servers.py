"""Searches per second of several servers, from 32 clients, on the same texts and model.

Bindery and txtai embed the query in the server. Chroma's clients embed it: it is measured with
vectors that are there, which is less than its users do, and with its own Python client.
"""
# pyright: basic

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from peers import BENCHMARKS, python_of
from searching.changes import COLLECTION
from under_load.http1 import Connection, get, post
from under_load.load import ask_all, ask_in_turn
from under_load.server import Program, Server, bindery, serving

CLIENTS = 32
_HITS = 10
_CHROMA = "/api/v2/tenants/default_tenant/databases/default_database/collections"


@dataclass(frozen=True, slots=True)
class Side:
    """A way to search: what does it for a list of queries, and the processes that it uses."""

    ask: Callable[[list[str]], float]
    """Seconds until all queries are answered, from 32 clients."""
    cpu_s: Callable[[], float]
    one_by_one: Callable[[list[str]], list[float]] | None = None


def measure(home: Path, texts: list[str], queries: list[str], *, rounds: int) -> dict[str, Any]:
    """Searches per second and milliseconds of CPU for a search: medians of the rounds."""
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    latencies: dict[str, float] = {}
    with ExitStack() as stack:
        sides = stack.enter_context(_sides(home, texts, queries))
        for name, side in sides.items():
            side.ask(queries[:CLIENTS])
            if side.one_by_one:
                latencies[name] = median(side.one_by_one(queries[:100])) * 1e3
        for number in range(rounds):
            asked = [f"{query} {number}" for query in queries]
            found: dict[str, float] = {}
            for name, side in sides.items():
                before = side.cpu_s()
                found[name] = len(asked) / side.ask(asked)
                costs.setdefault(name, []).append((side.cpu_s() - before) / len(asked) * 1e3)
                rates.setdefault(name, []).append(found[name])
            for name, rate in found.items():
                ratios.setdefault(name, []).append(found["bindery hybrid"] / rate)
            shown = {name: round(rate, 1) for name, rate in found.items()}
            print(json.dumps({"load": os.getloadavg()[0], **shown}), flush=True)
    return {
        "clients": CLIENTS,
        "texts": len(texts),
        "queries": len(queries),
        "rounds": rounds,
        "load_at_end": os.getloadavg()[0],
        "searches_per_s": {name: median(values) for name, values in rates.items()},
        "cpu_ms": {name: median(values) for name, values in costs.items()},
        "bindery_hybrid_times_as_fast_as": {name: median(v) for name, v in ratios.items()},
        "p50_ms_alone": latencies,
    }


@contextmanager
def _sides(home: Path, texts: list[str], queries: list[str]) -> Generator[dict[str, Side]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (model,) = (home / "models" / "vanilla").iterdir()  # its only revision
        ours = stack.enter_context(serving(bindery(), home=home))
        txtai = stack.enter_context(_txtai(folder, model, texts))
        chroma, client = stack.enter_context(_chroma(folder, model, texts, queries))
        vectors = json.loads(client.stdout.readline())
        path = f"{_CHROMA}/{vectors['collection']}/query"
        given = [
            post(path, {"query_embeddings": [one], "n_results": _HITS})
            for one in vectors["queries"]
        ]

        def with_client(asked: list[str]) -> float:
            client.stdin.write(json.dumps(asked) + "\n")
            client.stdin.flush()
            return json.loads(client.stdout.readline())["seconds"]

        yield {
            "bindery hybrid": _served(ours, lambda query: _ours(query, "hybrid")),
            "bindery dense": _served(ours, lambda query: _ours(query, "dense")),
            "txtai hybrid": _served(
                txtai, lambda query: get(f"/search?query={quote(query)}&limit={_HITS}")
            ),
            "chroma, vectors given": Side(
                lambda asked: ask_all(chroma.port, given[: len(asked)], CLIENTS)[0],
                chroma.cpu_s,
            ),
            "chroma with its client": Side(
                with_client, lambda: chroma.cpu_s() + _cpu_s(client.pid)
            ),
        }


def _ours(query: str, mode: str) -> bytes:
    return post(f"/collections/{COLLECTION}/search", {"query": query, "mode": mode, "top": _HITS})


def _served(server: Server, request: Callable[[str], bytes]) -> Side:
    return Side(
        lambda asked: ask_all(server.port, [request(one) for one in asked], CLIENTS)[0],
        server.cpu_s,
        lambda asked: ask_in_turn(server.port, [request(one) for one in asked]),
    )


@contextmanager
def _txtai(folder: Path, model: Path, texts: list[str]) -> Generator[Server]:
    """Txtai's API with an index of words and vectors, filled."""
    config = folder / "txtai.yml"
    config.write_text(
        f"writable: true\nembeddings:\n  path: {model}\n  content: true\n  hybrid: true\n"
    )
    command = [python_of("txtai"), "-m", "uvicorn", "txtai.api:app"]
    program = Program(command, {"CONFIG": str(config), "HF_HUB_OFFLINE": "1"}, "/count")
    with serving(program, home=folder) as server:
        with Connection(server.port, timeout_s=3600) as connection:
            rows = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
            for request in (post("/add", rows), get("/index")):
                answer = connection.ask(request)
                if answer.status != 200:
                    raise SystemExit(f"txtai answered {answer.status}: {answer.body[:300]!r}")
        yield server


@contextmanager
def _chroma(
    folder: Path, model: Path, texts: list[str], queries: list[str]
) -> Generator[tuple[Server, subprocess.Popen[str]]]:
    """Chroma's server, and a process with 32 of its clients, which fills it first."""
    data = folder / "chroma"
    command = [python_of("chroma").parent / "chroma", "run", "--path", data, "--host", "127.0.0.1"]
    with serving(Program(command, {}, "/api/v2/heartbeat"), home=folder) as server:
        asked = folder / "chroma.json"
        asked.write_text(json.dumps({"texts": texts, "queries": queries}))
        worker = BENCHMARKS / "workers" / "search_with_chroma.py"
        numbers = [str(server.port), str(CLIENTS), str(_HITS)]
        client = subprocess.Popen(
            [python_of("chroma"), worker, asked, model, *numbers],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield server, client
        finally:
            client.kill()
            client.wait()


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
