"""semchunk, with offsets."""
# pyright: basic, reportMissingImports=false

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import semchunk
from cutting import Cut, Piece, Ways, serve
from tokenizers import Tokenizer


def ways(model: Path) -> Ways:
    """Its only splitter."""
    tokeniser = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokeniser.no_padding()
    tokeniser.no_truncation()

    def build(size: int) -> Cut:
        def count(text: str) -> int:
            return len(tokeniser.encode(text, add_special_tokens=False).ids)

        # A new counter each time: its cache is per counter.
        chunker = semchunk.chunkerify(count, size)
        return lambda text: chunker(text, offsets=True)

    return {"semchunk": build}


def pieces_of(_text: str, found: Any) -> Iterable[Piece]:
    """Texts and offsets are separate lists."""
    pieces, offsets = found
    return ((start, end, piece) for piece, (start, end) in zip(pieces, offsets, strict=True))


if __name__ == "__main__":
    serve(ways, pieces_of, ["semchunk", "tokenizers"])
