"""What ``bindery embed`` writes: one record per text, and what the vectors were made by."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bindery.encoders import Encoded
from bindery.faces.cli.inputs import Piece


@dataclass(frozen=True, slots=True)
class About:
    """What made the vectors. ``size`` is in tokens; without ``strategy`` each line is a text.

    ``has_many_vectors`` tells a model that gives a text one vector for each token.
    """

    model: str
    repository: str
    revision: str
    precision: str
    dimensions: int
    role: str
    strategy: str | None
    size: int | None
    overlap: int | None
    bindery: str
    has_many_vectors: bool = False

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        facts = asdict(self)
        del facts["has_many_vectors"]
        return facts


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some texts and their vectors, in the same order."""

    pieces: Sequence[Piece]
    encoded: Encoded

    def __len__(self) -> int:
        return len(self.pieces)


def records(batch: Batch, about: About) -> Iterator[dict[str, Any]]:
    """One record per text, for JSON; ``page`` is there only where the document has pages."""
    for place, piece in enumerate(batch.pieces):
        rows = batch.encoded.embeddings[place]
        yield {
            "file": piece.file,
            "index": piece.index,
            "start": piece.start,
            "end": piece.end,
            **({} if piece.page is None else {"page": piece.page}),
            "text": piece.text,
            "tokens": piece.tokens,
            "tokens_cut": int(batch.encoded.tokens_cut[place]),
            "model": about.model,
            "revision": about.revision,
            "precision": about.precision,
            "embedding": rows if about.has_many_vectors else rows[0],
        }
