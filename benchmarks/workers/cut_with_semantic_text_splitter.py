"""The text and Markdown splitters of semantic-text-splitter."""
# pyright: basic, reportMissingImports=false

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cutting import Build, Cut, Piece, Ways, serve
from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer


def ways(model: Path) -> Ways:
    """Both, by the tokeniser's counts."""
    tokeniser = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokeniser.no_padding()
    tokeniser.no_truncation()

    def by(splitter: Any) -> Build:
        def build(size: int) -> Cut:
            return splitter.from_huggingface_tokenizer(tokeniser, size).chunk_indices

        return build

    return {"text": by(TextSplitter), "markdown": by(MarkdownSplitter)}


def pieces_of(_text: str, found: Any) -> Iterable[Piece]:
    """Pieces come with their start in code points."""
    return ((start, start + len(piece), piece) for start, piece in found)


if __name__ == "__main__":
    serve(ways, pieces_of, ["semantic-text-splitter", "tokenizers"])
