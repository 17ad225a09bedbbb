"""Quality and cost of reranking by late interaction with the small model's own tokens.

The weight is chosen on the training queries and reported on the test queries. All token vectors of
SciFact are kept in memory: 2 GB.
"""
# pyright: basic

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import bindery
from bindery import Embeddings, Encoder
from bindery.encoders.base import TokenVectors
from bindery.library.reranking import DEFAULT_WEIGHT, mix, reorder, rerank
from bindery.vectors import Form, code
from bindery.vectors.scoring import mean_maxsim
from corpus import SciFact, Vectors, read_scifact
from metrics import ndcg

DEPTH = 100
WEIGHTS = tuple(step / 10 for step in range(11))
TIMED_KEPT, TIMED_ON_THE_FLY = 100, 10
_DOCUMENTS_AT_ONCE = 256

FORMS: Mapping[str, Callable[[Embeddings], Embeddings]] = {
    "float32": lambda rows: rows,
    "float16": lambda rows: code(rows, Form.FLOAT16).decoded(),
    "int8": lambda rows: code(rows, Form.INT8).decoded(),
}
BYTES_OF_A_VECTOR = {"float32": 4 * 384, "float16": 2 * 384, "int8": 384 + 4}


class Kept:
    """Token vectors and pooled vectors of all documents, in order."""

    def __init__(self, encoder: Encoder, texts: list[str]) -> None:
        self.rows: list[Vectors] = []
        pooled = []
        for first in range(0, len(texts), _DOCUMENTS_AT_ONCE):
            some = encoder.encode_tokens(texts[first : first + _DOCUMENTS_AT_ONCE], "document")
            assert some.pooled is not None
            self.rows += [some.tokens[text] for text in range(len(some.tokens))]
            pooled.append(some.pooled.rows)
        self.pooled = np.concatenate(pooled)

    def of(self, chosen: Vectors, form: str) -> TokenVectors:
        """Token vectors of some documents, as restored from a form."""
        tokens = Embeddings.ragged([self.rows[place] for place in chosen], self.pooled.shape[1])
        none = np.zeros(len(chosen), dtype=np.int64)
        pooled = Embeddings.dense(self.pooled[chosen])
        return TokenVectors(FORMS[form](tokens), pooled, none, none)


def measure(data: Path) -> dict[str, object]:
    """NDCG@10 by weight on both splits, by form at the default weight; seconds and bytes."""
    splits = {split: read_scifact(data, split) for split in ("train", "test")}
    encoder = bindery.load("vanilla", precision="f32")
    kept = Kept(encoder, [*splits["test"].documents.values()])
    queries = {split: _queries(encoder, scifact) for split, scifact in splits.items()}
    by_weight = {}
    for split, scifact in splits.items():
        by_weight[split] = _by_weight(scifact, queries[split], kept, "float32", WEIGHTS)
        print(split, by_weight[split], flush=True)
    by_form = {
        form: _by_weight(splits["test"], queries["test"], kept, form, (DEFAULT_WEIGHT,))
        for form in FORMS
    }
    tokens = sum(map(len, kept.rows)) / len(kept.rows)
    figures: dict[str, object] = {
        "depth": DEPTH,
        "default_weight": DEFAULT_WEIGHT,
        "ndcg_at_10": by_weight,
        "ndcg_at_10_by_form": by_form,
        "tokens_of_a_document": tokens,
        "bytes_of_a_document": {form: tokens * size for form, size in BYTES_OF_A_VECTOR.items()},
        "kept_ms": {form: _kept_ms(queries["test"], kept, form) for form in FORMS},
        "on_the_fly_ms": {
            precision: _on_the_fly_ms(splits["test"], queries["test"], kept, precision)
            for precision in ("f32", "bf16")
        },
    }
    print(figures, flush=True)
    return figures


def _queries(encoder: Encoder, scifact: SciFact) -> list[TokenVectors]:
    return [encoder.encode_tokens([text], "query") for text in scifact.queries.values()]


def _nearest(query: TokenVectors, kept: Kept) -> tuple[Vectors, Vectors]:
    """The first stage: all cosines, and the best documents."""
    assert query.pooled is not None
    cosines = kept.pooled @ query.pooled.rows[0]
    return cosines, np.argsort(-cosines, kind="stable")[:DEPTH]


def _by_weight(
    scifact: SciFact,
    queries: list[TokenVectors],
    kept: Kept,
    form: str,
    weights: tuple[float, ...],
) -> dict[str, float]:
    scores = {weight: np.full((len(queries), len(kept.rows)), -2.0) for weight in weights}
    for row, query in enumerate(queries):
        cosines, nearest = _nearest(query, kept)
        means = mean_maxsim(query.tokens, kept.of(nearest, form).tokens)[0]
        for weight in weights:
            scores[weight][row, nearest] = mix(cosines[nearest], means, weight)
    names = [*scifact.queries], [*scifact.documents]
    return {str(weight): ndcg(found, *names, scifact.answers) for weight, found in scores.items()}


def _kept_ms(queries: list[TokenVectors], kept: Kept, form: str) -> float:
    """Median seconds to rerank 100 documents with vectors in memory, without loading them."""
    spent = []
    for query in queries[:TIMED_KEPT]:
        documents = kept.of(_nearest(query, kept)[1], form)
        started = time.perf_counter()
        reorder(query, documents)
        spent.append(time.perf_counter() - started)
    return 1000 * float(np.median(spent))


def _on_the_fly_ms(
    scifact: SciFact, queries: list[TokenVectors], kept: Kept, precision: str
) -> float:
    """Median seconds to rerank 100 texts, running the model on each."""
    encoder = bindery.load("vanilla", precision=precision)
    documents = [*scifact.documents.values()]
    spent = []
    asked = list(scifact.queries.values())
    for text, query in list(zip(asked, queries, strict=True))[:TIMED_ON_THE_FLY]:
        nearest = _nearest(query, kept)[1]
        started = time.perf_counter()
        rerank(encoder, text, [documents[place] for place in nearest])
        spent.append(time.perf_counter() - started)
    return 1000 * float(np.median(spent))
