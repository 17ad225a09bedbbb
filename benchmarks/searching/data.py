"""The vectors, texts and questions that search is measured on, kept as files for the workers.

A folder of vectors has ``X.npy`` (n, d) float32, ``Q.npy`` the queries, and for each row ``share``
(0 to 999) and ``topic`` (0 to 99), by which filters choose; ``far.npy`` is for each query the topic
that is least like it. Ten rows side by side are a file and have the same values.
"""
# pyright: basic

import json
import random
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus import read_scifact
from peers import PEERS

Vectors = npt.NDArray[np.float32]

ROWS_PER_FILE = 10
TOPICS = 100
_NEIGHBOURS, _SPREAD, _BLOCK = 64, 0.2, 5_000
_SENTENCE_END = re.compile(r"(?<=[.!?]) +")


def vectors_folder(data: Path, count: int) -> Path:
    """The folder of ``count`` vectors, made on the first call."""
    folder = PEERS / "search" / f"vectors-{count}"
    if (folder / "far.npy").exists():
        return folder
    print(f"Making {count} vectors", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    documents, queries = _seeds(data)
    chance = np.random.default_rng(0)
    rows = grown(documents, count, chance)
    anchors = rows[chance.choice(count, TOPICS, replace=False)]
    topic = np.concatenate(
        [np.argmax(rows[n : n + _BLOCK] @ anchors.T, axis=1) for n in range(0, count, _BLOCK)]
    )
    order = np.argsort(topic, kind="stable")
    np.save(folder / "X.npy", rows[order])
    np.save(folder / "Q.npy", queries)
    np.save(folder / "topic.npy", topic[order].astype(np.int32))
    files = np.arange(count) // ROWS_PER_FILE
    shares = chance.permutation(int(files[-1]) + 1) % 1000
    np.save(folder / "share.npy", shares[files].astype(np.int32))
    np.save(folder / "far.npy", np.argmin(queries @ anchors.T, axis=1).astype(np.int32))
    return folder


def grown(real: Vectors, count: int, chance: np.random.Generator) -> Vectors:
    """Many realistic vectors from a few thousand real ones, in random order.

    Each new row is a real one, moved along the directions to its 64 nearest neighbours with normal
    weights of standard deviation .2, and normalised. The local intrinsic dimension stays near the
    real one (17.3; 15.8 at 100,000 rows, 13.5 at a million). Random vectors on the sphere have no
    neighbours to speak of and would make every index look bad; copies would make every index look
    good.
    """
    near = np.argsort(-(real @ real.T), axis=1)[:, 1 : _NEIGHBOURS + 1]
    rows = np.empty((count, real.shape[1]), dtype=np.float32)
    rows[: len(real)] = real[:count]
    for start in range(len(real), count, _BLOCK):
        size = min(_BLOCK, count - start)
        chosen = chance.integers(0, len(real), size)
        weights = chance.normal(0, _SPREAD, (size, _NEIGHBOURS)).astype(np.float32)
        moved = np.einsum("mk,mkd->md", weights, real[near[chosen]] - real[chosen][:, None])
        rows[start : start + size] = _unit(real[chosen] + moved)
    return rows[chance.permutation(count)]


def texts_folder(data: Path, count: int) -> Path:
    """The folder of about ``count`` pieces of text and of questions, made on the first call.

    ``pieces.json`` and ``questions.json`` are lists of texts. A piece is one sentence of SciFact or
    several in a row.
    """
    folder = PEERS / "search" / f"texts-{count}"
    if (folder / "questions.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if (data / "scifact").is_dir():
        scifact = read_scifact(data)
        documents = [_SENTENCE_END.split(text) for text in scifact.documents.values()]
        questions = list(scifact.queries.values())
    else:
        documents, questions = _made_texts()
    pieces: list[str] = []
    for length in range(1, 100):
        for sentences in documents:
            pieces += [
                " ".join(sentences[n : n + length]) for n in range(len(sentences) - length + 1)
            ]
        if len(pieces) >= count:
            break
    random.Random(0).shuffle(pieces)
    (folder / "pieces.json").write_text(json.dumps(pieces[:count]))
    (folder / "questions.json").write_text(json.dumps(questions))
    return folder


def _seeds(data: Path) -> tuple[Vectors, Vectors]:
    """Real documents and queries if the data folder has them, otherwise made ones."""
    path = data / "scifact" / "reference_embeddings.npz"
    if path.exists():
        with np.load(path) as file:
            return _unit(file["D"]), _unit(file["E"])
    chance = np.random.default_rng(1)
    directions = chance.normal(size=(300, 384))
    mixes = chance.gamma(0.05, size=(5300, 300))
    made = _unit(mixes @ directions + 2e-2 * chance.normal(size=(5300, 384)))
    return made[:5000], made[5000:]


def _made_texts() -> tuple[list[list[str]], list[str]]:
    chance = random.Random(0)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(30_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    sentences = [" ".join(chance.choices(words, weights, k=20)) for _ in range(46_000)]
    documents = [sentences[n : n + 9] for n in range(0, len(sentences), 9)]
    return documents, [" ".join(chance.choices(words, weights, k=12)) for _ in range(300)]


def _unit(rows: npt.NDArray[np.floating]) -> Vectors:
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
