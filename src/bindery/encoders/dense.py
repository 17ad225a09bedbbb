"""Dense models: one vector per text, and one per token where late interaction asks for them."""

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from bindery.embeddings import Embeddings
from bindery.encoders.base import Encoded, TokenVectors
from bindery.encoders.batching import Batcher, padded
from bindery.encoders.checks import check_dimensions, check_texts, prompt_of, prompts_of
from bindery.encoders.head import Head, layer_normalised, normalised
from bindery.encoders.pooling import pool
from bindery.encoders.tokeniser import Tokeniser, Tokens
from bindery.engines import Engine
from bindery.errors import EngineError
from bindery.models.card import BeforeCut, ModelCard
from bindery.models.layout import Dense, Layout
from bindery.types import Role

Rows: TypeAlias = npt.NDArray[np.float32]
Ids: TypeAlias = npt.NDArray[np.int32]
Result = TypeVar("Result")
Finish: TypeAlias = Callable[[Rows, Ids, list[Tokens]], Sequence[Result]]
"""Hidden states (b, s, h), mask (b, s) and texts of a batch in; one result for each text out."""

# A text up to this long is answered soonest by all cores at once; a longer one, or several, fill
# the cores by themselves.
#
# A length other than the last one's costs OpenVINO half a millisecond of 3, and every 4 tokens of
# padding as much: these few lengths were the quickest over SciFact's queries of ten words.
_QUICK_LENGTHS = (12, 20, 28, 40, 64)


class DenseEncoder:
    """An Encoder over any engine and any folder in sentence-transformers layout.

    Raises ModelBroken for a tokeniser, or a module after the body, that is not what it should be.
    """

    def __init__(self, layout: Layout, engine: Engine) -> None:
        self._card = layout.card
        self._precision = engine.precision.value
        self._tokeniser = Tokeniser.of(layout)
        self._hidden_width = _hidden_width(layout)
        finish = _Finish(layout)
        self._vectors = _Lane(engine, finish.vectors)
        self._token_vectors = _Lane(engine, finish.token_vectors)
        # Nothing that runs holds a reference to the encoder, so dropping the last one ends it all.
        self._finaliser = weakref.finalize(
            self, _close, self._vectors.close, self._token_vectors.close, engine.close
        )

    @property
    def card(self) -> ModelCard:
        """See Encoder."""
        return self._card

    @property
    def precision(self) -> str:
        """See Encoder."""
        return self._precision

    @property
    def splits_at_blanks(self) -> bool:
        """See Encoder."""
        return self._tokeniser.splits_at_blanks

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        dimensions: int | None = None,
        *,
        titles: Sequence[str | None] | None = None,
        any_dimensions: bool = False,
    ) -> Embeddings:
        """See Encoder."""
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
        """See Encoder. The full length is no cut: it gives what None gives."""
        check_dimensions(self._card, dimensions, any_dimensions=any_dimensions)
        tokens = self.tokenise(texts, role, titles=titles)
        embeddings = self._dense(self._vectors.run(tokens))
        if dimensions is not None and dimensions != self._card.dimensions:
            embeddings = self._cut(embeddings, dimensions)
        return Encoded(embeddings, *_counts(tokens))

    def encode_tokens(
        self, texts: Sequence[str], role: Role, *, titles: Sequence[str | None] | None = None
    ) -> TokenVectors:
        """See Encoder. The tokens are the body's last hidden states, before pooling and head."""
        tokens = self.tokenise(texts, role, titles=titles)
        found = self._token_vectors.run(tokens)
        for text, (rows, _) in enumerate(found):
            _check_finite(rows, text)
        return TokenVectors(
            Embeddings.ragged([rows for rows, _ in found], self._hidden_width),
            self._dense([vector for _, vector in found]),
            *_counts(tokens),
        )

    def tokenise(
        self, texts: Sequence[str], role: Role, *, titles: Sequence[str | None] | None = None
    ) -> list[Tokens]:
        """The texts as the model sees them, prompt and special tokens included."""
        check_texts(texts)
        return self._tokeniser.tokenise(texts, prompts_of(self._card, role, texts, titles))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See Encoder."""
        check_texts(texts)
        return self._tokeniser.count_tokens(texts)

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """See Encoder."""
        check_texts(texts)
        return self._tokeniser.token_offsets(texts)

    def room(self, role: Role) -> int:
        """See Encoder."""
        return self._tokeniser.room(prompt_of(self._card, role))

    def close(self) -> None:
        """See Encoder."""
        self._finaliser()

    def _dense(self, vectors: Sequence[Rows]) -> Embeddings:
        matrix = np.zeros((len(vectors), self._card.dimensions), dtype=np.float32)
        for text, vector in enumerate(vectors):
            matrix[text] = vector
        finite = np.isfinite(matrix).all(axis=1)
        if not finite.all():
            _check_finite(matrix, int(finite.argmin()))
        return Embeddings.dense(matrix)

    def _cut(self, embeddings: Embeddings, dimensions: int) -> Embeddings:
        if self._card.before_cut is BeforeCut.LAYER_NORM:
            embeddings = Embeddings.dense(layer_normalised(embeddings.rows))
        return embeddings.cut(dimensions)


class _Finish:
    """What becomes of the body's hidden states: pooling and the head, or the tokens as well."""

    def __init__(self, layout: Layout) -> None:
        self._kinds = layout.card.pooling
        self._pools_prompt = layout.pools_prompt
        self._head = Head(layout.steps)

    def vectors(self, hidden: Rows, mask: Ids, texts: list[Tokens]) -> list[Rows]:
        """One vector (d,) for each text."""
        if not self._pools_prompt:
            mask = mask.copy()
            for row, text in enumerate(texts):
                mask[row, : text.prompt] = 0
        # What is not finite is refused when all vectors of the caller are there, by its place.
        with np.errstate(over="ignore", invalid="ignore"):
            return list(self._head(pool(self._kinds, hidden, mask)))

    def token_vectors(
        self, hidden: Rows, mask: Ids, texts: list[Tokens]
    ) -> list[tuple[Rows, Rows]]:
        """The text's own tokens (t, h), each of length 1, and its vector (d,), for each text."""
        with np.errstate(over="ignore", invalid="ignore"):
            rows = [normalised(hidden[row, slice(*text.text)]) for row, text in enumerate(texts)]
        return list(zip(rows, self.vectors(hidden, mask, texts), strict=True))


