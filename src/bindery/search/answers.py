"""What a search gives back: hits that say where they are from, and how the answer came about."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bindery.search.searching import StageReport, UsedWeight
from bindery.types import Span


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found.

    ``score`` is that of the mode (see :class:`bindery.options.SearchOptions`), ``scores`` and
    ``ranks`` those of each leg, None if the leg did not find it. ``span`` is its place in the
    text of its document, ``marks`` are the places within ``text`` of the words that matched.
    """

    id: str
    file: str
    text: str
    span: Span
    score: float
    scores: Mapping[str, float | None]
    ranks: Mapping[str, int | None]
    marks: tuple[Span, ...] = ()
    page: int | None = None
    headings: tuple[str, ...] = ()
    title: str = ""
    kind: str = ""
    language: str = ""
    attributes: Mapping[str, Any] | None = None

    @property
    def text_sha256(self) -> str:
        """The SHA-256 of the text, by which a quotation is checked."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "id": self.id,
            "file": self.file,
            "page": self.page,
            "headings": list(self.headings),
            "start": self.span.start,
            "end": self.span.end,
            "text": self.text,
            "text_sha256": self.text_sha256,
            "marks": [{"start": mark.start, "end": mark.end} for mark in self.marks],
            "score": self.score,
            "scores": dict(self.scores),
            "ranks": dict(self.ranks),
            "title": self.title,
            "kind": self.kind,
            "language": self.language,
            "attributes": dict(self.attributes or {}),
        }


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The hits of a query, best first, and what was done for them.

    ``searched`` counts the chunks that the filter allowed. ``is_exact`` says that no stage was
    approximate. ``weights`` are those of meaning against words in the mode hybrid.
    ``query_tokens_cut`` counts the tokens of the query beyond the model's window.
    """

    query: str
    collection: str
    mode: str
    hits: tuple[Hit, ...]
    stages: tuple[StageReport, ...]
    searched: int
    is_exact: bool
    model: str
    revision: str
    precision: str
    generation: int
    language: str = ""
    query_tokens_cut: int = 0
    weights: tuple[UsedWeight, ...] = ()
    warnings: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "query": self.query,
            "collection": self.collection,
            "mode": self.mode,
            "hits": [hit.facts() for hit in self.hits],
            "searched": self.searched,
            "is_exact": self.is_exact,
            "model": self.model,
            "revision": self.revision,
            "precision": self.precision,
            "generation": self.generation,
            "language": self.language,
            "query_tokens_cut": self.query_tokens_cut,
            "weights": [asdict(weight) for weight in self.weights],
            "stages": [asdict(stage) for stage in self.stages],
            "warnings": list(self.warnings),
        }


def marked(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch or overlap joined."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, one.end)):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(span for span in joined if span.end <= len(text))
