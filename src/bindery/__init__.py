"""Bindery turns documents into embeddings that can be searched, on your own machine.

>>> import bindery
>>> model = bindery.load("vanilla")
>>> model.encode(["A chunk is the paper, its embedding the binding."]).rows.shape
(1, 384)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bindery.encoders.base import Encoded, Encoder
    from bindery.errors import BinderyError
    from bindery.faces.python import load, open
    from bindery.library import Library
    from bindery.models.card import ModelCard
    from bindery.options import ChunkOptions, ModelOptions, VectorOptions
    from bindery.types import Block, Chunk, Document, Role, Span
    from bindery.vectors.embeddings import Embeddings
    from bindery.vectors.forms import CodedEmbeddings
    from bindery.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "BinderyError",
    "Block",
    "Chunk",
    "ChunkOptions",
    "CodedEmbeddings",
    "Document",
    "Embeddings",
    "Encoded",
    "Encoder",
    "Library",
    "ModelCard",
    "ModelOptions",
    "Role",
    "Span",
    "VectorOptions",
    "Workspace",
    "load",
    "open",
]

# Imported when first asked for: a process that only parses documents must stay small and
# single-threaded, and a command that only prints help must be quick.
_HOMES = {
    "BinderyError": "errors",
    "Block": "types",
    "Chunk": "types",
    "ChunkOptions": "options",
    "CodedEmbeddings": "vectors.forms",
    "Document": "types",
    "Embeddings": "vectors.embeddings",
    "Encoded": "encoders.base",
    "Encoder": "encoders.base",
    "Library": "library",
    "ModelCard": "models.card",
    "ModelOptions": "options",
    "Role": "types",
    "Span": "types",
    "VectorOptions": "options",
    "Workspace": "workspace",
    "load": "faces.python",
    "open": "faces.python",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'bindery' has no attribute {name!r}")
    return getattr(import_module(f"bindery.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
