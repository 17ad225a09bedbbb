"""Vectors cached on disk between runs."""
# pyright: basic

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bindery.encoders.request import chunks_request
from bindery.library import Library
from bindery.options import VectorOptions
from bindery.types import Document, Role
from corpus import Vectors

Key = tuple[str, str]


class KeptVectors:
    """The vectors of one model in one precision, by role and text, in one file."""

    def __init__(self, library: Library, model: str, folder: Path) -> None:
        self._library, self._model = library, model
        card = library.encoder(model).card
        self._path = folder / f"{model}-{card.revision[:12]}-{library.encoder(model).precision}.npz"
        self._rows: dict[str, np.ndarray] = {}
        if self._path.exists():
            with np.load(self._path) as file:
                self._rows = dict(zip(file["keys"].tolist(), file["rows"], strict=True))

    def of(self, texts: Sequence[str], role: Role) -> Vectors:
        """One row per text, in order."""
        keys = [hashlib.sha256(f"{role}\0{text}".encode()).hexdigest() for text in texts]
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._rows}
        if missing:
            _, encoded = self._library.embed(self._model, [*missing.values()], VectorOptions(role))
            self._rows |= dict(zip(missing, encoded.embeddings.rows, strict=True))
            self._path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self._path, keys=[*self._rows], rows=[*self._rows.values()])
        return np.stack([self._rows[key] for key in keys])

    def of_sentences(self, texts: Sequence[str]) -> Vectors:
        """The embed function that ``semantic`` needs."""
        return self.of(texts, Role("document"))

    def late(self, document: Document, chunks: Sequence) -> Vectors:
        """Vectors of chunks by late chunking; not cached, because they depend on the document."""
        request = chunks_request(chunks, VectorOptions(), late_in=document)
        _, encoded = self._library.submit(self._model, request).result()
        return encoded.embeddings.rows
