"""The protocol of the chunking workers, similar to ``protocol.py``.

    {"do": "cut", "how": "recursive", "size": 200} -> {"seconds": 0.4, "pieces": "FILE.json"}
    {"do": "stop"}                                 -> no answer; the worker ends

``how`` is one of the worker's ways. Caches are emptied before each run; loading and building are
not timed. The file contains, for each text, (start, end, text) of its pieces.
"""
# pyright: basic, reportMissingImports=false

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from protocol import claim_standard_output

Piece = tuple[int, int, str]
Cut = Callable[[str], object]
Build = Callable[[int], Cut]
Ways = Mapping[str, Build]


def serve(
    ways: Callable[[Path], Ways],
    pieces_of: Callable[[str, object], Iterable[Piece]],
    packages: list[str],
) -> None:
    """Cut the texts until told to stop.

    ``ways`` gets the model's folder; each way builds a splitter for a size. ``pieces_of`` converts
    the result for one text, and is not timed.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=Path, required=True, help='lines of {"text": ...}')
    parser.add_argument("--model", type=Path, required=True, help="folder of tokenizer.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for pieces")
    parser.add_argument("--name", required=True)
    arguments, _ = parser.parse_known_args()
    answers = claim_standard_output()
    texts = [json.loads(line)["text"] for line in arguments.texts.open(encoding="utf-8")]
    built = ways(arguments.model)
    answers({"ways": [*built], "versions": {package: version(package) for package in packages}})

    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "stop":
            return
        cut = built[command["how"]](command["size"])
        started = time.perf_counter()
        found = [cut(text) for text in texts]
        seconds = time.perf_counter() - started
        path = arguments.out / f"{arguments.name}-pieces.json"
        pieces = [[*pieces_of(text, one)] for text, one in zip(texts, found, strict=True)]
        path.write_text(json.dumps(pieces))
        answers({"seconds": seconds, "pieces": str(path)})
