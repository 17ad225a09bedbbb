"""The loss from cutting vectors, plain and rotated: SciFact nDCG@10 with the small model."""
# pyright: basic

from pathlib import Path

import numpy as np

import bindery
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation, energy_of
from corpus import SciFact, read_scifact
from metrics import ndcg

DIMENSIONS = (384, 256, 192, 128, 96, 64)
SAMPLES = (384, 1000, 2000)
DRAWS = 3


def measure(data: Path) -> dict[str, object]:
    """Figures of plain cuts, and of rotations fitted on all documents and on samples."""
    scifact = read_scifact(data)
    encoder = bindery.load("vanilla", precision="f32")
    documents = encoder.encode([*scifact.documents.values()], role="document")
    queries = encoder.encode([*scifact.queries.values()], role="query")
    figures: dict[str, object] = {
        "bytes": {str(size): {"float32": 4 * size, "int8": size + 4} for size in DIMENSIONS},
        "plain": _by_dimensions(scifact, queries, documents),
        "rotated": _rotated(scifact, queries, documents, documents),
    }
    for size in SAMPLES:
        figures[f"rotated_by_{size}"] = [
            _rotated(scifact, queries, documents, _drawn(documents, size, seed))
            for seed in range(DRAWS)
        ]
    for name, figure in figures.items():
        print(name, figure, flush=True)
    return figures


def _rotated(
    scifact: SciFact, queries: Embeddings, documents: Embeddings, sample: Embeddings
) -> dict[str, dict[str, float]]:
    rotation = Rotation.fit(sample, model="vanilla", revision="")
    return _by_dimensions(scifact, rotation.apply(queries), rotation.apply(documents))


def _by_dimensions(
    scifact: SciFact, queries: Embeddings, documents: Embeddings
) -> dict[str, dict[str, float]]:
    kept = np.cumsum(energy_of(documents))
    return {
        str(size): {
            "ndcg_at_10": _ndcg(scifact, queries.cut(size), documents.cut(size)),
            "energy_kept": float(kept[size - 1]),
        }
        for size in DIMENSIONS
    }


def _ndcg(scifact: SciFact, queries: Embeddings, documents: Embeddings) -> float:
    scores = queries.rows @ documents.rows.T
    return ndcg(scores, [*scifact.queries], [*scifact.documents], scifact.answers)


def _drawn(documents: Embeddings, size: int, seed: int) -> Embeddings:
    chosen = np.random.default_rng(seed).choice(len(documents), size, replace=False)
    return Embeddings.dense(documents.rows[chosen])
