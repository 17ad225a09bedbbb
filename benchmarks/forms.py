"""Ranking quality by form of vectors: SciFact nDCG@10 and bytes.

The vectors are the reference's if the data folder has them, so that only the form differs,
otherwise Bindery's in float32. Queries and documents both have the form. Binary vectors are scored
by Hamming distance, alone and as a first pass whose best 100 are ranked again in float32.
"""
# pyright: basic

from pathlib import Path

import numpy as np

import bindery
from bindery.vectors import Form, code
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.scoring import cosine, hamming
from corpus import SciFact, read_reference, read_scifact
from metrics import Scores, ndcg
from peers import model_folder

FIRST_PASS = 100
# Below any cosine, and still in the order of the first pass.
_BEHIND = 4.0


def measure(data: Path) -> dict[str, dict[str, float]]:
    """NDCG@10, its difference to float32, and bytes per vector (with scales), by form."""
    scifact = read_scifact(data)
    queries, documents = _vectors(data, scifact)
    exact = cosine(queries, documents)
    figures: dict[str, dict[str, float]] = {}
    for form in Form:
        scores = _scores(queries, documents, form)
        coded = code(documents, form)
        scales = 0 if coded.scales is None else coded.scales.itemsize
        figures[form] = {
            "ndcg_at_10": _ndcg(scifact, scores),
            "bytes": coded.values.shape[1] * coded.values.itemsize + scales,
        }
        if form in (Form.BINARY, Form.UBINARY):
            rescored = _rescored(scores, exact)
            figures[form]["ndcg_at_10_rescored"] = _ndcg(scifact, rescored)
        off = figures[form]["ndcg_at_10"] - figures[Form.FLOAT32]["ndcg_at_10"]
        figures[form]["beside_float32"] = off
        print(form, figures[form], flush=True)
    return figures


def _vectors(data: Path, scifact: SciFact) -> tuple[Embeddings, Embeddings]:
    if reference := read_reference(data, scifact):
        queries, documents = (Embeddings.dense(rows.astype(np.float32)) for rows in reference)
        return queries, documents
    encoder = bindery.load(model_folder(), precision="f32")
    return (
        encoder.encode([*scifact.queries.values()], role="query"),
        encoder.encode([*scifact.documents.values()], role="document"),
    )


def _scores(queries: Embeddings, documents: Embeddings, form: Form) -> Scores:
    query, document = code(queries, form), code(documents, form)
    if form.is_bits:
        return -hamming(query, document).astype(np.float64)
    return cosine(query.decoded(), document.decoded())


def _rescored(first: Scores, exact: Scores) -> Scores:
    best = np.argsort(-first, axis=1, kind="stable")[:, :FIRST_PASS]
    scores = first - first.max() - _BEHIND
    np.put_along_axis(scores, best, np.take_along_axis(exact, best, axis=1), axis=1)
    return scores


def _ndcg(scifact: SciFact, scores: Scores) -> float:
    return ndcg(scores, [*scifact.queries], [*scifact.documents], scifact.answers)
