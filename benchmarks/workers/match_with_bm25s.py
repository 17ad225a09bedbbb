"""bm25s: Lucene's BM25 with Snowball's English stems, rebuilt for every change."""
# pyright: basic, reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bm25s
import Stemmer
from finding import Where, serve
from matching import read_texts


class Bm25s:
    """One index in memory, kept in files."""

    def __init__(self, data: Path, own: Path) -> None:
        self._pieces, self._questions = read_texts(data)
        self._own = own
        self._stemmer = Stemmer.Stemmer("english")

    def build(self) -> dict[str, Any]:
        """Score every term of every piece."""
        self._index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        self._index.index(self._tokens(self._pieces), show_progress=False)
        self._index.save(self._own)
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """Tokenise the question, and add up."""
        tokens = self._tokens([self._questions[question]])
        rows, _ = self._index.retrieve(tokens, k=k, show_progress=False, n_threads=0)
        return rows[0].tolist()

    def _tokens(self, texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)


if __name__ == "__main__":
    serve(Bm25s, ["bm25s", "PyStemmer"])
