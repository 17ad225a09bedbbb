"""``bindery demo``: parse, chunk, embed and search a document that comes with the package."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from rich.text import Text

from bindery import documents
from bindery.encoders import Encoder
from bindery.faces.cli.printing import first_line, new_table, output, print_json
from bindery.faces.python import open_library
from bindery.library import DEFAULT_MODEL, Library
from bindery.options import ChunkOptions
from bindery.settings import Settings
from bindery.types import DOCUMENT, QUERY, Chunk, Document
from bindery.vectors.scoring import cosine

_NAME = "demo.md"

# Small enough for one topic per chunk.
_CHUNK_TOKENS = 120

_QUESTIONS = (
    "Why does the paper of old newspapers fall apart?",
    "How do I mend a ripped page?",
    "What should be done with books that got wet?",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The chunk that is nearest to a question, and its cosine."""

    question: str
    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Result:
    """The results of the demonstration, and the time of each step in seconds."""

    document: Document
    chunks: Sequence[Chunk]
    encoder: Encoder
    answers: Sequence[Answer]
    seconds: dict[str, float]


def demo(settings: Settings, *, json: bool) -> None:
    """Run the demonstration and show its results."""
    with closing(open_library(settings)) as library:
        result = run(library, settings)
    if json:
        print_json(_facts(result))
    else:
        _show(result)


def run(library: Library, settings: Settings) -> Result:
    """Parse, chunk and embed the document, and find the chunk that answers each question."""
    clock = _Clock()
    data = files(__package__ or "").joinpath(_NAME).read_bytes()
    encoder = library.encoder(DEFAULT_MODEL)
    clock.lap("load the model")
    document = documents.parse(data, _NAME, timeout_s=settings.parse_timeout_s)
    clock.lap("parse")
    chunks = library.chunk(document, ChunkOptions(size=_CHUNK_TOKENS))
    clock.lap("chunk")
    vectors = encoder.encode([chunk.text for chunk in chunks], DOCUMENT)
    clock.lap("embed")
    scores = cosine(encoder.encode(_QUESTIONS, QUERY), vectors)
    best = scores.argmax(axis=1)
    answers = [
        Answer(question, int(index), float(row[index]))
        for question, index, row in zip(_QUESTIONS, best, scores, strict=True)
    ]
    clock.lap("answer")
    return Result(document, chunks, encoder, answers, clock.seconds)


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, step: str) -> None:
        now = time.monotonic()
        self.seconds[step] = now - self._last
        self._last = now


def _show(result: Result) -> None:
    card = result.encoder.card
    tokens = sum(chunk.tokens for chunk in result.chunks)
    facts = new_table()
    facts.add_column(style="bold")
    facts.add_column()
    for name, fact in (
        ("document", f"{result.document.name}, {len(result.document.text):,} characters"),
        ("chunks", f"{len(result.chunks)} of up to {_CHUNK_TOKENS} tokens, {tokens:,} in all"),
        (
            "vectors",
            f"{len(result.chunks)} of {card.dimensions} values ({result.encoder.precision})",
        ),
        ("model", f"{card.id}: {card.repository}@{card.revision[:8]}"),
        ("time", ", ".join(f"{name} {s * 1000:,.0f} ms" for name, s in result.seconds.items())),
    ):
        facts.add_row(name, fact)
    output().print(facts)
    for answer in result.answers:
        output().print()
        output().print(Text(answer.question, style="bold cyan"))
        text = first_line(result.chunks[answer.index].text)
        line = Text(f"{answer.score:.3f}  ", style="green")
        line.append(f"chunk {answer.index}  ", style="dim").append(text, style="not dim default")
        line.truncate(3 * output().width - 20, overflow="ellipsis")
        output().print(line)


def _facts(result: Result) -> dict[str, Any]:
    card = result.encoder.card
    return {
        "document": result.document.name,
        "model": card.id,
        "revision": card.revision,
        "precision": result.encoder.precision,
        "dimensions": card.dimensions,
        "total_chunks": len(result.chunks),
        "tokens": sum(chunk.tokens for chunk in result.chunks),
        "seconds": {step: round(seconds, 4) for step, seconds in result.seconds.items()},
        "answers": [
            {
                "question": answer.question,
                "index": answer.index,
                "score": round(answer.score, 4),
                "text": result.chunks[answer.index].text,
            }
            for answer in result.answers
        ],
    }
