"""LanceDB: HNSW over scalar-quantised vectors, filters before the search."""
# pyright: basic, reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from finding import Where, serve

_EXPANSION = 128
_REFINE = 5


class LanceDb:
    """One table with an index of the vectors and of both filter columns."""

    def __init__(self, data: Path, own: Path) -> None:
        self._data = data
        self._queries = np.load(data / "Q.npy")
        self._database = lancedb.connect(own / "lance")

    def build(self) -> dict[str, Any]:
        """Add all rows and build the indexes."""
        rows = np.load(self._data / "X.npy")
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
        columns = {key: pa.array(np.load(self._data / f"{key}.npy")) for key in ("share", "topic")}
        table = pa.table({"id": pa.array(np.arange(len(rows))), "vector": vectors, **columns})
        self._table = self._database.create_table("rows", table)
        self._table.create_index(metric="cosine", index_type="IVF_HNSW_SQ", num_partitions=1)
        self._table.create_scalar_index("share")
        self._table.create_scalar_index("topic")
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """One query of the table."""
        query = self._table.search(self._queries[question]).metric("cosine").select(["id"])
        if where:
            operator = "<" if where.key == "share" else "="
            query = query.where(f"{where.key} {operator} {where.value}", prefilter=True)
        found = query.ef(_EXPANSION).refine_factor(_REFINE).limit(k).to_arrow()
        return found["id"].to_pylist()


if __name__ == "__main__":
    serve(LanceDb, ["lancedb", "numpy", "pyarrow"])
