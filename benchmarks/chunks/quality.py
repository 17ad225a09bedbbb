"""Quality of strategies: how much of the answers is in the chunks that a search returns.

As in Chroma's evaluation: all corpora in one index, a question ranks all chunks. ``recall_in_1000``
is the share of the gold characters in the best chunks that together have at most 1,000 tokens: it
compares sizes fairly. ``recall_at_5`` is that of the five best. ``iou_at_5`` is the intersection of
retrieved and gold characters over their union.
"""
# pyright: basic

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bindery import chunking, documents
from bindery.library import Library
from bindery.options import AUTO, CONTEXTS, LATE, ChunkOptions
from bindery.types import Chunk, Document
from chunks.questions import Question, Questions, read_questions
from chunks.vectors import KeptVectors
from corpus import Vectors

TOKENS = 1000
BEST = 5
SIZES = (64, 100, 128, 200, 254)
OVERLAP = 0.2

Figures = dict[str, object]


@dataclass(frozen=True, slots=True)
class Cutting:
    """How the corpora are chunked; ``size`` None is the default."""

    strategy: str
    size: int | None
    overlap: int = 0
    context: str = "none"

    def __str__(self) -> str:
        """The start of its row in the table."""
        size = "default" if self.size is None else self.size
        overlap = f", overlap {self.overlap}" if self.overlap else ""
        context = f", context {self.context}" if self.context != "none" else ""
        return f"{self.strategy} {size}{overlap}{context}"


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """All chunks of all corpora, the corpus of each, and their vectors."""

    chunks: Sequence[Chunk]
    corpora: Sequence[str]
    vectors: Vectors

    def spans(self, places: np.ndarray) -> list[tuple[str, int, int]]:
        """The corpus, start and end of the chunks at some places."""
        spans = [(self.corpora[place], self.chunks[place].span) for place in places]
        return [(corpus, span.start, span.end) for corpus, span in spans]


def cuttings(strategies: Iterable[str], sizes: Sequence[int]) -> list[Cutting]:
    """All strategies and sizes; overlaps and contexts only with the default strategy."""
    plain = [Cutting(strategy, size) for strategy in strategies for size in sizes]
    with_overlap = [Cutting("recursive", size, int(size * OVERLAP)) for size in sizes]
    with_context = [
        Cutting("recursive", size, context=context)
        for context in CONTEXTS
        if context not in {AUTO, "none"}
        for size in sizes
    ]
    return [Cutting("recursive", None), *plain, *with_overlap, *with_context]


def measure(
    data: Path,
    library: Library,
    kept: Path,
    *,
    model: str,
    strategies: Iterable[str],
    sizes: Sequence[int],
) -> Figures:
    """One row per way to chunk, with the recall in each corpus."""
    questions = read_questions(data)
    vectors = KeptVectors(library, model, kept)
    asked = vectors.of([question.text for question in questions.all], "query")
    figures: Figures = {"model": model, "questions": len(questions.all)}
    for cutting in cuttings(strategies, sizes):
        index = _index(questions, library, vectors, model, cutting)
        figures[str(cutting)] = row = evaluate(questions, asked, index)
        print(f"{cutting!s:44} {row}", flush=True)
    return figures


def evaluate(questions: Questions, asked: Vectors, index: Index) -> Figures:
    """The figures of one index."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in questions.corpora}
    tokens = np.array([chunk.tokens for chunk in index.chunks])
    for question, scores in zip(questions.all, asked @ index.vectors.T, strict=True):
        order = np.argsort(-scores, kind="stable")
        within = order[np.cumsum(tokens[order]) <= TOKENS]
        in_tokens, _ = retrieved(question, index.spans(within))
        in_best, union = retrieved(question, index.spans(order[:BEST]))
        gold = question.gold_characters
        found[question.corpus].append((in_tokens / gold, in_best / gold, in_best / union))
    recall, recall_at_5, iou = np.mean([row for rows in found.values() for row in rows], axis=0)
    return {
        "chunks": len(index.chunks),
        "mean_tokens": round(float(tokens.mean()), 1),
        "recall_in_1000": round(float(recall), 3),
        "recall_at_5": round(float(recall_at_5), 3),
        "iou_at_5": round(float(iou), 3),
        "by_corpus": {
            name: round(statistics.mean(row[0] for row in rows), 3) for name, rows in found.items()
        },
    }


def retrieved(question: Question, found: Sequence[tuple[str, int, int]]) -> tuple[int, int]:
    """The number of gold characters retrieved, and of characters in the union of both.

    ``found`` are a corpus, start and end each. A character retrieved twice, because chunks overlap,
    counts against it the second time.
    """
    hits = 0
    for gold in question.gold:
        inside = sorted(
            (max(start, gold.start), min(end, gold.end))
            for name, start, end in found
            if name == question.corpus
        )
        reached = gold.start
        for start, end in inside:
            hits += max(0, end - max(start, reached))
            reached = max(reached, end)
    characters = sum(end - start for _, start, end in found)
    return hits, characters + question.gold_characters - hits


def _index(
    questions: Questions, library: Library, vectors: KeptVectors, model: str, cutting: Cutting
) -> Index:
    chunks: list[Chunk] = []
    corpora: list[str] = []
    rows: list[Vectors] = []
    for name, document in questions.corpora.items():
        cut = _cut(library, vectors, model, cutting, document)
        is_late = cutting.strategy == LATE
        texts = [chunk.context + chunk.text for chunk in cut]
        rows.append(vectors.late(document, cut) if is_late else vectors.of(texts, "document"))
        chunks += cut
        corpora += [name] * len(cut)
    return Index(chunks, corpora, np.concatenate(rows))


def _cut(
    library: Library, vectors: KeptVectors, model: str, cutting: Cutting, document: Document
) -> list[Chunk]:
    if cutting.size is None:
        return library.chunk(document, ChunkOptions(strategy=cutting.strategy), model_id=model)
    return chunking.chunk(
        document,
        library.measure(model).tokeniser,
        ChunkOptions(
            strategy=cutting.strategy,
            size=cutting.size,
            overlap=cutting.overlap,
            context=cutting.context,
        ),
        embed=vectors.of_sentences,
        divide=documents.divide,
    )
