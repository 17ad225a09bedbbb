"""Slow or silent connections: when they are closed, and what another client sees."""
# pyright: basic

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpus import SciFact, ten_word_queries
from under_load import load
from under_load.http1 import HOST, embeddings
from under_load.machine import apart
from under_load.server import NO_CACHE, bindery, serving
from under_load.verdicts import Measured, Verdict, at_most

CLOSED_WITHIN_S = 12.0
GIVE_UP_S = 20.0
PROBES_PER_S = 50.0
WINDOW_S = 12.0
OPENING_S = 1.0

_HEAD = f"POST /v1/embeddings HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a slow client sends at once, and what at one byte per second."""

    first: bytes
    then: Callable[[int], bytes]


KINDS: dict[str, Kind] = {
    "slow_headers": Kind(_HEAD.encode(), lambda second: b"x-header: 1\r\n"[second % 13 :][:1]),
    "slow_body": Kind(
        f"{_HEAD}content-length: 100000\r\n\r\n".encode() + b'{"input": "',
        lambda _: b"a",
    ),
    "nothing": Kind(b"", lambda _: b""),
}


def measure(
    scifact: SciFact, *, connections: int, rounds: int, fault: str | None = None
) -> Measured:
    """In each round, a client alone, then the same client beside the slow ones."""
    server_cores, generator_cores = apart()
    query = embeddings(ten_word_queries(scifact, 1))
    program = bindery(NO_CACHE, cores=server_cores, fault=fault)
    changes: list[float] = []
    closed: dict[str, list[float]] = {name: [] for name in KINDS}
    before: list[float] = []
    during: list[float] = []
    with (
        serving(program, cores=server_cores) as server,
        load.generators(generator_cores, 2) as pool,
    ):
        for _ in range(rounds):
            alone = _probe(pool, server.port, query, time.perf_counter() + 0.1).result()
            start = time.perf_counter() + 0.5
            slow = pool.submit(hold, server.port, connections, start)
            beside = _probe(pool, server.port, query, start).result()
            for name, seconds in slow.result().items():
                closed[name] += seconds
            p99s = [_p99(alone), _p99(beside)]
            changes.append(p99s[1] / p99s[0])
            before.append(p99s[0])
            during.append(p99s[1])
        figures: dict[str, Any] = {
            "connections": connections,
            "rounds": rounds,
            "closed_after_s": {name: _spread(seconds) for name, seconds in closed.items()},
            "other_client_p99_ms": {"before": before, "during": during},
            "p99_times": float(np.median(changes)),
        }
    return Measured(figures, _verdicts(figures, closed))


def _verdicts(figures: dict[str, Any], closed: dict[str, list[float]]) -> list[Verdict]:
    late = sum(seconds > CLOSED_WITHIN_S for part in closed.values() for seconds in part)
    return [
        at_most(f"Slow connections still open after {CLOSED_WITHIN_S:g} s", late, 0),
        at_most("p99 of another client, times what it was", figures["p99_times"], 1.2),
    ]


def _probe(pool: Any, port: int, query: bytes, start: float) -> Any:
    return pool.submit(
        load.probe, port, query, rate_per_s=PROBES_PER_S, seconds=WINDOW_S, start_at=start
    )


def _p99(samples: Sequence[load.Sample]) -> float:
    seconds = [sample.latency_s if sample.status == 200 else math.inf for sample in samples]
    return 1000 * float(np.quantile(seconds, 0.99))


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {"count": len(seconds), "first": min(seconds), "last": max(seconds)}


def hold(port: int, connections: int, start_at: float) -> dict[str, list[float]]:
    """Open slow connections of all kinds in turn; the seconds that each stayed open, by kind.

    They are opened within one second; one still open after 20 s counts as open for ever.
    """
    names = list(KINDS)
    held: dict[str, list[float]] = {name: [] for name in names}

    async def one(number: int) -> None:
        name = names[number % len(names)]
        await asyncio.sleep(start_at - time.perf_counter() + OPENING_S * number / connections)
        opened = time.perf_counter()
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            async with asyncio.timeout(GIVE_UP_S):
                await _drip(reader, writer, KINDS[name])
            held[name].append(time.perf_counter() - opened)
        except TimeoutError:
            held[name].append(math.inf)
        writer.transport.abort()

    async def run() -> None:
        await asyncio.gather(*map(one, range(connections)))

    asyncio.run(run())
    return held


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: Kind) -> None:
    """Send slowly until the server has closed the connection."""
    writer.write(kind.first)
    ended = asyncio.create_task(_end(reader))
    second = 0
    while not ended.done():
        await asyncio.wait([ended], timeout=1.0)
        if piece := kind.then(second):
            writer.write(piece)
        second += 1


async def _end(reader: asyncio.StreamReader) -> None:
    """Wait until the server closes the connection, ignoring what it sends."""
    try:
        while await reader.read(1 << 16):
            pass
    except OSError:
        pass  # a reset also counts as closed
