"""Dense models: one vector per text."""

import threading
import weakref
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bindery.embeddings import Embeddings
from bindery.encoders.base import Encoded
from bindery.encoders.batching import Batcher
from bindery.encoders.pooling import pool
from bindery.encoders.tokeniser import Tokeniser, Tokens
from bindery.engines import Engine
from bindery.errors import EngineError, InvalidValue
from bindery.models.card import ModelCard
from bindery.models.layout import Layout
from bindery.types import Role

# A text up to this long is answered soonest by all cores at once; a longer one, or several, fill
# the cores by themselves.
#
# A length other than the last one's costs OpenVINO half a millisecond of 3, and every 4 tokens of
# padding as much: these few lengths were the quickest over SciFact's queries of ten words.
_QUICK_LENGTHS = (12, 20, 28, 40, 64)


class DenseEncoder:
    """An Encoder over any engine and any folder in sentence-transformers layout."""

    def __init__(self, layout: Layout, engine: Engine) -> None:
        self._card = layout.card
        self._engine = engine
        self._tokeniser = Tokeniser.of(layout)
        self._quick = threading.Lock()
        run = _Pooled(engine, layout)
        self._run_quickly = run.quickly
        self._batcher = Batcher(run, workers=engine.streams)
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
        return self._tokeniser.splits_at_blanks

    def encode(self, texts: Sequence[str], role: Role, dimensions: int | None = None) -> Embeddings:
        """See Encoder."""
        return self.encode_counted(texts, role, dimensions).embeddings

    def encode_counted(
        self, texts: Sequence[str], role: Role, dimensions: int | None = None
    ) -> Encoded:
        """See Encoder."""
        self._check_dimensions(dimensions)
        tokens = self.tokenise(texts, role)
        embeddings = Embeddings.dense(self._vectors(tokens))
        if dimensions is not None and dimensions != self._card.dimensions:
            embeddings = embeddings.cut(dimensions)
        return Encoded(
            embeddings,
            tokens_used=np.array([len(text) for text in tokens], dtype=np.int64),
            tokens_cut=np.array([text.cut for text in tokens], dtype=np.int64),
        )

    def tokenise(self, texts: Sequence[str], role: Role) -> list[Tokens]:
        """The texts as the model sees them, prompt and special tokens included."""
        _check_texts(texts)
        return self._tokeniser.tokenise(texts, self._prompt(role))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See Encoder."""
        _check_texts(texts)
        return self._tokeniser.count_tokens(texts)

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """See Encoder."""
        _check_texts(texts)
        return self._tokeniser.token_offsets(texts)

    def room(self, role: Role) -> int:
        """See Encoder."""
        return self._tokeniser.room(self._prompt(role))

    def close(self) -> None:
        """See Encoder."""
        self._finaliser()

    def _vectors(self, tokens: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        short = len(tokens) == 1 and len(tokens[0]) <= _QUICK_LENGTHS[-1]
        if short and self._quick.acquire(blocking=False):
            # A second query at the same moment is batched with others instead.
            try:
                vectors = [self._run_quickly(tokens[0])]
            finally:
                self._quick.release()
        else:
            vectors = self._batcher.run(tokens)

        matrix = np.zeros((len(vectors), self._card.dimensions), dtype=np.float32)
        for place, vector in enumerate(vectors):
            matrix[place] = vector
        finite = np.isfinite(matrix).all(axis=1)
        if not finite.all():
            raise EngineError(
                f"The vector of text {int(finite.argmin())} holds values that are not finite.",
                remedy="Try precision f32; if that fails too, the checkpoint is broken.",
            )
        return matrix

    def _prompt(self, role: Role) -> str:
        if role not in self._card.prompts:
            raise InvalidValue(
                f"{role!r} is no role of {self._card.id}.",
                remedy=f"Choose one of: {', '.join(self._card.prompts)}.",
                param="role",
            )
        return self._card.prompts[role]

    def _check_dimensions(self, dimensions: int | None) -> None:
        allowed = (self._card.dimensions, *self._card.nested_dimensions)
        if dimensions is not None and dimensions not in allowed:
            raise InvalidValue(
                f"{self._card.id} was not trained for vectors of {dimensions} values.",
                remedy=f"Allowed: {', '.join(map(str, allowed))}.",
                param="dimensions",
            )


class _Pooled:
    """Tokens to vectors: the engine, then pooling, then normalisation where the model has one."""

    def __init__(self, engine: Engine, layout: Layout) -> None:
        self._engine = engine
        self._kinds = layout.card.pooling
        self._normalised = layout.card.normalised
        self._pools_prompt = layout.pools_prompt

    def __call__(self, texts: list[Tokens], length: int) -> npt.NDArray[np.float32]:
        ids, mask = _padded(texts, length)
        return self._pool(self._engine.hidden_states(ids, mask), mask, texts)

    def quickly(self, text: Tokens) -> npt.NDArray[np.float32]:
        length = next(length for length in _QUICK_LENGTHS if length >= len(text))
        ids, mask = _padded([text], length)
        return self._pool(self._engine.hidden_states_quickly(ids, mask), mask, [text])[0]

    def _pool(
        self, hidden: npt.NDArray[np.float32], mask: npt.NDArray[np.int32], texts: list[Tokens]
    ) -> npt.NDArray[np.float32]:
        if not self._pools_prompt:
            mask = mask.copy()
            for row, text in enumerate(texts):
                mask[row, : text.prompt] = 0
        # What is not finite is refused when all vectors of the caller are there, by its place.
        with np.errstate(over="ignore", invalid="ignore"):
            vectors = pool(self._kinds, hidden, mask)
            if not self._normalised:
                return vectors
            # The floor is torch.nn.functional.normalize's, which the reference uses.
            return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _padded(
    texts: list[Tokens], length: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    # Padding is masked out of everything, so its id only has to be one that every table has.
    ids = np.zeros((len(texts), length), dtype=np.int32)
    mask = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text.ids
        mask[row, : len(text)] = 1
    return ids, mask


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise InvalidValue("Texts come as a list, not as one string.", remedy="Write [text].")
    for place, text in enumerate(texts):
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"Text {place} is a {type(text).__name__}, not a string.")
        if not _is_unicode(text):
            raise InvalidValue(f"Text {place} holds a lone surrogate, which is no character.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _close(batcher: Batcher, engine: Engine) -> None:
    batcher.close()
    engine.close()
