"""What an engine promises."""

from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

TokenIds: TypeAlias = npt.NDArray[np.int32]
HiddenStates: TypeAlias = npt.NDArray[np.float32]


class Precision(StrEnum):
    """What an engine computes in; vectors leave it as float32 whatever it is.

    ``AUTO`` is bfloat16 where the processor has instructions for it, else float32. ``INT8`` is
    8-bit products, as :mod:`bindery.engines.quantisation` has them, and ``AUTO`` for the rest.
    """

    AUTO = "auto"
    FLOAT32 = "f32"
    BFLOAT16 = "bf16"
    INT8 = "int8"


class Engine(Protocol):
    """A model's body, loaded. Safe to call from several threads."""

    @property
    def precision(self) -> Precision:
        """What it computes in: never ``AUTO``."""
        ...

    @property
    def streams(self) -> int:
        """How many calls run side by side at full speed, such as one per core."""
        ...

    @property
    def batch_tokens(self) -> int:
        """How many tokens, padding included, a batch holds at full speed."""
        ...

    def hidden_states(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """The last hidden states of a batch, tuned for many batches at once, one per stream.

        ids, mask: (b, s), mask 1 at tokens and 0 at padding, which is on the right; bodies that
        look back only take it on the left too. Returns (b, s, d). Nobody looks at padding; what
        stands there is finite and, in bodies that look both ways everywhere, what the id there
        sees. Raises EngineError when the runtime fails, for ids beyond the vocabulary, and for more
        tokens than a table of positions has rows; padding beyond it must have the id 0.
        """
        ...

    def hidden_states_quickly(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """The same, tuned to answer one short batch soonest, with every core on it."""
        ...

    def close(self) -> None:
        """Give the memory back. Calls after it raise EngineError."""
        ...
