"""Planted faults, each of which a section must detect, and the program that plants them.

``python faults.py NAME serve --port N`` is ``bindery serve`` with the fault. It is planted from
outside, around the app or in the process, so that no change in Bindery removes it unnoticed.
"""
# pyright: basic

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Messages = Callable[..., Awaitable[Any]]
App = Callable[[Scope, Messages, Messages], Awaitable[None]]

_LEAK_BYTES = 100_000
_LARGE_BYTES = 100_000
_kept: list[bytearray] = []


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that a section must detect: a setting, a wrapped app, or a signal handler.

    ``found_by`` is the start of the name of the verdict that must fail.
    """

    section: str
    found_by: str
    settings: tuple[tuple[str, str], ...] = ()
    wrap: Callable[[App], App] | None = None
    plant: Callable[[], None] | None = None


def holds_up_the_loop(app: App) -> App:
    """Every request blocks the event loop for 30 ms."""

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        if scope["type"] == "http":
            time.sleep(0.03)
        await app(scope, receive, send)

    return wrapped


def waits_for_large_bodies(app: App) -> App:
    """The event loop is blocked for 300 ms by a body of 100 kB or more."""

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        sizes = [int(v) for k, v in scope.get("headers", ()) if k == b"content-length"]
        if sum(sizes) > _LARGE_BYTES:
            time.sleep(0.3)
        await app(scope, receive, send)

    return wrapped


def mixes_up_answers(app: App) -> App:
    """The vectors of a request are returned in a wrong order."""

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        async def send_mixed(message: MutableMapping[str, Any]) -> None:
            if b'"embedding":"' in (body := message.get("body", b"")):
                answer = json.loads(body)
                vectors = [item["embedding"] for item in answer["data"]]
                for item, vector in zip(answer["data"], reversed(vectors), strict=True):
                    item["embedding"] = vector
                message["body"] = json.dumps(answer, separators=(",", ":")).encode()
            await send(message)

        await app(scope, receive, send_mixed)

    return wrapped


def forgets_retry_after(app: App) -> App:
    """No response has Retry-After."""

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        async def send_without(message: MutableMapping[str, Any]) -> None:
            if "headers" in message:
                headers = message["headers"]
                message["headers"] = [pair for pair in headers if pair[0] != b"retry-after"]
            await send(message)

        await app(scope, receive, send_without)

    return wrapped


def refuses_slowly(app: App) -> App:
    """Rejections are 200 ms late."""

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        async def send_late(message: MutableMapping[str, Any]) -> None:
            if message.get("status") in (429, 503):
                await asyncio.sleep(0.2)
            await send(message)

        await app(scope, receive, send_late)

    return wrapped


def says_ready(app: App) -> App:
    """``/ready`` is 200 whatever happens."""

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        async def send_ready(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and scope["path"] == "/ready":
                message["status"] = 200
            await send(message)

        await app(scope, receive, send_ready)

    return wrapped


def fails_at_times(app: App) -> App:
    """Every 50th request is answered with 500."""
    count = 0

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        nonlocal count
        count += scope["type"] == "http"

        async def send_failed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and scope["path"] != "/openapi.json":
                message["status"] = 500
            await send(message)

        await app(scope, receive, send if count % 50 else send_failed)

    return wrapped


def logs_tracebacks(app: App) -> App:
    """Every 50th request leaves a traceback in the log, and is answered normally."""
    count = 0

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        nonlocal count
        count += 1
        if count % 50 == 0:
            print("Traceback (most recent call last)", file=sys.stderr, flush=True)
        await app(scope, receive, send)

    return wrapped


def leaks_memory(app: App) -> App:
    """Every request leaks 100 kB."""

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        _kept.append(bytearray(b"x") * _LEAK_BYTES)
        await app(scope, receive, send)

    return wrapped


def leaks_descriptors(app: App) -> App:
    """Every tenth request leaks a file descriptor."""
    count = 0

    async def wrapped(scope: Scope, receive: Messages, send: Messages) -> None:
        nonlocal count
        count += 1
        if count % 10 == 0:
            os.open(os.devnull, os.O_RDONLY)
        await app(scope, receive, send)

    return wrapped


def ends_at_once() -> None:
    """SIGTERM ends the process immediately, with exit code 0."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def end() -> None:
        signal.sigwait({signal.SIGTERM})
        os._exit(0)

    # Threads inherit the mask, so the signal reaches the thread that waits for it.
    threading.Thread(target=end, daemon=True).start()


def ends_with_a_failure() -> None:
    """The exit code is 3 after an orderly shutdown."""
    import atexit

    atexit.register(os._exit, 3)


def reads_texts_at_once() -> None:
    """Texts are tokenised as a whole, not in stretches."""
    from bindery.encoders import stretches

    stretches.STRETCH_CHARACTERS = 1 << 30
    stretches.stretches.__kwdefaults__ = {"size": 1 << 30}


_NO_TIMEOUTS = (("BINDERY_HEADER_TIMEOUT_S", "3600"), ("BINDERY_BODY_TIMEOUT_S", "3600"))
_NO_BOUNDS = (("BINDERY_QUEUE_TOKENS", "1000000000"), ("BINDERY_MAX_REQUESTS", "1000000"))

FAULTS: dict[str, Fault] = {
    "mixed-up": Fault("throughput", "Smallest cosine", wrap=mixes_up_answers),
    "slow-loop": Fault("throughput", "Short query", wrap=holds_up_the_loop),
    "no-bounds": Fault("overload", "Rejected requests", settings=_NO_BOUNDS),
    "no-retry-after": Fault("overload", "Rejections without", wrap=forgets_retry_after),
    "slow-rejections": Fault("overload", "Rejection p99", wrap=refuses_slowly),
    "no-timeouts": Fault("slow", "Slow connections still open", settings=_NO_TIMEOUTS),
    "ends-at-once": Fault("drain", "Requests lost", plant=ends_at_once),
    "ends-with-failure": Fault("drain", "Exit codes", plant=ends_with_a_failure),
    "says-ready": Fault("drain", "Servers that refused", wrap=says_ready),
    "fails-at-times": Fault("generated", "Undocumented 5xx", wrap=fails_at_times),
    "logs-tracebacks": Fault("generated", "Tracebacks", wrap=logs_tracebacks),
    "no-stretches": Fault("largest", "Memory that one", plant=reads_texts_at_once),
    "waits-for-bodies": Fault("largest", "Slowest /health", wrap=waits_for_large_bodies),
    "leaks-memory": Fault("soak", "Memory slope", wrap=leaks_memory),
    "leaks-descriptors": Fault("soak", "Descriptors", wrap=leaks_descriptors),
}


def main() -> None:
    """Plant the fault, then run the command line."""
    import uvicorn

    from bindery.faces.cli import main as command_line

    fault = FAULTS[sys.argv.pop(1)]
    os.environ.update(fault.settings)
    if fault.plant:
        fault.plant()
    if wrap := fault.wrap:
        load = uvicorn.Config.load

        def load_wrapped(config: uvicorn.Config) -> None:
            load(config)
            config.loaded_app = wrap(config.loaded_app)  # type: ignore[assignment]

        uvicorn.Config.load = load_wrapped
    command_line()


if __name__ == "__main__":
    main()
