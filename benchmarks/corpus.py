"""Read the benchmark texts, SciFact and STS-B, from the data folder."""
# pyright: basic

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

_SHORTEST_WORDS, _LONGEST_WORDS = 8, 190
_QUERY_WORDS = 10


@dataclass(frozen=True, slots=True)
class SciFact:
    """Documents and queries by id, and the relevance judgements.

    ``answers[query][document]`` is the grade of a relevant document, above 0.
    """

    documents: dict[str, str]
    queries: dict[str, str]
    answers: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """STS-B: pairs of sentences, and their similarity as rated by people (0 to 5)."""

    first: list[str]
    second: list[str]
    scores: list[float]


def read_scifact(data: Path, split: str = "test") -> SciFact:
    """Read ``scifact/`` in BEIR's layout; a document is its title, a space and its text.

    ``split`` selects the queries: ``"test"`` (300) or ``"train"`` (809).
    """
    folder = data / "scifact"
    documents = {
        row["_id"]: f"{row['title']} {row['text']}" for row in _rows(folder / "corpus.jsonl")
    }
    answers: dict[str, dict[str, int]] = {}
    with _present(folder / "qrels" / f"{split}.tsv").open(newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if int(row["score"]) > 0:
                answers.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    return SciFact(documents, {query: queries[query] for query in answers}, answers)


def titles_of(scifact: SciFact) -> list[str]:
    """The first sentence of each document, of at most 300 characters."""
    return [text.split(". ")[0][:300] for text in scifact.documents.values()]


def read_reference(data: Path, scifact: SciFact) -> tuple[Vectors, Vectors] | None:
    """The reference's vectors of SciFact's queries and documents, or None if there are none."""
    path = data / "scifact" / "reference_embeddings.npz"
    if not path.exists():
        return None
    with np.load(path) as file:
        documents = dict(zip(file["ids"].tolist(), file["D"], strict=True))
        queries = dict(zip(file["qids"].tolist(), file["E"], strict=True))
    return (
        np.stack([queries[query] for query in scifact.queries]),
        np.stack([documents[document] for document in scifact.documents]),
    )


def read_stsb(data: Path) -> Pairs:
    """Read the test split of STS-B from ``stsbenchmark/test.jsonl``."""
    rows = _rows(data / "stsbenchmark" / "test.jsonl")
    return Pairs(
        [row["sentence1"] for row in rows],
        [row["sentence2"] for row in rows],
        [float(row["score"]) for row in rows],
    )


def chunks_of(scifact: SciFact, count: int) -> list[str]:
    """Pieces of real documents, of 8 to 190 words; the same ``count`` gives the same pieces.

    Each starts at the start of its document; lengths are in mixed order, like uploads.
    """
    chance = random.Random(0)
    documents = chance.sample(sorted(scifact.documents.items()), count)
    return [
        " ".join(text.split()[: chance.randint(_SHORTEST_WORDS, _LONGEST_WORDS)])
        for _, text in documents
    ]


def ten_word_queries(scifact: SciFact, count: int) -> list[str]:
    """Real queries of exactly ten words, repeated until there are enough."""
    found = [text for text in scifact.queries.values() if len(text.split()) == _QUERY_WORDS]
    return [found[index % len(found)] for index in range(count)]


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """Write JSON Lines for the workers."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def _rows(path: Path) -> list[dict[str, str]]:
    with _present(path).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _present(path: Path) -> Path:
    if not path.exists():
        raise SystemExit(
            f"{path} is missing. Give the folder with scifact/ and stsbenchmark/ "
            "(see benchmarks/README.md): make bench DATA=folder"
        )
    return path
