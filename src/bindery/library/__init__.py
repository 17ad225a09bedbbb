"""The library: models, files, chunks and vectors under one home folder."""

from bindery.library.library import DEFAULT_MODEL, DEFAULT_STRATEGY, Library, LibraryFigures
from bindery.library.loading import ModelState, ModelStatus

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_STRATEGY",
    "Library",
    "LibraryFigures",
    "ModelState",
    "ModelStatus",
]
