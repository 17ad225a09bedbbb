"""Calls with their texts, batches of texts, and how a batch runs."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.encoders.tokeniser import Tokens
from bindery.engines import Engine
from bindery.errors import BinderyError, EngineError, TextFailed

Ids: TypeAlias = npt.NDArray[np.int32]

Vectors: TypeAlias = tuple[npt.NDArray[np.float32], ...]
"""The result of one text: a vector, vectors of its tokens, or both."""

Readout: TypeAlias = Callable[[npt.NDArray[np.float32], Ids, list[Tokens]], Sequence[Vectors]]
"""Hidden states (b, s, h), mask (b, s) and texts of a batch in; the vectors of each text out."""

Outcome: TypeAlias = list[Vectors | BaseException] | BaseException
"""For each text of a batch its vectors or its error; or the error of the whole batch."""

# A batch of shorter texts holds no more texts than a batch of texts of this many tokens.
_SHORTEST = 64


class Call:
    """One caller's texts: those still to run, by padded length, and the results by index.

    ``turn`` is what :class:`FairQueue` sorts by. A call is over once it has an error or all its
    results; ``queued`` counts its texts that wait, ``missing`` those that wait or run.
    """

    def __init__(
        self,
        texts: Sequence[Tokens],
        readout: Readout,
        *,
        entered: float = 0.0,
        deadline: float | None = None,
    ) -> None:
        self.readout = readout
        self.entered = entered
        self.deadline = deadline
        self.turn = 0.0
        self.queued = self.missing = len(texts)
        self.waiting: dict[int, deque[Text]] = {}
        self.results: list[Vectors | None] = [None] * len(texts)
        self.bad: dict[int, BaseException] = {}
        self.error: BinderyError | None = None
        self.is_over = False
        self.future: Future[list[Vectors]] = Future()
        self.padded_tokens = 0
        for index, tokens in enumerate(texts):
            length = padded_length(len(tokens))
            self.padded_tokens += length
            self.waiting.setdefault(length, deque()).append(Text(self, index, tokens))

    def failure(self) -> TextFailed:
        """All texts that failed, as one error."""
        index = min(self.bad)
        first = self.bad[index]
        more = f" and on {len(self.bad) - 1} more" if len(self.bad) > 1 else ""
        error = TextFailed(
            f"The engine failed on text {index} alone{more}: {described(first)}",
            remedy=first.remedy if isinstance(first, BinderyError) else "",
            param="texts",
            indices=tuple(sorted(self.bad)),
        )
        error.__cause__ = first
        return error


@dataclass(slots=True, eq=False)
class Text:
    """One text of a call, and how often it has failed when it ran alone."""

    call: Call
    index: int
    tokens: Tokens
    failures: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts that run together, padded to one length, all with the same readout."""

    texts: tuple[Text, ...]
    length: int
    readout: Readout = field(repr=False)

    @property
    def tokens(self) -> int:
        """The tokens of the texts."""
        return sum(len(text.tokens) for text in self.texts)

    @property
    def padded_tokens(self) -> int:
        """The tokens of the texts and the padding."""
        return self.length * len(self.texts)


class BatchRunner:
    """Runs batches on an engine, and checks its results.

    ``width`` is that of the engine's hidden states; ``attends_to_expansion`` is that of
    :func:`padded`.
    """

    def __init__(self, engine: Engine, width: int, *, attends_to_expansion: bool = False) -> None:
        self.streams, self.batch_tokens = engine.streams, engine.batch_tokens
        self.close = engine.close
        self._engine = engine
        self._width = width
        self._attends = attends_to_expansion

    def run(self, batch: Batch, *, quickly: bool = False) -> Outcome:
        """Run a batch; ``quickly`` uses the whole engine for it. Raises nothing."""
        try:
            return self._run(batch, quickly=quickly)
        except BaseException as error:  # noqa: BLE001 - runtimes in Rust or C++ raise anything
            return error

    def _run(self, batch: Batch, *, quickly: bool) -> list[Vectors | BaseException]:
        tokens = [text.tokens for text in batch.texts]
        ids, mask = padded(tokens, batch.length, attends_to_expansion=self._attends)
        engine = self._engine
        hidden = (engine.hidden_states_quickly if quickly else engine.hidden_states)(ids, mask)
        if hidden.shape != (*ids.shape, self._width):
            raise EngineError(
                f"it returned hidden states of shape {hidden.shape}, "
                f"not {(*ids.shape, self._width)}."
            )
        # Values that overflow are found below, where the text is known.
        with np.errstate(over="ignore", invalid="ignore"):
            found = batch.readout(hidden, mask, tokens)
        if len(found) != len(tokens):
            raise EngineError(f"{len(tokens)} texts gave {len(found)} results.")
        return [
            one if all(np.isfinite(values).all() for values in one) else _not_finite()
            for one in found
        ]


def padded_length(tokens: int) -> int:
    """The length that a text is padded to: steps of 8 up to 256, of 64 beyond.

    The first run of each new shape costs milliseconds, so there are only a few lengths. Never 0: a
    model without special tokens makes no tokens of an empty text.
    """
    step = 8 if tokens <= 256 else 64
    return max(1, -(-tokens // step)) * step


def padded(
    texts: Sequence[Tokens], length: int, *, attends_to_expansion: bool = False
) -> tuple[Ids, Ids]:
    """Ids and mask of a batch, (b, length) int32, padded on the right.

    Padding is masked, so its id can be any that every table has. The tokens that fill a query are
    masked too, unless the model was trained otherwise; they still attend to the other tokens, which
    is what gives them a meaning.
    """
    ids = np.zeros((len(texts), length), dtype=np.int32)
    mask = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text.ids
        mask[row, : len(text) if attends_to_expansion else text.used] = 1
    return ids, mask


def batch_size(length: int, waiting: int, batch_tokens: int) -> int:
    """How many of the waiting texts of one length form a batch: a power of two.

    On a CPU small batches of equal length are faster than large ones, because the activations stay
    in its cache. The engine says how many tokens a batch may hold.
    """
    most = max(1, min(waiting, batch_tokens // max(length, _SHORTEST)))
    return 1 << (most.bit_length() - 1)


def described(error: BaseException) -> str:
    """The message of any error."""
    try:
        return error.message if isinstance(error, BinderyError) else f"{error!r}."
    except BaseException:  # noqa: BLE001 - not our class: its repr may raise
        return f"{type(error).__name__}."


def _not_finite() -> EngineError:
    return EngineError(
        "its vector has values that are not finite.",
        remedy="Try precision f32; if that fails too, the checkpoint is broken.",
    )
