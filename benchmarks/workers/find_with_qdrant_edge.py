"""Qdrant Edge: HNSW with filters on indexed payloads."""
# pyright: basic, reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as qdrant
from finding import Where, serve

_NAME = "text"
_EXPANSION = 128
_BLOCK = 5_000


class QdrantEdge:
    """One shard, optimised before it is asked."""

    def __init__(self, data: Path, own: Path) -> None:
        self._data = data
        self._queries = np.load(data / "Q.npy").tolist()
        width = len(self._queries[0])
        vectors = {_NAME: qdrant.EdgeVectorParams(size=width, distance=qdrant.Distance.Cosine)}
        folder = own / "shard"
        folder.mkdir()
        self._shard = qdrant.EdgeShard.create(str(folder), qdrant.EdgeConfig(vectors=vectors))

    def build(self) -> dict[str, Any]:
        """Add all rows and build the graph."""
        rows = np.load(self._data / "X.npy", mmap_mode="r")
        shares, topics = np.load(self._data / "share.npy"), np.load(self._data / "topic.npy")
        operation = qdrant.UpdateOperation
        for key in ("share", "topic"):
            kind = qdrant.PayloadSchemaType.Integer
            self._shard.update(operation.create_field_index(key, kind))
        for start in range(0, len(rows), _BLOCK):
            points = [
                qdrant.Point(n, {_NAME: rows[n].tolist()}, _payload(shares[n], topics[n]))
                for n in range(start, min(start + _BLOCK, len(rows)))
            ]
            self._shard.update(operation.upsert_points(points))
        self._shard.optimize()
        self._shard.flush()
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """One query of the shard."""
        condition = None
        if where:
            test = (
                {"range": qdrant.RangeFloat(lt=where.value)}
                if where.key == "share"
                else {"match": qdrant.MatchValue(where.value)}
            )
            condition = qdrant.Filter(must=[qdrant.FieldCondition(where.key, **test)])
        request = qdrant.QueryRequest(
            limit=k,
            query=qdrant.Query.Nearest(self._queries[question], using=_NAME),
            filter=condition,
            params=qdrant.SearchParams(hnsw_ef=_EXPANSION),
        )
        return [point.id for point in self._shard.query(request)]


def _payload(share: int, topic: int) -> dict[str, int]:
    return {"share": int(share), "topic": int(topic)}


if __name__ == "__main__":
    serve(QdrantEdge, ["qdrant-edge-py", "numpy"])
