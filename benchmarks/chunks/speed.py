"""Speed of chunking beside other libraries, in turn, each checked before it is timed."""
# pyright: basic

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bindery.encoders.tokeniser import Tokeniser
from bindery.models.layouts import read_layout
from chunks.questions import read_questions
from corpus import read_scifact, write_texts
from peers import python_of
from session import Peer, Worker, running

# As long as the five corpora of Chroma's full evaluation.
CHARACTERS = 1_450_000
SIZES = (200, 128)
# Checked but not timed: at small sizes, libraries show how they treat text that does not fit.
PROBED_SIZES = (32, 64)
OWN = "bindery"

Figures = dict[str, object]


def texts_of(data: Path) -> dict[str, list[str]]:
    """One long natural-language text, and the corpora as separate documents."""
    corpora = [document.text for document in read_questions(data).corpora.values()]
    abstracts = [text for _, text in sorted(read_scifact(data).documents.items())]
    return {"joined": ["\n\n".join(corpora + abstracts)[:CHARACTERS]], "corpora": corpora}


def contestants(model: Path) -> list[Peer]:
    """Bindery and the other libraries, each in a separate environment."""
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
    """Check the pieces of all, then time them in turn; ratios are within a round.

    A rival returns no wrong offset and no piece over the budget, at any size.
    """
    tokeniser = Tokeniser.of(read_layout(model))
    figures: Figures = {}
    for kind, texts in texts_of(data).items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.jsonl"
            write_texts(path, texts)
            with running(contestants(model), path, Path(folder), threads) as workers:
                figures["versions"] = {n: w.ready["versions"] for n, w in workers.items()}
                checked = {
                    size: _check(workers, texts, tokeniser, size)
                    for size in (*PROBED_SIZES, *SIZES)
                }
                rivals = _rivals(checked)
                figures[f"{kind}, checked"] = checked | {"rivals": rivals}
                for size in SIZES:
                    seconds = _time(workers, size, rounds)
                    found = _figures(texts, seconds, checked[size], rivals)
                    figures[f"{kind}, {size} tokens"] = found
    return figures


def _ways(workers: Mapping[str, Worker]) -> list[tuple[str, str]]:
    return [(name, how) for name, worker in workers.items() for how in worker.ready["ways"]]


def _check(
    workers: Mapping[str, Worker], texts: Sequence[str], tokeniser: Tokeniser, size: int
) -> dict[str, dict[str, Any]]:
    """The errors in the pieces of each library at one size."""
    checked: dict[str, dict[str, Any]] = {}
    for name, how in _ways(workers):
        answer = workers[name].ask("cut", how=how, size=size)
        pieces = json.loads(Path(answer["pieces"]).read_text())
        found = _checked(texts, pieces, tokeniser, size)
        checked[f"{name} {how}"] = found
        print(f"{size:3} tokens, {name + ' ' + how:40} {found}", flush=True)
    return checked


def _rivals(checked: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """The other libraries with correct offsets and budgets at all sizes."""
    ways = next(iter(checked.values()))
    return [
        way
        for way in ways
        if not way.startswith(OWN)
        and not any(at[way]["wrong"] or at[way]["over_budget"] for at in checked.values())
    ]


def _time(workers: Mapping[str, Worker], size: int, rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {f"{name} {how}": [] for name, how in _ways(workers)}
    for _ in range(rounds):
        for name, how in _ways(workers):
            answer = workers[name].ask("cut", how=how, size=size)
            seconds[f"{name} {how}"].append(answer["seconds"])
    return seconds


def _figures(
    texts: Sequence[str],
    seconds: Mapping[str, Sequence[float]],
    checked: Mapping[str, Mapping[str, Any]],
    rivals: Sequence[str],
) -> Figures:
    """Speeds, and the ratio of ours to all others, rivals or not."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    others = [label for label in seconds if not label.startswith(OWN)]
    figures: Figures = {"megabytes": megabytes, "rounds": len(seconds[others[0]])}
    for label, taken in seconds.items():
        megabytes_per_s = megabytes / statistics.median(taken)
        times = {other: _times(seconds[other], taken) for other in [*others, f"{OWN} floor"]}
        row = {**checked[label], "megabytes_per_s": megabytes_per_s, "seconds": taken}
        figures[label] = row | {"times_as_fast_as": times if label.startswith(OWN) else {}}
        print(f"{label:40} {megabytes_per_s:6.2f} MB/s", flush=True)
    for other in others:
        ratio = _times(seconds[other], seconds[f"{OWN} recursive"])
        mark = "" if other in rivals else "  (wrong offsets or over the budget at some size)"
        print(f"recursive is {ratio:.2f} times as fast as {other}{mark}", flush=True)
    return figures


def _checked(
    texts: Sequence[str],
    pieces: Sequence[list[tuple[int, int, str]]],
    tokeniser: Tokeniser,
    size: int,
) -> dict[str, Any]:
    """The number of pieces with wrong offsets, and of pieces over the budget."""
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
