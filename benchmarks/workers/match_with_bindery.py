"""Bindery's lexical index: one segment, English, a question read as a collection reads it.

By the name ``bindery-read`` the questions are read before they are timed.
"""
# pyright: basic, reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from any_rows import rows_of
from finding import Where, serve
from matching import read_texts

from bindery.options import SearchMode, SearchOptions
from bindery.search.analysis import Analyser
from bindery.search.queries import LexicalQuery, read_query
from bindery.search.searching import Question
from bindery.search.segments import IndexRow, Segment
from bindery.search.view import IndexedFile, View
from bindery.vectors.embeddings import Embeddings


class BinderyWords:
    """A view of one segment whose vectors say nothing."""

    def __init__(self, data: Path, own: Path) -> None:
        self._pieces, self._questions = read_texts(data)
        self._own = own
        self._analyser = Analyser("en")
        self._read = [self._words(text) for text in self._questions if own.name == "bindery-read"]

    def build(self) -> dict[str, Any]:
        """Write the segment, and open it."""
        vectors = np.zeros((len(self._pieces), 1), dtype=np.float32)
        rows = [
            IndexRow(
                id=n.to_bytes(16, "big"), file=0, part=0, place=n, start=0, end=1, page=None,
                tokens=1, headings=(), language="en", terms=self._analyser.terms(text),
            )
            for n, text in enumerate(self._pieces)
        ]  # fmt: skip
        name = Segment.in_memory(rows, Embeddings.dense(vectors)).write(self._own)
        file = IndexedFile(0, "pieces.txt", "text", "", "en", "2024-01-01", {})
        self._view = View(1, [Segment.open(self._own, name)], [file], {})
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """Read the question, and search."""
        words = self._read[question] if self._read else self._words(self._questions[question])
        asked = Question(SearchOptions(SearchMode.LEXICAL, k), None, words)
        return rows_of(self._view, asked)

    def _words(self, text: str) -> LexicalQuery:
        return read_query(text, {"en": self._analyser}, language="en")


if __name__ == "__main__":
    serve(BinderyWords, ["bindery", "numpy"])
