"""``POST /collections/NAME/search`` of a running server: alone, under bulk, and from 32 clients."""
# pyright: basic

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from searching.changes import COLLECTION
from under_load.http1 import embeddings, post
from under_load.load import ask_all, ask_in_turn, keep_asking
from under_load.server import bindery, serving

_PATH = f"/collections/{COLLECTION}/search"
_CLIENTS = 32
_BULK_CLIENTS, _BULK_TEXTS = 2, 16


def measure(home: Path, queries: list[str], bulk: list[str]) -> dict[str, Any]:
    """Milliseconds of a hybrid search, idle and under bulk, and searches per second."""
    requests = [post(_PATH, {"query": query, "mode": "hybrid"}) for query in queries]
    with serving(bindery(), home=home) as server:
        ask_in_turn(server.port, requests[:20])
        idle = ask_in_turn(server.port, requests)
        texts = [embeddings(bulk[n : n + _BULK_TEXTS]) for n in range(0, len(bulk), _BULK_TEXTS)]
        seconds = max(5.0, 2 * sum(idle))
        load = threading.Thread(
            target=keep_asking,
            args=(server.port, texts, _BULK_CLIENTS),
            kwargs={"seconds": seconds},
        )
        load.start()
        time.sleep(1)
        under = ask_in_turn(server.port, requests)
        load.join()
        wall_s, _ = ask_all(server.port, requests * 4, _CLIENTS)
    p95 = float(np.quantile(under, 0.95))
    return {
        "p50_ms": float(np.median(idle)) * 1e3,
        "p95_ms": float(np.quantile(idle, 0.95)) * 1e3,
        "under_bulk_p50_ms": float(np.median(under)) * 1e3,
        "under_bulk_p95_ms": p95 * 1e3,
        "under_bulk_p95_times_p50": p95 / float(np.median(idle)),
        "searches_per_s_from_32_clients": len(requests) * 4 / wall_s,
    }
