"""The strategies to try, each with what it asks for beside a text."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import pytest
from tests.chunking.meanings import hashed

from bindery import chunking, documents
from bindery.options import ChunkOptions
from bindery.types import Chunk, Document

needs_grammars = pytest.mark.skipif(
    not find_spec("tree_sitter"), reason="the extra code is not installed"
)
STRATEGIES = [
    pytest.param(name, marks=needs_grammars) if name == "code" else name
    for name in chunking.CHUNKERS
]


def named_for(strategy: str, document: Document) -> Document:
    """The document under a name that the strategy takes: ``code`` goes by its ending."""
    return replace(document, name=f"{document.name}a.py") if strategy == "code" else document


def chunk(
    document: Document,
    tokeniser: chunking.OffsetTokeniser,
    options: ChunkOptions = ChunkOptions(),
    **given: Callable[..., object],
) -> list[Chunk]:
    """Chunking, given an encoder, what divides programs and a document of the right name."""
    document = named_for(options.strategy, document)
    given = {"embed": hashed, "divide": documents.divide, **given}
    return chunking.chunk(document, tokeniser, options, **given)
