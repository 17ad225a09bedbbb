"""What a search gives back: hits that say where they are from, and how the answer came about."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from bindery.errors import BinderyError
from bindery.search.explaining import TokenShare, WordShare
from bindery.search.searching import StageReport, UsedWeight
from bindery.types import Chunk, Span, marked_html, page_range, table_html


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found: a chunk, several that are neighbours, or their parent.

    ``file`` is its name in the collection, ``file_id`` what names it in addresses.
    ``confidence`` is that of :mod:`bindery.search.confidence`, if ``min_confidence`` was given.
    ``score`` is that of the mode (see :class:`bindery.options.SearchOptions`), ``scores`` are those
    of each leg, None if the mode does not use it, and ``ranks`` those in each stage, None if a leg
    did not find it. Of several chunks they are those of the best one, as is ``id``. ``span`` is the
    place of ``text`` in its document, ``spans`` are those of the chunks that were found. ``marks``
    are the places within ``text`` of the words that matched, ``heading_marks``, ``title_marks`` and
    ``file_marks`` those within each heading, the title and the name of the file. ``words`` says
    what each word of the query adds to the BM25, if that was asked for and the mode uses words, and
    ``tokens`` which token is nearest to each of the query's, if the mode uses vectors.
    """

    id: str
    file: str
    text: str
    span: Span
    score: float
    scores: Mapping[str, float | None]
    ranks: Mapping[str, int | None]
    spans: tuple[Span, ...] = ()
    marks: tuple[Span, ...] = ()
    page: int | None = None
    last_page: int | None = None
    headings: tuple[str, ...] = ()
    heading_marks: tuple[tuple[Span, ...], ...] = ()
    title: str = ""
    title_marks: tuple[Span, ...] = ()
    file_marks: tuple[Span, ...] = ()
    kind: str = ""
    language: str = ""
    attributes: Mapping[str, Any] | None = None
    file_id: str = ""
    collection: str = ""
    words: tuple[WordShare, ...] | None = None
    tokens: tuple[TokenShare, ...] | None = None
    confidence: float | None = None

    @property
    def text_sha256(self) -> str:
        """The SHA-256 of the text, by which a quotation is checked."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def url(self, address: str) -> str:
        """Where the server at ``address`` shows the passage in its document."""
        return view_url(address, self.collection, self.file_id, self.span)

    def facts(self, address: str = "") -> dict[str, Any]:
        """The same for JSON; ``url`` is a path if no ``address`` of a server is given."""
        return {
            "id": self.id,
            "file": self.file,
            "file_id": self.file_id,
            "page": self.page,
            "last_page": self.last_page,
            "headings": list(self.headings),
            "start": self.span.start,
            "end": self.span.end,
            "spans": _facts_of(self.spans),
            "text": self.text,
            "text_sha256": self.text_sha256,
            "marks": _facts_of(self.marks),
            "heading_marks": [_facts_of(marks) for marks in self.heading_marks],
            "title_marks": _facts_of(self.title_marks),
            "file_marks": _facts_of(self.file_marks),
            "score": self.score,
            "scores": dict(self.scores),
            "ranks": dict(self.ranks),
            "title": self.title,
            "kind": self.kind,
            "language": self.language,
            "attributes": dict(self.attributes or {}),
            "url": self.url(address),
            "confidence": self.confidence,
            "words": None if self.words is None else [one.facts() for one in self.words],
            "tokens": None if self.tokens is None else [one.facts() for one in self.tokens],
        }


@dataclass(frozen=True, slots=True)
class StageFailure:
    """A stage that failed, and the error."""

    stage: str
    code: str
    message: str

    @classmethod
    def of(cls, stage: str, error: BinderyError) -> "StageFailure":
        """The failure of a stage by an error."""
        return cls(stage, error.code, error.message)


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The hits of a query, best first, and what was done for them.

    ``searched`` counts the chunks that the filter allowed. ``is_exact`` says that no stage was
    approximate. ``weights`` are those of meaning against words in the mode hybrid.
    ``query_tokens_cut`` counts the tokens of the query beyond the model's window.
    ``next_cursor`` gives the next page, and is None if there are no further hits.
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
    next_cursor: str | None = None
    failures: tuple[StageFailure, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether a stage failed, which happens only if the caller allowed it."""
        return bool(self.failures)

    def _repr_html_(self) -> str:
        rows = (
            [
                str(number),
                marked_html(hit.file, hit.file_marks),
                page_range(hit.page, hit.last_page),
                marked_html(hit.text, hit.marks),
                f"{hit.score:.3f}",
            ]
            for number, hit in enumerate(self.hits, start=1)
        )
        table = table_html(("", "file", "page", "passage", "score"), rows)
        return f"<p>{escape(self.query)}</p>{table}"

    def facts(self, address: str = "") -> dict[str, Any]:
        """The same for JSON; ``address`` is that of the server that shows the hits."""
        return {
            "query": self.query,
            "collection": self.collection,
            "mode": self.mode,
            "hits": [hit.facts(address) for hit in self.hits],
            "searched": self.searched,
            "is_exact": self.is_exact,
            "model": self.model,
            "revision": self.revision,
            "precision": self.precision,
            "generation": self.generation,
            "language": self.language,
            "query_tokens_cut": self.query_tokens_cut,
            "weights": [asdict(weight) for weight in self.weights],
            "next_cursor": self.next_cursor,
            "stages": [asdict(stage) for stage in self.stages],
            "is_partial": self.is_partial,
            "failures": [asdict(failure) for failure in self.failures],
            "warnings": list(self.warnings),
        }


def view_url(address: str, collection: str, file_id: str, span: Span) -> str:
    """Where the server at ``address`` shows a span of a document."""
    return f"{address}/view/{quote(collection, safe='')}/{file_id}?span={span.start}-{span.end}"


def text_of(chunks: Sequence[Chunk]) -> str:
    """The text from the first chunk to the last, given chunks of a document in order.

    What lies between chunks is white space, and is not kept: a blank stands for one character, and
    line ends for more, so that the places in the text stay right. No chunks have no text.
    """
    if not chunks:
        return ""
    text, start = chunks[0].text, chunks[0].span.start
    for chunk in chunks[1:]:
        gap = chunk.span.start - start - len(text)
        between = " " if gap == 1 else "\n" * max(0, gap)
        text += between + chunk.text[max(0, -gap) :]
    return text


def _facts_of(spans: Sequence[Span]) -> list[dict[str, int]]:
    return [{"start": span.start, "end": span.end} for span in spans]


def marked(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch or overlap joined."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, one.end)):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(span for span in joined if span.end <= len(text))
