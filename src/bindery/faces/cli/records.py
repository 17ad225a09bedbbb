"""What ``bindery embed`` writes: one record per text, and what the vectors were made by."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bindery.encoders import Encoded
from bindery.faces.cli.inputs import Piece
from bindery.vectors import CodedEmbeddings, Form, code


@dataclass(frozen=True, slots=True)
class About:
    """What made the vectors. ``size`` is in tokens; without ``strategy`` each line is a text.

    ``form`` is what their numbers are written as. Only vectors of one ``rotation_digest`` can be
    compared: the name may be another rotation's later. ``has_many_vectors`` tells a model that
    gives a text one vector for each token.
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
    form: Form = Form.FLOAT32
    rotation: str | None = None
    rotation_digest: str | None = None
    title: str | None = None
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

    def coded(self, form: Form) -> CodedEmbeddings:
        """The vectors as they are written."""
        return code(self.encoded.embeddings, form)


def records(batch: Batch, about: About) -> Iterator[dict[str, Any]]:
    """One record per text, for JSON.

    ``page`` is there only where the document has pages, ``rotation`` only for vectors that were
    turned, ``scales`` only with int8: a number, or one for each vector where a text has several.
    Counts of tokens are None where a remote model's vendor does not tell them.
    """
    coded = batch.coded(about.form)
    for place, piece in enumerate(batch.pieces):
        start, end = coded.offsets[place], coded.offsets[place + 1]
        own = slice(start, end) if about.has_many_vectors else start
        scales = {} if coded.scales is None else {"scales": coded.scales[own]}
        yield {
            "file": piece.file,
            "index": piece.index,
            "start": piece.start,
            "end": piece.end,
            **({} if piece.page is None else {"page": piece.page}),
            "text": piece.text,
            "tokens": _known(piece.tokens),
            "tokens_cut": _known(int(batch.encoded.tokens_cut[place])),
            "model": about.model,
            "revision": about.revision,
            "precision": about.precision,
            "form": about.form,
            **({} if about.rotation is None else {"rotation": about.rotation}),
            **scales,
            "embedding": coded.values[own],
        }


def _known(count: int) -> int | None:
    return count if count >= 0 else None
