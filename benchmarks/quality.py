"""Ranking quality beside the reference: SciFact nDCG@10 and STS-B Spearman, by precision."""
# pyright: basic

from pathlib import Path

import numpy as np

import bindery
from bindery.encoders.calibration import calibrate
from bindery.models.layouts import read_layout
from corpus import SciFact, Vectors, read_reference, read_scifact, read_stsb
from metrics import cosines, ndcg, spearman
from peers import model_folder

REFERENCE_NDCG = 0.64508
REFERENCE_SPEARMAN = 0.82032
PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "int8": "int8"}


def measure(data: Path) -> dict[str, object]:
    """Both measures in every precision, and the distance to the reference's vectors."""
    calibrate(read_layout(model_folder()))  # int8 needs it
    scifact = read_scifact(data)
    reference = read_reference(data, scifact)
    figures: dict[str, object] = {
        "reference": {"ndcg_at_10": REFERENCE_NDCG, "spearman": REFERENCE_SPEARMAN}
    }
    if reference:
        recomputed = scifact_ndcg(scifact, *reference)
        print(f"nDCG@10 of the reference's vectors: {recomputed:.5f}")
        figures["reference_vectors"] = {"ndcg_at_10": recomputed}
    for precision in PRECISIONS:
        figures[precision] = _of_bindery(precision, data, scifact, reference)
        print(precision, figures[precision], flush=True)
    return figures


def scifact_ndcg(scifact: SciFact, queries: Vectors, documents: Vectors) -> float:
    """NDCG@10 of normalised vectors, in the order of the ids."""
    return ndcg(queries @ documents.T, [*scifact.queries], [*scifact.documents], scifact.answers)


def _of_bindery(
    precision: str, data: Path, scifact: SciFact, reference: tuple[Vectors, Vectors] | None
) -> dict[str, float]:
    encoder = bindery.load(model_folder(), precision=PRECISIONS[precision])
    documents = encoder.encode([*scifact.documents.values()], role="document").rows
    queries = encoder.encode([*scifact.queries.values()], role="query").rows
    pairs = read_stsb(data)
    first = encoder.encode(pairs.first, role="document").rows
    second = encoder.encode(pairs.second, role="document").rows

    figures = {
        "ndcg_at_10": scifact_ndcg(scifact, queries, documents),
        "spearman": spearman(cosines(first, second), np.array(pairs.scores)),
    }
    if reference:
        alike = cosines(np.vstack([queries, documents]), np.vstack(reference))
        figures |= {"smallest_cosine": float(alike.min()), "mean_cosine": float(alike.mean())}
    return figures
