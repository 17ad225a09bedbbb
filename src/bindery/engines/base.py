"""The interface of engines."""

from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.errors import EngineError

TokenIds: TypeAlias = npt.NDArray[np.int32]
HiddenStates: TypeAlias = npt.NDArray[np.float32]


class Precision(StrEnum):
    """The number type that an engine computes with; its output is always float32.

    ``AUTO`` is bfloat16 if the CPU has instructions for it, otherwise float32. ``INT8`` is 8-bit
    products (see :mod:`bindery.engines.quantisation`), and ``AUTO`` for the rest.
    """

    AUTO = "auto"
    FLOAT32 = "f32"
    BFLOAT16 = "bf16"
    INT8 = "int8"


class Engine(Protocol):
    """A loaded model body. Safe to call from several threads.

    ``precision`` is what it computes with, never ``AUTO``. ``streams`` is how many concurrent calls
    run at full speed, such as one per core, and ``batch_tokens`` how many tokens, including
    padding, a batch should have for full speed.
    """

    precision: Precision
    streams: int
    batch_tokens: int

    def hidden_states(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """The last hidden states of a batch, tuned for many concurrent batches.

        ids, mask: (b, s), mask 1 at tokens and 0 at padding. Padding is on the right; causal bodies
        also accept it on the left. Returns (b, s, d). No token attends to padding. The states at
        padding are finite; in fully bidirectional bodies they are the states of the id there.

        Raises EngineError if the runtime fails, for ids beyond the vocabulary, and for more tokens
        than the position table has rows. Padding beyond the table must have id 0.
        """
        ...

    def hidden_states_quickly(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """The same, tuned for the latency of one short batch, which uses all cores."""
        ...

    def close(self) -> None:
        """Free the memory. Later calls raise EngineError."""
        ...


def check_vocabulary(ids: TokenIds, vocabulary: int) -> None:
    """Raise EngineError for ids beyond a table of ``vocabulary`` rows, which runtimes do not."""
    largest = int(ids.max(initial=0))
    if largest >= vocabulary:
        raise EngineError(
            f"Token id {largest} is outside the model's vocabulary of {vocabulary}.",
            remedy="Its tokenizer.json belongs to a different model.",
        )
