"""Requests of the largest size: how much memory they add, and how long ``/health`` waits."""
# pyright: basic

import json
import threading
import time
from collections.abc import Mapping

from under_load.http1 import Connection, get, post
from under_load.server import NO_CACHE, Server, Watch, bindery, serving
from under_load.verdicts import Measured, at_most

ADDED_MB = 100.0
HEALTH_MS = 100.0
_BYTES = 15 << 20
_AT_ONCE = 20
_EVERY_S = 0.02


def _requests() -> Mapping[str, list[bytes]]:
    """The requests of each case, sent at the same time."""
    words, marks = "paper " * (_BYTES // 6), "!" * _BYTES
    texts = [words[: _BYTES // 2000]] * 1900
    small = "! " * (1 << 19)
    return {
        "tokenize": [post("/tokenize", {"inputs": marks})],
        "tokenize at once": [post("/tokenize", {"inputs": small})] * _AT_ONCE,
        "one text, cut": [
            post("/v1/embeddings", {"model": "vanilla", "input": marks, "truncate": "end"})
        ],
        "one text, start cut": [
            post("/v1/embeddings", {"model": "vanilla", "input": words, "truncate": "start"})
        ],
        "one text, refused": [
            post("/v1/embeddings", {"model": "vanilla", "input": words, "truncate": "error"})
        ],
        "many texts, refused": [
            post("/v1/embeddings", {"model": "vanilla", "input": texts, "truncate": "error"})
        ],
        "emoji": [
            post(
                "/v1/embeddings",
                {"model": "vanilla", "input": "\U0001f600" * (_BYTES // 12), "truncate": "end"},
            )
        ],
        "one word": [
            post("/v1/embeddings", {"model": "vanilla", "input": "x" * _BYTES, "truncate": "end"})
        ],
        "documents": [
            post("/v1/rerank", {"query": "paper", "documents": [words], "model": "vanilla"})
        ],
        "late": [post("/v1/contextualizedembeddings", {"inputs": [[words]], "model": "vanilla"})],
    }


def measure(*, fault: str | None = None) -> Measured:
    """Each case on a server of its own, because memory that was used once may stay.

    An idle server is probed at the same times: how slow it is shows how busy the machine is.
    """
    with serving(bindery(NO_CACHE)) as idle:
        return _measure(idle, fault)


def _measure(idle: Server, fault: str | None) -> Measured:
    added: dict[str, float] = {}
    health: dict[str, float] = {}
    beside: dict[str, float] = {}
    statuses: dict[str, list[int]] = {}
    for name, requests in _requests().items():
        with serving(bindery(NO_CACHE, fault=fault)) as server:
            with Connection(server.port) as connection:  # reads the tokeniser, once
                connection.ask(post("/tokenize", {"inputs": "paper"}))
            idle_mb = server.resident_mb()
            with Watch(server, every_s=_EVERY_S) as watch:
                statuses[name], health[name], beside[name] = _send(server, idle, requests)
            added[name] = watch.most_mb - idle_mb
    figures = {
        "added_mb": added,
        "slowest_health_ms": health,
        "slowest_health_of_an_idle_server_ms": beside,
        "statuses": statuses,
    }
    print(json.dumps(figures))
    # On a busy machine, every server is slow at times.
    slower = max(ms - beside[name] for name, ms in health.items())
    others = [mb for name, mb in added.items() if name != "tokenize at once"]
    return Measured(
        figures,
        [
            at_most("Memory that one of the largest requests adds, MB", max(others), ADDED_MB),
            at_most("Memory of twenty at once, MB", added["tokenize at once"], 3 * ADDED_MB),
            at_most("Slowest /health meanwhile, beyond an idle server's, ms", slower, HEALTH_MS),
        ],
    )


def _send(server: Server, idle: Server, requests: list[bytes]) -> tuple[list[int], float, float]:
    """The statuses, and the slowest ``/health`` of both servers until all are answered, in ms."""
    statuses: list[int] = []

    def send(raw: bytes) -> None:
        with Connection(server.port, timeout_s=120) as connection:
            statuses.append(connection.ask(raw).status)

    threads = [threading.Thread(target=send, args=(raw,)) for raw in requests]
    slowest_s = [0.0, 0.0]
    with (
        Connection(server.port, timeout_s=120) as probe,
        Connection(idle.port, timeout_s=120) as other,
    ):
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for place, connection in enumerate((probe, other)):
                begun = time.perf_counter()
                connection.ask(get("/health"))
                slowest_s[place] = max(slowest_s[place], time.perf_counter() - begun)
            time.sleep(_EVERY_S)
    return statuses, slowest_s[0] * 1000, slowest_s[1] * 1000
