"""Mixed work of random lengths for a long time: do memory, descriptors or threads grow?

Lengths are heavy-tailed, from one token to more than the window. The cache is small, so that it is
full and evicts entries long before the warm-up is over.
"""
# pyright: basic

import csv
import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corpus import SciFact
from under_load import load
from under_load.http1 import HOST, Connection, embeddings, get, post
from under_load.server import Watch, bindery, serving
from under_load.verdicts import Measured, Verdict, at_most

CLIENTS = 3
CACHE_MB = "4"
MOST_WORDS = 400
SLOPE_MB_PER_H = 60.0
"""Leaking 1 kB of each of 30 requests per second would be 100 MB/h."""


def measure(
    scifact: SciFact, *, seconds: float, csv_path: Path | None, seed: int, fault: str | None = None
) -> Measured:
    """Work for ``seconds``, half of which is warm-up; the samples go to ``csv_path``."""
    documents = list(scifact.documents.values())
    program = bindery({"BINDERY_CACHE_MB": CACHE_MB}, fault=fault)
    every_s = max(0.5, seconds / 240)
    with serving(program) as server, load.generators((), CLIENTS) as pool:
        with Watch(server, every_s=every_s) as watch:
            clients = [
                pool.submit(work, server.port, documents, seconds, seed + number)
                for number in range(CLIENTS)
            ]
            counts = sum((client.result() for client in clients), Counter[str]())
        lives = server.process.poll() is None
        tracebacks = server.tracebacks()
    samples = watch.samples
    if csv_path:
        _write(csv_path, samples)
    settled = [sample for sample in samples if sample[0] >= seconds / 2]
    slope, error = _slope_mb_per_h(settled)
    figures: dict[str, Any] = {
        "seconds": seconds,
        "seed": seed,
        "requests": dict(counts),
        "slope_mb_per_h": slope,
        "slope_standard_error": error,
        "memory_mb": {
            "first": samples[0][1],
            "after_warm_up": settled[0][1],
            "last": samples[-1][1],
            "most": watch.most_mb,
        },
        "descriptors": _range(settled, 2),
        "threads": _range(settled, 3),
        "tracebacks": tracebacks,
    }
    return Measured(figures, _verdicts(figures, counts, lives=lives))


def _verdicts(figures: dict[str, Any], counts: Counter[str], *, lives: bool) -> list[Verdict]:
    failed = sum(count for name, count in counts.items() if not name.endswith((" 200", " 201")))
    return [
        at_most("Memory slope after warm-up, MB/h", figures["slope_mb_per_h"], SLOPE_MB_PER_H),
        at_most("Descriptors more at the end", figures["descriptors"]["grown_by"], 2),
        at_most("Threads more at the end", figures["threads"]["grown_by"], 2),
        at_most("Requests not answered 200 or 201", failed, 0),
        at_most("Tracebacks in the log", figures["tracebacks"] + (not lives), 0),
    ]


def _slope_mb_per_h(samples: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    """The slope by least squares over the samples, and its standard error."""
    hours = np.array([sample[0] for sample in samples]) / 3600
    mb = np.array([sample[1] for sample in samples])
    centred = hours - hours.mean()
    spread = float(centred @ centred)
    slope = float(centred @ mb) / spread
    rest = mb - mb.mean() - slope * centred
    return slope, math.sqrt(float(rest @ rest) / (len(mb) - 2) / spread)


def _range(samples: Sequence[tuple[float, ...]], column: int) -> dict[str, float]:
    """Medians of the first and the last tenth of the samples, because single ones fluctuate."""
    values = [sample[column] for sample in samples]
    tenth = max(1, len(values) // 10)
    first, last = float(np.median(values[:tenth])), float(np.median(values[-tenth:]))
    return {"first": first, "last": last, "most": max(values), "grown_by": last - first}


def _write(path: Path, samples: Sequence[tuple[float, float, int, int]]) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("seconds", "resident_mb", "descriptors", "threads"))
        rows.writerows(
            (f"{at:.1f}", f"{mb:.2f}", files, threads) for at, mb, files, threads in samples
        )


def work(port: int, documents: Sequence[str], seconds: float, seed: int) -> Counter[str]:
    """One client: random requests of every kind until the time is over; counts by status."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    end = time.perf_counter() + seconds

    def texts(most: int) -> list[str]:
        return [text(documents, chance) for _ in range(chance.randint(1, most))]

    with Connection(port) as connection:
        while time.perf_counter() < end:
            kind = chance.choices(("embed", "generate", "rerank", "file", "look"), (8, 4, 2, 2, 1))[
                0
            ]
            if kind == "embed":
                requests = [embeddings(texts(16))]
            elif kind == "generate":
                wish = {"chunks": texts(16), "truncate": "end"}
                requests = [post("/embedding/vanilla/generate", wish)]
            elif kind == "rerank":
                query = text(documents, chance)[:200]
                requests = [
                    post("/v1/rerank", {"model": "vanilla", "query": query, "documents": texts(8)})
                ]
            elif kind == "look":
                requests = [get("/models"), get("/ready"), get("/v1/models")]
            else:
                counts += _file(connection, "\n\n".join(texts(8)))
                continue
            for request in requests:
                counts[f"{kind} {connection.ask(request).status}"] += 1
    return counts


def _file(connection: Connection, content: str) -> Counter[str]:
    """Upload, chunk and delete again."""
    uploaded = connection.ask(_upload(content))
    name = json.loads(uploaded.body).get("file_id", "none")
    chunked = connection.ask(get(f"/chunk/recursive/file/{name}"))
    path = f"/files/{name}"
    deleted = connection.ask(f"DELETE {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
    answers = {"upload": uploaded, "chunk": chunked, "delete": deleted}
    return Counter(f"{kind} {answer.status}" for kind, answer in answers.items())


def _upload(content: str) -> bytes:
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="notes.txt"\r\n\r\n'
    body = head + content.encode() + b"\r\n--b--\r\n"
    return (
        f"POST /files/upload HTTP/1.1\r\nhost: {HOST}\r\n"
        f"content-type: multipart/form-data; boundary=b\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def text(documents: Sequence[str], chance: random.Random) -> str:
    """Words from a random position in a document; their number is log-normal, with median 40."""
    words = chance.choice(documents).split()
    count = min(MOST_WORDS, max(1, round(chance.lognormvariate(math.log(40), 1.2))))
    start = chance.randrange(len(words))
    return " ".join((words * (1 + count // len(words) + 1))[start : start + count])
