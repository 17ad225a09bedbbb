"""SQLite's FTS5 with its Porter stemmer, the words of a question joined by OR."""
# pyright: basic, reportMissingImports=false

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finding import Where, serve
from matching import read_texts

_WORD = re.compile(r"\w+")
# FTS5 has no list of stop words: with them in, it takes five times as long.
_STOP_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they this to was will with"
    )
)


class Fts5:
    """One table in one file."""

    def __init__(self, data: Path, own: Path) -> None:
        self._pieces, self._questions = read_texts(data)
        self._connection = sqlite3.connect(own / "index.db")

    def build(self) -> dict[str, Any]:
        """Add all pieces and optimise."""
        connection = self._connection
        connection.execute("create virtual table t using fts5(x, tokenize = 'porter unicode61')")
        rows = enumerate(self._pieces)
        connection.executemany("insert into t(rowid, x) values (?, ?)", rows)
        connection.execute("insert into t(t) values ('optimize')")
        connection.commit()
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """One query of the table."""
        words = set(_WORD.findall(self._questions[question].lower()))
        query = " OR ".join(f'"{word}"' for word in sorted(words - _STOP_WORDS or words))
        select = "select rowid from t where t match ? order by rank limit ?"
        return [row for (row,) in self._connection.execute(select, (query, k))]


if __name__ == "__main__":
    serve(Fts5, [])
