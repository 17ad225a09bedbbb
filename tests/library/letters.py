"""A model that makes vectors of a text's digest, so that answers can be compared exactly."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from bindery.encoders.base import UNKNOWN, Encoded
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest
from bindery.errors import TextFailed, TextTooLong
from bindery.models.card import Family, ModelCard, Pooling
from bindery.types import Truncate
from bindery.vectors.embeddings import Embeddings

WIDTH = 8
WINDOW = 12
KINDS = ("dense", "late", "remote")


def card(model_id: str = "letters", revision: str = "") -> ModelCard:
    return ModelCard(
        id=model_id,
        family=Family.DENSE,
        dimensions=WIDTH,
        max_tokens=WINDOW,
        pooling=(Pooling.MEAN,),
        normalised=False,
        nested_dimensions=(4, 2),
        prompts={"query": "", "document": ""},
        title_prompt="{title}: ",
        revision=revision,
    )


@dataclass
class Letters:
    """``kind`` is "dense", "late" (a row a letter, so perhaps none) or "remote" (counts nothing).

    ``bad`` are texts that it fails on; ``ran`` counts what it was given.
    """

    kind: str = "dense"
    card: ModelCard = field(default_factory=card)
    precision: str = "f32"
    bad: set[str] = field(default_factory=set)
    ran: Counter = field(default_factory=Counter)

    @property
    def is_remote(self) -> bool:
        return self.kind == "remote"

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        (cancellation or Cancellation()).check()
        texts = request.texts
        too_long = [place for place, text in enumerate(texts) if len(text) > WINDOW]
        if too_long and request.options.truncate is Truncate.ERROR:
            raise TextTooLong(f"Text {too_long[0]} is too long.", param="texts")
        titles = request.titles or [None] * len(texts)
        self.ran.update(texts)
        failed = tuple(place for place, text in enumerate(texts) if text in self.bad)
        rows = [self._rows(text, title, request) for text, title in zip(texts, titles, strict=True)]
        return Pending.done(rows).then(lambda rows: self._encoded(rows, request, failed))

    def _encoded(self, rows: list, request: EncodeRequest, failed: tuple) -> Encoded:
        if failed:
            raise TextFailed(f"The model fails on text {failed[0]}.", indices=failed)
        counts = np.array([len(text) for text in request.texts], dtype=np.int64)
        used, cut = np.minimum(counts, WINDOW), np.maximum(counts - WINDOW, 0)
        if self.kind == "remote":
            embeddings = Embeddings.ragged(
                [row[:, : request.options.dimensions] for row in rows],
                request.options.dimensions or WIDTH,
            )
            return Encoded(embeddings, used * 0 + UNKNOWN, cut * 0, int(counts.sum()))
        embeddings = Embeddings.ragged(rows, WIDTH)
        if request.options.dimensions not in {None, WIDTH}:
            embeddings = embeddings.cut(request.options.dimensions)
        return Encoded(embeddings, used, cut)

    def _rows(self, text: str, title: str | None, request: EncodeRequest) -> np.ndarray:
        seen = text[-WINDOW:] if request.options.truncate is Truncate.START else text[:WINDOW]
        about = (
            self.card.id,
            self.card.revision,
            self.precision,
            request.options.role,
            title,
            seen,
        )
        seed = int.from_bytes(hashlib.sha256(repr(about).encode()).digest()[:8], "big")
        rows = np.random.default_rng(seed).normal(size=(len(seen), WIDTH)).astype(np.float32)
        if self.kind != "late":
            rows = np.random.default_rng(seed).normal(size=(1, WIDTH)).astype(np.float32)
        return rows
