"""Late-interaction models: one vector per token."""

import threading
import weakref
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bindery.embeddings import Embeddings, Rows
from bindery.encoders.base import Encoded, TokenVectors
from bindery.encoders.batching import Batcher, padded, padded_length
from bindery.encoders.checks import check_dimensions, check_texts, check_titles, prompt_of
from bindery.encoders.head import Head
from bindery.encoders.marking import Marking
from bindery.encoders.token_pooling import check_factor, pool_tokens
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Engine
from bindery.errors import EngineError, UnsupportedModel
from bindery.models.card import ModelCard
from bindery.models.layout import Layout
from bindery.types import DOCUMENT, Role

# A text up to this long is answered soonest by all cores at once; queries are mostly of 32 tokens.
_QUICK_TOKENS = 64


class LateEncoder:
    """An Encoder over any engine and any layout of late interaction.

    ``pooling_factor`` clusters the tokens of documents (:func:`pool_tokens`): 1 is off, None what
    the model says. ``reads_special_tokens`` is as :class:`Marking` has it.
    """

    def __init__(
        self,
        layout: Layout,
        engine: Engine,
        *,
        pooling_factor: float | None = None,
        reads_special_tokens: bool = False,
    ) -> None:
        late = layout.late
        if late is None:
            raise UnsupportedModel(f"{layout.card.id} is no late-interaction model.")
        self._card = layout.card
        self._engine = engine
        self._marking = Marking(layout, late, reads_special_tokens=reads_special_tokens)
        self._pooling_factor = late.pooling_factor if pooling_factor is None else pooling_factor
        self._protected_tokens = late.protected_tokens
        check_factor(self._pooling_factor, self._protected_tokens)
        run = _Projected(engine, Head(layout.steps), attends=late.attends_to_expansion)
        self._run_quickly = run.quickly
        self._quick = threading.Lock()
        self._batcher = Batcher(run, workers=engine.streams, batch_tokens=engine.batch_tokens)
        # The workers hold no reference to the encoder, so dropping the last one stops them.
        self._finaliser = weakref.finalize(self, _close, self._batcher, engine)

    @property
    def card(self) -> ModelCard:
        """See Encoder."""
        return self._card

    @property
    def precision(self) -> str:
        """See Encoder."""
        return self._engine.precision.value

    @property
    def splits_at_blanks(self) -> bool:
        """See Encoder."""
        return self._marking.of(DOCUMENT).splits_at_blanks

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
    ) -> Embeddings:
        """See Encoder: one row for each token that the role keeps."""
        return self.encode_counted(
            texts, role, dimensions, titles=titles, any_dimensions=any_dimensions
        ).embeddings

    def encode_counted(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
    ) -> Encoded:
        """See Encoder. What queries are filled up with does not count as used."""
        check_dimensions(self._card, dimensions, any_dimensions=any_dimensions)
        found = self.encode_tokens(texts, role, titles=titles)
        embeddings = found.tokens
        if dimensions is not None and dimensions != self._card.dimensions:
            embeddings = embeddings.cut(dimensions)
        return Encoded(embeddings, tokens_used=found.tokens_used, tokens_cut=found.tokens_cut)

    def encode_tokens(
        self, texts: Sequence[str], role: Role, *, titles: Sequence[str | None] | None = None
    ) -> TokenVectors:
        """See Encoder: the rows that :meth:`encode` gives, of full width."""
        tokens = self.tokenise(texts, role)
        check_titles(self._card, role, texts, titles)
        kept = [
            rows[self.kept(text, role)]
            for rows, text in zip(self._vectors(tokens), tokens, strict=True)
        ]
        embeddings = Embeddings.ragged(kept, self._card.dimensions)
        if role == DOCUMENT and self._pooling_factor > 1:
            embeddings = pool_tokens(embeddings, self._pooling_factor, self._protected_tokens)
        return TokenVectors(
            tokens=embeddings,
            pooled=None,
            tokens_used=np.array([len(text) - text.expansion for text in tokens], dtype=np.int64),
            tokens_cut=np.array([text.cut for text in tokens], dtype=np.int64),
        )

    def tokenise(self, texts: Sequence[str], role: Role) -> list[Tokens]:
        """The texts as the model sees them: special tokens, marker and filling included."""
        check_texts(texts)
        return self._marking.tokenise(texts, role)

    def kept(self, tokens: Tokens, role: Role) -> npt.NDArray[np.bool_]:
        """Which of a text's tokens have a row in the answer, before any pooling: (s,)."""
        return self._marking.kept(tokens, role)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See Encoder."""
        check_texts(texts)
        return self._marking.of(DOCUMENT).count_tokens(texts)

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """See Encoder."""
        check_texts(texts)
        return self._marking.of(DOCUMENT).token_offsets(texts)

    def room(self, role: Role) -> int:
        """See Encoder; the marker takes a token too."""
        return self._marking.of(role).room(prompt_of(self._card, role))

    def close(self) -> None:
        """See Encoder."""
        self._finaliser()

    def _vectors(self, tokens: Sequence[Tokens]) -> list[Rows]:
        short = len(tokens) == 1 and len(tokens[0]) <= _QUICK_TOKENS
        if short and self._quick.acquire(blocking=False):
            # A second query at the same moment is batched with others instead.
            try:
                vectors = [self._run_quickly(tokens[0])]
            finally:
                self._quick.release()
        else:
            vectors = self._batcher.run(tokens)
        for place, rows in enumerate(vectors):
            if not np.isfinite(rows).all():
                raise EngineError(
                    f"The vectors of text {place} hold values that are not finite.",
                    remedy="Try precision f32; if that fails too, the checkpoint is broken.",
                )
        return vectors


class _Projected:
    """Tokens to one vector each: the engine, then the steps after it."""

    def __init__(self, engine: Engine, head: Head, *, attends: bool) -> None:
        self._engine = engine
        self._head = head
        self._attends = attends

    def __call__(self, texts: list[Tokens], length: int) -> list[Rows]:
        ids, mask = padded(texts, length, attends_to_expansion=self._attends)
        return self._project(texts, self._engine.hidden_states(ids, mask))

    def quickly(self, text: Tokens) -> Rows:
        length = padded_length(len(text))
        ids, mask = padded([text], length, attends_to_expansion=self._attends)
        return self._project([text], self._engine.hidden_states_quickly(ids, mask))[0]

    def _project(self, texts: list[Tokens], hidden: npt.NDArray[np.float32]) -> list[Rows]:
        states = [row[: len(text)] for row, text in zip(hidden, texts, strict=True)]
        # What is not finite is refused when all vectors of the caller are there, by its place.
        with np.errstate(over="ignore", invalid="ignore"):
            rows = self._head(np.concatenate(states))
        return np.split(rows, np.cumsum([len(text) for text in texts[:-1]]))


def _close(batcher: Batcher[Rows], engine: Engine) -> None:
    batcher.close()
    engine.close()
