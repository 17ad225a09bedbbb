"""Stands in for the texts of a collection, which searches without phrases do not read."""
# pyright: basic, reportMissingImports=false

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bindery.search.searching import Question, Searcher
from bindery.search.view import View


class AnyRows:
    """Every row has every phrase, and no parent."""

    def has_phrases(self, rows: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
        """Yes, for each row."""
        return np.ones(len(rows), dtype=np.bool_)

    def parents(self, rows: Sequence[tuple[int, int]]) -> list[None]:
        """None for each row."""
        return [None] * len(rows)


def rows_of(view: View, question: Question) -> list[int]:
    """The rows that the collection's own searcher finds in the first segment, best first."""
    found = Searcher(view, question, AnyRows()).search()
    return [row.row for passage in found.passages for row in passage]
