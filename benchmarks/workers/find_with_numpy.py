"""NumPy alone: the exact product of all rows in float32."""
# pyright: basic, reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from finding import Where, serve


class Exact:
    """The rows in memory."""

    def __init__(self, data: Path, own: Path) -> None:
        self._data = data
        self._queries = np.load(data / "Q.npy")

    def build(self) -> dict[str, Any]:
        """Read the rows."""
        self._rows = np.load(self._data / "X.npy")
        self._columns = {key: np.load(self._data / f"{key}.npy") for key in ("share", "topic")}
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """The product, and the best of it."""
        scores = self._rows @ self._queries[question]
        if where:
            column = self._columns[where.key]
            kept = column < where.value if where.key == "share" else column == where.value
            scores = np.where(kept, scores, -np.inf)
        best = np.argpartition(-scores, min(k, len(scores) - 1))[:k]
        best = best[np.argsort(-scores[best], kind="stable")]
        return best[np.isfinite(scores[best])].tolist()


if __name__ == "__main__":
    serve(Exact, ["numpy"])
