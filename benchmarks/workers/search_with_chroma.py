"""Clients of Chroma's server: fill a collection, then answer each list of queries with seconds.

The first line of its output has the id of the collection and the vectors of the queries.
"""
# pyright: basic, reportMissingImports=false

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chromadb
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

_AT_ONCE = 500

file, model, port, clients, hits = sys.argv[1:]
asked = json.loads(Path(file).read_text())
embed = SentenceTransformerEmbeddingFunction(model_name=model)
client = chromadb.HttpClient(host="127.0.0.1", port=int(port))
collection = client.create_collection(
    "bench", embedding_function=embed, configuration={"hnsw": {"space": "cosine"}}
)
for start in range(0, len(asked["texts"]), _AT_ONCE):
    texts = asked["texts"][start : start + _AT_ONCE]
    collection.add(ids=[str(start + n) for n in range(len(texts))], documents=texts)
vectors = [[float(value) for value in row] for row in embed(asked["queries"])]
print(json.dumps({"collection": str(collection.id), "queries": vectors}), flush=True)

with ThreadPoolExecutor(int(clients)) as pool:
    for line in sys.stdin:
        queries = json.loads(line)
        started = time.perf_counter()
        found = list(
            pool.map(lambda one: collection.query(query_texts=[one], n_results=int(hits)), queries)
        )
        seconds = time.perf_counter() - started
        assert all(len(one["ids"][0]) == int(hits) for one in found)
        print(json.dumps({"seconds": seconds}), flush=True)
