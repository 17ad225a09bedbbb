"""How fast texts are cut, beside libraries for it: in turn, each checked before it is timed."""
# pyright: basic

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bindery.encoders.tokeniser import Tokeniser
from bindery.models.layout import read_layout
from chunks.questions import read_questions
from corpus import read_scifact, write_texts
from peers import python_of
from session import Peer, Worker, running

# As much as the five corpora of Chroma's whole evaluation hold.
CHARACTERS = 1_450_000
SIZES = (200, 128)
OWN = "bindery"

Figures = dict[str, object]


def texts_of(data: Path) -> dict[str, list[str]]:
    """One long text of natural language; and the corpora as the documents that they are."""
    corpora = [document.text for document in read_questions(data).corpora.values()]
    abstracts = [text for _, text in sorted(read_scifact(data).documents.items())]
    return {"joined": ["\n\n".join(corpora + abstracts)[:CHARACTERS]], "corpora": corpora}


def contestants(model: Path) -> list[Peer]:
    """Bindery and the libraries, each in an environment of its own."""
    programs = {
        "chonkie": "cut_with_chonkie.py",
        "semchunk": "cut_with_semchunk.py",
        "semantic-text-splitter": "cut_with_semantic_text_splitter.py",
        "langchain-text-splitters": "cut_with_langchain.py",
    }
    own = Peer(OWN, Path(sys.executable), "cut_with_bindery.py", model)
    peers = [Peer(name, python_of(name), program, model) for name, program in programs.items()]
    return [own, *peers]


def measure(data: Path, model: Path, *, rounds: int, threads: int) -> Figures:
    """Check everybody's pieces, then take times in turn; ratios are within a round."""
    tokeniser = Tokeniser.of(read_layout(model))
    figures: Figures = {}
    for kind, texts in texts_of(data).items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.jsonl"
            write_texts(path, texts)
            with running(contestants(model), path, Path(folder), threads) as workers:
                figures["versions"] = {n: w.ready["versions"] for n, w in workers.items()}
                for size in SIZES:
                    found = _at_size(workers, texts, tokeniser, size, rounds)
                    figures[f"{kind}, {size} tokens"] = found
    return figures


def _at_size(
    workers: Mapping[str, Worker],
    texts: Sequence[str],
    tokeniser: Tokeniser,
    size: int,
    rounds: int,
) -> Figures:
    ways = [(name, how) for name, worker in workers.items() for how in worker.ready["ways"]]
    checked: dict[str, dict[str, object]] = {}
    for name, how in ways:
        pieces = json.loads(
            Path(workers[name].ask("cut", how=how, size=size)["pieces"]).read_text()
        )
        checked[f"{name} {how}"] = _checked(texts, pieces, tokeniser, size)
    seconds: dict[str, list[float]] = {label: [] for label in checked}
    for _ in range(rounds):
        for name, how in ways:
            answer = workers[name].ask("cut", how=how, size=size)
            seconds[f"{name} {how}"].append(answer["seconds"])

    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    rivals = [n for n, one in checked.items() if not n.startswith(OWN) and not one["wrong"]]
    figures: Figures = {"megabytes": megabytes, "rounds": rounds}
    for label, taken in seconds.items():
        megabytes_per_s = megabytes / statistics.median(taken)
        times = {other: _times(seconds[other], taken) for other in rivals}
        times["tokenising"] = _times(seconds[f"{OWN} floor"], taken)
        row = checked[label] | {"megabytes_per_s": megabytes_per_s, "seconds": taken}
        figures[label] = row | {"times_as_fast_as": times if label.startswith(OWN) else {}}
        print(f"{label:40} {megabytes_per_s:6.2f} MB/s  {checked[label]}", flush=True)
    for rival in rivals:
        ratio = _times(seconds[rival], seconds[f"{OWN} recursive"])
        print(f"recursive is {ratio:.2f} times as fast as {rival}", flush=True)
    return figures


def _checked(
    texts: Sequence[str],
    pieces: Sequence[list[tuple[int, int, str]]],
    tokeniser: Tokeniser,
    size: int,
) -> dict[str, object]:
    """How many pieces are not where their offsets say, and how many are over the budget."""
    flat = [(text, *piece) for text, some in zip(texts, pieces, strict=True) for piece in some]
    counts = tokeniser.count_tokens([piece for *_, piece in flat])
    return {
        "pieces": len(flat),
        "mean_tokens": round(statistics.mean(counts), 1) if counts else 0.0,
        "over_budget": sum(count > size for count in counts),
        "wrong": sum(text[start:end] != piece for text, start, end, piece in flat),
    }


def _times(theirs: Sequence[float], ours: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
