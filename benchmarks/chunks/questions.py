"""Chroma's chunking questions: texts, and the spans that answer each question."""
# pyright: basic

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bindery import documents
from bindery.types import Document, Span


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one corpus, and the spans of its text that contain the answer."""

    text: str
    corpus: str
    gold: tuple[Span, ...]

    @property
    def gold_characters(self) -> int:
        """The number of characters in its spans."""
        return sum(map(len, self.gold))


@dataclass(frozen=True, slots=True)
class Questions:
    """All questions, and the documents by name."""

    corpora: Mapping[str, Document]
    all: tuple[Question, ...]


def read_questions(data: Path) -> Questions:
    """Read ``chunking/`` from the data folder. Exits if its spans do not match the text."""
    folder = data / "chunking"
    if not folder.is_dir():
        raise SystemExit(f"{folder} is missing. See benchmarks/README.md for its content.")
    corpora = {path.stem: _document(path) for path in sorted((folder / "corpora").glob("*.md"))}
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions: list[Question] = []
    for row in map(json.loads, lines):
        text = corpora[row["corpus"]].text
        for found in row["references"]:
            if text[found["start_index"] : found["end_index"]] != found["content"]:
                raise SystemExit(f"The spans of {row['question']!r} do not match the text.")
        gold = merged(Span(r["start_index"], r["end_index"]) for r in row["references"])
        questions.append(Question(row["question"], row["corpus"], gold))
    return Questions(corpora, tuple(questions))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same characters as sorted spans that do not overlap."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def _document(path: Path) -> Document:
    # Parsed like an upload, so that strategies can use the structure.
    return documents.read(path.read_bytes(), path.name)
