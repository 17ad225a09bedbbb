"""Measure the quality of search through HTTP, as a user gets it with default settings.

``python benchmarks/run_search_quality.py --data FOLDER`` starts a server, uploads SciFact and the
corpora of the chunking questions, adds each to a collection, and asks. SciFact: nDCG@10 of the
documents, each by its best chunk. Chunking: the share of the gold characters in the best chunks of
together at most 1,000 tokens. Figures go to ``results/``.
"""
# pyright: basic

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import requests

from bindery.library import Library
from bindery.settings import read_settings
from chunks.quality import TOKENS, retrieved
from chunks.questions import read_questions
from corpus import read_scifact
from metrics import ndcg
from peers import USUAL_DATA
from results import keep
from under_load.server import Server, bindery, serving

Figures = dict[str, object]

DEPTH = 10
# More chunks than 1,000 tokens have.
MOST_CHUNKS = 60

WAYS: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "dense": {"mode": "dense"},
    "lexical": {"mode": "lexical"},
    "rrf": {"mode": "rrf"},
    "hybrid .4": {"weight": 0.4},
    "hybrid .5": {"weight": 0.5},
    "hybrid .6": {"weight": 0.6},
    "hybrid .8": {"weight": 0.8},
}
"""How each question is asked; the default first, and others to compare it with."""


class Door:
    """The HTTP API of a server."""

    def __init__(self, server: Server) -> None:
        self._session = requests.Session()
        self._address = f"http://127.0.0.1:{server.port}"

    def create(self, name: str, **options: object) -> None:
        """Create a collection."""
        self._post("/collections", {"name": name, **options})

    def add(self, collection: str, files: Mapping[str, str]) -> None:
        """Upload files by name and add them, and wait until they are found."""
        ids = [
            self._checked(
                self._session.post(
                    f"{self._address}/files/upload", files={"file": (name, text.encode())}
                )
            )["file_id"]
            for name, text in files.items()
        ]
        job = self._post(f"/collections/{collection}/files", {"file_ids": ids})["job_id"]
        while (state := self._get(f"/jobs/{job}"))["state"] in {"queued", "running"}:
            time.sleep(0.5)
        if state["state"] != "done":
            raise SystemExit(f"The files were not added: {state}")

    def search(self, collection: str, query: str, **options: object) -> dict:
        """The answer to a query."""
        return self._post(f"/collections/{collection}/search", {"query": query, **options})

    def _get(self, path: str) -> dict:
        return self._checked(self._session.get(self._address + path))

    def _post(self, path: str, body: Mapping[str, object]) -> dict:
        return self._checked(self._session.post(self._address + path, json=body))

    @staticmethod
    def _checked(answer: requests.Response) -> dict:
        if not answer.ok:
            raise SystemExit(f"{answer.status_code} {answer.text[:500]}")
        return answer.json()


def scifact(data: Path, door: Door, name: str) -> Figures:
    """NDCG@10 of the documents, by each way to ask."""
    found = read_scifact(data)
    files = {f"{key}.md": f"# {text}\n" for key, text in titled(data).items()}
    door.add(name, files)
    documents = list(found.documents)
    places = {f"{document}.md": place for place, document in enumerate(documents)}
    figures: Figures = {"documents": len(documents), "queries": len(found.queries)}
    for way, options in WAYS.items():
        scores = np.zeros((len(found.queries), len(documents)))
        for row, query in enumerate(found.queries.values()):
            answer = door.search(name, query, top=DEPTH, limit_per_file=1, **options)
            for rank, hit in enumerate(answer["hits"]):
                scores[row, places[hit["file"]]] = DEPTH - rank
        figures[way] = round(ndcg(scores, [*found.queries], documents, found.answers), 4)
        print(f"{way:12} nDCG@10 {figures[way]}", flush=True)
    return figures


def titled(data: Path) -> dict[str, str]:
    """The documents of SciFact by id: the title, an empty line and the text."""
    lines = (data / "scifact" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["_id"]: f"{row['title']}\n\n{row['text']}" for row in map(json.loads, lines)}


def chunking(data: Path, door: Door, library: Library, name: str) -> Figures:
    """The recall within 1,000 tokens, by each way to ask."""
    questions = read_questions(data)
    folder = data / "chunking" / "corpora"
    door.add(name, {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.md"))})
    count = library.measure("vanilla").tokeniser.count_tokens
    figures: Figures = {"questions": len(questions.all)}
    for way, options in WAYS.items():
        recalls: dict[str, list[float]] = {corpus: [] for corpus in questions.corpora}
        for question in questions.all:
            hits = door.search(name, question.text, top=MOST_CHUNKS, **options)["hits"]
            tokens = np.cumsum(count([hit["text"] for hit in hits]))
            best = [
                (Path(hit["file"]).stem, hit["start"], hit["end"])
                for hit, total in zip(hits, tokens, strict=True)
                if total <= TOKENS
            ]
            hit_characters, _ = retrieved(question, best)
            recalls[question.corpus].append(hit_characters / question.gold_characters)
        by_corpus = {corpus: round(float(np.mean(rows)), 3) for corpus, rows in recalls.items()}
        recall = round(float(np.mean([one for rows in recalls.values() for one in rows])), 4)
        figures[way] = {"recall_in_1000": recall, "by_corpus": by_corpus}
        print(f"{way:12} {figures[way]}", flush=True)
    return figures


def main() -> None:
    """Run the selected sections and save their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = next((folder for folder in USUAL_DATA if folder.is_dir()), USUAL_DATA[0])
    parser.add_argument("--data", type=Path, default=usual, help="folder of scifact/, chunking/")
    parser.add_argument("--only", nargs="+", choices=("scifact", "chunking"), default=())
    parser.add_argument("--context", nargs="+", default=("",), help="contexts to compare")
    arguments = parser.parse_args()
    wanted = arguments.only or ("scifact", "chunking")
    with serving(bindery()) as server:
        door = Door(server)
        library = Library(read_settings(os.environ).home)
        for context in arguments.context:
            options = {"context": context} if context else {}
            for section in wanted:
                name = f"{section}{context}"
                print(f"== {section} {options}", flush=True)
                door.create(name, **options)
                if section == "scifact":
                    figures = scifact(arguments.data, door, name)
                else:
                    figures = chunking(arguments.data, door, library, name)
                kept = f"search_quality_{section}" + (f"_{context}" if context else "")
                print(f"saved in {keep(kept, figures)}", flush=True)
        library.close()


if __name__ == "__main__":
    main()
