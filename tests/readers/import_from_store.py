"""Fills a store by its own library, and imports it; run by our Python with the library beside it.

``import_from_store.py STORE FOLDER PACKAGES``: BINDERY_HOME is set, and PACKAGES has the library.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bindery  # before the packages of the store, which may be of other versions

TEXTS = {"1": "Oak lasts for centuries.", "2": "Paper is made of wood.", "3": "Ink is old."}


def fill_chroma(folder: Path, vectors: Sequence[Any]) -> None:
    import chromadb

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(folder), settings=settings)
    client.create_collection("docs").add(
        ids=[*TEXTS],
        documents=[*TEXTS.values()],
        embeddings=vectors,
        metadatas=[{"year": 2000 + n, "page": n + 1} for n in range(3)],
    )


def fill_qdrant(folder: Path, vectors: Sequence[Any]) -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(folder))
    size = models.VectorParams(size=384, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=size)
    points = [
        models.PointStruct(
            id=int(key),
            vector=vector,
            payload={"page_content": text, "metadata": {"year": 2000 + n, "page": n + 1}},
        )
        for n, ((key, text), vector) in enumerate(zip(TEXTS.items(), vectors, strict=True))
    ]
    client.upsert("docs", points)
    client.close()


def fill_lancedb(folder: Path, vectors: Sequence[Any]) -> None:
    import lancedb

    rows = [
        {"id": key, "text": text, "vector": vector, "year": 2000 + n, "page": n + 1}
        for n, ((key, text), vector) in enumerate(zip(TEXTS.items(), vectors, strict=True))
    ]
    lancedb.connect(str(folder)).create_table("docs", rows)


FILL = {"chroma": fill_chroma, "qdrant": fill_qdrant, "lancedb": fill_lancedb}


def main(store: str, folder: Path, packages: str) -> None:
    """Write what was found as JSON."""
    with bindery.open() as workspace:
        rows = workspace.embed([*TEXTS.values()]).embeddings.rows
        workspace.collections.find("docs")  # imports all that we need
        sys.path.append(packages)
        FILL[store](folder, [(row * 3).tolist() for row in rows])
        workspace.import_collection("docs", folder, store=store, table="docs")
        files = workspace.collections.get("docs").files()
        (hit,) = workspace.search("How long does oak last?", "docs", top=1).hits
        found = {
            "files": {file.name: dict(file.attributes) for file in files},
            "hit": [hit.file, hit.page, hit.text],
            "cosine": hit.scores["cosine"],
        }
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
