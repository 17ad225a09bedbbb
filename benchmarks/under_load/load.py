"""Load generators, run in processes of their own on cores of their own.

Open loops send when a request is due, whether or not earlier ones have been answered, and measure
latency from the time when it was due: a client that waits for each response sends least when the
server is slowest (coordinated omission). Times are those of ``time.perf_counter``, which all
processes of a machine share on Linux.
"""
# pyright: basic

import asyncio
import gc
import multiprocessing
import os
import random
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from under_load.http1 import Answer, AsyncConnection, Connection, connect

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was due, when it was answered or given up, and the outcome.

    ``status`` is 0 if no complete response came, and ``error`` says why.
    """

    due: float
    done: float
    status: int
    says_when_to_retry: bool = False
    error: str = ""

    @property
    def latency_s(self) -> float:
        """Seconds since the request was due."""
        return self.done - self.due


@contextmanager
def generators(cores: Sequence[int], count: int = 1) -> Generator[Executor]:
    """Processes that run this module's functions on ``cores`` alone, started and settled."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=_settle, initargs=(cores,)) as pool:
        list(pool.map(time.sleep, [0.3] * count))
        yield pool


def _settle(cores: Sequence[int]) -> None:
    if cores:
        os.sched_setaffinity(0, cores)
    gc.disable()


def probe(
    port: int, request: bytes, *, rate_per_s: float, seconds: float, start_at: float | None = None
) -> list[Sample]:
    """One client that sends at an even rate; a late response delays the next request.

    Requests that are not sent by the end count as not answered.
    """
    start = time.perf_counter() if start_at is None else start_at
    samples: list[Sample] = []
    connection: Connection | None = None
    for number in range(int(rate_per_s * seconds)):
        due = start + number / rate_per_s
        time.sleep(max(0.0, due - time.perf_counter()))
        if time.perf_counter() > start + seconds + PATIENCE_S:
            samples.append(Sample(due, time.perf_counter(), 0, error="not asked"))
            continue
        try:
            connection = connection or Connection(port)
            answer = connection.ask(request)
            samples.append(_answered(due, answer))
            if answer.closes:
                connection.close()
                connection = None
        except OSError as error:
            samples.append(Sample(due, time.perf_counter(), 0, error=f"{type(error).__name__}"))
            if connection:
                connection.close()
            connection = None
    if connection:
        connection.close()
    return samples


def ask_in_turn(port: int, requests: Sequence[bytes]) -> list[float]:
    """Seconds of each request, sent one after the other on one connection."""
    seconds: list[float] = []
    with Connection(port) as connection:
        for request in requests:
            started = time.perf_counter()
            answer = connection.ask(request)
            seconds.append(time.perf_counter() - started)
            _check(answer)
    return seconds


def ask_all(port: int, requests: Sequence[bytes], clients: int) -> tuple[float, list[bytes]]:
    """Seconds from the first request to the last response, and the bodies, in order.

    Each client has a connection and takes the next request after it got its response.
    """
    bodies: list[bytes] = [b""] * len(requests)

    async def run() -> float:
        connections = [await connect(port) for _ in range(clients)]
        numbers = iter(range(len(requests)))

        async def client(connection: AsyncConnection) -> None:
            for number in numbers:
                answer = await connection.ask(requests[number])
                _check(answer)
                bodies[number] = answer.body

        started = time.perf_counter()
        try:
            await asyncio.gather(*map(client, connections))
            return time.perf_counter() - started
        finally:
            for connection in connections:
                connection.close()
            await asyncio.sleep(0)  # so that the loop closes their sockets before it ends

    return asyncio.run(run()), bodies


def keep_asking(
    port: int,
    requests: Sequence[bytes],
    clients: int,
    *,
    seconds: float,
    start_at: float | None = None,
) -> list[Sample]:
    """This many clients, each sending again as soon as it is answered, for this long."""
    start = time.perf_counter() if start_at is None else start_at
    samples: list[Sample] = []

    async def client(number: int) -> None:
        connection = await connect(port)
        place = number
        while (due := time.perf_counter()) < start + seconds:
            answer = await connection.ask(requests[place % len(requests)])
            samples.append(_answered(due, answer))
            place += clients
            if connection.is_closed:
                connection = await connect(port)
        connection.close()

    async def run() -> None:
        await asyncio.sleep(max(0.0, start - time.perf_counter()))
        await asyncio.gather(*map(client, range(clients)))

    asyncio.run(run())
    return samples


def open_loop(
    port: int,
    requests: Sequence[bytes],
    *,
    rate_per_s: float,
    seconds: float,
    start_at: float,
    patience_s: float = PATIENCE_S,
) -> list[Sample]:
    """Requests at random times (Poisson) at a mean rate, on as many connections as needed.

    Each waits ``patience_s`` for its response and then disconnects.
    """
    idle: list[AsyncConnection] = []
    samples: list[Sample] = []

    async def ask(due: float, request: bytes) -> None:
        connection: AsyncConnection | None = None
        try:
            async with asyncio.timeout(patience_s):
                while idle and connection is None:
                    kept = idle.pop()
                    connection = None if kept.is_closed else kept
                connection = connection or await connect(port)
                answer = await connection.ask(request)
            samples.append(_answered(due, answer))
            if not connection.is_closed:
                idle.append(connection)
        except OSError as error:  # includes TimeoutError
            samples.append(
                Sample(due, time.perf_counter(), 0, error=f"{type(error).__name__} {error}"[:80])
            )
            if connection:
                connection.close()

    async def run() -> None:
        tasks: set[asyncio.Task[None]] = set()
        number = 0
        async for due in _random_moments(rate_per_s, start_at, start_at + seconds):
            task = asyncio.create_task(ask(due, requests[number % len(requests)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.gather(*tasks)
        for connection in idle:
            connection.close()

    asyncio.run(run())
    return samples


async def _random_moments(rate_per_s: float, start: float, end: float) -> AsyncGenerator[float]:
    """The times of a Poisson process, yielded when due; always the same for a rate."""
    chance = random.Random(0)
    due = start
    while (due := due + chance.expovariate(rate_per_s)) < end:
        # Even if it is late, responses must be read.
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        yield due


def _answered(due: float, answer: Answer) -> Sample:
    return Sample(due, time.perf_counter(), answer.status, answer.says_when_to_retry)


def _check(answer: Answer) -> None:
    if answer.status != 200:
        raise SystemExit(f"The server answered {answer.status}: {answer.body[:300]!r}")
