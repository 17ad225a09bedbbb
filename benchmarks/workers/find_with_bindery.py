"""Bindery's own index: the view and the searcher that a collection uses."""
# pyright: basic, reportMissingImports=false

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from any_rows import rows_of
from finding import Finder, Where, serve

from bindery.filters import Compare, Operator
from bindery.options import SearchMode, SearchOptions
from bindery.search.columns import AttributeType
from bindery.search.dense import DenseSegment
from bindery.search.searching import Question
from bindery.search.segments import IndexRow, Segment
from bindery.search.view import IndexedFile, View
from bindery.vectors.embeddings import Embeddings


class BinderyIndex:
    """One segment of all rows."""

    def __init__(self, data: Path, own: Path) -> None:
        self._data = data
        self._own = own
        self._queries = np.load(data / "Q.npy")

    def build(self) -> dict[str, Any]:
        """Write the segment, and open it."""
        vectors = np.load(self._data / "X.npy", mmap_mode="r")
        shares, topics = np.load(self._data / "share.npy"), np.load(self._data / "topic.npy")
        changes = (np.diff(shares, prepend=-1) != 0) | (np.diff(topics, prepend=-1) != 0)
        of_row = np.cumsum(changes) - 1
        rows = [_row(place, file) for place, file in enumerate(of_row.tolist())]
        whole = Segment.in_memory(rows, Embeddings.dense(vectors))
        del rows
        name = whole.write(self._own)
        del whole
        cpu = time.process_time()
        segment = Segment.open(self._own, name)
        opening_cpu_s = time.process_time() - cpu
        first = np.flatnonzero(changes).tolist()
        files = [
            _file(number, {"share": int(shares[row]), "topic": int(topics[row])})
            for number, row in enumerate(first)
        ]
        number = AttributeType.NUMBER
        self._view = View(1, [segment], files, {"share": number, "topic": number})
        assert isinstance(segment.dense, DenseSegment)
        return {"opening_cpu_s": opening_cpu_s, "has_codes": segment.dense.codes is not None}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """The call that a collection makes once it has the vector of the query."""
        operator = Operator.LT if where and where.key == "share" else Operator.EQ
        allowed = Compare(where.key, operator, where.value) if where else None
        options = SearchOptions(SearchMode.DENSE, k, allowed)
        asked = Question(options, self._queries[question])
        return rows_of(self._view, asked)


def _row(place: int, file: int) -> IndexRow:
    return IndexRow(
        place.to_bytes(16, "big"), file, 0, place, 0, 1, None, 1, (), "en", ()
    )  # fmt: skip


def _file(number: int, attributes: dict[str, int]) -> IndexedFile:
    return IndexedFile(number, f"{number}.txt", "text", "", "en", "2024-01-01", attributes)


def make(data: Path, own: Path) -> Finder:
    """The finder of this library."""
    return BinderyIndex(data, own)


if __name__ == "__main__":
    serve(make, ["bindery", "numpy", "turbovec"])
