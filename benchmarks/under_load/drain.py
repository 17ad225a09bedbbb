"""SIGTERM at a random moment under load, repeatedly: the outcome of every request.

Clients keep their connections, open a new one when the server closes theirs, and stop only when it
refuses to connect. A request counts as lost if it was sent and no complete answer came, or if it
was sent before the signal and not answered with 200.
"""
# pyright: basic

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus import SciFact, chunks_of
from under_load import load
from under_load.http1 import AsyncConnection, BrokenAnswer, connect, embeddings, get
from under_load.server import NO_CACHE, Program, bindery, serving
from under_load.verdicts import Measured, at_most

CLIENTS = 8
CHUNKS_A_REQUEST = (1, 1, 1, 8)
LOOK_EVERY_S = 0.01
LEAST_LOAD_S, MOST_LOAD_S = 0.1, 1.0
WATCH_S = 40.0


@dataclass(slots=True)
class Seen:
    """The observations of the clients in one round; times are of ``time.perf_counter``."""

    answered: list[tuple[float, int]] = field(default_factory=list)  # when sent, status
    lost: list[tuple[float, str]] = field(default_factory=list)  # when sent, how
    readiness: list[tuple[float, int]] = field(default_factory=list)  # when asked, status
    refused_at: float = float("inf")


def measure(scifact: SciFact, *, rounds: int, seed: int, fault: str | None = None) -> Measured:
    """Start, load, signal and count, ``rounds`` times."""
    texts = chunks_of(scifact, 64)
    requests: list[bytes] = []
    place = 0
    for size in CHUNKS_A_REQUEST * 4:
        requests.append(embeddings(texts[place : place + size]))
        place += size
    program = bindery(NO_CACHE, fault=fault)
    chance = random.Random(seed)
    started = time.perf_counter()
    with load.generators((), 1) as pool:
        found = [_round(pool, program, requests, chance) for _ in range(rounds)]
    minutes = (time.perf_counter() - started) / 60
    lost = Counter(how for one in found for how in one["lost"])
    figures: dict[str, Any] = {
        "rounds": rounds,
        "seed": seed,
        "rounds_a_minute": rounds / minutes,
        "requests": sum(one["requests"] for one in found),
        "statuses": dict(sum((Counter(one["statuses"]) for one in found), Counter())),
        "lost": dict(lost),
        "refused_before_not_ready": sum(not one["was_not_ready_first"] for one in found),
        "exit_codes": dict(Counter(str(one["exit_code"]) for one in found)),
        "ready_s": statistics.median(one["ready_s"] for one in found),
        "seconds_to_exit": max(one["exit_s"] for one in found),
    }
    failed = sum(one["exit_code"] != 0 for one in found)
    refused = figures["refused_before_not_ready"]
    verdicts = [
        at_most("Requests lost", sum(lost.values()), 0),
        at_most("Exit codes other than 0", failed, 0),
        at_most("Servers that refused before /ready was 503", refused, 0),
        at_most("Seconds from SIGTERM to exit", figures["seconds_to_exit"], 31.0),
    ]
    return Measured(figures, verdicts)


def _round(
    pool: Any, program: Program, requests: Sequence[bytes], chance: random.Random
) -> dict[str, Any]:
    with serving(program) as server:
        clients = pool.submit(ask_until_refused, server.port, requests, CLIENTS)
        time.sleep(chance.uniform(LEAST_LOAD_S, MOST_LOAD_S))
        signalled = time.perf_counter()
        server.terminate()
        exit_code = server.wait()
        exit_s = time.perf_counter() - signalled
        seen: Seen = clients.result()
        lost = [f"{how}, {_when(sent, signalled)}" for sent, how in seen.lost]
        lost += [
            f"answered {status}, sent before the signal"
            for sent, status in seen.answered
            if status != 200 and sent < signalled
        ]
        not_ready = [when for when, status in seen.readiness if status == 503]
        return {
            "lost": lost,
            "requests": len(seen.answered) + len(seen.lost),
            "statuses": Counter(str(status) for _, status in seen.answered),
            "was_not_ready_first": bool(not_ready) and not_ready[0] < seen.refused_at,
            "exit_code": exit_code,
            "exit_s": exit_s,
            "ready_s": server.ready_s,
        }


def _when(sent: float, signalled: float) -> str:
    return "sent before the signal" if sent < signalled else "sent after the signal"


def ask_until_refused(port: int, requests: Sequence[bytes], clients: int) -> Seen:
    """Clients that send continuously, and one that polls ``/ready``, until the port is closed."""
    seen = Seen()

    async def run() -> None:
        async with asyncio.timeout(WATCH_S):
            looks = asyncio.create_task(_look(port, seen))
            await asyncio.gather(*(_client(port, requests, n, seen) for n in range(clients)))
            await looks

    asyncio.run(run())
    return seen


async def _client(port: int, requests: Sequence[bytes], number: int, seen: Seen) -> None:
    place = number
    while (connection := await _connected(port, seen)) is not None:
        is_first = True
        while not connection.is_closed:
            sent = time.perf_counter()
            try:
                answer = await connection.ask(requests[place % len(requests)])
                seen.answered.append((sent, answer.status))
            except BrokenAnswer as error:
                which = "new" if is_first else "kept"
                seen.lost.append((sent, f"{which} connection {error}"))
            place += 1
            is_first = False
            # The server may have closed the connection together with the answer.
            await asyncio.sleep(0)


async def _look(port: int, seen: Seen) -> None:
    """Poll ``/ready`` on a new connection each time, like a load balancer."""
    while (connection := await _connected(port, seen)) is not None:
        asked = time.perf_counter()
        try:
            answer = await connection.ask(get("/ready"))
            seen.readiness.append((asked, answer.status))
        except BrokenAnswer as error:
            seen.lost.append((asked, f"/ready {error}"))
        connection.close()
        await asyncio.sleep(LOOK_EVERY_S)


async def _connected(port: int, seen: Seen) -> AsyncConnection | None:
    try:
        return await connect(port)
    except OSError:
        seen.refused_at = min(seen.refused_at, time.perf_counter())
        return None
