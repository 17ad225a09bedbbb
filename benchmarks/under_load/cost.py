"""The cost of a request outside the model, in microseconds for each layer.

``bindery serve`` answers one short query repeatedly, in five variants: cut off behind its HTTP
server, its guard, its routes, its queue, and whole. The differences between neighbours are what a
layer costs, in CPU time and in latency. ``python cost.py LAYER serve`` runs one variant; with
COST_PROFILE it also writes a profile of its event loop.
"""
# pyright: basic

import cProfile
import functools
import io
import os
import pstats
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

LAYERS: Mapping[str, str] = {
    "server": "uvicorn: the socket, the HTTP parser, the event loop",
    "guard": "everything before the routes: host names, API keys, limits, metrics",
    "routes": "routing, reading and checking the body, threads, writing the response",
    "queue": "the library, tokens, the queue and its threads, pooling",
    "whole": "the model",
}
PROFILE = "COST_PROFILE"
_LINES = 40


def measure(*, requests: int) -> Any:
    """One server per layer; the generator has a core of its own."""
    from under_load import load
    from under_load.http1 import embeddings
    from under_load.machine import apart
    from under_load.server import NO_CACHE, bindery, serving
    from under_load.verdicts import Measured, at_least

    server_cores, generator_cores = apart()
    query = [embeddings(["Loose paper is fragile and gets lost, bound it has a place."])]
    rows: dict[str, dict[str, float]] = {}
    profiles: dict[str, list[str]] = {}
    for layer in LAYERS:
        plain = bindery(NO_CACHE, cores=server_cores)
        program = replace(plain, command=[sys.executable, "-P", __file__, layer, "serve"])
        with (
            serving(program, cores=server_cores) as server,
            load.generators(generator_cores, 1) as pool,
        ):
            pool.submit(load.ask_in_turn, server.port, query * 200).result()
            before = server.cpu_s()
            seconds = pool.submit(load.ask_in_turn, server.port, query * requests).result()
            alone = server.cpu_s()
            pool.submit(load.ask_all, server.port, query * requests, 16).result()
            together = server.cpu_s()
        rows[layer] = {
            "latency_us": 1e6 * statistics.median(seconds),
            "cpu_us": 1e6 * (alone - before) / requests,
            "cpu_us_of_16_at_once": 1e6 * (together - alone) / requests,
        }
        print(f"  {layer:8} {_row(rows[layer])}", flush=True)
    for layer in ("guard", "routes"):
        profiles[layer] = _profile(layer, query * requests)
    figures = {"layers": rows, "each_adds": _differences(rows), "loop_profiles": profiles}
    # If a layer costs nothing, it was not cut off: the patch no longer matches the code.
    least = min(adds["cpu_us"] for adds in figures["each_adds"].values())
    return Measured(figures, [at_least("Least that a layer adds, us of processor", least, 5.0)])


def _row(row: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:8.0f}" for name, value in row.items())


def _differences(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    before: Mapping[str, float] = {}
    for layer, row in rows.items():
        found[layer] = {name: value - before.get(name, 0.0) for name, value in row.items()}
        before = row
    return found


def _profile(layer: str, requests: list[bytes]) -> list[str]:
    """Functions of the event loop's thread, by own time; profiling slows them down."""
    from under_load import load
    from under_load.server import NO_CACHE, bindery, serving

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile.txt"
        plain = bindery(NO_CACHE)
        program = replace(
            plain,
            command=[sys.executable, "-P", __file__, layer, "serve"],
            variables={**plain.variables, PROFILE: str(path)},
        )
        with serving(program) as server:
            load.ask_in_turn(server.port, requests)
        return path.read_text().splitlines()


# The program


def main() -> None:
    """Cut the server off behind the layer, then run the command line."""
    layer = sys.argv.pop(1)
    cut = {"server": _cut_behind_server, "guard": _cut_behind_guard}
    cut |= {"routes": _cut_behind_routes, "queue": _cut_behind_queue}
    if layer in cut:
        cut[layer]()
    from bindery.faces.cli import main as command_line

    if path := os.environ.get(PROFILE):
        _profile_into(Path(path), command_line)
    else:
        command_line()


def _profile_into(path: Path, command_line: Callable[[], None]) -> None:
    """Write the profile when the server has shut down; afterwards the signal ends the process."""
    import uvicorn

    profile = cProfile.Profile()
    shut_down = uvicorn.Server.shutdown

    async def shutdown(*arguments: Any, **named: Any) -> None:
        await shut_down(*arguments, **named)
        profile.disable()
        text = io.StringIO()
        pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(_LINES)
        path.write_text(text.getvalue())

    uvicorn.Server.shutdown = shutdown
    profile.runcall(command_line)


async def _bare(_scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """Read the body and answer with a response as long as one vector in base64."""
    while (await receive()).get("more_body"):
        pass
    body = b" " * 2300
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2300")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _cut_behind_server() -> None:
    import uvicorn

    load = uvicorn.Config.load

    def load_bare(config: uvicorn.Config) -> None:
        load(config)
        app = config.loaded_app

        async def cut(scope: Any, receive: Any, send: Any) -> None:
            inner: Any = app if scope["type"] == "lifespan" or scope["method"] == "GET" else _bare
            await inner(scope, receive, send)

        config.loaded_app = cut  # type: ignore[assignment]

    uvicorn.Config.load = load_bare


def _cut_behind_guard() -> None:
    from starlette.routing import Router

    call = Router.__call__

    async def cut(self: Router, scope: Any, receive: Any, send: Any) -> None:
        is_ours = scope["type"] == "http" and scope["method"] == "POST"
        await (_bare(scope, receive, send) if is_ours else call(self, scope, receive, send))

    Router.__call__ = cut


def _cut_behind_routes() -> None:
    """The library answers repeated requests from memory."""
    from bindery.encoders.pending import Pending
    from bindery.library import Library

    known: dict[str, Any] = {}

    def remembered(find: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(find)
        def found(*arguments: Any, **named: Any) -> Any:
            if (key := find.__name__) not in known:
                answer = find(*arguments, **named)
                known[key] = answer.result() if isinstance(answer, Pending) else answer
            return Pending.done(known[key]) if key == "submit" else known[key]

        return found

    for name in ("embed", "submit"):
        if hasattr(Library, name):
            setattr(Library, name, remembered(getattr(Library, name)))


def _cut_behind_queue() -> None:
    """The engine answers repeated tokens from memory."""
    from bindery.engines.openvino import OpenVinoEngine

    known: dict[Any, Any] = {}

    def remembered(run: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(run)
        def found(self: Any, ids: Any, mask: Any) -> Any:
            key = (run.__name__, ids.shape, ids.tobytes())
            if key not in known:
                known[key] = run(self, ids, mask).copy()
            return known[key]

        return found

    for name in ("hidden_states", "hidden_states_quickly"):
        setattr(OpenVinoEngine, name, remembered(getattr(OpenVinoEngine, name)))


if __name__ == "__main__":
    main()
