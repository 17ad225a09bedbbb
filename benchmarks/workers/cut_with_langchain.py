"""The recursive splitter of langchain-text-splitters."""
# pyright: basic, reportMissingImports=false

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cutting import Cut, Piece, Ways, serve
from langchain_text_splitters import RecursiveCharacterTextSplitter
from tokenizers import Tokenizer


def ways(model: Path) -> Ways:
    """Counted in tokens, with start positions."""
    tokeniser = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokeniser.no_padding()
    tokeniser.no_truncation()

    def build(size: int) -> Cut:
        splitter = RecursiveCharacterTextSplitter(
            chunk_size=size,
            chunk_overlap=0,
            length_function=lambda text: len(tokeniser.encode(text, add_special_tokens=False).ids),
            add_start_index=True,
        )
        return lambda text: splitter.create_documents([text])

    return {"recursive": build}


def pieces_of(_text: str, found: Any) -> Iterable[Piece]:
    """The start is in the metadata."""
    starts = ((one.metadata["start_index"], one.page_content) for one in found)
    return ((start, start + len(piece), piece) for start, piece in starts)


if __name__ == "__main__":
    serve(ways, pieces_of, ["langchain-text-splitters", "tokenizers"])
