"""Ten times the load that the server can handle, from an open loop.

Server and generator run on separate cores. Capacity is the rate that closed-loop clients reach just
before. A probe of short queries shows what another client sees before, during and after.
"""
# pyright: basic

import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from corpus import SciFact, chunks_of, ten_word_queries
from under_load import load
from under_load.http1 import embeddings
from under_load.machine import apart
from under_load.server import NO_CACHE, Watch, bindery, serving
from under_load.verdicts import Measured, Verdict, at_least, at_most

TIMES = 10.0
CLIENTS = 16
PROBES_PER_S = 10.0
AFTER_S = 30.0
SETTLED = 10  # probes in a row


def measure(
    scifact: SciFact, *, seconds: float, chunks_a_request: int, fault: str | None = None
) -> Measured:
    """Idle, then at capacity, then ten times that for ``seconds``, then idle again."""
    server_cores, generator_cores = apart()
    texts = chunks_of(scifact, 400)
    requests = [
        embeddings(texts[start : start + chunks_a_request])
        for start in range(0, len(texts), chunks_a_request)
    ]
    query = embeddings(ten_word_queries(scifact, 1))
    program = bindery(NO_CACHE, cores=server_cores, fault=fault)
    with (
        serving(program, cores=server_cores) as server,
        load.generators(generator_cores, 2) as pool,
    ):
        pool.submit(load.keep_asking, server.port, requests, CLIENTS, seconds=5.0).result()
        time.sleep(1)
        idle_mb = server.resident_mb()
        idle = {"rate_per_s": PROBES_PER_S, "seconds": 10.0}
        before = pool.submit(load.probe, server.port, query, **idle).result()
        capacity = _capacity(pool, server.port, requests)
        time.sleep(1)
        start = time.perf_counter() + 0.5
        with Watch(server, every_s=0.25) as watch:
            probing = {"rate_per_s": PROBES_PER_S, "seconds": seconds + AFTER_S, "start_at": start}
            probes = pool.submit(load.probe, server.port, query, **probing)
            offered = {"rate_per_s": TIMES * capacity, "seconds": seconds, "start_at": start}
            samples = pool.submit(load.open_loop, server.port, requests, **offered).result()
            after = probes.result()
    figures = {
        "chunks_a_request": chunks_a_request,
        "seconds": seconds,
        **_figures(samples, capacity, start, seconds),
        "probe": _probe_figures(before, after, start + seconds),
        "memory_mb": {"idle": idle_mb, "most": watch.most_mb},
        "cores": {"server": list(server_cores), "generator": list(generator_cores)},
    }
    return Measured(figures, _verdicts(figures))


def _capacity(pool: Executor, port: int, requests: Sequence[bytes]) -> float:
    """Requests per second of clients that wait for each response."""
    busy = pool.submit(load.keep_asking, port, requests, CLIENTS, seconds=15.0).result()
    return _answered(busy) / (max(sample.done for sample in busy) - busy[0].due)


def _answered(samples: Sequence[load.Sample]) -> int:
    return sum(sample.status == 200 for sample in samples)


def _figures(
    samples: Sequence[load.Sample], capacity: float, start: float, seconds: float
) -> dict[str, Any]:
    good = [sample for sample in samples if sample.status == 200]
    refused = [sample for sample in samples if sample.status in (429, 503)]
    within = [sample for sample in good if sample.done <= start + seconds]
    other = Counter(
        str(sample.status or sample.error)
        for sample in samples
        if sample.status not in (200, 429, 503)
    )
    return {
        "capacity_requests_per_second": capacity,
        "offered_requests_per_second": len(samples) / seconds,
        "goodput_requests_per_second": len(within) / seconds,
        "goodput_share_of_capacity": len(within) / seconds / capacity,
        "accepted": _quantiles(good),
        "refused": _quantiles(refused),
        "refused_without_retry_after": sum(not sample.says_when_to_retry for sample in refused),
        "others": dict(other),
    }


def _quantiles(samples: Sequence[load.Sample]) -> dict[str, float]:
    if not samples:
        return {"count": 0, "p50_ms": math.nan, "p99_ms": math.nan}
    seconds = [sample.latency_s for sample in samples]
    p50, p99 = (1000 * float(np.quantile(seconds, part)) for part in (0.5, 0.99))
    return {"count": len(samples), "p50_ms": p50, "p99_ms": p99}


def _probe_figures(
    before: Sequence[load.Sample], after: Sequence[load.Sample], end: float
) -> dict[str, Any]:
    """Figures of the probe, and how long after the overload it took to be normal again.

    Normal: ten in a row are answered, with a median latency of at most 1.5 times the idle one.
    """
    normal = statistics.median(sample.latency_s for sample in before)
    later = [sample for sample in after if sample.due >= end]
    normal_again_s = math.inf
    for first in range(len(later) - SETTLED + 1):
        row = later[first : first + SETTLED]
        median = statistics.median(sample.latency_s for sample in row)
        if all(sample.status == 200 for sample in row) and median <= 1.5 * normal:
            normal_again_s = row[0].due - end
            break
    during = [sample for sample in after if sample.due < end]
    return {
        "idle": _quantiles(before),
        "answered_during": _quantiles([sample for sample in during if sample.status == 200]),
        "statuses_during": dict(Counter(str(sample.status) for sample in during)),
        "normal_again_s": normal_again_s,
    }


def _verdicts(figures: dict[str, Any]) -> list[Verdict]:
    memory, refused = figures["memory_mb"], figures["refused"]
    return [
        at_least("Goodput, share of capacity", figures["goodput_share_of_capacity"], 0.9),
        at_least("Rejected requests", refused["count"], 1),
        at_most("Rejection p99, ms", refused["p99_ms"], 50.0),
        at_most("Rejections without Retry-After", figures["refused_without_retry_after"], 0),
        at_most("Requests without 200, 429 or 503", sum(figures["others"].values()), 0),
        at_most("Memory above idle, MB", memory["most"] - memory["idle"], 256.0),
        at_most("Seconds until normal again", figures["probe"]["normal_again_s"], 10.0),
    ]
