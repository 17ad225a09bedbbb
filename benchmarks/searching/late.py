"""Late interaction as a first stage: lists of centroids beside MaxSim of all documents.

No late-interaction model is needed: the token vectors of the small dense model stand in for those.
"""
# pyright: basic

import time
from typing import Any

import numpy as np

import bindery
from bindery.encoders import Encoder
from bindery.search.tokens import TokenSegment
from bindery.vectors.embeddings import Embeddings
from corpus import SciFact

_TEXTS_AT_ONCE = 256
DEPTHS = (10, 100)


def measure(scifact: SciFact, *, queries: int) -> dict[str, Any]:
    """Recall against MaxSim of all documents, CPU milliseconds of each stage, and bytes."""
    encoder = bindery.load("vanilla", precision="bf16")
    whole = TokenSegment.of(_tokens(encoder, list(scifact.documents.values()), "document"))
    asked = _tokens(encoder, list(scifact.queries.values())[:queries], "query")
    started = time.process_time()
    segment = whole.with_codes()
    assert segment.lists is not None, "too few tokens for lists"
    figures: dict[str, Any] = {
        "documents": len(whole),
        "tokens": len(whole.tokens),
        "made_cpu_s": time.process_time() - started,
        "measured_recall": segment.lists.recall,
        "token_bytes_per_document": whole.tokens.nbytes / len(whole),
        "list_bytes_per_document": (segment.lists.codes.nbytes + segment.lists.starts.nbytes)
        / len(whole),
        "centroid_bytes": segment.lists.centroids.nbytes // 2,
    }
    every, allowed = np.arange(len(whole)), np.ones(len(whole), dtype=np.bool_)
    times: dict[str, list[float]] = {}
    recalls: dict[int, list[float]] = {k: [] for k in DEPTHS}
    for query in (asked[n] for n in range(len(asked))):
        exact = _timed(times, "all", lambda query=query: whole.scores(query, every))
        for k in DEPTHS:
            rows = _timed(
                times, f"lists_{k}", lambda query=query, k=k: segment.candidates(query, k, allowed)
            )
            _timed(times, f"maxsim_{k}", lambda query=query, rows=rows: segment.scores(query, rows))
            least = np.sort(exact)[-k]
            recalls[k].append(min(k, int((exact[rows] >= least - 1e-6).sum())) / k)
    figures |= {f"{name}_cpu_p50_ms": float(np.median(some)) for name, some in times.items()}
    figures |= {f"recall_at_{k}": float(np.mean(some)) for k, some in recalls.items()}
    print(figures, flush=True)
    return figures


def _tokens(encoder: Encoder, texts: list[str], role: str) -> Embeddings:
    parts: list[np.ndarray] = []
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        tokens = encoder.encode_tokens(texts[first : first + _TEXTS_AT_ONCE], role).tokens
        parts += [tokens[n] for n in range(len(tokens))]
    rows = [part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-12) for part in parts]
    return Embeddings.ragged(rows, rows[0].shape[1])


def _timed(times: dict[str, list[float]], name: str, call: Any) -> Any:
    started = time.process_time()
    found = call()
    times.setdefault(name, []).append((time.process_time() - started) * 1e3)
    return found
