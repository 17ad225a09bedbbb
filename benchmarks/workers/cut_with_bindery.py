"""Bindery's strategies; ``floor`` is the tokeniser alone, on the whole text."""
# pyright: basic

from collections.abc import Iterable
from pathlib import Path

from cutting import Build, Cut, Piece, Ways, serve

from bindery.chunking import CHUNKERS, chunk
from bindery.encoders.tokeniser import Tokeniser
from bindery.models.layouts import read_layout
from bindery.options import ChunkOptions
from bindery.types import Chunk, Document

_PIECE_CHARACTERS = 4096


def ways(model: Path) -> Ways:
    """All strategies that work without an encoder."""
    tokeniser = Tokeniser.of(read_layout(model))

    def by(strategy: str) -> Build:
        def build(size: int) -> Cut:
            return lambda text: chunk(
                Document(text, "text", "text"),
                tokeniser,
                ChunkOptions(strategy=strategy, size=size),
            )

        return build

    def floor(_size: int) -> Cut:
        return lambda text: tokeniser.count_tokens(
            [text[i : i + _PIECE_CHARACTERS] for i in range(0, len(text), _PIECE_CHARACTERS)]
        )

    asks_encoder = {"semantic", "code", "late"}
    return {name: by(name) for name in CHUNKERS if name not in asks_encoder} | {"floor": floor}


def pieces_of(_text: str, found: object) -> Iterable[Piece]:
    """Spans and texts of chunks; empty for ``floor``."""
    assert isinstance(found, list)
    return ((c.span.start, c.span.end, c.text) for c in found if isinstance(c, Chunk))


if __name__ == "__main__":
    serve(ways, pieces_of, ["bindery", "tokenizers", "numpy"])
