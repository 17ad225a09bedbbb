"""usearch: HNSW over int8, the best 30 scored again exactly. Its Python search does not filter."""
# pyright: basic, reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from finding import Unsupported, Where, serve
from usearch.index import Index

_RESCORED = 30
_EXPANSION = 128


class Usearch:
    """The graph in memory, kept in a file."""

    def __init__(self, data: Path, own: Path) -> None:
        self._rows = np.load(data / "X.npy")
        self._queries = np.load(data / "Q.npy")
        self._path = own / "index.usearch"

    def build(self) -> dict[str, Any]:
        """Add all rows."""
        width = self._rows.shape[1]
        self._index = Index(ndim=width, metric="cos", dtype="i8", expansion_search=_EXPANSION)
        self._index.add(np.arange(len(self._rows)), self._rows)
        self._index.save(str(self._path))
        self._rows = self._rows.astype(np.float16)
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """The candidates of the graph in the order of their exact scores."""
        if where:
            raise Unsupported
        query = self._queries[question]
        keys = self._index.search(query, max(_RESCORED, k)).keys.astype(np.int64)
        scores = self._rows[keys].astype(np.float32) @ query
        return keys[np.argsort(-scores)][:k].tolist()


if __name__ == "__main__":
    serve(Usearch, ["usearch", "numpy"])
