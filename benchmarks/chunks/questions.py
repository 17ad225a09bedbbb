"""Chroma's chunking questions: texts, and which stretches of them answer what."""
# pyright: basic

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bindery import documents
from bindery.types import Document, Span


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one corpus, and the spans of its text that hold the answer."""

    text: str
    corpus: str
    gold: tuple[Span, ...]

    @property
    def gold_characters(self) -> int:
        """How many characters answer it."""
        return sum(map(len, self.gold))


@dataclass(frozen=True, slots=True)
class Questions:
    """All questions, and the documents that they are about, by name."""

    corpora: Mapping[str, Document]
    all: tuple[Question, ...]


def read_questions(data: Path) -> Questions:
    """Read ``chunking/`` in the folder of data. Ends the program where its spans do not fit."""
    folder = data / "chunking"
    if not folder.is_dir():
        raise SystemExit(f"{folder} is missing; benchmarks/README.md says what is in it.")
    corpora = {path.stem: _document(path) for path in sorted((folder / "corpora").glob("*.md"))}
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions: list[Question] = []
    for row in map(json.loads, lines):
        text = corpora[row["corpus"]].text
        for found in row["references"]:
            if text[found["start_index"] : found["end_index"]] != found["content"]:
                raise SystemExit(f"The spans of {row['question']!r} are not those of the text.")
        gold = merged(Span(r["start_index"], r["end_index"]) for r in row["references"])
        questions.append(Question(row["question"], row["corpus"], gold))
    return Questions(corpora, tuple(questions))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same characters as spans that do not overlap, rising."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def _document(path: Path) -> Document:
    # Read as an upload is, so that the structure is there for the strategies that look at it.
    return documents.read(path.read_bytes(), path.name)
