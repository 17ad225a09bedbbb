"""The library: models, files, chunks and vectors under one home folder."""

from bindery.library.library import DEFAULT_MODEL, Library
from bindery.library.loaded import LibraryFigures
from bindery.library.loading import ModelState, ModelStatus

__all__ = [
    "DEFAULT_MODEL",
    "Library",
    "LibraryFigures",
    "ModelState",
    "ModelStatus",
]
