"""chonkie, with Hugging Face's tokenizers and with tokie by the authors of chonkie."""
# pyright: basic, reportMissingImports=false

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokie
from chonkie import RecursiveChunker, SentenceChunker
from cutting import Build, Cut, Piece, Ways, serve
from tokenizers import Tokenizer


def ways(model: Path) -> Ways:
    """Two chunkers by two tokenisers."""
    path = str(model / "tokenizer.json")
    tokenisers = {"": Tokenizer.from_file(path), "-tokie": tokie.Tokenizer.from_json(path)}

    def recursive(tokeniser: Any) -> Build:
        def build(size: int) -> Cut:
            return RecursiveChunker(tokenizer=tokeniser, chunk_size=size).chunk

        return build

    def sentence(tokeniser: Any) -> Build:
        def build(size: int) -> Cut:
            return SentenceChunker(tokenizer=tokeniser, chunk_size=size, chunk_overlap=0).chunk

        return build

    found = {}
    for ending, tokeniser in tokenisers.items():
        tokeniser.no_padding()
        tokeniser.no_truncation()
        found |= {f"recursive{ending}": recursive(tokeniser)}
        found |= {f"sentence{ending}": sentence(tokeniser)}
    return found


def pieces_of(_text: str, found: Any) -> Iterable[Piece]:
    """Spans and texts as chonkie reports them."""
    return ((c.start_index, c.end_index, c.text) for c in found)


if __name__ == "__main__":
    serve(ways, pieces_of, ["chonkie", "chonkie-core", "tokie", "tokenizers"])
