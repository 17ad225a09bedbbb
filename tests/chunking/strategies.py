"""The strategies to try, each with what it asks for beside a text."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import pytest
from tests.chunking.meanings import hashed

from bindery import chunking, documents
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
    document: Document, *rest: object, strategy: str = "recursive", **options: object
) -> list[Chunk]:
    """Chunking, given an encoder, what divides programs and a document of the right name."""
    cut: Callable[..., list[Chunk]] = chunking.chunk
    document = named_for(strategy, document)
    given = {"embed": hashed, "divide": documents.divide, **options}
    return cut(document, *rest, strategy=strategy, **given)