class _Lane(Generic[Result]):
    """One kind of result: a short text by itself at once, all others through a queue."""

    def __init__(self, engine: Engine, finish: Finish[Result]) -> None:
        self._engine = engine
        self._finish = finish
        self._quick = threading.Lock()
        self._batcher = Batcher(
            self._batch, workers=engine.streams, batch_tokens=engine.batch_tokens
        )

    def run(self, texts: list[Tokens]) -> list[Result]:
        """A result for each text, in order."""
        short = len(texts) == 1 and len(texts[0]) <= _QUICK_LENGTHS[-1]
        if not short or not self._quick.acquire(blocking=False):
            # A second query at the same moment is batched with others instead.
            return self._batcher.run(texts)
        try:
            length = next(length for length in _QUICK_LENGTHS if length >= len(texts[0]))
            ids, mask = padded(texts, length)
            hidden = self._engine.hidden_states_quickly(ids, mask)
            return list(self._finish(hidden, mask, texts))
        finally:
            self._quick.release()

    def close(self) -> None:
        """See Batcher."""
        self._batcher.close()

    def _batch(self, texts: list[Tokens], length: int) -> Sequence[Result]:
        ids, mask = padded(texts, length)
        return self._finish(self._engine.hidden_states(ids, mask), mask, texts)


def _counts(tokens: Sequence[Tokens]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    used = np.array([len(text) for text in tokens], dtype=np.int64)
    return used, np.array([text.cut for text in tokens], dtype=np.int64)


def _hidden_width(layout: Layout) -> int:
    """How many values the body gives for a token."""
    pooled = next(
        (step.inputs for step in layout.steps if isinstance(step, Dense)), layout.card.dimensions
    )
    return pooled // len(layout.card.pooling)


def _check_finite(rows: Rows, text: int) -> None:
    if not np.isfinite(rows).all():
        raise EngineError(
            f"The vector of text {text} holds values that are not finite.",
            remedy="Try precision f32; if that fails too, the checkpoint is broken.",
        )


def _close(*parts: Callable[[], None]) -> None:
    for part in parts:
        part()
